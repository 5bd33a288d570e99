#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# mlbatch explain: the cause of each end.

load helper
setup() { common_setup; }
teardown() { common_teardown; }

# explained RUN CAUSE: its cause is that; the text is in $output.
explained() {
    run mlbatch explain --json "$1"
    [ "$status" -eq 0 ]
    [ "$(sed -n 's/^  "cause": "\(.*\)",$/\1/p' <<< "$output")" = "$2" ] || {
        echo "$output"
        return 1
    }
    run mlbatch explain "$1"
    echo "$output"
    [ "$status" -eq 0 ]
}

@test "explain: a command that is not there" {
    run -127 mlbatch submit --wait --job-name=lost -- ./trian
    explained lost "command not found"
    [[ "${lines[0]}" == "lost.1 failed: command not found: "*./trian* ]]
    [[ "$output" == *"evidence     out/rank-00000.log:1: "* ]]
    # The same in a script, where it is the shell that says so.
    run -127 mlbatch submit --wait --job-name=lost -- sh -c 'echo a; ./trian'
    explained lost "command not found"
    [[ "$output" == *"out/rank-00000.log:2: "*trian* ]]
    run mlbatch status lost
    [[ "$output" == *"why          mlbatch explain lost.2"* ]]
}

@test "explain: an exit code, and no attempt more than there was" {
    run mlbatch submit --wait --job-name=odd -- sh -c 'echo words; exit 3'
    explained odd "not known"
    [[ "${lines[0]}" == *"exited with 3" ]]
    [[ "$output" == *"out/rank-00000.log:1: words"* ]]
    [[ "$output" == *"looked at    events, out/rank-00000.log, "* ]]
    run mlbatch explain --attempt=1 odd
    [ "$status" -eq 0 ]
    run mlbatch explain --attempt=2 odd
    [ "$status" -eq 6 ]
    run mlbatch explain nobody
    [ "$status" -eq 6 ]
}

@test "explain: a Python exception of one rank of two" {
    cat > fail.py <<'P'
import os
import time

def step(rank):
    if rank == 1:
        raise ValueError("bad shape of rank %d" % rank)
    time.sleep(60)

step(int(os.environ["RANK"]))
P
    cat > py.conf <<'C'
name = "py"; command = ["python3", "fail.py"]; launch = "torch";
resources = { tasks_per_node = 2; walltime = "00:05:00"; };
C
    run mlbatch submit --wait py.conf
    explained py "Python exception"
    [[ "${lines[0]}" == *"ValueError: bad shape of rank 1" ]]
    [[ "$output" == *"rank         1 on "*", exited with 1"* ]]
    [[ "$output" == *"out/rank-00001.log:"*"fail.py, line 6"* ]]
}

@test "explain: a rank that somebody killed" {
    cat > hit.conf <<'C'
name = "hit"; launch = "torch";
command = ["sh", "-c", "[ $RANK = 1 ] && kill -9 $$; sleep 60"];
resources = { tasks_per_node = 2; walltime = "00:05:00"; };
C
    run mlbatch submit --wait hit.conf
    explained hit killed
    [[ "$output" == *"rank         1 on "*", killed by signal 9"* ]]
}

@test "explain: only the lines of the attempt that is asked for" {
    run mlbatch submit --wait --job-name=two -- \
        sh -c 'echo "OSError: [Errno 28] No space left on device"; exit 1'
    explained two "disk full"
    run mlbatch submit --wait --again two "command[2]=echo fine; exit 1"
    explained two "not known"
    [[ "$output" == *"out/rank-00000.log:2: fine"* ]]
    run mlbatch explain --attempt=1 two
    [[ "${lines[0]}" == *"disk full: "* ]]
    mlbatch submit --wait --again two "command[2]=true"
    run mlbatch submit --wait --again two "command[2]=exit 5"
    run mlbatch explain --attempt=3 two
    echo "$output"
    [ "${lines[0]}" = "two.1 completed" ]
}

