#!/bin/sh
# Fetches what the page takes from npm, in the locked version, and puts it into vendor/.
# Needs npm; run it again after package-lock.json has changed.
set -eu
cd "$(dirname "$0")"

command -v npm > /dev/null || {
	echo "The studio's page needs wavesurfer.js, which npm fetches, once: install Node.js with npm, and run this again." >&2
	exit 1
}

npm ci --ignore-scripts --no-audit --no-fund
from=node_modules/wavesurfer.js
# wavesurfer.js itself imports a dozen modules; this one is whole.
mkdir -p vendor
cp "$from/dist/wavesurfer.esm.js" vendor/wavesurfer.esm.js
cp "$from/LICENSE" vendor/wavesurfer.LICENSE.txt
