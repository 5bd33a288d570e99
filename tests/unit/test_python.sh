#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The tests of the Python module, over the library of this build tree.
#
# With Debian's Python if the user's has no torch; what needs numpy, torch or
# h5py is skipped, with the reason, where they are missing.
set -u
build=$PWD
top=$(cd "${srcdir:-.}" && pwd)
export MLB_LIBRARY=$build/.libs/libmlbatch.so
export MLB_STORE_PROGRAM=$build/mlbatch-store
export MLB_AGENT_PROGRAM=$build/mlbatch-agent
export MLB_INCLUDE=$top/include MLB_TOP=$top
export PYTHONPATH=$top/contrib/python:$top/tests/python
export PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1
unset "${!MLB_DATA_@}" "${!MLB_CHECKPOINT_@}" MLB_CHANNEL

skip() {
    echo "skip python: $*"
    exit 77
}

# The first that can import what is named.
python_with() {
    local python
    for python in python3 /usr/bin/python3; do
        "$python" -c "import $1" 2> /dev/null && { echo "$python"; return; }
    done
    return 1
}

[ -e "$MLB_LIBRARY" ] || skip "no shared library was built"
if ldd "$MLB_LIBRARY" | grep -q 'lib[at]san'; then
    skip "python cannot load a library with sanitizers"
fi
tests='test_abi test_checkpoint test_dataset test_progress'
if python=$(python_with 'numpy, h5py, torch'); then
    tests="$tests test_torch"
elif python=$(python_with 'numpy, h5py'); then
    echo "skip python: test_torch: python3-torch is not installed"
else
    skip "python3-numpy or python3-h5py is not installed"
fi
failed=0
for test in $tests; do
    timeout 300 "$python" -m unittest -q "$test" || failed=1
done
[ "$failed" = 0 ] && echo "python: ok"
exit "$failed"
