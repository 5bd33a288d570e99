# SPDX-License-Identifier: BSD-3-Clause
# What the end-to-end tests share. Expects MLB_BIN (the installed programs)
# and, for Slurm, the environment of tests/cluster.

bats_require_minimum_version 1.5.0

common_setup() {
    export PATH=$MLB_BIN:$PATH
    export MLBATCH_STORE=$BATS_TEST_TMPDIR/store
    export MLBATCH_SCHEDULER=${SCHED:-local}
    export HOME=$BATS_TEST_TMPDIR/home
    unset XDG_CONFIG_HOME MLBATCH_CONF
    [ "$MLBATCH_SCHEDULER" != slurm ] || clean_cluster
    [ "$MLBATCH_SCHEDULER" != pbs ] || pbs_setup
    mkdir -p "$HOME" "$BATS_TEST_TMPDIR/work"
    cd "$BATS_TEST_TMPDIR/work" || return 1
}

# A real OpenPBS if there is one; else one that is played (tests/pbs), a fresh
# one for each test.
pbs_setup() {
    [ -z "$MLB_REPLAYED" ] || {
        "$MLB_TOP/tests/pbs/up" "$BATS_TEST_TMPDIR/pbs"
        export PATH=$BATS_TEST_TMPDIR/pbs/bin:$PATH
        # Its hosts are one machine, which Open MPI cannot know: it would
        # crash in the memory that ranks of one host share.
        export OMPI_MCA_btl=self,tcp
    }
}

pbs_is_real() {
    [[ "$(qsub --version 2>&1)" == *pbs_version* ]]
}

# Skip the test where a PBS has fewer nodes that are free.
needs_nodes() {
    [ "$MLBATCH_SCHEDULER" != pbs ] ||
        [ "$(pbsnodes -a | grep -c 'state = free')" -ge "$1" ] ||
        skip "this PBS has no $1 free nodes"
}

# For the names of tests.
MLB_REPLAYED=
[ "${SCHED-}" != pbs ] || pbs_is_real || MLB_REPLAYED=" replayed"

# No jobs of earlier tests, and all nodes at work: a controller that was
# killed gives job ids twice, and drains the node that notices.
clean_cluster() {
    scancel --quiet --user=root 2> /dev/null || true
    scancel --quiet --user=nobody 2> /dev/null || true
    until_true 60 no_jobs
    scontrol update NodeName='node[1-4]' State=RESUME 2> /dev/null || true
    until_true 60 nodes_idle
}

no_jobs() {
    [ -z "$(squeue --noheader --states=all --format=%T |
        grep -E 'PENDING|RUNNING|COMPLETING|SUSPENDED')" ]
}

nodes_idle() {
    [ "$(sinfo --noheader --partition=main --format=%T)" = idle ]
}

# End what a failed test may have left running in its store.
common_teardown() {
    local open
    open=$(mlbatch list --open --last=0 --json 2> /dev/null |
        sed -n 's/^ *"run": "\(.*\)",$/\1/p')
    [ -z "$open" ] || mlbatch cancel $open > /dev/null 2>&1 || true
    [ -z "$MLB_REPLAYED" ] || pbsplay stop
}

# until_true SECONDS COMMAND...: try again until it succeeds.
until_true() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || {
            echo "still false after the time allowed: $*"
            return 1
        }
        read -rt 0.05 <> <(:) || true
    done
}

state_of() {
    mlbatch status "$1" --json | sed -n 's/^  "state": "\(.*\)",$/\1/p'
}

is_state() {
    [ "$(state_of "$1")" = "$2" ]
}

has_text() {
    grep -q -- "$2" "$1" 2> /dev/null
}

# The example's program and its data, in the test's store.
digits_setup() {
    cp "$MLB_TOP"/contrib/examples/digits/digits.conf .
    cp "$MLB_DIGITS_TRAIN" train
    mlbatch dataset import digits \
        "$MLB_TOP/contrib/examples/digits/digits.csv.gz" --label last \
        --split train=0.8 --split test=0.2
}

# Kill all that runs for a run, at once and without a warning.
kill_run() {
    local dir=$MLBATCH_STORE/runs/$1 process pids=()
    for process in /proc/[0-9]*; do
        grep -qsz "^MLB_RUN_DIR=$dir\$" "$process/environ" &&
            pids+=("${process#/proc/}")
    done
    [ "${#pids[@]}" -ge 2 ] && kill -9 "${pids[@]}"
}

has_ended() {
    [[ "$(state_of "$1")" =~ ^(failed|cancelled|timeout|lost|completed)$ ]]
}
