#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# A second submission asks for what the first one needed.

load helper
setup() {
    common_setup
    mlbatch-store() { "$MLB_BIN/../libexec/mlbatch/mlbatch-store" "$@"; }
    mlbatch-store advise --help > advice 2> /dev/null ||
        skip "mlbatch-store advise is not there"
    cat > job.conf <<'C'
name = "fitted"; command = ["sh", "-c", "sleep 1"];
resources = { walltime = "01:00:00"; memory_per_node = "512M"; };
C
}
teardown() { common_teardown; }

walltime() {
    sed -n 's/.*"walltime_seconds": *\([0-9]*\).*/\1/p'
}

@test "$SCHED: --fit without earlier runs says so and changes nothing" {
    run --separate-stderr mlbatch plan --json --fit job.conf
    [ "$status" -eq 0 ]
    [ "$(walltime <<< "$output")" = 3600 ]
    [[ "$stderr" == *'no earlier runs'*'nothing is changed'* ]]
}

@test "$SCHED: --fit takes less time than was asked, and says why" {
    for _ in 1 2 3; do mlbatch submit --wait job.conf; done
    run --separate-stderr mlbatch plan --json --fit job.conf
    echo "$stderr"
    [ "$status" -eq 0 ]
    [ "$(walltime <<< "$output")" -lt 3600 ]
    [[ "$stderr" == *'--fit: resources.walltime: 01:00:00 -> '* ]]
    # Not every second time only: it is the file's request that changes.
    for _ in 1 2; do
        run mlbatch submit --wait --fit job.conf
        [ "$status" -eq 0 ]
        [[ "$output" == *'--fit: resources.walltime: 01:00:00 -> '* ]]
    done
    run mlbatch plan --fit job.conf resources.tasks_per_node=2
    [[ "$output" == *'no earlier runs of this job and shape'* ]]
    run mlbatch plan --fit job.conf resources.walltime=2h
    [[ "$output" == *'stays 02:00:00, as the command line says'* ]]
}
