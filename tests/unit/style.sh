#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The budgets of HACKING.md: lines, columns, function lengths, parameters.
set -u
cd "${srcdir:-.}" || exit 1
failed=0

files=$(find src include contrib tests -name '*.[ch]' | sort)

# shellcheck disable=SC2086 # one word a file
LC_ALL=C awk '
function complain(text) { print "style: " FILENAME ":" text; bad = 1 }
FNR == 1 {
    if (NR > 1 && lines > limit) {
        print "style: " last ": " lines " lines (at most " limit ")"
        bad = 1
    }
    last = FILENAME; limit = 600; start = 0
    if ($0 !~ /SPDX-License-Identifier: BSD-3-Clause/)
        complain("1: no SPDX line")
}
{ lines = FNR }
/\t/ { complain(FNR ": a tab") }
/[ \t]$/ { complain(FNR ": blanks at the end") }
{
    # Columns are characters; bytes that go on a character do not count.
    text = $0
    gsub(/[\200-\277]/, "", text)
    if (length(text) > 80) complain(FNR ": over 80 columns")
}
/^{/ { start = FNR }
/^}/ {
    if (start && FNR - start + 2 > 60)
        complain(start ": a function of " FNR - start + 2 " lines")
    start = 0
}
END {
    if (lines > limit) { print "style: " last ": " lines " lines"; bad = 1 }
    exit bad
}' $files || failed=1

# shellcheck disable=SC2086
if grep -nE "\b(TO""DO|FIX""ME|X""XX)\b" $files; then
    echo "style: left-over marks"
    failed=1
fi
[ "$failed" = 0 ] && echo "style: ok"
exit "$failed"
