#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Drives the built mlbatch-agent ($AGENT) over run directories made by hand.
# $LISTENER is the program agent_listener; without it what needs a program
# that uses the library is skipped.
# shellcheck disable=SC2016,SC2317 # for other shells; called by name
set -u
export LC_ALL=C
AGENT=${AGENT:?the path of mlbatch-agent}
LISTENER=${LISTENER:-}

work=$(mktemp -d "${TMPDIR:-/tmp}/agent.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
unset "${!SLURM_@}" "${!OMPI_@}" "${!PMIX_@}" "${!MLB_@}"
export MLB_LOCAL_JOB=here:1

# The agent looks for mlbatch-store beside itself.
mkdir "$work/bin"
cp "$AGENT" "$work/bin/mlbatch-agent"
agent=$work/bin/mlbatch-agent
cat > "$work/bin/mlbatch-store" <<'EOF'
#!/bin/sh
echo "$@" > "$2/sealed"
EOF
chmod +x "$work/bin/mlbatch-store"

failed=0
ok() { echo "ok   $*"; }
fail() {
    echo "FAIL $*"
    failed=1
}
# check WHAT CONDITION...
check() {
    local what=$1
    shift
    if "$@"; then ok "$what"; else fail "$what: $*"; fi
}
# wait_for CONDITION...: up to 20 s
wait_for() {
    local i
    for ((i = 0; i < 1000; i++)); do
        "$@" && return 0
        sleep 0.02
    done
    return 1
}

# new_run NAME FIELD...: a run directory $run; later fields win by coming
# first, as readers take the first of a name.
new_run() {
    run=$work/$1
    shift
    mkdir -p "$run"/{events,out,claims,checkpoints}
    printf '%s\0' "$@" run=test.1 token=secret scheduler=local \
        "directory=$work" nodes=1 tasks=1 tasks_per_node=1 cpus_per_task=1 \
        gpus_per_task=0 walltime=-1 warn=0 kill_wait=8 every=0 > "$run/plan"
}

# attempt: run it in the foreground, its exit status in $status
attempt() {
    "$agent" attempt "$run" secret 2> "$run/err"
    status=$?
}
# event NAME PATTERN...: is there such an event with all of these?
event() {
    local lines pattern
    lines=$(cat "$run"/events/*.jsonl 2> /dev/null |
                grep -a "\"event\":\"$1\"") || return 1
    shift
    for pattern; do
        lines=$(grep -aF -- "$pattern" <<< "$lines") || return 1
    done
}
log_has() { grep -aqsF -- "$2" "$run/out/rank-0000$1.log"; }
absent() { ! "$@" 2> /dev/null; }
gone() { absent kill -0 "$1"; }
is() { [ "$1" = "$2" ]; }

# one NAME WORD...: a run of one rank with that command
one() {
    local name=$1
    shift
    new_run "$name" "launch=$agent" launch=task "launch=$work/$name" \
        "${@/#/command=}" ${more[@]+"${more[@]}"}
    more=()
}
more=()

test_normal() {
    more=(env=GREETING=hi)
    one normal sh -c 'echo "$GREETING $RANK/$WORLD_SIZE $MASTER_PORT."; pwd'
    attempt
    check "normal: exit status" is "$status" 0
    check "normal: completed" event attempt-end '"state":"completed"' \
        '"exit":0' '"attempt":1' '"job":"here:1"'
    check "normal: output and environment" log_has 0 "hi 0/1 "
    check "normal: directory" log_has 0 "$work"
    check "normal: task ended" event task-end '"exit":0' '"rank":0' \
        '"max_rss":' '"user_seconds":'
    check "normal: started" event attempt-start '"nodes":[' '"port":'
    check "normal: sealed" is "$(cat "$run/sealed" 2>&1)" "seal $run"
    check "normal: log is private" is \
        "$(stat -c %a "$run/out/rank-00000.log")" 600
}

# parent NAME EVENT...: a run to come after, with these events.
parent() {
    local dir=$work/parents/$1 line
    shift
    mkdir -p "$dir/events"
    for line; do
        printf '{"time":1,%s}\n' "$line"
    done > "$dir/events/batch.jsonl"
}
ended() { echo "\"event\":\"attempt-end\",\"state\":\"$1\""; }

test_after() {
    cat > "$work/bin/mlbatch" <<'EOF'
#!/bin/sh
echo "$@ $MLB_RESUBMIT" > "$WORK/resubmitted"
echo "job.conf:3: after.ok: prep.1 is gone" >&2
exit "$ANSWER"
EOF
    chmod +x "$work/bin/mlbatch"
    export WORK=$work ANSWER=0
    local by=("program=$work/bin/mlbatch" "store=$work/store")
    parent good.1 "$(ended completed)"
    parent bad.1 "$(ended failed)"
    parent open.1 '"event":"submitted","job":"here:7"'
    parent on.1 "$(ended timeout)" '"event":"restart"'

    more=("after=ok good.1 $work/parents/good.1"
        "after=notok bad.1 $work/parents/bad.1"
        "after=any bad.1 $work/parents/bad.1")
    one met sh -c 'echo ran'
    attempt
    check "after: met: runs" log_has 0 ran

    more=("after=ok open.1 $work/parents/open.1"
        "after=ok bad.1 $work/parents/bad.1")
    one unmet sh -c 'echo ran'
    attempt
    check "after: never: exit status" is "$status" 1
    check "after: never: cancelled" event attempt-end \
        '"state":"cancelled"' '"job":"here:1"' '"text":"bad.1 ended failed"'
    check "after: never: did not run" absent log_has 0 ran
    check "after: never: not submitted again" absent test -e \
        "$work/resubmitted"

    more=("after=ok on.1 $work/parents/on.1" "${by[@]}")
    one later sh -c 'echo ran'
    attempt
    check "after: later: exit status" is "$status" 0
    check "after: later: submitted again" is "$(cat "$work/resubmitted")" \
        "submit --again=$run --store=$work/store --scheduler=local --parsable \
here:1"
    check "after: later: no end" absent event attempt-end

    ANSWER=3
    more=("after=any gone.1 $work/parents/gone.1" "${by[@]}")
    one refused sh -c 'echo ran'
    attempt
    check "after: the scheduler knew better" event attempt-end \
        '"state":"cancelled"' '"text":"job.conf:3: after.ok: prep.1 is gone"'
    ANSWER=5
    more=("after=ok open.1 $work/parents/open.1" "${by[@]}")
    one silent sh -c 'echo ran'
    attempt
    check "after: cannot be submitted" event attempt-end \
        '"state":"failed"' '"text":"open.1 has not ended, and this run could'
    rm "$work/bin/mlbatch"
}

# sweep RUN_DIR COUNT: points with the value k, their number.
sweep() {
    local i offsets='' records=$1/records offset=$((26 + 16 * ($2 + 1)))
    : > "$records"
    for ((i = 0; i < $2; i++)); do
        printf -v offsets '%s%015d\n' "$offsets" \
            $((offset + $(stat -c %s "$records")))
        printf 'token=secret\0value=k=v%d\0' "$i" >> "$records"
    done
    {
        printf 'mlbatch-sweep 1 %09d\n%s%015d\n' "$2" "$offsets" \
            $((offset + $(stat -c %s "$records")))
        cat "$records"
    } > "$1/sweep"
    rm "$records"
}

test_sweep() {
    more=(mark=MARK)
    one many sh -c 'echo "$0"' 'MARK.k.=MARK#'
    sed -i "s|$work/many\x00command|$run/points/MARK#\x00command|" "$run/plan"
    sweep "$run" 4
    MLB_LOCAL_JOB=here:5_1 MLB_LOCAL_INDEX=1 "$agent" attempt "$run" secret 2 \
        2> "$work/many.err"
    check "sweep: exit status" is $? 0
    run=$run/points/3
    check "sweep: its value" log_has 0 'v3=3'
    check "sweep: its log" event attempt-end '"state":"completed"' \
        '"job":"here:5_1"'
    check "sweep: its batch log" test "$run/out/batch.log" -ef \
        "$work/many.err"
    run=$work/many
    MLB_LOCAL_INDEX=2 "$agent" attempt "$run" secret 2 2> "$run/err"
    check "sweep: no such point" is $? 6
    check "sweep: no such point: said" grep -q 'no point 4: there are 4' \
        "$run/err"
    "$agent" attempt "$run" secret 0 2> "$run/err"
    check "sweep: no array" is $? 2
}

test_failures() {
    one exit3 sh -c 'exit 3'
    attempt
    check "exit 3: exit status" is "$status" 3
    check "exit 3: cause" event attempt-end '"state":"failed"' '"exit":3' \
        'rank 0 on ' ': exited with 3"'

    one missing ./nosuch
    attempt
    check "missing command: exit status" is "$status" 127
    check "missing command: cause" event attempt-end '"state":"failed"' \
        '"text":"cannot run ./nosuch: No such file or directory"'
    check "missing command: in the log" log_has 0 \
        'cannot run ./nosuch: No such file'

    touch "$work/data"
    one plain ./data
    attempt
    check "no program: exit status" is "$status" 126

    one segv sh -c 'kill -SEGV $$'
    attempt
    check "signal: exit status" is "$status" 139
    check "signal: cause" event attempt-end '"exit":139' \
        'killed by signal 11 (Segmentation fault)'
    check "signal: task" event task-end '"signal":11'

    one nodir true
    sed -i "s|directory=$work|directory=$work/none|" "$run/plan"
    attempt
    check "no directory: exit status" is "$status" 127
    check "no directory: cause" event attempt-end '"state":"failed"' \
        '"exit":127' 'cannot enter'

    one nochld true
    timeout 20 env --ignore-signal=CHLD "$agent" attempt "$run" secret
    check "SIGCHLD ignored by the parent: exit status" is $? 0

    one link true
    ln -s "$work/elsewhere" "$run/out/rank-00000.log"
    attempt
    check "linked log: refused" event attempt-end '"state":"failed"' \
        'cannot write'
    check "linked log: not followed" absent test -e "$work/elsewhere"
}

test_bytes() {
    local value
    value=$(head -c 600 /dev/urandom | tr -d '\0'; echo .)
    more=("env=BYTES=$value" "env=EMPTY=" "env=PATH=/usr/bin:/bin:$work"
          env=RANK=mine)
    one bytes env -0
    attempt
    printf 'BYTES=%s' "$value" > "$work/want"
    grep -az '^BYTES=' "$run/out/rank-00000.log" | tr -d '\0' > "$work/have"
    check "environment: every byte" cmp "$work/want" "$work/have"
    check "environment: empty value" grep -azqx 'EMPTY=' \
        "$run/out/rank-00000.log"
    check "environment: the job wins" grep -azqx 'RANK=mine' \
        "$run/out/rank-00000.log"
    check "environment: no stale rank" grep -azqx 'WORLD_SIZE=1' \
        "$run/out/rank-00000.log"

    value=$'a b\n"c" $d \\'
    one words printf '%s|' "$value" "" "*"
    attempt
    check "arguments: every byte" is "$(cat "$run/out/rank-00000.log")" \
        "$value||*|"
}

test_ranks() {
    local script='echo "$RANK $WORLD_SIZE $LOCAL_RANK $LOCAL_WORLD_SIZE
        $NODE_RANK ${CUDA_VISIBLE_DEVICES-none}" | tr "\n" " "'
    new_run ranks "launch=$agent" launch=ranks "launch=$work/ranks" \
        command=sh command=-c "command=$script" tasks=4 tasks_per_node=2 \
        nodes=2 gpus_per_task=1
    MLB_LOCAL_GPUS=4,5,6,7 attempt
    check "ranks: exit status" is "$status" 0
    check "ranks: first" is "$(tr -s ' ' < "$run/out/rank-00000.log")" \
        "0 4 0 2 0 4 "
    check "ranks: last" is "$(tr -s ' ' < "$run/out/rank-00003.log")" \
        "3 4 1 2 1 7 "
    MLB_LOCAL_JOB=here:1 MLB_LOCAL_GPUS=4,5 attempt
    check "ranks: too few GPUs" event attempt-end '"state":"failed"' \
        'needs GPUs'

    new_run first "launch=$agent" launch=ranks "launch=$work/first" \
        command=sh command=-c \
        'command=test $RANK = 2 && exit 9; exec sleep 1000' tasks=4 \
        tasks_per_node=4
    attempt
    check "first failure: exit status" is "$status" 143
    check "first failure: named" event attempt-end 'rank 2 on ' \
        'exited with 9'
    check "first failure: others ended" event task-end '"rank":3' \
        '"signal":15'
}

test_mpirun() {
    if ! command -v mpirun > /dev/null; then
        echo "skip mpirun: not installed"
        return
    fi
    new_run mpi launch=mpirun launch=--oversubscribe launch=-n launch=2 \
        "launch=$agent" launch=task "launch=$work/mpi" command=sh \
        command=-c 'command=echo $RANK $WORLD_SIZE $LOCAL_RANK $NODE_RANK' \
        tasks=2 tasks_per_node=2
    SLURM_PROCID=0 OMPI_COMM_WORLD_RANK=5 OMPI_COMM_WORLD_SIZE=9 attempt
    check "mpirun: exit status" is "$status" 0
    check "mpirun: rank 0" is "$(cat "$run/out/rank-00000.log")" "0 2 0 0"
    check "mpirun: rank 1" is "$(cat "$run/out/rank-00001.log")" "1 2 1 0"
}

# Start an attempt behind us: $pid
begin() {
    "$agent" attempt "$run" secret 2> "$run/err" &
    pid=$!
}

test_stop() {
    one term sh -c 'echo up; exec sleep 1000'
    begin
    check "stop: runs" wait_for log_has 0 up
    kill "$pid"
    wait "$pid"
    check "stop: exit status" is $? 143
    check "stop: cause" event attempt-end '"state":"failed"' \
        '"text":"asked to stop by the scheduler (SIGTERM)"'
    check "stop: no ask is left" absent test -e "$run/ask-1"

    one stubborn sh -c 'trap "" TERM; echo up; while :; do sleep 1; done'
    sed -i 's/kill_wait=8/kill_wait=2/' "$run/plan"
    begin
    check "stubborn: runs" wait_for log_has 0 up
    kill "$pid"
    wait "$pid"
    check "stubborn: killed" is $? 137

    one cancel sh -c 'echo up; exec sleep 1000'
    begin
    check "cancel: runs" wait_for log_has 0 up
    printf '{"time":%s,"event":"cancel","by":"ada"}\n' "$(date +%s.%N)" \
        > "$run/events/cli.jsonl"
    kill "$pid"
    wait "$pid"
    check "cancel: state" event attempt-end '"state":"cancelled"' \
        '"text":"cancelled by ada"'

    one forward sh -c 'trap "echo usr1; exit 0" USR1; echo up
        while :; do sleep 0.1; done'
    begin
    check "forward: runs" wait_for log_has 0 up
    kill -HUP "$pid"
    kill -USR1 "$pid"
    wait "$pid"
    check "forward: exit status" is $? 0
    check "forward: heard, and no SIGHUP" log_has 0 usr1
}

test_walltime() {
    one walltime sh -c 'exec sleep 1000'
    sed -i 's/walltime=-1/walltime=1/' "$run/plan"
    attempt
    check "walltime: state" event attempt-end '"state":"timeout"' \
        'the walltime of 00:00:01 was over'
}

test_listener() {
    if [ -z "$LISTENER" ]; then
        echo "skip listener: LISTENER is not set"
        return
    fi
    one listen "$LISTENER"
    begin
    check "listener: trains" wait_for log_has 0 training
    kill "$pid"
    wait "$pid"
    check "listener: exit status" is $? 75
    check "listener: stopped by itself" log_has 0 stopped
    check "listener: saved before" log_has 0 saved
    check "listener: state" event attempt-end '"state":"failed"' \
        'asked to stop by the scheduler'
    check "listener: metrics" event metric '"name":"loss","step":1' \
        '"value":1.0' '"attempt":1' '"rank":0'
    check "listener: odd metric" event metric '"value":"nan"'
    check "listener: progress" event task-end '"step":' '"samples":'

    # Its grandchild, with the descriptor closed on the way.
    one warn bash -c 'for f in /proc/self/fd/*; do f=${f##*/}
        ((f > 2)) && eval "exec $f>&-"; done; "$0"; exit $?' "$LISTENER"
    sed -i 's/walltime=-1/walltime=4/; s/warn=0/warn=3/' "$run/plan"
    attempt
    check "warned: asked" event checkpoint-asked '"reason":"walltime"'
    check "warned: saved, went on, then stopped" \
        is "$(tr '\n' ' ' < "$run/out/rank-00000.log")" \
        "training saved saved stopped "
    check "warned: state" event attempt-end '"state":"timeout"' '"exit":75'
}

test_orphans() {
    one orphan bash -c 'setsid sleep 1000 & echo $! > '"$work/one"'
        setsid bash -c "trap : TERM; echo \$\$ > '"$work/two"'
            while :; do sleep 1; done" &
        until [ -s '"$work/two"' ]; do sleep 0.01; done; exit 0'
    attempt
    check "orphans: exit status" is "$status" 0
    check "orphans: ended" gone "$(cat "$work/one")"
    check "orphans: killed" gone "$(cat "$work/two")"
}

test_killed() {
    one killed sh -c 'echo $$ > '"$work/pid"'; exec sleep 1000'
    begin
    check "kill -9: runs" wait_for test -s "$work/pid"
    { kill -9 "$pid" && wait "$pid"; } 2> /dev/null
    check "kill -9: the program ends" wait_for gone "$(cat "$work/pid")"
    check "kill -9: the task says so" wait_for event task-end '"signal":15'

    # The same job started again goes on under the same claim.
    begin
    check "restart: runs" wait_for event task-start '"attempt":2'
    kill "$pid"
    wait "$pid"
    check "restart: second attempt" event attempt-end '"attempt":2'
}

test_duplicates() {
    one twice sh -c 'echo ran'
    "$agent" attempt "$run" other 2> "$run/err"
    check "other token: exit status" is $? 0
    check "other token: noted" event duplicate \
        '"text":"superseded by a later submission"'
    check "other token: not run" absent test -e "$run/out/rank-00000.log"
    local i
    for i in 1 2 3 4 5 6; do
        MLB_LOCAL_JOB=here:$i "$agent" attempt "$run" secret 2> /dev/null &
    done
    wait
    check "six copies: one runs" is \
        "$(grep -c . "$run/out/rank-00000.log")" 1
    check "six copies: five are noted" is \
        "$(cat "$run"/events/*.jsonl | grep -c 'runs this submission')" 5
}

test_damage() {
    "$agent" attempt "$work/none" secret 2> "$work/err"
    check "no run: exit status" is $? 6
    check "no run: message" grep -q "cannot read $work/none/plan" "$work/err"
    one torn true
    truncate -s -1 "$run/plan"
    attempt
    check "torn plan: exit status" is "$status" 3
    check "torn plan: message" grep -q 'cut off' "$run/err"
    check "torn plan: noted" event attempt-end '"state":"failed"' '"exit":3'
    one short true
    printf 'run=x\0token=secret\0' > "$run/plan"
    attempt
    check "short plan: message" grep -q 'no field scheduler' "$run/err"
    "$agent" 2> /dev/null
    check "usage" is $? 2
}

for t in normal after sweep failures bytes ranks mpirun stop walltime listener orphans \
    killed duplicates damage; do
    "test_$t"
done
[ "$failed" = 0 ] && echo "agent: ok"
exit "$failed"
