#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A reader that was written from mlbatch-store(5) alone, in Python, finds in
# the golden files what was put there; so do h5py and h5dump.
set -u
srcdir=$(cd "${srcdir:-.}" && pwd) || exit 1
files=$srcdir/tests/golden/store/v1

for python in "${PYTHON:-python3}" /usr/bin/python3; do
    "$python" -c 'import numpy' 2> /dev/null && break
    python=
done
if [ -z "$python" ]; then
    echo "skipped: no python3 with numpy"
    exit 77
fi
export PYTHONDONTWRITEBYTECODE=1
timeout 300 "$python" "$srcdir/tests/unit/read_store.py" --golden "$files" ||
    exit 1
if ! command -v h5dump > /dev/null; then
    echo "skipped in part: no h5dump"
    exit 0
fi
dump=$(h5dump -y -d /tensors/all/bf16 "$files/step-000000000007.h5") || exit 1
tr -d ' \n' <<< "$dump" | grep -q 'DATA{0,-1,2,-3,4,-5,6,-7,0,-1' || {
    echo "h5dump reads something else: $dump"
    exit 1
}
for file in "$files"/*.h5 "$files"/dataset/*.h5; do
    h5dump "$file" > /dev/null || { echo "h5dump fails on $file"; exit 1; }
done
echo "store page: ok"
