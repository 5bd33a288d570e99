#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Rooms include only what the table in HACKING.md lets them, and each foreign
# header stays in the one place that knows it.
set -u
cd "${srcdir:-.}" || exit 1

# room: the rooms that it may include beside itself
rooms='base:
counters: base
job: base
plan: job base
scheduler: plan job base
store: base
run: counters base
agent: run counters base
mpi: run base
report: run counters base
cmd: base counters job plan scheduler store run report agent'

# header: the files that may include it, as a pattern
foreign='slurm/: src/scheduler/slurm*|src/report/sacct.c
papi.h: src/counters/papi*.c
hdf5.h: src/store/*
libconfig.h: src/job/*
mpi.h: include/mlbatch/mpi.h|src/mpi/*|contrib/examples/*
liburing.h: src/store/*|src/cmd/store_*
archive.h: src/store/*
ncurses.h: src/cmd/top*
argp.h: src/cmd/*|contrib/examples/*'

# Records are HDF5 files, which the store writes and reads.
allowed_exceptions=$(printf '%s store\n' src/run/record{,_{tables_read,tables_write,series,read,rows}}.c src/run/record_tables.h)

failed=0
complain() {
    echo "layering: $*"
    failed=1
}

for file in src/*/*.c src/*/*.h; do
    room=${file#src/}
    room=${room%%/*}
    line=$(grep "^$room:" <<< "$rooms") || { complain "$file: no room"; continue; }
    for other in $(sed -n 's/^ *# *include *"\([a-z]*\)\/.*/\1/p' "$file" |
                       sort -u); do
        case " $room mlbatch ${line#*:} " in
            *" $other "*) continue ;;
        esac
        grep -qx "$file $other" <<< "$allowed_exceptions" ||
            complain "$file includes $other/, which $room may not"
    done
done

while IFS=: read -r header where; do
    for file in $(grep -lE "include *<$header" -r src include contrib \
                      --include='*.[ch]'); do
        ok=
        IFS='|' read -ra patterns <<< "${where# }"
        for pattern in "${patterns[@]}"; do
            # shellcheck disable=SC2053 # a pattern is meant
            [[ $file == $pattern ]] && ok=1
        done
        [ -n "$ok" ] || complain "$file includes <$header>"
    done
done <<< "$foreign"

# The sources of a program must not reach what it must not link.
[ "$failed" = 0 ] && echo "layering: ok"
exit "$failed"
