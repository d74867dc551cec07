#!/bin/bash
# Puts a worker from another image in the place of the one that runs, without a gap: starts the new
# one beside it, waits until it is ready, and only then has the old one drain. If the new one does
# not get ready, it is stopped, and the old one goes on as if nothing had been.
#
#   deploy.sh [--again] [--live] [--wait] IMAGE
#   deploy.sh [--live] [--wait] --roll-back
#
#   IMAGE        with tag or digest. If it runs already, nothing happens
#   --again      replace it even then: for new settings
#   --live       let it suffice that the new one lives: for a deployment while something that
#                workers depend on is away, and the old one isn't ready either
#   --wait       for a deployment that is under way, some minutes, instead of refusing
#   --roll-back  to the image and the settings before the last deployment
#
# Exit codes: 0 the image runs; 1 it doesn't, and what ran before goes on; 2 wrong usage; 3 nothing
# was begun; 4 it was put in place, and isn't ready any more; 75 another deployment is under way.
# Killed in the middle, or without power, it leaves one of the two workers to be started at boot,
# and the next deployment clears up.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "${BASH_SOURCE[0]%/*}/common.sh"

usage() {
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
}

unit() { echo "waveflow@$1.service"; }

# state INSTANCE PROPERTY
state() { systemctl show --property="$2" --value "$(unit "$1")"; }

is_active() { systemctl is-active --quiet "$(unit "$1")"; }

# runs INSTANCE: whether systemd has anything to stop. One that crashes again and again isn't active
# in between, and comes back all the same; so does one that has yet to end.
runs() {
  case $(state "$1" ActiveState) in
    inactive | failed) return 1 ;;
    *) return 0 ;;
  esac
}

# ask INSTANCE: prints what it answers; succeeds when that is yes.
ask() {
  curl --silent --show-error --fail-with-body --max-time 5 \
    "http://127.0.0.1:$(port_of "$1")/$page" 2>&1 | sed '/^curl: (22)/d'  # the body says it better
}

is_ready() { is_active "$1" && ask "$1" > /dev/null; }

# has_crashed INSTANCE: whether it has ended since it was started, whatever systemd does about it.
has_crashed() {
  [ "$(state "$1" NRestarts)" != 0 ] && return
  case $(state "$1" ActiveState)/$(state "$1" SubState) in
    */auto-restart | failed/* | inactive/*) return 0 ;;
    *) return 1 ;;
  esac
}

# image_id IMAGE: prints nothing when the machine doesn't have it.
image_id() {
  { docker image inspect "$1" 2> /dev/null || true; } | jq --raw-output '.[0].Id // empty'
}

image_of() { cat "$etc/$1/image" 2> /dev/null || true; }

# repository_of IMAGE: without tag and digest.
repository_of() {
  local name=${1%%@*}
  if [[ ${name##*/} == *:* ]]; then name=${name%:*}; fi
  echo "$name"
}

# Which of the two runs: sets `current`, which is empty when nothing was ever deployed. Clears up
# after a deployment that didn't come to its end.
find_current() {
  current=$(cat "$etc/current" 2> /dev/null || true)
  case $current in
    '' | a | b) ;;
    *) complain "$etc/current names neither a nor b: '$current'" && exit 3 ;;
  esac
  local next
  next=$(other_than "${current:-b}")
  if [ -n "$current" ] && is_active "$next" && ! is_ready "$current" && is_ready "$next"; then
    say "$current isn't ready, and $next is: $next counts as the one that runs"
    write "$etc/current" <<< "$next"
    current=$next next=$(other_than "$next")
  fi
  if runs "$next"; then
    say "$next runs as well, left by a deployment that was broken off: it is stopped"
    systemctl stop "$(unit "$next")"
  fi
  put_back "$next"
  rm -rf "$etc"/?.kept "$etc"/?.next
}

# Has the other instance's image and settings from before this deployment again.
put_back() {
  if [ -d "$etc/$1.kept" ]; then
    rm -rf "${etc:?}/$1"
    if [ -e "$etc/$1.kept/image" ]; then mv "$etc/$1.kept" "$etc/$1"; else rm -rf "$etc/$1.kept"; fi
  fi
}

# Gets the image, and names it by its digest: what is started again must be what was tried.
pull() {
  use_role_for "${1%%/*}"
  if ! docker pull --quiet "$1" > /dev/null; then
    complain "$1 can't be had, see above. Nothing was changed"
    exit 3
  fi
  image=$(docker image inspect "$1" | jq --raw-output --arg of "$(repository_of "$1")@" \
    '.[0] | ([.RepoDigests[]? | select(startswith($of))] + [.Id])[0]')
}

# The other instance gets image and settings; what it had before is kept until this has worked.
prepare() {
  mkdir -p "$etc/$1.next"
  write "$etc/$1.next/image" <<< "$image"
  write "$etc/$1.next/env" < "$etc/waveflow.env"
  if [ -d "$etc/$1" ]; then mv "$etc/$1" "$etc/$1.kept"; else mkdir "$etc/$1.kept"; fi
  mv "$etc/$1.next" "$etc/$1"
}

# Sets `reason` and fails when it doesn't get ready, and stay so for a while.
wait_until_ready() {
  local within_s settle_s answer='' since='' began=$SECONDS
  within_s=$(conf READY_WITHIN_S 180) settle_s=$(conf SETTLE_S 10)
  while true; do
    if has_crashed "$1"; then
      reason="it ended with exit code $(state "$1" ExecMainStatus)"
      return 1
    fi
    if answer=$(ask "$1"); then
      since=${since:-$SECONDS}
      if ((SECONDS - since >= settle_s)); then return 0; fi
    else
      since=
      if ((SECONDS - began >= within_s)); then
        reason="it isn't ready after $within_s s: ${answer:-it does not answer}"
        return 1
      fi
    fi
    sleep 0.5
  done
}

