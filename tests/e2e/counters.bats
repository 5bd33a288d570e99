#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# What is counted of tasks, and by whom, whatever happens to whoever does.

load helper
setup() {
    SCHED=local common_setup
    agent=$MLB_BIN/../libexec/mlbatch/mlbatch-agent
    work=$MLB_HELPERS/work
    taken_before=$(taken)
}
teardown() { SCHED=local common_teardown; }

# total RANK METRIC: of its task-end event.
total() {
    cat "$dir"/events/* | grep '"event":"task-end"' |
        grep "\"rank\":$1," |
        sed -n "s/.*\"totals\":{[^}]*\"$2\":\\(-\\{0,1\\}[0-9]*\\).*/\\1/p"
}

# near VALUE WANTED: within 2 %
near() {
    echo "$1, wanted $2"
    [ "$1" -ge $(($2 * 98 / 100)) ] && [ "$1" -le $(($2 * 102 / 100)) ]
}

# What interrupts and the host took of this machine's CPU time so far, ns:
# perf's clock counts it for whoever was interrupted.
taken() { awk '/^cpu / { printf "%d\n", ($7 + $8 + $9) * 1e7 }' /proc/stat; }

# near_time VALUE WANTED: the same, but for what was taken since setup.
near_time() {
    local more=$(($(taken) - taken_before))
    echo "$1, wanted $2 and at most $more more"
    [ "$1" -ge $(($2 * 98 / 100)) ] && [ "$1" -le $(($2 * 102 / 100 + more)) ]
}

