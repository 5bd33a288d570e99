#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Jobs that the controller has forgotten, and witnesses that are away.

load helper
setup() { SCHED=slurm common_setup; }
teardown() {
    daemon slurmdbd start > /dev/null 2>&1 || true
    daemon slurmctld start > /dev/null 2>&1 || true
    forget_after 300
    SCHED=slurm common_teardown
}

daemon() {
    "$MLB_TOP/tests/cluster/daemon" "$MLB_TEST_CLUSTER" "$1" "$2"
}

# The controller forgets what has ended for so many seconds.
forget_after() {
    sed -i "s/^MinJobAge=.*/MinJobAge=$1/" "$SLURM_CONF"
    scontrol reconfigure
}

job_of() {
    mlbatch status "$1" --json | sed -n 's/^  "job": "\(.*\)",$/\1/p'
}

forgotten() {
    ! scontrol show job "$1" > /dev/null 2>&1
}

in_accounting() {
    [[ "$(sacct -X -n -P -j "$1" -o State)" == $2 ]]
}

text_of() {
    mlbatch status "$1" --json | sed -n 's/^  "text": "\(.*\)",$/\1/p'
}

# A run whose agent had no time for a last word, and that only accounting
# knows: cancelled by the administrator while it waited.
forgotten_run() {
    local job
    cat > "$1.conf" <<C
name = "$1"; command = ["sleep", "600"];
slurm = { options = ["--hold"]; };
C
    mlbatch submit "$1.conf"
    job=$(job_of "$1")
    scancel "$job"
    until_true 20 in_accounting "$job" 'CANCELLED by *'
    forget_after 2
    until_true 60 forgotten "$job"
}

@test "slurm: accounting tells of a job that the controller forgot" {
    forgotten_run old
    run mlbatch status old
    echo "$output"
    [[ "$output" == *"old.1 cancelled: cancelled by root"* ]]
    run mlbatch wait old
    [ "$status" -eq 1 ]

    # Where there is none it is not an error, but the reason.
    sed 's/^AccountingStorage.*//' "$SLURM_CONF" > none.conf
    SLURM_CONF=$PWD/none.conf run mlbatch status old
    echo "$output"
    [[ "$output" == *"old.1 unknown: submitted at "*"the scheduler does not \
know it; Slurm keeps no accounting here"* ]]

    # Accounting answers even while the controller is down.
    daemon slurmctld kill
    is_state old.1 cancelled

    # With both away nobody knows, and that is what is said.
    daemon slurmdbd kill
    is_state old.1 unknown
    [[ "$(text_of old.1)" == *"the scheduler did not answer ("*")"* ]]
    daemon slurmctld start
    until_true 60 forgotten "$(job_of old.1)"
    is_state old.1 unknown
    [[ "$(text_of old.1)" == *"accounting did not answer ("*")"* ]]
    daemon slurmdbd start
    is_state old.1 cancelled
}
