#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Each public header compiles alone, as C and as C++; each internal one as C.
set -u
cd "${srcdir:-.}" || exit 1
failed=0
CC=${CC:-cc}
flags=(-fsyntax-only -Wall -Wextra -Werror -D_GNU_SOURCE -Iinclude -Isrc)
# shellcheck disable=SC2206 # words of flags
flags+=(${JANSSON_CFLAGS-})

# What the headers of MPI warn of is not ours.
# shellcheck disable=SC2206 # words of flags
mpi=(${MPI_CFLAGS-})
mpi=("${mpi[@]/#-I/-isystem}")

for header in include/mlbatch/*.h; do
    if [ "$header" = include/mlbatch/mpi.h ]; then
        if [ ${#mpi[@]} = 0 ]; then
            echo "headers: skipped $header: no MPI here"
            continue
        fi
        $CC "${flags[@]}" "${mpi[@]}" -std=c99 -x c "$header" || failed=1
        if command -v c++ > /dev/null; then
            c++ "${flags[@]}" "${mpi[@]}" -std=c++11 -x c++ "$header" ||
                failed=1
        fi
        continue
    fi
    $CC "${flags[@]}" -std=c99 -x c "$header" || failed=1
    if command -v c++ > /dev/null; then
        c++ "${flags[@]}" -std=c++11 -x c++ "$header" || failed=1
    fi
done
for header in src/*/*.h; do
    if [[ $header == src/mpi/* && ${#mpi[@]} = 0 ]]; then
        echo "headers: skipped $header: no MPI here"
        continue
    fi
    $CC "${flags[@]}" ${mpi[@]+"${mpi[@]}"} -std=gnu11 -x c "$header" ||
        failed=1
done
[ "$failed" = 0 ] && echo "headers: ok"
exit "$failed"
