#!/usr/bin/env bash
# Takes an image that another engine has built and saved, so that test.sh runs that very one.
#   docker save waveflow:1.2.3 | adopt.sh FOLDER
# It is called localhost/waveflow. Everything is kept below FOLDER, buildah's storage included.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=storage.sh
. "${BASH_SOURCE[0]%/*}/storage.sh" "$1"

archive=$(mktemp "$folder/archive.XXXXXX")
trap 'rm -f "$archive"' EXIT
cat >"$archive"
# Its own name holds a registry's; the tests know it by this one.
buildah tag "$(buildah pull --quiet "docker-archive:$archive")" localhost/waveflow
