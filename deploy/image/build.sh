#!/usr/bin/env bash
# Builds the images by buildah, without a Docker engine, on a base made by base.sh.
#   build.sh FOLDER TARGET...
# They are called localhost/TARGET. Everything is kept below FOLDER, buildah's storage included.
# pip's settings and the certificates of this machine are there in the build only.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=storage.sh
. "$here/storage.sh" "$1"
shift

buildah inspect --type image localhost/waveflow-base >/dev/null 2>&1 ||
    "$here/base.sh" "$folder" localhost/waveflow-base

secrets=$(mktemp -d "$folder/secrets.XXXXXX")
trap 'rm -rf "$secrets"' EXIT
options=()
certificates=${PIP_CERT:-${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}}
if [ -r "$certificates" ]; then
    options+=(--secret "id=ca,src=$certificates")
fi
# What says where packages come from; folders of this machine aren't there in the build.
{
    echo '[global]'
    python3 -m pip config list |
        sed -nE "s/^[^.]*\.\.?(index-url|extra-index-url|proxy|trusted-host|timeout|default-timeout)='(.*)'$/\1 = \2/p" |
        sed 's/\\n/\n    /g' | # Several addresses of one setting.
        grep -v file:// || true
    if [ -r "$certificates" ]; then
        echo 'cert = /run/secrets/ca'
    fi
} >"$secrets/pip.conf"

for target in "$@"; do
    buildah bud ${QUIET:+--quiet} --format docker --pull-never --layers=false \
        --build-arg BASE=localhost/waveflow-base ${EXTRAS+--build-arg "EXTRAS=$EXTRAS"} \
        --build-arg "REVISION=${REVISION:-unknown}" \
        --secret "id=pip,src=$secrets/pip.conf" "${options[@]}" \
        --target "$target" --tag "localhost/$target" --file "$here/../../Dockerfile" "$here/../.."
done
# What earlier builds under the same names have left.
buildah rmi --prune >/dev/null
