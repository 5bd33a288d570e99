#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The MPI interposer: waits and bytes that are known, threads, and programs
# that it must not hurt.
set -u
export LC_ALL=C
library=$PWD/.libs/libmlbatch-mpistats.so
program=$PWD/tests/unit/mpi_waits
failed=0

[ -x "$program" ] || { echo "skip mpistats: built without MPI"; exit 77; }
[ -e "$library" ] || { echo "skip mpistats: no shared library"; exit 77; }
command -v mpirun > /dev/null ||
    { echo "skip mpistats: mpirun is not installed"; exit 77; }
if ldd "$library" | grep -q 'lib[at]san'; then
    echo "skip mpistats: a library with sanitizers cannot be preloaded"
    exit 77
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/mpis.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
unset "${!MLB@}" "${!SLURM@}" "${!OMPI_@}" "${!PMIX_@}" LD_PRELOAD
export OMPI_MCA_mpi_yield_when_idle=1 OMPI_ALLOW_RUN_AS_ROOT=1 \
    OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

fail() {
    echo "mpistats: $*"
    failed=1
}

mpi() {
    local ranks=$1
    shift
    timeout 120 mpirun --oversubscribe -np "$ranks" "$@"
}

for ranks in 2 4; do
    mpi $ranks env LD_PRELOAD="$library" "$program" all ||
        fail "$ranks ranks: counted wrongly"
    mpi $ranks env LD_PRELOAD="$library" "$program" threads ||
        fail "$ranks ranks of two threads: counted wrongly"
done
mpi 2 "$program" none || fail "counted without the interposer"

# Programs without MPI say and do the same, and pull in no MPI.
said=$(LD_PRELOAD=$library sh -c 'echo a; exit 3' 2>&1)
[ "$? $said" = '3 a' ] || fail "sh says: $said"
said=$(LD_PRELOAD=$library cat /proc/self/maps)
[[ $said == *libmlbatch-mpistats* ]] || fail "it was not loaded"
[[ $said != *libmpi* ]] || fail "it pulls in MPI"

# What the program calls exists in every program: only of MPI's own names.
nm -D --defined-only "$library" | awk '$3 !~ /^P?MPI_/ { print; bad = 1 }
    END { exit bad }' || fail "it defines names that are not MPI's"
[ "$(nm -D --undefined-only "$library" | grep -c MPI)" = 0 ] ||
    fail "it needs names of MPI"

[ "$failed" = 0 ] && echo "mpistats: ok"
exit "$failed"
