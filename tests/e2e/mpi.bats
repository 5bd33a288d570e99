#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# What a job of MPI is seen to do: who works, who waits, what is sent.

load helper
setup() { common_setup; }
teardown() { common_teardown; }

# total RUN RANK METRIC: of the task's end; empty if it is not there.
total() {
    /usr/bin/python3 - "$MLBATCH_STORE/runs/$1" "$2" "$3" <<'P'
import glob, json, sys
for path in glob.glob(sys.argv[1] + "/events/node-*.jsonl"):
    for line in open(path):
        event = json.loads(line)
        if event["event"] == "task-end" and event["rank"] == int(sys.argv[2]):
            print(event.get("totals", {}).get(sys.argv[3], ""))
P
}

@test "$SCHED: the rank that works twice as long makes the others wait" {
    run mlbatch submit --wait launch=mpi resources.nodes=2 counters.mpi=true \
        --job-name=s -- "$MLB_HELPERS/straggler" 20 50
    echo "$output"
    [ "$status" -eq 0 ]
    local truth=0 rank work mpi steps
    while read -r _ rank work mpi steps; do
        truth=$((truth + 1))
        echo "rank $rank: $work $mpi $steps $(total s.1 "$rank" mpi_time)" \
            "$(total s.1 "$rank" step_time)"
        # By the program's own clock, but for the end of it, MPI_Finalize,
        # which waits as well.
        awk -v mpi="$mpi" -v is="$(total s.1 "$rank" mpi_time)" \
            'BEGIN { is /= 1e9; exit !(is > 0.98 * mpi - 0.001 &&
                                       is < 1.02 * mpi + 0.5) }'
        awk -v steps="$steps" -v is="$(total s.1 "$rank" step_time)" \
            'BEGIN { is /= 1e9; exit !(is > 0.98 * steps &&
                                       is < 1.02 * steps) }'
        [ "$(total s.1 "$rank" mpi_bytes)" = 80 ]
        [ "$(total s.1 "$rank" mpi_calls)" = 21 ]
    done < <(cat "$MLBATCH_STORE"/runs/s.1/out/rank-*.log)
    [ "$truth" = 2 ]
    # The one in MPI for long is not the one that is slow.
    [ "$(total s.1 0 mpi_time)" -gt "$(total s.1 1 mpi_time)" ]
}

@test "$SCHED: time in MPI is not measured unless it is asked for" {
    mlbatch submit --wait launch=mpi resources.nodes=2 --job-name=s \
        -- "$MLB_HELPERS/ring"
    [ -z "$(total s.1 0 mpi_time)" ]
    [[ "$(mlbatch logs s.1)" == *'ring of 2: sum 1'* ]]
}

@test "$SCHED: a program without MPI runs as it did, and no time is told" {
    cat > says <<'C'
#!/bin/sh
echo "preloaded $LD_PRELOAD"
exit 3
C
    chmod +x says
    run mlbatch submit --wait counters.mpi=true --job-name=s -- ./says
    [ "$status" -eq 3 ]
    [[ "$(mlbatch logs s.1)" == *preloaded*/libmlbatch-mpistats.so* ]]
    [ -z "$(total s.1 0 mpi_time)" ]
}

@test "$SCHED: what the job loads before its program is still loaded first" {
    mlbatch submit --wait counters.mpi=true environment.LD_PRELOAD=libm.so.6 \
        --job-name=s -- sh -c 'echo "preloaded $LD_PRELOAD"'
    [[ "$(mlbatch logs s.1)" == *'preloaded libm.so.6:/'* ]]
}

@test "$SCHED: without its library MPI programs run, and it is said" {
    local copy=$BATS_TEST_TMPDIR/copy
    cp -r "$MLB_BIN/.." "$copy"
    rm "$copy"/libexec/mlbatch/libmlbatch-mpistats.so
    PATH=$copy/bin:$PATH mlbatch submit --wait launch=mpi resources.nodes=2 \
        counters.mpi=true --job-name=s -- "$MLB_HELPERS/ring"
    [ -z "$(total s.1 0 mpi_time)" ]
    grep -q 'libmlbatch-mpistats.so cannot be loaded' \
        "$MLBATCH_STORE"/runs/s.1/out/*
}
