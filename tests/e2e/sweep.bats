#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Sweeps: one submission, many points. On each scheduler ($SCHED).

load helper
setup() {
    common_setup
    cat > s.conf <<'C'
name = "s";
command = ["sh", "-c", "echo $MLB_RUN $0 $MLB_SWEEP_SEED; ls bad$MLB_SWEEP_SEED 2> /dev/null && exit 3; exit 0", "${sweep.lr}"];
sweep = { grid = { lr = (0.1, "a b"); seed = [1, 2, 3]; }; at_once = 2; };
C
}
teardown() { common_teardown; }

@test "$SCHED: each point of a sweep is a run with its values" {
    run mlbatch plan s.conf
    [[ "$output" == *"points           6, of which"*"points at once   2"* ]]
    mlbatch submit s.conf
    mlbatch wait s
    run mlbatch status s
    [ "${lines[0]}" = "s.1 completed: 6 points, 6 completed" ]
    [[ "$output" == *"  4            completed     lr=a b seed=2"* ]]
    run mlbatch logs s/4
    [ "$output" = "s.1/4 a b 2" ]
    run mlbatch logs s.1/0
    [ "$output" = "s.1/0 0.1 1" ]
    run mlbatch list
    [[ "${lines[1]}" == "s.1 "*" completed "*" 6 points, 6 completed" ]]
    run mlbatch status s/4
    [ "${lines[0]}" = "s.1/4 completed" ]
    [[ "$output" == *"values       lr=a b seed=2"* ]]
    mlbatch report s/4 | grep "s.1/4: completed"
    [ "$(mlbatch report s.1 | grep -c "completed$")" = 6 ]
    run mlbatch logs s
    [ "$status" -eq 2 ]
    [[ "$output" == *"s.1 is a sweep: name one of its points"* ]]
    run mlbatch status s/6
    [ "$status" -eq 6 ]
    [[ "$output" == *"s.1 has no point 6, but 0 to 5"* ]]
}

@test "$SCHED: --failed-of submits again what failed, and only that" {
    touch bad2
    mlbatch submit s.conf
    run mlbatch wait s
    [ "$status" -eq 1 ]
    run mlbatch status s
    [ "${lines[0]}" = "s.1 failed: 6 points, 4 completed, 2 failed" ]
    is_state s.1/1 failed
    rm bad2
    run mlbatch submit --failed-of=s
    [[ "$output" == "s.1 submitted to $MLBATCH_SCHEDULER as job "* ]]
    mlbatch wait s
    is_state s.1 completed
    [ "$(mlbatch logs s/4 | grep -c '^s.1/4')" = 2 ]
    [ "$(mlbatch logs s/3 | grep -c '^s.1/3')" = 1 ]
    run mlbatch status s/4
    [[ "$output" == *"attempts     2"* ]]
    run mlbatch status s/3
    [[ "$output" != *"attempts"* ]]
    run mlbatch submit --failed-of=s
    [ "$status" -eq 1 ]
    [[ "$output" == *"nothing of s.1 has failed"* ]]
    # One point alone, with a change.
    mlbatch submit --again=s/5 'command[2]=echo changed $MLB_RUN $0'
    mlbatch wait s/5
    [ "$(mlbatch logs s/5 | tail -n 1)" = "changed s.1/5 a b" ]
    is_state s.1 completed
}

@test "$SCHED: a sweep is held, released, cancelled, and waited for" {
    mlbatch submit --hold s.conf
    mlbatch submit --after=s --job-name=next -- touch next
    run mlbatch status s/3
    [ "${lines[0]}" = "s.1/3 pending: held" ]
    mlbatch cancel s/5
    until_true 30 is_state s.1/5 cancelled
    is_state s.1 pending
    mlbatch release s
    run mlbatch wait s
    [ "$status" -eq 1 ]
    run mlbatch status s
    [ "${lines[0]}" = "s.1 failed: 6 points, 5 completed, 1 cancelled" ]
    run mlbatch wait next
    [ "$status" -eq 1 ]
    is_state next.1 cancelled
    mlbatch submit --hold s.conf
    mlbatch cancel s.2
    until_true 30 is_state s.2 cancelled
}

@test "$SCHED: at most at_once points run" {
    cat > gates.conf <<'C'
name = "g"; command = ["sh", "-c", "echo > began.$MLB_SWEEP_K; cat gate"];
sweep = { list = ({ k = 0; }, { k = 1; }, { k = 2; }); at_once = 1; };
C
    mkfifo gate
    mlbatch submit gates.conf
    until_true 30 test -e began.0
    is_state g.1/0 running
    is_state g.1/1 pending
    is_state g.1 running
    [ ! -e began.1 ]
    mlbatch cancel g
    until_true 60 is_state g.1 cancelled
    [ ! -e began.1 ]
    is_state g.1/2 cancelled
}

@test "$SCHED: a sweep that cannot be is refused" {
    run mlbatch submit s.conf 'command[3]=${sweep.rl}'
    [ "$status" -eq 3 ]
    [[ "$output" == *'${sweep.rl} names no value of this job'* ]]
    run mlbatch submit s.conf sweep.random=7
    [ "$status" -eq 3 ]
    [[ "$output" == *"7 points cannot be drawn from a grid of 6"* ]]
    [ ! -e "$MLBATCH_STORE/runs" ]
}

@test "$SCHED: more points than an array of Slurm may have" {
    seq -s , 1100 > k
    echo "name = \"many\"; command = [\"true\"];
        sweep = { grid = { k = [$(cat k)]; }; };" > many.conf
    mlbatch submit --hold many.conf
    run mlbatch status many
    [ "${lines[0]}" = "many.1 pending: 1100 points, 1100 pending" ]
    run mlbatch status many/1099
    [ "${lines[0]}" = "many.1/1099 pending: held" ]
    local parts=1
    [ "$SCHED" = local ] || parts=2
    [ "$(tr '\0' '\n' < "$MLBATCH_STORE/runs/many.1/submission" |
        grep -c ^part=)" = $parts ]
    mlbatch cancel many
    until_true 60 is_state many.1 cancelled
}

@test "$SCHED: the example sweep finds its best point" {
    cp "$MLB_TOP"/contrib/examples/sweep/* .
    mlbatch submit tune.conf
    mlbatch submit --wait --after=tune -- ./best.sh
    run mlbatch logs best.sh
    [[ "$output" == "tune.1/"*" loss 0.000000 lr 0.3 momentum 0" ]]
}
