#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# GPUs, by a stub of NVIDIA's library, and the hardware's counters, by a fake
# PMU that counts CPU time: from the agent to the card.

load helper
setup() {
    common_setup
    unit=$MLB_HELPERS/../unit
    cat > site.conf <<'C'
local = { cores = 2; gpus = ["0", "1", "2", "3"]; };
C
    export MLBATCH_CONF=$PWD/site.conf
}
teardown() { common_teardown; }

# gpus SCENARIO COMMAND...: a run that asks for four GPUs.
gpus() {
    local scenario=$1
    shift
    LD_LIBRARY_PATH=$unit/stub-nvml STUB_NVML=$scenario STUB_NVML_GPUS=4 \
        mlbatch submit --job-name=g --gpus-per-task=4 -- "$@"
    mlbatch wait g
    mlbatch report g --json > card.json
}

# The state and value of a row of card.json, by section and key.
value() {
    python3 -c '
import json, sys
row = json.load(open("card.json"))["sections"][sys.argv[1]][sys.argv[2]]
print(row["status"], row["value"])' "$@"
}

# Two samples of a second, and an end.
samples='for i in 1 2 3; do sleep 1; done'

@test "$SCHED (stub GPUs): asked for and never touched comes first" {
    gpus idle sh -c "$samples"
    run mlbatch report g
    [ "$(grep -m 1 '^!' <<< "$output")" = \
        "! 4 GPUs were asked for and none was used" ]
    [ "$(value usage gpus_used)" = "ok 0" ]
}

@test "$SCHED (stub GPUs): used ones are four, and at 60 %" {
    gpus fine sh -c "$samples"
    run mlbatch report g
    [[ "$output" != *"none was used"* ]]
    [ "$(value usage gpus_used)" = "ok 4" ]
    read -r status use < <(value usage gpu_use)
    [ "$status" = ok ]
    python3 -c "assert abs($use - 0.6) < 0.01, $use"
}

@test "$SCHED (stub GPUs): lost and unsupported ones are not idle" {
    local scenario
    for scenario in lost unsupported; do
        gpus "$scenario" sh -c "$samples"
        run mlbatch report g
        [[ "$output" != *"none was used"* ]]
        [ "$(value usage gpu_use)" = "unavailable None" ]
    done
}

# counted FAKE: a run of 2 s of CPU time under the fake PMU.
counted() {
    LD_PRELOAD=$unit/fake_pmu.so LIBPFM_FORCE_PMU=skl FAKE_PMU=$1 \
        mlbatch submit --job-name=c -- "$MLB_HELPERS/work" burn 2000
    mlbatch wait c
    mlbatch report c --json > card.json
}

@test "$SCHED (fake PMU): instructions a cycle, and why there are none" {
    [ "$SCHED" = local ] || skip "the preload would be in Slurm's programs"
    counted ""
    # Both count the same clock.
    read -r status ipc < <(value hardware ipc)
    [[ "$status" =~ ^(ok|estimated)$ ]]
    python3 -c "assert abs($ipc - 1) < 0.02, $ipc"
    counted enoent
    [ "$(value hardware ipc)" = "unavailable None" ]
    run mlbatch report c
    [[ "$output" == *"no hardware counters"* ]]
    counted eacces
    [ "$(value hardware ipc)" = "unavailable None" ]
    run mlbatch report c
    [[ "$output" == *perf_event_paranoid* ]]
}
