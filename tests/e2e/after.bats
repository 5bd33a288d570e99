#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Runs that come after others. On each scheduler ($SCHED).

load helper
setup() {
    common_setup
    mkfifo gate
}
teardown() { common_teardown; }

# gated NAME [OPTION...]: a run that ends when something is written to gate,
# with the exit code that is written.
gated() {
    local name=$1
    shift
    mlbatch submit --job-name="$name" "$@" -- \
        sh -c "read -r code < '$PWD/gate'; exit \"\$code\""
}

text_of() {
    mlbatch status "$1" --json | sed -n 's/^  "text": "\(.*\)",$/\1/p'
}

job_of() {
    mlbatch status "$1" --json | sed -n 's/^  "job": "\(.*\)",$/\1/p'
}

# has_job RUN OTHER: does it have a job that is not OTHER?
has_other_job() {
    [ -n "$(job_of "$1")" ] && [ "$(job_of "$1")" != "$2" ]
}

@test "$SCHED$MLB_REPLAYED: a chain runs in its order" {
    gated one
    mlbatch submit --job-name=two --after=one -- sh -c 'date +%s.%N > two'
    mlbatch submit --job-name=three --after=two -- \
        sh -c 'date +%s.%N > three'
    until_true 30 is_state one.1 running
    is_state two.1 pending
    is_state three.1 pending
    run mlbatch plan --after=one -- true
    [[ "$output" == *"after            ok one.1"* ]]
    echo 0 > gate
    mlbatch wait one && mlbatch wait two && mlbatch wait three
    [[ "$(cat two)" < "$(cat three)" ]]
    grep 'ok = \["one.1"\]' "$MLBATCH_STORE"/runs/two.1/job.conf
}

@test "$SCHED$MLB_REPLAYED: what comes after a failure is cancelled, or wanted it" {
    gated one
    mlbatch submit --job-name=ok --after=one -- touch ok
    mlbatch submit --job-name=next --after=ok -- touch next
    mlbatch submit --job-name=any --after-any=one -- touch any
    mlbatch submit --job-name=notok --after-notok=one -- touch notok
    echo 3 > gate
    run mlbatch wait one
    [ "$status" -eq 3 ]
    mlbatch wait any && mlbatch wait notok
    run mlbatch wait next
    [ "$status" -eq 1 ]
    [ -e any ] && [ -e notok ] && [ ! -e ok ] && [ ! -e next ]
    is_state ok.1 cancelled
    [ "$(text_of ok.1)" = "one.1 ended failed" ]
    is_state next.1 cancelled
    [ "$(text_of next.1)" = "ok.1 ended cancelled" ]
}

@test "$SCHED$MLB_REPLAYED: a run that has ended decides at once" {
    mlbatch submit --job-name=good -- true
    mlbatch submit --job-name=bad -- sh -c 'exit 3'
    mlbatch wait good
    run mlbatch wait bad
    [ "$status" -eq 3 ]
    cat > after.conf <<'C'
name = "later"; command = ["true"];
after = { ok = ["good"];
          notok = ["bad.1"]; };
C
    # The scheduler may have forgotten it long since: its log has not.
    sed -i 's/\bid=[^\x00]*/id=99999999/' "$MLBATCH_STORE"/runs/good.1/submission
    mlbatch submit after.conf
    mlbatch wait later
    run mlbatch submit --after=bad after.conf
    [ "$status" -eq 3 ]
    [[ "$output" == *"command line: after.ok: bad.1 ended failed: "* ]]
    sed -i 's/"bad.1"/"nothing.7", "good"/' after.conf
    run mlbatch submit after.conf
    [ "$status" -eq 3 ]
    [[ "$output" == *"after.conf:3: after.notok: no run nothing.7"* ]]
    [[ "$output" == *"after.conf:3: after.notok: good.1 ended completed"* ]]
    [ "$(ls "$MLBATCH_STORE"/runs)" = "bad.1
good.1
later.1" ]
}

@test "$SCHED$MLB_REPLAYED: a run that goes on under another job is still waited for" {
    gated one
    until_true 30 is_state one.1 running
    mlbatch submit --job-name=two --after=one --hold -- touch two
    local job
    job=$(job_of two.1)
    mlbatch cancel one
    until_true 60 is_state one.1 cancelled
    mlbatch submit --again=one
    mlbatch release two
    # Its first job sees that one.1 has another one, and makes way.
    until_true 90 has_other_job two.1 "$job"
    until_true 30 is_state two.1 pending
    [ ! -e two ]
    echo 0 > gate
    mlbatch wait one && mlbatch wait two
    [ -e two ]
}

@test "$SCHED$MLB_REPLAYED: no circle of runs" {
    mlbatch submit --job-name=one --hold -- true
    mlbatch submit --job-name=two --after=one --hold -- true
    mlbatch submit --job-name=three --after=two -- true
    mlbatch cancel one
    until_true 30 is_state one.1 cancelled
    run mlbatch submit --again=one --after=three
    [ "$status" -eq 3 ]
    [[ "$output" == *"after.ok: three.1 waits for one.1 itself"* ]]
    run mlbatch submit --again=one --after=one
    [ "$status" -eq 3 ]
    [[ "$output" == *"after.ok: one.1 ended cancelled"* ]]
}
