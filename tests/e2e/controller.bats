#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# A controller that dies: one job or none, and mlbatch says which.

load helper
setup() { SCHED=slurm common_setup; }
teardown() {
    "$MLB_TOP/tests/cluster/daemon" "$MLB_TEST_CLUSTER" slurmctld start \
        > /dev/null 2>&1 || true
    SCHED=slurm common_teardown
}

controller() {
    "$MLB_TOP/tests/cluster/daemon" "$MLB_TEST_CLUSTER" slurmctld "$1"
}

jobs_of() {
    scontrol -o show job | grep -c "Comment=mlbatch run=$1 " || true
}

@test "slurm: no controller: exit 5, not submitted, and --again later" {
    controller kill
    run mlbatch submit --patience=3s --job-name=late -- true
    echo "$output"
    [ "$status" -eq 5 ]
    [[ "$output" == *"mlbatch submit --again late.1"* ]]
    is_state late.1 "not submitted"
    run mlbatch doctor
    [[ "$output" == *absent*slurm* ]]
    controller start
    run mlbatch submit --wait --again late.1
    echo "$output"
    [ "$status" -eq 0 ]
    [ "$(jobs_of late.1)" -eq 1 ]
}

# Has it completed? The id of a forgotten job is given again while a node
# still knows the old one: Slurm then drains the node and holds the new job,
# which an administrator has to release.
ends_well() {
    scontrol update NodeName='node[1-4]' State=RESUME 2> /dev/null || true
    if mlbatch status "$1" | grep -q 'requeued held'; then
        scontrol release "$(mlbatch status "$1" --json |
            sed -n 's/^  "job": "\(.*\)",$/\1/p')" || true
    fi
    is_state "$1" completed
}

# A killed controller may also forget what it has accepted, since it saves
# its queue every 5 s only. Then the run must say so, and go again.
one_or_none() {
    local run=$1 count
    count=$(jobs_of "$run")
    [ "$count" -le 1 ] || return 1
    if [ "$count" = 1 ]; then
        until_true 90 ends_well "$run"
    elif is_state "$run" completed; then
        echo "$run ended before the controller forgot it"
    else
        mlbatch status "$run"
        is_state "$run" "not submitted" || is_state "$run" unknown ||
            return 1
        mlbatch submit --again "$run" || return 1
        [ "$(jobs_of "$run")" -eq 1 ] && until_true 90 ends_well "$run"
    fi
}

@test "slurm: the controller is killed during submits: one job or none" {
    local i code run
    for i in 1 2 3 4 5 6; do
        mlbatch submit --patience=60s --parsable --job-name=k$i --time=5 -- \
            true > id.$i 2> err.$i &
        local pid=$!
        # Each time at another moment of the submission.
        until [ -e "$MLBATCH_STORE/runs/k$i.1/script" ]; do :; done
        for ((j = 0; j < 400 * (i - 1); j++)); do :; done
        controller kill
        controller start
        code=0
        wait "$pid" || code=$?
        run=$(cat id.$i)
        echo "submit $i: code $code, run '$run', $(cat err.$i)"
        [ "$code" = 0 ] || { [ "$code" = 5 ] && [ -z "$run" ]; }
        one_or_none "k$i.1"
        # Whatever the controller forgot or started anew: one job did it.
        [ "$(grep -h '"attempt-end"' "$MLBATCH_STORE/runs/k$i.1/events/"* |
            grep '"completed"' | grep -o '"job":"[0-9]*"' | sort -u |
            wc -l)" = 1 ]
    done
}

@test "slurm: while the controller is down the state is unknown, not gone" {
    mkfifo gate
    mlbatch submit --job-name=blind --time=5 -- sh -c "cat '$PWD/gate'"
    until_true 30 is_state blind.1 running
    # The queue is saved every 5 s if it changed; killed sooner, the job would
    # be forgotten. So it changes now, after it began to run.
    : > running
    scontrol update TimeLimit=6 JobId="$(mlbatch status blind --json |
        sed -n 's/^ *"job": "\(.*\)",$/\1/p')"
    until_true 30 test "$MLB_TEST_CLUSTER/state/job_state" -nt running
    controller kill
    run state_of blind.1
    [ "$output" = running ] || [ "$output" = unknown ]
    controller start
    echo go > gate
    mlbatch wait blind
    is_state blind.1 completed
}
