#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# What only a real Slurm can show.

load helper
setup() { SCHED=slurm common_setup; }
teardown() { SCHED=slurm common_teardown; }

# What the controller holds of a job, less what differs between any two.
held() {
    scontrol -o show job "$1" | tr ' ' '\n' |
        grep -E '^(JobName|UserId|Account|Partition|NumNodes|NumCPUs|NumTasks|CPUs/Task|ReqB:S:C:T|TRES|MinCPUsNode|MinMemoryNode|MinMemoryCPU|MinTmpDiskNode|Features|TimeLimit|WorkDir|StdErr|StdIn|StdOut|Comment|Requeue|OverSubscribe|Contiguous|NtasksPerN|TresPerTask|TresPerNode|ExcNodeList|Nice|QOS|Dependency|Power)' | sort
}

@test "slurm: libslurm and sbatch of the script make the same job" {
    cat > both.conf <<'C'
name = "two ways \"quoted\" \\ $HOME";
command = ["true"];
launch = "mpi";
resources = { nodes = 2; tasks_per_node = 2; cpus_per_task = 2;
    gpus_per_task = 1; memory_per_node = "500M"; walltime = "00:07:30";
    partition = "main"; account = "other"; };
slurm = { options = ["--nice=5", "--exclude", "node4", "--hold"]; };
C
    run mlbatch submit --json both.conf
    echo "$output"
    [ "$status" -eq 0 ]
    local job run
    job=$(sed -n 's/^  "job": "\(.*\)",$/\1/p' <<< "$output")
    run=$(sed -n 's/^  "run": "\(.*\)",$/\1/p' <<< "$output")
    local twin
    twin=$(sbatch --parsable "$MLBATCH_STORE/runs/$run/script")
    held "$job" > by_library
    held "$twin" > by_sbatch
    scancel "$job" "$twin"
    [ "$(wc -l < by_library)" -gt 15 ]
    diff by_library by_sbatch
}

@test "slurm: sbatch of a kept script runs the job" {
    mlbatch submit --job-name=byhand --parsable -- true
    mlbatch wait byhand
    # The same script again is the same submission: it must not run twice.
    local id
    id=$(sbatch --parsable --wait "$MLBATCH_STORE/runs/byhand.1/script")
    grep -h '"attempt-start"' "$MLBATCH_STORE"/runs/byhand.1/events/* |
        wc -l | grep -qx 1
    grep -h '"duplicate"' "$MLBATCH_STORE"/runs/byhand.1/events/* |
        grep -q "\"$id\""
}

@test "slurm: the job's GPUs are in the task's environment" {
    run mlbatch submit --wait --job-name=gpu --gpus-per-task=2 -- \
        sh -c 'echo gpus $CUDA_VISIBLE_DEVICES'
    [ "$status" -eq 0 ]
    run mlbatch logs gpu
    [ "$output" = "gpus 0,1" ]
}

@test "slurm: 4 nodes of 2 tasks by srun and PMIx" {
    cp "$MLB_HELPERS/ring" ring
    cat > ring.conf <<'C'
name = "ring"; command = ["./ring"]; launch = "mpi";
resources = { nodes = 4; tasks_per_node = 2; walltime = "00:05:00"; };
C
    run mlbatch submit --wait --parsable ring.conf
    echo "$output"
    [ "$status" -eq 0 ]
    run mlbatch logs ring
    [ "$output" = "ring of 8: sum 28" ]
    run mlbatch status ring
    [[ "$output" == *completed* ]]
}

@test "slurm: an ordinary user's run, from submit to record" {
    local home=$BATS_TEST_TMPDIR/nobody
    mkdir -p "$home" && chown nobody "$home"
    chmod a+rx "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/.." \
        "$BATS_TEST_TMPDIR/../.."
    cd "$home"
    run setpriv --reuid=nobody --regid=nogroup --clear-groups \
        env HOME="$home" MLBATCH_STORE="$home/store" \
        "$MLB_BIN/mlbatch" submit --wait --parsable --job-name=mine -- id -un
    echo "$output"
    [ "$status" -eq 0 ]
    [ "$(cat "$home/store/runs/mine.1/out/rank-00000.log")" = nobody ]
    [ -s "$home/store/runs/mine.1/record.h5" ]
    # Nobody else may look: 0700 above it all.
    [ "$(stat -c %a "$home/store/runs/mine.1")" = 700 ]
    rm -rf "$home/store"
}

@test "slurm: pending says why" {
    run mlbatch submit --parsable --job-name=big --time=5 -- sleep 600
    until_true 30 is_state big.1 running
    cat > held.conf <<'C'
name = "held"; command = ["true"];
resources = { walltime = "00:05:00"; };
slurm = { options = ["--hold"]; };
C
    mlbatch submit held.conf
    run mlbatch status held
    [[ "$output" == *pending*[Hh]eld* ]]
    mlbatch cancel held big
    run mlbatch wait held
    [ "$status" -ne 0 ]
    is_state held.1 cancelled
}

@test "slurm: a job that only Slurm ends is told by Slurm's word" {
    mlbatch submit --job-name=outside --time=5 -- sleep 600
    until_true 30 is_state outside.1 running
    local id
    id=$(mlbatch status outside --json |
        sed -n 's/^  "job": "\(.*\)",$/\1/p')
    scancel "$id"
    run mlbatch wait outside
    [ "$status" -ne 0 ]
    is_state outside.1 cancelled
}
