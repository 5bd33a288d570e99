#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# The main job in PyTorch: trained, killed, and resumed to the same result.

load helper

# A start of torch takes seconds: one undisturbed run serves all tests.
setup_file() {
    python=
    for python in python3 /usr/bin/python3 ''; do
        [ -z "$python" ] || "$python" -c 'import torch' 2> /dev/null && break
    done
    [ -n "$python" ] || skip "python3-torch is not installed"
    export python
    BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR setup
    mlbatch dataset import digits \
        "$MLB_TOP/contrib/examples/digits/digits.csv.gz" --label last \
        --split train=0.8 --split test=0.2
    mlbatch submit --wait digits-torch.conf "command[0]=$python"
}

setup() {
    common_setup
    export MLBATCH_STORE=$BATS_FILE_TMPDIR/store
    export PYTHONPATH=$MLB_BIN/../share/mlbatch/python
    unset MLB_LIBRARY
    cp "$MLB_TOP"/contrib/examples/torch-digits/* .
}

teardown() { common_teardown; }

final_line() {
    mlbatch logs "$1" | grep '^final:'
}

@test "$SCHED: torch trains on 2 ranks, to 95 % and more" {
    local accuracy
    final_line digits-torch.1
    accuracy=$(final_line digits-torch.1 |
        sed 's/.*accuracy \([0-9.]*\).*/\1/')
    awk -v a="$accuracy" 'BEGIN { exit !(a >= 0.95 && a <= 1) }'
    run mlbatch status digits-torch.1 --json
    [[ "$output" == *test/accuracy* ]]
    [[ "$(mlbatch logs digits-torch.1)" != *resumed* ]]
    local path
    path=$(ls -d "$MLBATCH_STORE"/runs/digits-torch.1/checkpoints/step-* |
        tail -n 1)
    mlbatch checkpoint verify "$path"
}

@test "$SCHED: torch killed with -9 in the middle ends with the same bits" {
    mlbatch submit digits-torch.conf "command[0]=$python" \
        'command[4]=--save-every=7'
    until_true 60 has_text \
        "$MLBATCH_STORE/runs/digits-torch.2/out/rank-00000.log" 'epoch 3 '
    kill_run digits-torch.2
    until_true 60 has_ended digits-torch.2
    run mlbatch logs digits-torch.2
    [[ "$output" != *final:* ]]
    run mlbatch submit --wait --again digits-torch.2
    echo "$output"
    [ "$status" -eq 0 ]
    run mlbatch logs digits-torch.2
    [[ "$output" == *"resumed at epoch "* ]]
    [ -n "$(final_line digits-torch.1)" ]
    [ "$(final_line digits-torch.2)" = "$(final_line digits-torch.1)" ]
}

# The order of sums differs with the number of ranks: equal up to rounding.
@test "$SCHED: torch stopped half-way on 2 ranks goes on over 3 ranks" {
    run mlbatch submit --wait digits-torch.conf "command[0]=$python" \
        'command[4]=--stop-after=10'
    [ "$status" -eq 75 ]
    run mlbatch submit --wait --again digits-torch.3 'command[4]=--seed=1' \
        resources.tasks_per_node=3
    echo "$output"
    [ "$status" -eq 0 ]
    run mlbatch logs digits-torch.3
    [[ "$output" == *"resumed at epoch 10, step 230 from "* ]]
    "$python" - "$MLBATCH_STORE"/runs/digits-torch.{1,3}/checkpoints <<'P'
import sys
import numpy as np
import mlbatch
one, three = (mlbatch.latest(path) for path in sys.argv[1:])
assert one.step == three.step == 460, (one.step, three.step)
names = [name for name in one.tensors if name.startswith("model/")]
assert len(names) == 4, one.tensors
differ = max(float(np.abs(one.load(name) - three.load(name)).max())
             for name in names)
print("weights differ by", differ)
assert differ < 1e-5
loss = abs(one.metrics["loss"] - three.metrics["loss"])
assert loss < 1e-6, loss
P
}
