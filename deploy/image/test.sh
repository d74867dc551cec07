#!/usr/bin/env bash
# Runs the built images: in a network of their own, which the ports that they fix can't leave.
#   test.sh FOLDER [PYTEST ARGUMENTS]
set -euo pipefail
cd "$(dirname "$0")/../.."
export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=vfs
CONTAINERS_STORAGE_CONF=$(cd "$1" && pwd)/storage.conf
export CONTAINERS_STORAGE_CONF
shift
exec unshare --net bash -euc 'ip link set lo up; exec "$@"' - \
    .venv/bin/pytest tests/image/run_*.py "$@"
