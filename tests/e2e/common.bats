#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# What every scheduler must do; run with SCHED=local, slurm and pbs.

load helper
setup() { common_setup; }
teardown() { common_teardown; }

@test "$SCHED$MLB_REPLAYED$MLB_WHO: submit --wait passes the job's exit code" {
    run mlbatch submit --wait --parsable -- sh -c 'exit 0'
    [ "$status" -eq 0 ]
    run mlbatch submit --wait --parsable --job-name=three -- sh -c 'exit 3'
    [ "$status" -eq 3 ]
    is_state three.1 failed
}

@test "$SCHED$MLB_REPLAYED$MLB_WHO: --parsable prints the run's name alone" {
    run --separate-stderr mlbatch submit --parsable --job-name=x -- true
    [ "$status" -eq 0 ]
    [ "$output" = x.1 ]
    run --separate-stderr mlbatch submit --parsable --job-name=x -- true
    [ "$output" = x.2 ]
    mlbatch wait x.1
    mlbatch wait x.2
}

@test "$SCHED$MLB_REPLAYED$MLB_WHO: logs hold the output of each rank, and -f ends with the run" {
    cat > ranks.conf <<'C'
name = "two";
command = "echo rank $RANK of $WORLD_SIZE local $LOCAL_RANK; echo err >&2";
launch = "torch";
resources = { tasks_per_node = 2; walltime = "00:05:00"; };
C
    run mlbatch submit --wait --parsable ranks.conf
    [ "$status" -eq 0 ]
    run mlbatch logs -f two
    [ "${lines[0]}" = "rank 0 of 2 local 0" ]
    [ "${lines[1]}" = err ]
    run mlbatch logs two.1 --rank=1
    [ "${lines[0]}" = "rank 1 of 2 local 1" ]
    run mlbatch logs two.1 --rank=2
    [ "$status" -eq 6 ]
}

@test "$SCHED$MLB_REPLAYED$MLB_WHO: status, list and logs -f tell the truth while it runs" {
    mkfifo gate
    mlbatch submit --job-name=gated --time=5 -- \
        sh -c "echo begun; cat '$PWD/gate'; echo over"
    until_true 30 is_state gated.1 running
    until_true 30 has_text "$MLBATCH_STORE/runs/gated.1/out/rank-00000.log" \
        begun
    run mlbatch list --open
    [[ "$output" == *gated.1*running* ]]
    mlbatch logs -f gated > followed &
    local follower=$!
    until_true 10 has_text followed begun
    echo opened > gate
    wait "$follower"
    [ "$(cat followed)" = "$(printf 'begun\nopened\nover')" ]
    mlbatch wait gated
    is_state gated.1 completed
    run mlbatch list --open
    [[ "$output" != *gated.1* ]]
}

@test "$SCHED$MLB_REPLAYED$MLB_WHO: cancel ends a run, and says who did it" {
    mlbatch submit --job-name=endless --time=5 -- sleep 600
    until_true 30 is_state endless.1 running
    mlbatch cancel endless
    run mlbatch wait endless
    [ "$status" -ne 0 ]
    is_state endless.1 cancelled
    run mlbatch status endless
    [[ "$output" == *"cancelled by $(id -un)"* ]]
    run mlbatch cancel endless
    [ "$status" -eq 1 ]
    [[ "$output" == *"has ended already"* ]]
}

@test "$SCHED$MLB_REPLAYED$MLB_WHO: a command that does not exist fails with the cause" {
    run -127 mlbatch submit --wait --job-name=nosuch -- ./no-such-program
    is_state nosuch.1 failed
    run mlbatch status nosuch
    [[ "$output" == *"./no-such-program"*"No such file or directory"* ]]
}

@test "$SCHED$MLB_REPLAYED$MLB_WHO: a rank killed by a signal is named" {
    cat > die.conf <<'C'
name = "die";
command = "if [ $RANK = 1 ]; then kill -SEGV $$; fi; sleep 60";
launch = "torch";
resources = { tasks_per_node = 2; walltime = "00:05:00"; };
C
    run mlbatch submit --wait die.conf
    [ "$status" -ne 0 ]
    is_state die.1 failed
    run mlbatch status die
    [[ "$output" == *"rank 1"*"signal 11"* ]]
}

@test "$SCHED$MLB_REPLAYED$MLB_WHO: any bytes arrive exactly in argv, environment and paths" {
    cp "$MLB_HELPERS/dump" dump
    run /usr/bin/python3 "$MLB_TOP/tests/e2e/bytes.py" 20
    echo "$output"
    [ "$status" -eq 0 ]
}

@test "$SCHED$MLB_REPLAYED$MLB_WHO: the run holds job, script, code and record" {
    git init -q . && git config user.email t@example.org &&
        git config user.name t
    echo one > model.txt
    git add model.txt && git commit -qm one
    echo two > model.txt
    run mlbatch submit --wait --job-name=kept -- true
    [ "$status" -eq 0 ]
    local dir=$MLBATCH_STORE/runs/kept.1
    [ "$(cat "$dir/code/commit")" = "$(git rev-parse HEAD)" ]
    grep -q '^+two' "$dir/code/diff.patch"
    [ -s "$dir/job.conf" ] && [ -x "$dir/script" ]
    h5dump -n "$dir/record.h5" | grep -q /tasks/exit
    [ "$(stat -c %a "$dir")" = 700 ]
    # The resolved job is a job file: the same plan comes of it.
    mlbatch plan "$dir/job.conf"
}

@test "$SCHED$MLB_REPLAYED$MLB_WHO: submit --again goes on under the same run" {
    run mlbatch submit --wait --job-name=twice -- sh -c 'test -e ok'
    [ "$status" -eq 1 ]
    touch ok
    run --separate-stderr mlbatch submit --wait --parsable --again twice
    [ "$output" = twice.1 ]
    [ "$status" -eq 0 ]
    is_state twice.1 completed
    run mlbatch status twice
    [[ "$output" == *"attempts"*2* ]]
    run mlbatch list twice
    [ "${#lines[@]}" -eq 2 ]
}

@test "$SCHED$MLB_REPLAYED$MLB_WHO: a launcher of one's own, from a site file" {
    cat > site.conf <<'C'
launchers = ({ name = "twice"; help = "starts two, one after the other";
    slurm = ["sh", "-c", "\"$1\" task \"$2\" && \"$1\" task \"$2\"", "sh",
             "${agent}", "${run.dir}"];
    pbs = ["sh", "-c", "\"$1\" task \"$2\" && \"$1\" task \"$2\"", "sh",
           "${agent}", "${run.dir}"];
    local = ["sh", "-c", "\"$1\" task \"$2\" && \"$1\" task \"$2\"", "sh",
             "${agent}", "${run.dir}"]; });
C
    cat > own.conf <<'C'
name = "own"; command = ["echo", "hello"]; launch = "twice";
C
    run mlbatch submit --site=site.conf --wait own.conf
    [ "$status" -eq 0 ]
    run mlbatch logs own
    [ "$output" = "$(printf 'hello\nhello')" ]
}
