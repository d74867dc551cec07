#!/bin/bash
# Deploys an image on all instances, one after the other, and makes it what new instances run. If
# one of them doesn't get ready with it, or this is interrupted, all go back to the image from before.
#
#   STACK=waveflow roll-out.sh IMAGE
#
# For GitHub's workflow, or a person with the rights of its role. It reaches instances by Systems
# Manager, which runs deploy.sh on each. Another roll-out that is under way is waited for.
#
# Exit codes: 0 all run the image; 1 they don't; 2 wrong usage.
set -euo pipefail

stack=${STACK:-waveflow}
document=${DOCUMENT:-waveflow-deploy}
parameter=${PARAMETER:-/waveflow/image}
pause_s=${PAUSE_S:-5}
asked_in_vain=20

say() { printf 'roll-out: %s\n' "$*"; }

# In the background: a signal is to be heard at once.
pause() {
  sleep "$pause_s" &
  wait $!
}

name() {
  aws ssm put-parameter --name "$parameter" --type String --overwrite --value "$1" > /dev/null
}

outputs() {
  aws ssm list-command-invocations --command-id "$1" --details --output json | jq --raw-output '
    .CommandInvocations[] | "--- \(.InstanceId): \(.StatusDetails)",
    (.CommandPlugins[]? | .Output // empty)'
}

# Systems Manager goes on with a command whose roll-out was killed. Two at a time would leave some
# instances with one image and some with the other.
wait_for_others() {
  local others said='' unanswered=0
  while true; do
    if others=$(aws ssm list-commands --output json --filters \
      "key=DocumentName,value=$document" key=ExecutionStage,value=Executing |
      jq --raw-output '[.Commands[].CommandId] | join(" ")'); then
      if [ -z "$others" ]; then return 0; fi
      if [ "$others" != "$said" ]; then say "waits for the end of $others"; fi
      said=$others
    elif ((++unanswered >= asked_in_vain)); then
      return 1
    fi
    pause
  done
}

# deploy IMAGE: on one instance after the other; stops at the first that fails. While the command is
# under way `command_id` says which.
deploy() {
  local status details unanswered=0
  command_id=$(aws ssm send-command --document-name "$document" --parameters "Image=$1" \
    --targets "Key=tag:waveflow-stack,Values=$stack" --max-concurrency 1 --max-errors 0 \
    --timeout-seconds 600 --comment "roll-out" --query Command.CommandId --output text) || return
  say "command $command_id"
  while true; do
    status='' details=''
    read -r status details < <(aws ssm list-commands --command-id "$command_id" \
      --query 'Commands[0].[Status,StatusDetails]' --output text)
    case $status in
      Pending | InProgress | Cancelling) pause ;;
      # The command goes on, whether it can be asked after or not.
      '') if ((++unanswered < asked_in_vain)); then pause; else return 1; fi ;;
      *) break ;;
    esac
  done
  # Its status is Success.
  if [ "$details" = NoInstancesInTag ]; then
    say "no instance with the tag waveflow-stack=$stack runs: those to come will have $1"
    command_id=
    return 0
  fi
  outputs "$command_id" || say "its outputs can't be had"
  say "$1: $status ($details)"
  command_id=
  [ "$status" = Success ]
}

if [ $# != 1 ] || [[ $1 == -* ]]; then
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" >&2
  exit 2
fi
image=$1 command_id=

if ! wait_for_others; then
  say "whether another roll-out is under way can't be found out: nothing was changed"
  exit 1
fi
before=$(aws ssm get-parameter --name "$parameter" --query Parameter.Value --output text)
say "from $before to $image"
under_way=yes

back() {
  # GitHub interrupts, terminates and kills within ten seconds. What counts is done by then.
  trap '' HUP INT TERM
  [ -n "$under_way" ] || return 0
  say "back to $before"
  name "$before" || say "$parameter can't be put back: write $before into it"
  if [ -n "$command_id" ]; then
    aws ssm cancel-command --command-id "$command_id" ||
      say "$command_id can't be cancelled, and goes on"
  fi
  case $before in
    '' | none) say "there was none before" ;;
    *) { wait_for_others && deploy "$before"; } || say "not all instances have gone back: see above" ;;
  esac
  exit 1
}
trap back EXIT
trap 'exit 1' HUP INT TERM

# First: an instance that starts meanwhile is to have the new one.
if ! name "$image"; then
  under_way=
  say "$parameter can't be written: nothing was changed"
  exit 1
fi
deploy "$image" || exit 1
under_way=
say "done"
