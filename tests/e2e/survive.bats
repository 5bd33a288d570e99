#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Runs that go on by themselves after an attempt ended.

load helper
setup() {
    common_setup
    digits_setup > import.log
}
teardown() { common_teardown; }

# train EPOCHS...: a hundred take about half a second.
train() {
    local epochs=$1
    shift
    mlbatch submit digits.conf "command[2]=$epochs" resources.nodes=1 \
        resources.tasks_per_node=2 "$@"
}

final_line() {
    mlbatch logs "$1" | grep '^final:'
}

events_of() {
    cat "$MLBATCH_STORE/runs/$1/events/"* | grep "\"event\":\"$2\"" || true
}

epoch_seen() {
    grep -qs "epoch  *[0-9]*$2" "$MLBATCH_STORE/runs/$1/out/rank-00000.log"
}

attempts() {
    events_of "$1" attempt-start | wc -l
}

has_attempts() {
    [ "$(attempts "$1")" -ge "$2" ]
}

@test "$SCHED$MLB_REPLAYED: a third of the time: digits finishes by itself, as one run" {
    local start=$SECONDS seconds
    train 1000 --wait
    seconds=$((SECONDS - start))
    # One second more: on a busy machine starting may take as long as that.
    run train 1000 --wait resources.walltime=$((seconds / 3 + 2)) \
        checkpoint.warn=1 'restart.on[0]=timeout' restart.max=100
    echo "$output"
    [ "$status" -eq 0 ]
    [ "$(attempts digits.2)" -ge 2 ]
    [ "$(events_of digits.2 attempt-end | grep -c '"state":"timeout"')" -eq \
        "$(($(attempts digits.2) - 1))" ]
    [ "$(final_line digits.2)" = "$(final_line digits.1)" ]
    # One record, in which all attempts are.
    run mlbatch report digits.2 --json
    [ "$(ls "$MLBATCH_STORE"/runs/digits.2/record.h5 | wc -l)" -eq 1 ]
    [[ "$output" == *"\"attempts\": $(attempts digits.2),"* ]]
    is_state digits.2 completed
    [ "$(mlbatch list --json | grep -c '"run": "digits')" -eq 2 ]
}

@test "$SCHED$MLB_REPLAYED: interrupted as timeout and preempt, digits ends the same" {
    train 1500 --wait
    train 1500 checkpoint.warn=2 'restart.on[0]=timeout' 'restart.on[1]=preempted'
    until_true 30 epoch_seen digits.2 .
    mlbatch interrupt --as=timeout digits.2
    until_true 60 has_attempts digits.2 2
    until_true 30 epoch_seen digits.2 .
    mlbatch interrupt --as=preempt digits.2
    mlbatch wait digits.2
    events_of digits.2 attempt-end
    [ "$(attempts digits.2)" -eq 3 ]
    events_of digits.2 attempt-end | grep '"timeout"' |
        grep -q 'mlbatch interrupt by'
    events_of digits.2 attempt-end | grep '"preempted"' |
        grep -q 'mlbatch interrupt by'
    [ "$(final_line digits.2)" = "$(final_line digits.1)" ]
    run mlbatch interrupt --as=timeout digits.2
    [ "$status" -eq 1 ]
    [[ "$output" == *"digits.2 is completed: only a run that runs"* ]]
}

@test "$SCHED$MLB_REPLAYED: a run that makes no checkpoint is not started for ever" {
    run mlbatch submit --wait --job-name=idle --time=1 -- sh -c 'exit 3'
    [ "$status" -eq 3 ]
    cat > fails.conf <<'EOF'
name = "fails";
command = ["sh", "-c", "exit 3"];
restart = { on = ["failed"]; max = 5; };
EOF
    run mlbatch submit --wait fails.conf
    echo "$output"
    [ "$status" -eq 3 ]
    [ "$(attempts fails.1)" -eq 2 ]
    run mlbatch status fails
    [[ "$output" == *"no newer checkpoint was made in two attempts"* ]]
    # With checkpoints, of whatever kind, as often as was allowed.
    mlbatch submit fails.conf restart.max=3 \
        'command[2]=date +%N > "$MLB_CHECKPOINT_DIR/$MLB_ATTEMPT"; exit 3'
    run mlbatch wait fails.2
    [ "$(attempts fails.2)" -eq 4 ]
    run mlbatch status fails.2
    [[ "$output" == *"restart.max: 3 restarts after \"failed\""* ]]
    # A person may say so all the same.
    run mlbatch submit --wait --again fails.1 'command[2]=true'
    [ "$status" -eq 0 ]
    is_state fails.1 completed
}

@test "$SCHED$MLB_REPLAYED: a program without libmlbatch is asked by signal and command" {
    cat > old.conf <<'EOF'
name = "old";
command = ["sh", "-c", "trap 'echo saved >> saved; exit 75' USR1
    [ $MLB_ATTEMPT = 1 ] || exit 0
    echo ready > \"$MLB_RUN_DIR/ready\"
    while :; do read -t 0.1 x < /dev/zero; done"];
resources = { walltime = "10m"; };
checkpoint = { warn = "20s"; signal = "USR1";
    command = ["sh", "-c", "echo \"$MLB_RUN $PWD\" > called"]; };
restart = { on = ["timeout"]; };
EOF
    mlbatch submit old.conf 'command[0]=bash'
    until_true 30 test -e "$MLBATCH_STORE/runs/old.1/ready"
    mlbatch interrupt --as=timeout old.1
    mlbatch wait old.1
    events_of old.1 attempt-end
    [ "$(attempts old.1)" -eq 2 ]
    [ "$(cat saved)" = saved ]
    [ "$(cat called)" = "old.1 $PWD" ]
    is_state old.1 completed
}

# A control group of 80 MiB for what this test starts from here on.
little_memory() {
    local base group
    base=$(sed -n 's/^[0-9]*:memory://p' /proc/self/cgroup)
    group=/sys/fs/cgroup/memory$base/mlb-$BASHPID
    mkdir "$group" 2> /dev/null &&
        echo 83886080 > "$group/memory.limit_in_bytes" &&
        echo "$BASHPID" > "$group/cgroup.procs"
}

@test "$SCHED$MLB_REPLAYED: out of memory is told, and asked for more of it" {
    [ "$SCHED" = local ] || skip "jobs of Slurm are not in this test's group"
    little_memory || skip "no memory control group can be made here"
    cat > hungry.conf <<'EOF'
name = "hungry";
command = ["tail", "/dev/zero"];
resources = { memory_per_node = "64M"; };
restart = { on = ["out_of_memory"]; grow = ["memory"]; };
EOF
    mlbatch submit hungry.conf
    run mlbatch wait hungry
    mlbatch status hungry
    events_of hungry.1 restart
    is_state hungry.1 "out of memory"
    [ "$(attempts hungry.1)" -eq 2 ]
    events_of hungry.1 restart | grep -q "resources.memory_per_node=100663296"
    grep -q 'memory_per_node = "96M"' \
        "$MLBATCH_STORE/runs/hungry.1/job.conf"
    run mlbatch status hungry
    [[ "$output" == *"was killed for lack of memory"* ]]
}

@test "$SCHED: of two that submit a run again at once one is refused" {
    mkfifo gate
    mlbatch submit --wait --job-name=twin --time=5 -- true
    local i codes=() pids=()
    for i in 1 2 3; do
        mlbatch submit --again twin.1 'command[0]=cat' "command[1]=$PWD/gate" \
            > "again.$i" 2>&1 &
        pids+=($!)
    done
    for i in 0 1 2; do
        local code=0
        wait "${pids[i]}" || code=$?
        codes+=("$code")
    done
    cat again.*
    [ "$(printf '%s\n' "${codes[@]}" | grep -c '^0$')" -eq 1 ]
    [ "$(grep -lE 'has not ended|is being submitted' again.* | wc -l)" -eq 2 ]
    [ "$(events_of twin.1 submitted | wc -l)" -eq 2 ]
    echo go > gate
    mlbatch wait twin.1
    [ "$(attempts twin.1)" -eq 2 ]
}
