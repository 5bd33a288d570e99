#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# mlbatch plan --fit with a helper that advises, knows of no runs, or fails.
# Run in the build directory.
set -u
export LC_ALL=C
srcdir=$(cd "${srcdir:-.}" && pwd) || exit 1
failed=0

work=$(mktemp -d "${TMPDIR:-/tmp}/fit.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
unset "${!MLB@}" "${!SLURM@}" "${!SBATCH@}" XDG_CACHE_HOME
export HOME=$work XDG_CONFIG_HOME=$work/config MLBATCH_STORE=$work/store
export MLBATCH_SCHEDULER=local
mkdir -p "$work/config/mlbatch" "$work/store"
cp "$srcdir/etc/mlbatch.conf" "$work/config/mlbatch/"
# Helpers are looked for beside the program.
cp mlbatch "$work/" || exit 1
cd "$work" || exit 1
cat > job.conf <<'C'
name = "a b"; command = ["./train"];
resources = { walltime = "01:00:00"; };
C

# fake TEXT: what mlbatch-store does from now on.
fake() {
    printf '#!/bin/sh\nprintf "%%s\\n" "$@" > asked\n%s\n' "$1" \
        > mlbatch-store
    chmod +x mlbatch-store
}

# expect STATUS TEXT ARGUMENT...: mlbatch plan says it, among other things.
expect() {
    local want=$1 text=$2 said status
    shift 2
    said=$(timeout 60 ./mlbatch plan "$@" 2>&1)
    status=$?
    [ "$status" = "$want" ] && [[ $said == *"$text"* ]] && return
    echo "fit: $* gives $status and says"
    echo "$said"
    failed=1
}

fake 'cat <<J
{"schema": "mlbatch-advice/1", "job": "a b", "runs": 3, "items": [
 {"key": "resources.walltime", "value": "00:12:00", "basis": "3 runs"}]}
J'
expect 0 'walltime         01:00:00' job.conf
[ ! -e asked ] || { echo "fit: asked without --fit"; failed=1; }
expect 0 'walltime         00:12:00' --fit job.conf
expect 0 'fit: resources.walltime: 01:00:00 -> 00:12:00: 3 runs' --fit \
    job.conf
[ "$(cat asked)" = "--store=$work/store
advise
--job=a b
--nodes=1
--tasks=1
--cpus-per-task=1
--gpus-per-task=0
--walltime=3600" ] || { echo "fit: asked for:"; cat asked; failed=1; }
expect 0 'walltime         02:00:00' --fit job.conf resources.walltime=2h
expect 0 'walltime         02:00:00' --fit -t 2:00:00 job.conf
expect 0 'walltime         00:12:00' --fit --job-name 'a b' -- ./train
fake 'echo "{\"schema\": \"mlbatch-advice/1\", \"job\": \"a b\",
    \"runs\": 0, \"items\": []}"'
expect 0 'there are no earlier runs to go by' --fit job.conf
fake 'echo "no such store" >&2; exit 3'
expect 0 'no advice: mlbatch-store advise exited with 3: no such store; noth' \
    --fit job.conf
expect 0 'walltime         01:00:00' --fit job.conf
fake 'echo "{"'
expect 0 'the advice cannot be read: it is not JSON; nothing is changed' \
    --fit job.conf
rm mlbatch-store
expect 0 'nothing is changed' --fit job.conf
# What is wrong with the advice is told with its place.
fake 'cat <<J
{"schema": "mlbatch-advice/1", "job": "a b", "runs": 1, "items": [
 {"key": "resources.gpus_per_task", "value": "9", "basis": "x"}]}
J'
expect 3 '--fit: resources.gpus_per_task: 9 GPUs in all' --fit job.conf

[ "$failed" = 0 ] && echo "fit: ok"
exit "$failed"
