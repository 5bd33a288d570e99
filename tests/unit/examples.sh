#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The programs in the pages of the library compile as they stand there.
set -u
cd "${srcdir:-.}" || exit 1
failed=0 count=0
CC=${CC:-cc}
read -ra mpi <<< "${MPI_CFLAGS-}"

for page in doc/man/*.3.scd; do
    # A block with a main is a program; scdoc wants \\n for \n.
    program=$(awk '/^```/ { inside = !inside; if (!inside && main) exit
                            text = ""; main = 0; next }
                   inside { text = text $0 "\n"; if (/^int main/) main = 1 }
                   END { if (main) printf "%s", text }' "$page" |
        sed 's/\\\\/\\/g')
    [ -n "$program" ] || continue
    if [[ $program == *'<mlbatch/mpi.h>'* && ${#mpi[@]} = 0 ]]; then
        echo "examples: skipped: $page needs MPI"
        continue
    fi
    count=$((count + 1))
    $CC -fsyntax-only -Wall -Wextra -Werror -std=c99 -Iinclude \
        ${mpi[@]+"${mpi[@]}"} -x c - \
        <<< "$program" || { echo "examples: $page"; failed=1; }
done
[ "$count" -gt 0 ] || { echo "examples: there are none"; failed=1; }
[ "$failed" = 0 ] && echo "examples: ok ($count)"
exit "$failed"
