#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What `mlbatch plan` says of each tests/golden/NAME.conf, on each scheduler,
# must be what NAME.SCHEDULER.plan has. Run in the build directory.
#
#   golden.sh           compare
#   golden.sh update    write down what it says now
set -u
export LC_ALL=C
srcdir=$(cd "${srcdir:-.}" && pwd) || exit 1
program=$PWD/mlbatch
golden=$srcdir/tests/golden
failed=0 count=0

work=$(mktemp -d "${TMPDIR:-/tmp}/golden.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
# Neither the user's settings nor a Slurm that may be here have a say.
unset "${!MLB@}" "${!PBS@}" "${!SLURM@}" "${!SBATCH@}" XDG_CACHE_HOME
export HOME=$work XDG_CONFIG_HOME=$work/config MLBATCH_CONF=$golden/site.conf
export SLURM_CONF=$work/none
mkdir -p "$work/config/mlbatch" "$work/store/datasets/digits/tags" \
    "$work/store/datasets/digits/0123456789abcdef"
cp "$srcdir/etc/mlbatch.conf" "$work/config/mlbatch/"
echo 0123456789abcdef > "$work/store/datasets/digits/tags/latest"

# Which PBS it is, its own programs say.
mkdir -p "$work/openpbs" "$work/torque"
printf '#!/bin/sh\necho pbs_version = 23.06.06\n' > "$work/openpbs/qstat"
printf '#!/bin/sh\necho Version: 6.1.3 >&2\n' > "$work/torque/qstat"
chmod +x "$work"/*/qstat

# plan NAME SCHEDULER: all that it says, and its exit status, without what
# differs between machines. Schedulers are slurm, local, openpbs and torque.
plan() {
    local site=$golden/$1.site said status
    local scheduler=$2 PATH=$PATH
    [ ! -d "$work/$2" ] || PATH=$work/$2:$PATH scheduler=pbs
    [ -e "$site" ] || site=$golden/site.conf
    said=$(cd / && timeout 60 "$program" plan --site="$site" \
        --store="$work/store" --scheduler="$scheduler" "$golden/$1.conf" 2>&1)
    status=$?
    said=${said//"$work"/}
    said=${said//"$golden/"/}
    sed -e "s|'[^']*/mlbatch-agent'|AGENT|g" \
        -e 's|[^ ]*/mlbatch-agent|AGENT|g' \
        -e 's|Made by mlbatch [^ ]*|Made by mlbatch VERSION|' <<< "$said"
    echo "exit $status"
}

schedulers="openpbs torque local"
if plan minimal slurm | grep -q 'built without slurm'; then
    echo "golden: slurm plans skipped: this mlbatch was built without Slurm"
else
    schedulers="slurm openpbs torque local"
fi
for conf in "$golden"/*.conf; do
    name=$(basename "$conf" .conf)
    [ "$name" = site ] && continue
    for scheduler in $schedulers; do
        want=$golden/$name.$scheduler.plan
        count=$((count + 1))
        if [ "${1:-}" = update ]; then
            plan "$name" "$scheduler" > "$want"
        elif ! plan "$name" "$scheduler" | diff -u "$want" -; then
            echo "golden: $name on $scheduler differs"
            failed=$((failed + 1))
        fi
    done
done
echo "golden: $count plans${1:+ written}, $failed of them wrong"
[ "$failed" = 0 ] && [ "$count" -gt 0 ]