@test "explain: cancelled, by whom" {
    mlbatch submit --job-name=gone -- sleep 600
    until_true 60 is_state gone.1 running
    mlbatch cancel gone
    until_true 60 is_state gone.1 cancelled
    explained gone cancelled
    [[ "${lines[0]}" == "gone.1 cancelled by $(id -un)" ]]
}

@test "explain: local: the walltime" {
    [ "$MLBATCH_SCHEDULER" = local ] || skip "60 s at least on Slurm"
    cat > slow.conf <<'C'
name = "slow"; command = ["sleep", "600"]; resources = { walltime = 2; };
C
    run mlbatch submit --wait slow.conf
    explained slow timeout
    [[ "${lines[0]}" == "slow.1 timeout: the walltime of 00:00:02 was over"* ]]
}

@test "explain: a timeout and a preemption" {
    local as
    for as in timeout preempt; do
        mlbatch submit --job-name=$as -- sleep 600
        until_true 60 mlbatch interrupt $as --as $as
    done
    until_true 60 is_state timeout.1 timeout
    until_true 60 is_state preempt.1 preempted
    explained timeout timeout
    explained preempt preempted
    [[ "$output" == *"what to do   mlbatch submit --again preempt.1 goes on"* ]]
}

@test "explain: what runs, what waits for cores, what completed" {
    [ "$MLBATCH_SCHEDULER" = local ] || skip "a queue of this machine"
    echo 'local = { cores = 2; };' > site.conf
    export MLBATCH_CONF=$PWD/site.conf
    mkfifo gate
    mlbatch submit --job-name=a -c 2 -- sh -c "echo words; cat '$PWD/gate'"
    until_true 10 is_state a.1 running
    mlbatch submit --job-name=b -c 2 -- true
    mlbatch submit --job-name=c -- true
    run mlbatch explain a
    [ "${lines[0]}" = "a.1 running" ]
    [[ "$output" == *"  started      "*" ago"* ]]
    run mlbatch explain c
    echo "$output"
    [[ "${lines[1]}" == *"it waits for 1 of the 2 cores here; in use by a.1 (2 cores); first in line: b.1 (2 cores)" ]]
    mlbatch submit --job-name=d --after=a -- true
    run mlbatch explain d
    [[ "${lines[1]}" == *"it waits for the end of a.1"* ]]
    mlbatch submit --job-name=e --hold -- true
    run mlbatch explain e
    [[ "${lines[1]}" == *"its user holds it: mlbatch release"* ]]
    mlbatch cancel e
    echo go > gate
    mlbatch wait a && mlbatch wait c && mlbatch wait d
    run mlbatch explain c
    [ "$output" = "c.1 completed" ]
}

@test "explain: a run whose steps have stopped" {
    [ "$MLBATCH_SCHEDULER" = local ] || skip "needs to move its start"
    mkfifo gate
    mlbatch submit --job-name=hangs -- cat "$PWD/gate"
    local events=$MLBATCH_STORE/runs/hangs.1/events now=$EPOCHSECONDS step
    until_true 10 has_text "$events/batch-$(hostname -s).jsonl" attempt-start
    # As if it had begun long ago, and told steps of a second each.
    sed -i "s/\"time\":[0-9.]*,\(\"event\":\"attempt-start\"\)/\"time\":$((now - 1000)),\1/" \
        "$events"/batch-*
    for step in 1 2 3 4 5; do
        echo "{\"time\":$((now - 900 + step)),\"event\":\"metric\",\"attempt\":1,\"rank\":0,\"name\":\"loss\",\"step\":$step,\"value\":1}"
    done > "$events/node-steps.jsonl"
    run mlbatch explain hangs
    echo "$output"
    [ "${lines[0]}" = "hangs.1 running" ]
    [[ "$output" == *"progress     step 5, told 1"*" min"*" ago"* ]]
    [[ "$output" == *"warning      no step for 1"*"does it hang?"* ]]
    echo "{\"time\":$EPOCHSECONDS,\"event\":\"metric\",\"attempt\":1,\"rank\":0,\"name\":\"loss\",\"step\":6,\"value\":1}" \
        >> "$events/node-steps.jsonl"
    run mlbatch explain hangs
    [[ "$output" != *warning* ]]
    echo go > gate
}

