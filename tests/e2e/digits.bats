#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# The main job: one job file becomes a trained model.

load helper
setup() {
    common_setup
    needs_nodes 4
    digits_setup > import.log
}
teardown() { common_teardown; }

final_line() {
    mlbatch logs "$1" | grep '^final:'
}

has_checkpoint() { compgen -G "$1/step-*" > /dev/null; }

@test "$SCHED$MLB_REPLAYED: digits trains on 4 nodes x 2 tasks, to 95 % and more" {
    run mlbatch submit --wait digits.conf
    echo "$output"
    [ "$status" -eq 0 ]
    local accuracy
    accuracy=$(final_line digits | sed 's/.*accuracy \([0-9.]*\).*/\1/')
    echo "accuracy $accuracy"
    awk -v a="$accuracy" 'BEGIN { exit !(a >= 0.95 && a <= 1) }'
    run mlbatch status digits --json
    [[ "$output" == *test/accuracy* ]]
    local file
    file=$(ls "$MLBATCH_STORE"/runs/digits.1/checkpoints/step-*.h5 | tail -n 1)
    h5dump -n "$file" | grep -q /tensors/
    mlbatch checkpoint verify "$file"
    run mlbatch checkpoint list digits
    [[ "$output" == *"$(basename "$file" | sed 's/step-0*\(.*\)\.h5/\1/')"* ]]
}

@test "$SCHED$MLB_REPLAYED: digits gives the same bits on 1, 2 and 4 ranks" {
    local one two four
    mlbatch submit --wait digits.conf resources.nodes=1 \
        resources.tasks_per_node=1
    one=$(final_line digits.1)
    mlbatch submit --wait digits.conf resources.nodes=2 \
        resources.tasks_per_node=1
    two=$(final_line digits.2)
    mlbatch submit --wait digits.conf resources.nodes=2 \
        resources.tasks_per_node=2
    four=$(final_line digits.3)
    [ -n "$one" ] && [ "$one" = "$two" ] && [ "$one" = "$four" ]
}

@test "$SCHED$MLB_REPLAYED: cancelled in the middle, digits resumes to the same bits" {
    mlbatch submit --wait digits.conf 'command[2]=60'
    mlbatch submit digits.conf 'command[2]=60' checkpoint.every=1
    until_true 60 has_text \
        "$MLBATCH_STORE/runs/digits.2/out/rank-00000.log" 'epoch  *3'
    mlbatch cancel digits.2
    mlbatch wait digits.2 || true
    is_state digits.2 cancelled
    run ls "$MLBATCH_STORE/runs/digits.2/checkpoints"
    [ "${#lines[@]}" -ge 1 ]
    run mlbatch logs digits.2
    [[ "$output" != *final:* ]]
    run mlbatch submit --wait --again digits.2
    [ "$status" -eq 0 ]
    run mlbatch logs digits.2
    [[ "$output" == *resum* ]]
    [ "$(final_line digits.2)" = "$(final_line digits.1)" ]
}

@test "$SCHED$MLB_REPLAYED: killed with -9 in the middle, digits ends with the same bits" {
    local checkpoints=$MLBATCH_STORE/runs/digits.2/checkpoints
    mlbatch submit --wait digits.conf 'command[2]=100'
    mlbatch submit digits.conf 'command[2]=100' checkpoint.every=1
    until_true 60 has_checkpoint "$checkpoints"
    kill_run digits.2
    until_true 60 has_ended digits.2
    run mlbatch logs digits.2
    [[ "$output" != *final:* ]]
    run mlbatch submit --wait --again digits.2
    echo "$output"
    [ "$status" -eq 0 ]
    run mlbatch logs digits.2
    [[ "$output" == *resum* ]]
    [ -n "$(final_line digits.1)" ]
    [ "$(final_line digits.2)" = "$(final_line digits.1)" ]
}

@test "$SCHED$MLB_REPLAYED: data set and checkpoint read back in h5py" {
    /usr/bin/python3 - "$MLBATCH_STORE" <<'P'
import glob, gzip, os, sys
import h5py
import numpy as np
shard = glob.glob(sys.argv[1] + "/datasets/digits/*/shard-00000.h5")[0]
source = os.environ["MLB_TOP"] + "/contrib/examples/digits/digits.csv.gz"
want = np.loadtxt(gzip.open(source), delimiter=",")
with h5py.File(shard, "r") as f:
    x, y = f["fields/x"][...], f["fields/y"][...]
assert x.shape == (1797, 64) and (x == want[:, :64]).all()
assert (y == want[:, 64]).all()
P
}
