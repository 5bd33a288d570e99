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

@test "slurm: the controller is killed during submits: one job or none" {
    local i codes=() run
    for i in 1 2 3 4 5 6; do
        mlbatch submit --patience=60s --parsable --job-name=k$i --time=5 -- \
            true > id.$i 2> err.$i &
        pids[i]=$!
        # Each time at another moment of the submission.
        [ $((i % 2)) = 1 ] || controller kill
        controller start
        codes[i]=0
        wait "${pids[i]}" || codes[i]=$?
        run=$(cat id.$i)
        echo "submit $i: code ${codes[i]}, run '$run', $(cat err.$i)"
        if [ "${codes[i]}" = 0 ]; then
            [ "$(jobs_of "$run")" -eq 1 ]
        else
            [ "${codes[i]}" = 5 ]
            [ "$(jobs_of "k$i.1")" -eq 0 ]
            is_state "k$i.1" "not submitted"
        fi
    done
}

@test "slurm: while the controller is down the state is unknown, not gone" {
    mkfifo gate
    mlbatch submit --job-name=blind --time=5 -- sh -c "cat '$PWD/gate'"
    until_true 30 is_state blind.1 running
    controller kill
    run state_of blind.1
    [ "$output" = running ] || [ "$output" = unknown ]
    controller start
    echo go > gate
    mlbatch wait blind
    is_state blind.1 completed
}
