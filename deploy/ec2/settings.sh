#!/bin/bash
# Fetches the worker's settings from Parameter Store: /waveflow/env/NAME becomes the line NAME=VALUE
# of /etc/waveflow/waveflow.env. Where machine.conf names no such path, that file is kept by hand.
#
#   settings.sh
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "${BASH_SOURCE[0]%/*}/common.sh"

path=$(conf PARAMETERS)
if [ -z "$path" ]; then
  if [ ! -r "$etc/waveflow.env" ]; then
    complain "$etc/waveflow.env is missing: write the worker's settings into it, NAME=VALUE lines"
    exit 1
  fi
  exit 0
fi

AWS_DEFAULT_REGION=$(conf AWS_REGION)
export AWS_DEFAULT_REGION
found=$(aws ssm get-parameters-by-path --path "$path" --recursive --with-decryption --output json)

# A file of lines can't hold every value. What it can't is an error, rather than another setting.
problems=$(jq --raw-output --arg path "$path/" '
  .Parameters[] | (.Name | ltrimstr($path)) as $name
  | if ($name | test("^[A-Z][A-Z0-9_]*$") | not) then "\(.Name): not the name of a setting"
    elif ($name | test("^AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN|PROFILE)$")) then
      "\(.Name): credentials come from the role of the instance, not from settings"
    elif (.Value | test("[[:cntrl:]]")) then "\(.Name): has a line break or a control character"
    else empty end' <<< "$found")
if [ -n "$problems" ]; then
  while IFS= read -r problem; do complain "$problem"; done <<< "$problems"
  exit 1
fi
lines=$(jq --raw-output --arg path "$path/" \
  '[.Parameters[] | "\(.Name | ltrimstr($path))=\(.Value)"] | sort[]' <<< "$found")
if [ -z "$lines" ]; then
  complain "there are no parameters below $path/: put the worker's settings there, one for each"
  exit 1
fi
write "$etc/waveflow.env" <<< "$lines"
