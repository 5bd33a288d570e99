#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Bad input: all errors at once, file and line, exit 3, nothing left behind.

load helper
setup() { common_setup; }
teardown() { common_teardown; }

nothing_left() {
    [ ! -e "$MLBATCH_STORE/runs" ] || [ -z "$(ls "$MLBATCH_STORE/runs")" ]
}

@test "$SCHED: a missing or unreadable job file" {
    run mlbatch submit nowhere.conf
    [ "$status" -eq 3 ]
    [[ "$output" == *"nowhere.conf"*"no such file"* ]]
    run mlbatch submit .
    [ "$status" -eq 3 ]
    nothing_left
}

@test "$SCHED: a syntax error has file and line" {
    printf 'name = "x";\ncommand = ["true";\n' > bad.conf
    run mlbatch submit bad.conf
    [ "$status" -eq 3 ]
    [[ "$output" == *"bad.conf:2: "* ]]
    nothing_left
}

@test "$SCHED: all that is wrong is reported at once" {
    cat > bad.conf <<'C'
name = 7;
comand = ["true"];
launch = "mpy";
resources = { nodes = 0; walltime = "soon"; nodse = 2; };
container = { image = "train.sif"; };
datasets = ({ name = "nosuch"; as = "train"; });
C
    run mlbatch submit bad.conf
    echo "$output"
    [ "$status" -eq 3 ]
    [[ "$output" == *"bad.conf:1: "*name* ]]
    [[ "$output" == *"bad.conf:2: "*'"command"'* ]]
    [[ "$output" == *"bad.conf:4: "*nodes* ]]
    [[ "$output" == *"bad.conf:4: "*soon* ]]
    [[ "$output" == *"bad.conf:4: "*'did you mean'* ]]
    [[ "$output" == *"bad.conf:5: "*"not supported yet"* ]]
    [[ "$output" == *"bad.conf:6: "*nosuch* ]]
    nothing_left
}

@test "$SCHED: an unknown launcher, with the near one" {
    cat > bad.conf <<'C'
name = "x";
command = ["true"];
launch = "torhc";
C
    run mlbatch submit bad.conf
    [ "$status" -eq 3 ]
    [[ "$output" == *"bad.conf:3: "*'did you mean "torch"?'* ]]
    nothing_left
}

@test "$SCHED: usage errors exit with 2" {
    run mlbatch submit
    [ "$status" -eq 2 ]
    run mlbatch submti
    [ "$status" -eq 2 ]
    [[ "$output" == *'did you mean "submit"?'* ]]
    run mlbatch submit --nosuch
    [ "$status" -eq 2 ]
    run mlbatch status nosuch
    [ "$status" -eq 6 ]
}

@test "$SCHED: what the cluster cannot give is refused with the line" {
    [ "$SCHED" = slurm ] || skip "the machine at hand has no partitions"
    cat > big.conf <<'C'
name = "big";
command = ["true"];
resources = {
    nodes = 9;
    gpus_per_task = 5;
    memory_per_node = "1T";
    walltime = "2-00:00:00";
    cpus_per_task = 99;
};
C
    run mlbatch submit big.conf
    echo "$output"
    [ "$status" -eq 3 ]
    [[ "$output" == *"big.conf:4: "* ]]
    [[ "$output" == *"big.conf:5: "*GPUs* ]]
    [[ "$output" == *"big.conf:6: "* ]]
    [[ "$output" == *"big.conf:7: "*01:00:00* ]]
    [[ "$output" == *"big.conf:8: "* ]]
    run mlbatch submit big.conf resources.partition=mian
    [[ "$output" == *'command line: '*'did you mean "main"?'* ]]
    # the rest is told all the same
    [[ "$output" == *"big.conf:5: "*"no partition has more than 4"* ]]
    run mlbatch submit big.conf launch=troch 'command[0]=' name=
    echo "$output"
    [ "$status" -eq 3 ]
    [[ "$output" == *"big.conf:5: "*GPUs* ]]
    [[ "$output" == *'did you mean "torch"?'* ]]
    run mlbatch submit --partition=short --time=10 -- true
    [ "$status" -eq 3 ]
    run mlbatch submit --account=nonsense -- true
    echo "$output"
    [ "$status" -eq 3 ]
    [[ "$output" == *nonsense* ]]
    nothing_left
}

@test "$SCHED: a native option that is not known is refused" {
    [ "$SCHED" = slurm ] || skip "there are no native options of local"
    run mlbatch submit 'slurm.options[0]=--qso=high' -- true
    [ "$status" -eq 3 ]
    [[ "$output" == *qso* ]]
    nothing_left
}

@test "$SCHED: a script instead of a job file gets the right command" {
    printf '#!/bin/sh\ntrue\n' > train.sh
    run mlbatch submit train.sh
    [ "$status" -eq 3 ]
    [[ "$output" == *"mlbatch submit -- ./train.sh"* ]]
}

@test "$SCHED: a store that cannot be written to" {
    : > file
    run mlbatch submit --store=file/x -- true
    [ "$status" -eq 7 ]
    [[ "$output" == *"file/x"* ]]
}
