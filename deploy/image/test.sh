#!/usr/bin/env bash
# Runs the built images: in a network of their own, which the ports that they fix can't leave.
#   test.sh FOLDER [PYTEST ARGUMENTS]
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source-path=SCRIPTDIR source=storage.sh
. deploy/image/storage.sh "$1"
shift
exec unshare --net bash -euc 'ip link set lo up; exec "$@"' - \
    .venv/bin/pytest tests/image/run_*.py "$@"