@test "explain: a run that goes on says how it ended before" {
    [ "$MLBATCH_SCHEDULER" = local ] || skip "a queue of this machine"
    echo 'local = { cores = 2; };' > site.conf
    export MLBATCH_CONF=$PWD/site.conf
    cat > on.conf <<'C'
name = "on"; command = ["sleep", "600"];
resources = { walltime = 2; cpus_per_task = 2; };
restart = { on = ["timeout"]; };
C
    mkfifo gate
    mlbatch submit on.conf
    until_true 10 is_state on.1 running
    mlbatch submit --job-name=next -c 2 -- sh -c "cat '$PWD/gate'"
    until_true 20 is_state next.1 running
    until_true 20 is_state on.1 pending
    run mlbatch explain on
    echo "$output"
    [[ "$output" == *"in use by next.1 (2 cores)"* ]]
    [[ "$output" == *"before       attempt 1: timeout: the walltime of "*" --attempt=1)" ]]
    run mlbatch explain on --attempt=1
    [[ "${lines[0]}" == "on.1 timeout: the walltime of "* ]]
    mlbatch cancel on
    echo go > gate
}

expects_start() {
    mlbatch explain --json "$1" | grep -q '^    "start": [0-9]'
}

# Slurm may tell an expected start before it says what is missing.
waits_for_resources() {
    [[ "$(mlbatch explain "$1")" == "$1.1 pending: Resources"* ]]
}

@test "explain: slurm: why it waits, until when, what would start sooner" {
    [ "$MLBATCH_SCHEDULER" = slurm ] || skip "of Slurm"
    mlbatch submit --job-name=two --nodes=2 --cpus-per-task=8 --time=10 -- \
        sleep 600
    until_true 60 is_state two.1 running
    mlbatch submit --job-name=four --nodes=4 --cpus-per-task=8 --time=10 -- \
        true
    until_true 60 expects_start four
    until_true 60 waits_for_resources four
    run mlbatch explain four
    echo "$output"
    [ "${lines[0]}" = "four.1 pending: Resources" ]
    [[ "${lines[1]}" == *"the nodes, cores, memory or GPUs that it asks for are in use" ]]
    [[ "${lines[2]}" == "  expected     20"*", in "* ]]
    [[ "${lines[3]}" == "  sooner       half the nodes: "* ]]
    # Nothing was submitted by asking.
    [ "$(squeue --noheader | wc -l)" = 2 ]
    # A job that is held expects nothing, whatever its size.
    scontrol hold "$(squeue --noheader --name=four --format=%i)"
    run mlbatch explain four
    [[ "${lines[0]}" == "four.1 pending: JobHeld"* ]]
    [ "${#lines[@]}" = 2 ]
}

@test "explain: slurm: cancelled by scancel" {
    [ "$MLBATCH_SCHEDULER" = slurm ] || skip "of Slurm"
    mlbatch submit --job-name=gone -- sleep 600
    until_true 60 is_state gone.1 running
    scancel --name=gone
    until_true 60 is_state gone.1 cancelled
    explained gone cancelled
}

has_two_attempts() {
    mlbatch explain --json "$1" | grep -q '^  "attempts": 2'
}

@test "explain: slurm: an attempt that a higher partition preempted" {
    [ "$MLBATCH_SCHEDULER" = slurm ] || skip "of Slurm"
    mlbatch submit --job-name=low --cpus-per-task=8 -- sleep 600
    until_true 60 is_state low.1 running
    sbatch --partition=high --nodes=4 --exclusive --wrap "sleep 3" -o /dev/null
    until_true 60 has_two_attempts low
    run mlbatch explain --attempt=1 low
    echo "$output"
    [[ "${lines[0]}" == "low.1 preempted: "* ]]
    [[ "$output" == *"evidence     out/batch.log:"*"DUE TO PREEMPTION"* ]]
    mlbatch cancel low
}
