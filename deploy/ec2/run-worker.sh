#!/bin/bash
# Runs the worker of an instance as a container, in the foreground, for waveflow@.service.
#
#   run-worker.sh a|b
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "${BASH_SOURCE[0]%/*}/common.sh"

instance=${1-}
port=$(port_of "$instance")
if ! image=$(cat "$etc/$instance/image"); then
  complain "no image was deployed as $instance: deploy.sh IMAGE"
  exit 2
fi

# The container's uid is the host's too. Both instances share the folder: whichever runs sweeps
# what the other has left.
work=$root/var/lib/waveflow/work
mkdir -p "$work"
chmod 0700 "$work"
chown "$(conf WORKER_USER 10001:10001)" "$work"

# systemd takes what docker's client prints, so every line is in the journal, whose size is limited.
log=(--log-driver none)
group=$(conf LOG_GROUP)
if [ -n "$group" ]; then
  # Never block: the work would wait for CloudWatch.
  log=(--log-driver awslogs --log-opt mode=non-blocking --log-opt max-buffer-size=8m
    --log-opt "awslogs-region=$(conf AWS_REGION)" --log-opt "awslogs-group=$group"
    --log-opt "awslogs-stream=$(conf INSTANCE_ID)/$instance")
fi

# Whoever reaches the machine reaches a port on all addresses, which is what the image's own setting
# means. Here only a setting of the worker opens it, for what collects metrics.
host=()
if ! grep --quiet --no-messages '^WAVEFLOW_HTTP_HOST=' "$etc/$instance/env"; then
  host=(--env WAVEFLOW_HTTP_HOST=127.0.0.1)
fi

options=(
  --name "waveflow-$instance"
  --rm
  # What runs is what was tried: an image that is gone is an error, not a reason to fetch another.
  --pull never
  # The machine's own network: through a bridge, answers of the metadata service with the role's
  # credentials don't come with a hop limit of 1.
  --network host
  --read-only
  # On the disk, not in memory: a mix keeps its stems and four bytes per frame there.
  --mount "type=bind,source=$work,target=/work"
  --env-file "$etc/$instance/env"
  --env "WAVEFLOW_HTTP_PORT=$port"
  --env WAVEFLOW_WORK_DIR=/work
  --env AWS_METADATA_SERVICE_TIMEOUT
  --env AWS_METADATA_SERVICE_NUM_ATTEMPTS
  --cap-drop ALL
  --security-opt no-new-privileges
  --pids-limit 512
  --ulimit core=0
  --memory "$(conf MEMORY 3500m)"
  --memory-swap "$(conf MEMORY 3500m)"
  # For whoever stops it by hand; systemd waits as long.
  --stop-timeout 150
)
# exec: SIGTERM comes to the main process only, and docker's client passes it on.
exec docker run "${options[@]}" "${host[@]}" "${log[@]}" "$image"
