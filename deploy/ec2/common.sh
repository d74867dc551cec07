# What the scripts beside this one share. Sourced, not run.
#
# Everything that a machine knows about its workers lies below /etc/waveflow:
#   machine.conf  NAME=VALUE lines for these scripts, see `conf`
#   waveflow.env  NAME=VALUE lines for the worker: its settings (README.md, "Settings")
#   a/, b/        image and settings of the two instances, as they were when each was deployed
#   current       which of the two runs, and is started at boot
#   docker/       configuration of docker's client: who logs in to the registry
# shellcheck shell=bash

root=${WAVEFLOW_ROOT:-}
etc=$root/etc/waveflow
# Not the user's: Run Command sets no HOME, and the units may not look into /root.
export DOCKER_CONFIG=$etc/docker
# The registry's password, which is good for twelve hours, is asked for each time and kept nowhere.
export AWS_ECR_DISABLE_CACHE=1
# Without these, one answer of the metadata service that takes over a second means no credentials.
export AWS_METADATA_SERVICE_TIMEOUT=5 AWS_METADATA_SERVICE_NUM_ATTEMPTS=3

say() { printf '%s: %s\n' "${0##*/}" "$*"; }

complain() { say "$@" >&2; }

# conf NAME [DEFAULT]: a value of machine.conf.
conf() {
  local line
  if [ -r "$etc/machine.conf" ]; then
    while IFS= read -r line; do
      if [ "${line%%=*}" = "$1" ]; then
        printf '%s\n' "${line#*=}"
        return
      fi
    done < "$etc/machine.conf"
  fi
  printf '%s\n' "${2-}"
}

port_of() {
  case $1 in
    a) conf PORT_A 9464 ;;
    b) conf PORT_B 9465 ;;
    *) complain "an instance is a or b, not '$1'" && return 2 ;;
  esac
}

other_than() {
  if [ "$1" = a ]; then echo b; else echo a; fi
}

# write FILE: standard input takes the file's place, wholly or not at all, also when power fails.
write() {
  local new
  new=$(mktemp "$1.XXXXXX")
  if ! { cat > "$new" && sync "$new" && mv -f "$new" "$1" && sync "${1%/*}"; }; then
    rm -f "$new"
    return 1
  fi
}
