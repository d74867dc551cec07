#!/bin/bash
# Makes an EC2 instance (Amazon Linux 2023, Debian 12 or Ubuntu) a worker: installs the container
# runtime, limits the log, writes units and settings, and starts the image. It may be run again, and
# goes on from wherever it failed.
#
#   setup.sh [--log-group NAME] [--no-parameters] [IMAGE]
#
#   IMAGE            what to run; without it, what the parameter /waveflow/image says
#   --log-group      of CloudWatch, for the worker's log besides the journal
#   --no-parameters  settings are in /etc/waveflow/waveflow.env, instead of the parameters below
#                    /waveflow/env
#
# Exit codes: 0 the worker is ready; 2 wrong usage; otherwise the last line says what is missing.
set -euo pipefail
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$here/common.sh"

metadata=${METADATA_URL:-http://169.254.169.254}/latest

usage() {
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$here/setup.sh"
}

fail() {
  complain "$@"
  exit 1
}

look_up() {
  curl --silent --fail --max-time 5 --retry 3 --header "X-aws-ec2-metadata-token: $token" \
    "$metadata/meta-data/$1"
}

# Session-oriented requests only, and a role: the worker has no other credentials.
check_metadata() {
  token=$(curl --silent --fail --max-time 5 --retry 3 --request PUT "$metadata/api/token" \
    --header 'X-aws-ec2-metadata-token-ttl-seconds: 300') ||
    fail "the metadata service gives no token: this has to be an EC2 instance with it enabled"
  instance=$(look_up instance-id)
  region=$(look_up placement/region)
  if curl --silent --fail --max-time 5 --output /dev/null "$metadata/meta-data/instance-id"; then
    fail "the metadata service answers without a token, to anything that can be made to ask:" \
      "aws ec2 modify-instance-metadata-options --instance-id $instance --http-tokens required"
  fi
  local role
  role=$(look_up iam/security-credentials/) ||
    fail "$instance has no role: attach the instance profile with the worker's rights"
  look_up "iam/security-credentials/${role%%$'\n'*}" | grep --quiet '"Success"' ||
    fail "the role $role gives no credentials: look at its trust policy"
  say "$instance in $region has the role $role"
}

has() { command -v "$1" > /dev/null; }

install_packages() {
  if has docker && has jq && has aws && has docker-credential-ecr-login; then
    return
  fi
  say "installs the container runtime"
  if has dnf; then
    dnf install --assumeyes --quiet docker jq awscli-2 amazon-ecr-credential-helper
  elif has apt-get; then
    # What is here already is kept: docker-ce, or an AWS CLI where the system has no package of it.
    local packages=(jq amazon-ecr-credential-helper)
    has docker || packages+=(docker.io)
    has aws || packages+=(awscli)
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install --yes -qq --no-install-recommends \
      "${packages[@]}"
  else
    fail "neither dnf nor apt-get is here: this is made for Amazon Linux 2023, Debian and Ubuntu"
  fi
}

# put FILE TARGET: says whether it was another one before.
put() {
  if cmp --silent "$1" "$2"; then
    return 1
  fi
  install -D --mode=0644 "$1" "$2"
}

install_files() {
  local target=$root/opt/waveflow/deploy/ec2 script
  if ! [ "$here" -ef "$target" ]; then
    for script in "$here"/*.sh; do
      install -D --mode=0755 "$script" "$target/${script##*/}"
    done
  fi
  put "$here/waveflow@.service" "$root/etc/systemd/system/waveflow@.service" || true
  put "$here/waveflow.service" "$root/etc/systemd/system/waveflow.service" || true
  systemctl daemon-reload
  # Before there is anything to start: power may fail at any moment from here.
  systemctl enable waveflow.service
  if put "$here/journald.conf" "$root/etc/systemd/journald.conf.d/waveflow.conf"; then
    systemctl restart systemd-journald.service
  fi
  mkdir -p "$etc"
  chmod 0700 "$etc"
}

# What it found out, beside whatever else somebody has written there.
write_conf() {
  local found="AWS_REGION=$region
INSTANCE_ID=$instance
PARAMETERS=$parameters
LOG_GROUP=$log_group"
  {
    printf '%s\n' "$found"
    grep --invert-match --extended-regexp '^(AWS_REGION|INSTANCE_ID|PARAMETERS|LOG_GROUP)=' \
      "$etc/machine.conf" 2> /dev/null || true
  } | write "$etc/machine.conf"
}

name_image() {
  image=$(AWS_DEFAULT_REGION=$region aws ssm get-parameter --name /waveflow/image \
    --query Parameter.Value --output text) ||
    fail "the parameter /waveflow/image can't be read: name an image, or mend the role"
  case $image in
    '' | none) fail "the parameter /waveflow/image names no image yet" ;;
  esac
}

# A container on a bridge is one hop further away. None should get the role's credentials.
warn_of_hops() {
  if docker run --rm --network bridge --entrypoint python "$image" -c "
import urllib.request
ask = urllib.request.Request('$metadata/api/token', method='PUT')
ask.add_header('X-aws-ec2-metadata-token-ttl-seconds', '60')
urllib.request.urlopen(ask, timeout=3)" > /dev/null 2>&1; then
    complain "any container here can have the role's credentials. The worker needs one hop only:" \
      "aws ec2 modify-instance-metadata-options --instance-id $instance" \
      "--http-put-response-hop-limit 1"
  fi
}

image='' log_group='' parameters=/waveflow/env
while [ $# -gt 0 ]; do
  case $1 in
    --log-group)
      if [ -z "${2-}" ]; then complain "--log-group needs a name" && exit 2; fi
      log_group=$2
      shift
      ;;
    --no-parameters) parameters= ;;
    -h | --help) usage && exit 0 ;;
    -*) complain "no such option: $1" && usage >&2 && exit 2 ;;
    *) image=$1 ;;
  esac
  shift
done

[ "$(id --user)" = 0 ] || fail "has to be run as root"
check_metadata
install_packages
install_files
systemctl enable --now docker.service
write_conf
[ -n "$image" ] || name_image
"$here/deploy.sh" "$image"
warn_of_hops
say "the worker is ready, and starts with the machine"