journals() { find "$dir/journal" -name '*.mbj' 2> /dev/null | wc -l; }
have_journals() { [ "$(journals)" -ge "$1" ]; }
bytes() { cat "$dir"/journal/*.mbj | wc -c; }
has_grown() { [ "$(bytes)" -gt "$1" ]; }

# A run of tasks started one by one, as a launcher would that goes on without
# those that die: start RANKS COMMAND..., their agents' pids in ${pids[@]}.
start() {
    local ranks=$1 i
    shift
    dir=$PWD/run
    mkdir -p "$dir"/{events,out,checkpoints}
    printf '%s\0' "${fields[@]}" run=made.1 "token=$BATS_TEST_NAME$$" \
        scheduler=local "directory=$PWD" nodes=1 "tasks=$ranks" \
        "tasks_per_node=$ranks" cpus_per_task=1 gpus_per_task=0 \
        walltime=-1 warn=0 kill_wait=8 every=0 "launch=$agent" \
        "${@/#/command=}" > "$dir/plan"
    pids=()
    for ((i = 0; i < ranks; i++)); do
        MLB_RANK_GLOBAL=$i MLB_RANK_SIZE=$ranks MLB_RANK_LOCAL=$i \
            MLB_RANK_LOCAL_SIZE=$ranks MLB_RANK_NODE=0 MLB_ATTEMPT=1 \
            MLB_HEAD_ADDR=127.0.0.1 MLB_HEAD_PORT=29500 \
            "$agent" task "$dir" 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- &
        pids+=("$!")
    done
}
fields=()

# The index of the agent that leads: the one with a second thread.
leader() {
    local i
    for i in "${!pids[@]}"; do
        [ "$(ls "/proc/${pids[i]}/task" 2> /dev/null | wc -l)" -gt 1 ] &&
            echo "$i" && return 0
    done
    return 1
}

@test "counters: children, orphans and what nobody waited for are counted" {
    mlbatch submit --wait --job-name=c -- "$work" orphan 250 ignored 750 \
        children 2 250 burn 500
    dir=$MLBATCH_STORE/runs/c.1
    near_time "$(total 0 cpu_time)" 2000000000
}

@test "counters: 2 s of CPU time are 2 s, and memory is what was touched" {
    mlbatch submit --wait --job-name=c -- "$work" burn 2000
    dir=$MLBATCH_STORE/runs/c.1
    near_time "$(total 0 cpu_time)" 2000000000
    mlbatch submit --wait --job-name=c -- "$work" touch 300
    dir=$MLBATCH_STORE/runs/c.2
    near "$(total 0 rss)" $((301 << 20))
}

@test "counters: the journal is there after everything was killed" {
    mlbatch submit --job-name=c -- sleep 60
    dir=$MLBATCH_STORE/runs/c.1
    until_true 20 have_journals 1
    until_true 20 has_grown "$(bytes)"
    kill_run c.1
    [ "$(journals)" = 1 ]
    [ "$(bytes)" -gt 0 ]
}

@test "counters: a leader is killed, the others' totals are whole" {
    local i first
    mkfifo gate
    exec 7<> gate
    start 4 sh -c "head -c1 < '$PWD/gate'; exec '$work' burn 500"
    until_true 20 have_journals 1
    until_true 20 leader
    first=$(leader)
    kill -9 "${pids[first]}"
    wait "${pids[first]}" || true
    until_true 20 have_journals 2
    until_true 20 leader
    [ "$(leader)" != "$first" ]
    printf 'gogo' >&7
    for i in 0 1 2 3; do
        [ "$i" = "$first" ] && continue
        wait "${pids[i]}"
        near "$(total "$i" cpu_time)" 502000000
    done
    [ -z "$(total "$first" cpu_time)" ]
    exec 7>&-
}

@test "counters: the leader's task ends first, its exit does not wait" {
    mkfifo gate
    exec 7<> gate
    start 3 sh -c "[ \$RANK = 0 ] || head -c1 < '$PWD/gate'"
    wait "${pids[0]}"
    [ -n "$(total 0 cpu_time)" ]
    until_true 20 leader
    [ "$(leader)" != 0 ]
    printf 'go' >&7
    wait "${pids[1]}" && wait "${pids[2]}"
    [ -n "$(total 2 cpu_time)" ]
    exec 7>&-
}

@test "counters: agents that do not lead sleep" {
    local i first before after
    mkfifo gate
    exec 7<> gate
    start 3 sh -c "head -c1 < '$PWD/gate'"
    until_true 20 have_journals 1
    until_true 20 leader
    first=$(leader)
    i=$(((first + 1) % 3))
    before=$(grep ^voluntary "/proc/${pids[i]}/status")
    until_true 20 has_grown "$(bytes)"
    until_true 20 has_grown "$(bytes)"
    after=$(grep ^voluntary "/proc/${pids[i]}/status")
    echo "$before, $after"
    [ "$before" = "$after" ]
    printf 'gogo' >&7
    wait "${pids[@]}"
    exec 7>&-
}

@test "counters: switched off, there is no journal and no socket" {
    fields=(sample_every=0)
    mkfifo gate
    exec 7<> gate
    start 2 sh -c "echo here; head -c1 < '$PWD/gate'"
    until_true 20 has_text "$dir/out/rank-00000.log" here
    ! leader
    printf 'go' >&7
    wait "${pids[@]}"
    [ "$(journals)" = 0 ]
    [ "$(total 0 cpu_time)" -gt 0 ]
    cat "$dir"/events/* | grep task-end |
        grep -q '"counters are switched off":\[[^]]*"cycles"'
    exec 7>&-
}

@test "counters: a limit on the size of files does not end an agent" {
    fields=(sample_every=0)
    mkfifo answer
    exec 7<> answer
    printf '#!/bin/sh\nulimit -f 0\nexec "%s" "$@"\n' "$agent" > limited
    chmod +x limited
    agent=$PWD/limited
    start 1 sh -c "grep SigIgn /proc/self/status > '$PWD/answer'"
    code=0
    wait "${pids[@]}" || code=$?
    [ "$code" -lt 128 ]
    # The program has it as it is by default: bit 24 is SIGXFSZ.
    read -r -t 20 _ ignored <&7
    [ $((0x$ignored >> 24 & 1)) = 0 ]
    exec 7>&-
}

@test "counters: a program inherits the channel and nothing else" {
    start 2 sh -c 'for f in /proc/$$/fd/*; do readlink "$f"; done; ulimit -Sn'
    wait "${pids[@]}"
    # What whoever runs these tests has open is not ours.
    readlink /proc/$BASHPID/fd/* > own || true
    run sed -e '/^\/dev\/null$/d' -e '/rank-0000.\.log$/d' \
        -e '/memfd:mlbatch-channel/d' "$dir/out/rank-00000.log"
    output=$(grep -vxFf own <<< "$output")
    echo "$output"
    [ "$output" = "$(ulimit -Sn)" ]
}
