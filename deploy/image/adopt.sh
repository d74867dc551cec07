#!/usr/bin/env bash
# Takes an image that another engine has built and saved, so that test.sh runs that very one.
#   docker save waveflow:1.2.3 | adopt.sh FOLDER
# It is called localhost/waveflow. Everything is kept below FOLDER, buildah's storage included.
set -euo pipefail
folder=$(mkdir -p "$1" && cd "$1" && pwd)
export STORAGE_DRIVER=vfs CONTAINERS_STORAGE_CONF=$folder/storage.conf
cat >"$folder/storage.conf" <<END
[storage]
driver = "vfs"
graphroot = "$folder/storage"
runroot = "$folder/run"
END

archive=$(mktemp "$folder/archive.XXXXXX")
trap 'rm -f "$archive"' EXIT
cat >"$archive"
# Its own name holds a registry's; the tests know it by this one.
buildah tag "$(buildah pull --quiet "docker-archive:$archive")" localhost/waveflow
