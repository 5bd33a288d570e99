#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# What is particular to running on this machine.

load helper
setup() {
    SCHED=local common_setup
    cat > site.conf <<'C'
local = { cores = 2; gpus = ["0", "1"]; };
C
    export MLBATCH_CONF=$PWD/site.conf
}
teardown() { SCHED=local common_teardown; }

@test "local: jobs wait their turn, first come first served" {
    mkfifo gate
    mlbatch submit --job-name=a -c 2 -- sh -c "cat '$PWD/gate'"
    until_true 10 is_state a.1 running
    mlbatch submit --job-name=b -c 2 -- true
    mlbatch submit --job-name=c -c 1 -- true
    is_state b.1 pending
    is_state c.1 pending
    run mlbatch status b
    [[ "$output" == *"waits for"* ]]
    echo go > gate
    mlbatch wait a && mlbatch wait b && mlbatch wait c
}

@test "local: GPUs are given out one job at a time" {
    mkfifo gate
    mlbatch submit --job-name=g --gpus-per-task=2 -- \
        sh -c "echo gpus \$CUDA_VISIBLE_DEVICES; cat '$PWD/gate'"
    until_true 10 is_state g.1 running
    mlbatch submit --job-name=h --gpus-per-task=1 -- true
    is_state h.1 pending
    echo go > gate
    mlbatch wait g && mlbatch wait h
    run mlbatch logs g
    [ "${lines[0]}" = "gpus 0,1" ]
}

@test "local: a run outlives the session that submitted it" {
    mkfifo gate
    setsid --wait bash -c "mlbatch submit --job-name=s -- \
        sh -c \"cat '$PWD/gate'; echo done\"" < /dev/null
    until_true 10 is_state s.1 running
    echo go > gate
    mlbatch wait s
    run mlbatch logs s
    [ "${lines[-1]}" = done ]
}

@test "local: a run can be submitted with 0, 1 and 2 closed" {
    mlbatch submit --job-name=closed -- sh -c 'echo done' <&- >&- 2>&-
    mlbatch wait closed
    run mlbatch logs closed
    [ "${lines[-1]}" = done ]
}

@test "local: kill -9 of the agent is seen, and leaves no rank behind" {
    mlbatch submit --job-name=victim -- sh -c 'echo $$ > pid; exec sleep 600'
    until_true 10 test -s pid
    local agent
    agent=$(pgrep -f "mlbatch-agent attempt $MLBATCH_STORE/runs/victim.1")
    kill -9 $agent
    until_true 40 sh -c "! kill -0 $(cat pid) 2> /dev/null"
    [ "$(state_of victim.1)" != running ]
    [ "$(state_of victim.1)" != completed ]
}

@test "local: walltime ends a run" {
    cat > slow.conf <<'C'
name = "slow"; command = ["sleep", "600"]; resources = { walltime = 2; };
C
    run mlbatch submit --wait slow.conf
    [ "$status" -ne 0 ]
    is_state slow.1 timeout
}

@test "local: more GPUs than declared is refused" {
    run mlbatch submit --gpus-per-task=3 -- true
    [ "$status" -eq 3 ]
    [[ "$output" == *"3 GPUs"*"declares 2"* ]]
    [ ! -e "$MLBATCH_STORE/runs" ]
}

@test "local: a run whose submission was killed gets its code with --again" {
    git init -q .
    echo 1 > tracked
    git add tracked
    git -c user.name=a -c user.email=a@example.org commit -qm 1
    mlbatch submit --job-name=cut -- true
    mlbatch wait cut
    # As if killed while git ran: no "created", code in part.
    local dir=$MLBATCH_STORE/runs/cut.1
    rm "$dir"/events/* "$dir"/claims/* "$dir"/submission "$dir"/code/commit
    echo 2 > tracked
    mlbatch submit --again cut
    [ "$(cat "$dir/code/commit")" = "$(git rev-parse HEAD)" ]
    [ -s "$dir/code/code.tar" ]
    grep '^+2' "$dir/code/diff.patch"
}
