#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# mlbatch top: what runs now, once and on a terminal.

load helper
setup() {
    common_setup
    [ -x "$MLB_BIN/../libexec/mlbatch/mlbatch-top" ] ||
        skip "built without ncurses"
}
teardown() { common_teardown; }

shown() {
    mlbatch top --once 2> /dev/null | grep -q -- "$1"
}

@test "top: --once shows a running run, and no more once it has ended" {
    mkfifo gate
    mlbatch submit --job-name=gated --time=5 -- sh -c "cat '$PWD/gate'"
    until_true 30 shown '^gated\.1 *0 '
    run mlbatch top --once gated
    [[ "${lines[0]}" == RUN*RANK*NODE*CPU%*STATE ]]
    [[ "${lines[1]}" == gated.1*running* ]]
    # Without a terminal it is the same.
    run mlbatch top
    [[ "${lines[1]}" == gated.1*running* ]]
    echo go > gate
    mlbatch wait gated
    run --separate-stderr mlbatch top --once
    [ "$status" -eq 0 ]
    [ "$output" = "" ]
    [[ "$stderr" == *"nothing runs"* ]]
}

@test "top: --json has null for what is not known" {
    mkfifo gate
    mlbatch submit --job-name=gated --time=5 -- sh -c "cat '$PWD/gate'"
    until_true 30 shown '^gated\.1 *0 '
    mlbatch top --json > top.json
    python3 - <<'P'
import json
top = json.load(open("top.json"))
task, = top["tasks"]
assert top["schema"] == 1
assert task["run"] == "gated.1" and task["rank"] == 0
assert task["state"] == "running" and task["node"]
assert task["loss"] is None and task["step"] is None
assert task["silent_seconds"] is None
P
    echo go > gate
    mlbatch wait gated
}

@test "top: draws on a terminal and leaves by q" {
    mkfifo gate keys
    mlbatch submit --job-name=gated --time=5 -- sh -c "cat '$PWD/gate'"
    until_true 30 shown '^gated\.1 *0 '
    TERM=xterm script -qefc 'mlbatch top' screen < keys > /dev/null &
    local pid=$!
    exec 7> keys
    until_true 20 has_text screen gated.1
    printf q >&7
    wait "$pid"
    exec 7>&-
    echo go > gate
    mlbatch wait gated
}

@test "top: bad calls say what is wrong" {
    run mlbatch top --once absent
    [ "$status" -eq 6 ]
    [[ "$output" == *"no run absent"* ]]
    run mlbatch top --sort=colour
    [ "$status" -eq 2 ]
    [[ "$output" == *'no column "colour"'* ]]
}
