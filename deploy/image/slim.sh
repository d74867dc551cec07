#!/usr/bin/env bash
# Takes out of a virtual environment what no process of the worker ever opens. Run in the build.
#   slim.sh FOLDER
set -euo pipefail
packages=$(echo "$1"/lib/python3*/site-packages)

# The packages' own tests; nothing that is imported lies there.
rm -rf "$packages"/numba/tests "$packages"/numpy/tests
find "$packages/numpy" -type d -name tests -prune -exec rm -rf {} +
# For type checkers and C compilers.
find "$packages" -type f \( -name '*.pyi' -o -name '*.pxd' -o -name '*.pyx' -o -name '*.h' \
    -o -name '*.c' -o -name '*.cpp' \) -delete

# botocore describes all of Amazon's services. These are the ones that WaveFlow calls, and those
# by which boto3 gets at credentials.
find "$packages/botocore/data" -mindepth 1 -maxdepth 1 -type d \
    ! -name cloudwatch ! -name s3 ! -name signin ! -name sqs ! -name sso ! -name sso-oidc \
    ! -name sts -exec rm -rf {} +

# Names of functions that only a debugger would show.
find "$packages/llvmlite" -name 'libllvmlite.so' -exec strip --strip-unneeded {} +

# Compiled once, here: a process can't write, and needn't look whether the source has changed.
find "$1/lib" -type d -name __pycache__ -prune -exec rm -rf {} +
python3.11 -m compileall -q --invalidation-mode unchecked-hash -j 0 "$1/lib"
