#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Runs that wait until somebody lets them start. On each scheduler ($SCHED).

load helper
setup() { common_setup; }
teardown() { common_teardown; }

@test "$SCHED$MLB_REPLAYED: a run submitted with --hold starts when it is released" {
    mlbatch submit --hold --job-name=kept -- touch began
    mlbatch submit --job-name=other -- true
    mlbatch wait other
    run mlbatch status kept
    [ "${lines[0]}" = "kept.1 pending: held" ]
    [ ! -e began ]
    run mlbatch release kept.1
    [ "$output" = "kept.1 is released" ]
    mlbatch wait kept
    [ -e began ]
    grep -h '"event":"release","by":' "$MLBATCH_STORE"/runs/kept.1/events/*
    run mlbatch release kept
    [ "$status" -eq 1 ]
    [[ "$output" == *"kept.1 is completed: only a run that waits"* ]]
}

@test "$SCHED$MLB_REPLAYED: hold keeps a waiting run from starting" {
    # A run that is held already may be held again.
    mlbatch submit --hold --job-name=kept -- true
    run mlbatch hold --json kept.1
    [ "$status" -eq 0 ]
    [[ "$output" == *'"held": true'* ]]
    run mlbatch list
    [[ "${lines[1]}" == "kept.1 "*" pending "*" held" ]]
    mlbatch release kept
    mlbatch wait kept
    run mlbatch hold kept nobody.7
    [ "$status" -eq 6 ]
    [[ "$output" == *"kept.1 is completed"*"no run nobody.7"* ]]
}

@test "$SCHED$MLB_REPLAYED: a held run can be cancelled" {
    mlbatch submit --hold --job-name=kept -- touch began
    mlbatch cancel kept
    until_true 30 has_ended kept.1
    is_state kept.1 cancelled
    [ ! -e began ]
}
