#!/usr/bin/env bash
# Installs a lock file's packages into a virtual environment, each by its hash. Run in the build.
#   packages.sh PIP PYTHON LOCK
# Wheels only, but for FROM_SOURCE: miniaudio's author makes none for Linux on ARM. It is compiled
# there from the source archive that the lock names, by tools that the lock names as well.
set -euo pipefail
pip=$1 python=$2 lock=$3
if [ "$(uname -m)" = x86_64 ]; then
    missing=
else
    missing=miniaudio
fi
source=${FROM_SOURCE-$missing}

install() {
    "$pip" --python "$python" install --quiet --no-compile --require-hashes \
        --only-binary :all: "$@"
}

if [ -z "$source" ]; then
    install --requirement "$lock"
    exit
fi
if ! command -v gcc >/dev/null; then
    apt-get install --yes -qq --no-install-recommends gcc libc6-dev python3.11-dev >/dev/null
fi
tools=$(mktemp)
awk '/^[a-z]/ { wanted = /^(cffi|pycparser|setuptools)==/ } wanted' "$lock" >"$tools"
install --requirement "$tools"
rm "$tools"
install --no-build-isolation --no-binary "$source" --requirement "$lock"