# Takes the new worker away again. The old one was never touched.
give_up() {
  # Whoever is impatient would leave the new one running.
  trap '' HUP INT TERM
  complain "$image is not put in place: $reason"
  complain "its last lines:"
  journalctl --unit "$(unit "$new")" --since "@$started_s" --lines 20 --no-pager \
    --output cat >&2 || true
  under_way=
  systemctl stop "$(unit "$new")" || true
  put_back "$new"
  if [ -z "$current" ]; then
    complain "no worker runs: nothing was deployed before"
  elif is_ready "$current"; then
    complain "$(image_of "$current") goes on as $current"
  else
    complain "$(image_of "$current") is still the one to run as $current, and isn't ready either"
  fi
  exit 1
}

on_exit() {
  if [ -n "$under_way" ]; then
    reason="the deployment was broken off"
    give_up
  fi
}

stop_old() {
  [ -n "$1" ] || return 0
  runs "$1" || return 0
  say "$1 drains"
  systemctl stop "$(unit "$1")"
  case $(state "$1" ExecMainStatus) in
    0 | 143) say "$1 has ended, in order" ;;
    4) say "$1 has ended; what took too long was given back to the queue" ;;
    *) say "$1 has ended with exit code $(state "$1" ExecMainStatus);" \
      "what it held comes back to the queue within a minute or so" ;;
  esac
}

# The role of the instance logs in to a registry of AWS's.
use_role_for() {
  [[ $1 == *.dkr.ecr.*.amazonaws.com* ]] || return 0
  local before
  before=$(cat "$DOCKER_CONFIG/config.json" 2> /dev/null || echo '{}')
  mkdir -p "$DOCKER_CONFIG"
  jq --arg registry "$1" '.credHelpers[$registry] = "ecr-login"' <<< "$before" |
    write "$DOCKER_CONFIG/config.json"
}

# Images of neither instance go. The one before stays, to be rolled back to; so does the one that is
# to be deployed, if it is here already, as on a machine that has just been set up from it.
prune() {
  local keep id stored
  keep=$(for each in "$image" "$(image_of a)" "$(image_of b)"; do image_id "$each"; done)
  if ! stored=$(docker image ls --quiet --no-trunc "$(repository_of "$image")"); then
    complain "old images can't be listed; they may wait"
    return 0
  fi
  while IFS= read -r id; do
    if [ -n "$id" ] && ! grep --quiet --line-regexp --fixed-strings "$id" <<< "$keep"; then
      docker image rm --force "$id" > /dev/null || say "$id can't be removed; that may wait"
    fi
  done < <(sort -u <<< "$stored")
}

again='' wait_s=0 roll_back='' image='' page=readyz under_way='' reason='' started_s=0
while [ $# -gt 0 ]; do
  case $1 in
    --again) again=yes ;;
    --live) page=livez ;;
    # Longer than another one takes: start, settling, drain.
    --wait) wait_s=400 ;;
    --roll-back) roll_back=yes ;;
    -h | --help) usage && exit 0 ;;
    -*) complain "no such option: $1" && usage >&2 && exit 2 ;;
    *)
      if [ -n "$image" ]; then complain "one image only" && exit 2; fi
      image=$1
      ;;
  esac
  shift
done
if [ -n "$roll_back" ] && [ -n "$image" ] || [ -z "$roll_back$image" ]; then
  complain "name an image, or --roll-back"
  usage >&2
  exit 2
fi

if ! [ -d "$etc" ]; then
  complain "$etc is missing: run setup.sh first"
  exit 3
fi
exec 9> "$etc/lock"
if ! flock --timeout "$wait_s" 9; then
  complain "another deployment is under way on this machine"
  exit 75
fi

find_current
new=$(other_than "${current:-b}")
if [ -n "$roll_back" ]; then
  image=$(image_of "$new")
  if [ -z "$image" ]; then
    complain "there is nothing to roll back to"
    exit 3
  fi
  [ -n "$(image_id "$image")" ] || pull "$image"
else
  prune
  pull "$image"
  if [ -z "$again" ] && [ -n "$current" ] && is_ready "$current" &&
    [ "$(image_id "$image")" = "$(image_id "$(image_of "$current")")" ]; then
    say "$image runs already, as $current"
    exit 0
  fi
  if ! "${BASH_SOURCE[0]%/*}/settings.sh"; then
    complain "without settings nothing was changed"
    exit 3
  fi
fi

under_way=yes
trap on_exit EXIT
trap 'exit 1' HUP INT TERM
[ -n "$roll_back" ] || prepare "$new"
started_s=$(date +%s)
say "$image starts as $new${current:+, while $current goes on}"
if ! systemctl start "$(unit "$new")"; then
  reason="systemd doesn't start it"
  give_up
fi
wait_until_ready "$new" || give_up
write "$etc/current" <<< "$new"
under_way=
say "$new is ready"
rm -rf "$etc/$new.kept"
stop_old "$current"
prune
if ! is_ready "$new"; then
  complain "$new was ready and isn't any more: $(ask "$new" || true)"
  complain "deploy.sh --roll-back puts ${current:-the other one} back"
  exit 4
fi
say "$image runs as $new"
