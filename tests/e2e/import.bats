#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Importing what numpy, h5py, tar and people write; under a memory limit; and
# after a kill.

load helper
setup() { common_setup; }
teardown() { common_teardown; }

# The directory of the latest version of a data set.
version_of() {
    echo "$MLBATCH_STORE/datasets/$1/$(cat \
        "$MLBATCH_STORE/datasets/$1/tags/latest")"
}

# Nothing of a data set is in the store, not even an empty directory.
is_nowhere() {
    [ ! -e "$MLBATCH_STORE/datasets/$1" ]
}

@test "$SCHED: numpy's and h5py's files come in bit for bit" {
    /usr/bin/python3 - <<'P'
import h5py
import numpy as np
dice = np.random.RandomState(1)
arrays = {"f32": dice.randn(500, 3, 4).astype("f4"),
          "f64": dice.randn(500), "f16": dice.randn(500, 2).astype("f2"),
          "i64": dice.randint(-9, 9, 500), "b": dice.rand(500, 3) > 0.5,
          "u16": dice.randint(0, 65536, (500, 2)).astype("u2"),
          "c64": (dice.randn(500) + 1j * dice.randn(500)).astype("c8")}
np.savez("plain.npz", **arrays)
np.savez_compressed("packed.npz", **arrays)
np.savez("big.npz", **{k: v.astype(v.dtype.newbyteorder(">"))
                       for k, v in arrays.items()})
with h5py.File("all.h5", "w") as f:
    for i, (k, v) in enumerate(arrays.items()):
        f.create_dataset(k, data=v, **[{}, dict(
            chunks=(70,) + v.shape[1:], compression="gzip", shuffle=True,
            fletcher32=True)][i % 2])
    f["one"] = 5.0
    f["group/inner"] = arrays["i64"]
P
    mlbatch dataset import plain plain.npz
    run mlbatch dataset import plain packed.npz
    [ "$status" -eq 0 ] && [[ "$output" == *"is there already"* ]]
    run mlbatch dataset import plain big.npz
    [ "$status" -eq 0 ] && [[ "$output" == *"is there already"* ]]
    run --separate-stderr mlbatch dataset import foreign all.h5
    [ "$status" -eq 0 ]
    [[ "$stderr" == *"one: a single value: left out"* ]]
    mlbatch dataset import inner all.h5 --field=y=group/inner
    /usr/bin/python3 - "$(version_of plain)" "$(version_of foreign)" \
        "$(version_of inner)" <<'P'
import json
import sys
import h5py
import numpy as np
want = np.load("plain.npz")
for top in sys.argv[1:3]:
    with h5py.File(top + "/shard-00000.h5", "r") as f:
        assert sorted(f["fields"]) == sorted(want)
        for name in want:
            got = f["fields/" + name][...]
            assert (got == want[name]).all(), (top, name)
    fields = json.load(open(top + "/manifest.json"))["fields"]
    for field in fields:
        w = want[field["name"]]
        if w.dtype.kind != "c":
            s = field["stats"]
            w = w.astype("f8")
            assert s["count"] == w.size
            assert s["min"] == w.min() and s["max"] == w.max()
            assert abs(s["mean"] - w.mean()) < 1e-12 * max(1, w.max())
            assert abs(s["std"] - w.std()) < 1e-12 * max(1, w.max())
    counts = [f for f in fields if f["name"] == "i64"][0]["counts"]
    assert counts == [list(map(int, p)) for p in zip(
        *np.unique(want["i64"], return_counts=True))]
with h5py.File(sys.argv[3] + "/shard-00000.h5", "r") as f:
    assert (f["fields/y"][...] == want["i64"]).all()
P
}

@test "$SCHED: HDF5 files that lead elsewhere are refused, all reasons at once" {
    /usr/bin/python3 - <<'P'
import h5py
import numpy as np
x = np.zeros((10, 2), "f4")
with h5py.File("other.h5", "w") as f:
    f["x"] = x
with h5py.File("bad.h5", "w") as f:
    f["x"] = x
    f["link"] = h5py.ExternalLink("other.h5", "x")
    f["soft"] = h5py.SoftLink("/x")
    f.create_dataset("lzf", data=x, compression="lzf")
    layout = h5py.VirtualLayout((10, 2), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", shape=(10, 2))
    f.create_virtual_dataset("virtual", layout)
    f.create_dataset("external", (10,), "u1",
                     external=[("/etc/passwd", 0, 10)])
    f["words"] = ["a", "b"]
P
    run mlbatch dataset import bad bad.h5
    [ "$status" -eq 3 ]
    [[ "$output" == *"link: it is a link to somewhere else"* ]]
    [[ "$output" == *"soft: it is a link"* ]]
    [[ "$output" == *"lzf: it uses a filter"*h5repack* ]]
    [[ "$output" == *"virtual: its data are in other files"* ]]
    [[ "$output" == *"external: its data are in another file"* ]]
    [[ "$output" == *"words: its elements are no numbers"* ]]
    is_nowhere bad
}

@test "$SCHED: damaged HDF5 files end in a message, never in a crash" {
    /usr/bin/python3 - <<'P'
import h5py
import numpy as np
with h5py.File("good.h5", "w") as f:
    f.create_dataset("x", data=np.arange(4000.).reshape(1000, 4),
                     chunks=(10, 4), compression="gzip")
    f.attrs["words"] = "about it"
    f["deep/er/y"] = np.arange(1000)
P
    mlbatch dataset import good good.h5
    /usr/bin/python3 - <<'P'
import os
import random
import subprocess
seed = int(os.environ.get("MLB_SEED", random.randrange(1 << 30)))
print("seed", seed)
dice = random.Random(seed)
good = open("good.h5", "rb").read()
for i in range(60):
    data = bytearray(good)
    for _ in range(dice.choice([1, 4, 30])):
        data[dice.randrange(min(len(data), 6000))] = dice.randrange(256)
    if i % 10 == 0:
        data = data[:dice.randrange(len(data))]
    open("m.h5", "wb").write(data)
    done = subprocess.run(["mlbatch", "dataset", "import", "m%d" % i, "m.h5",
                           "--field=x"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60)
    assert done.returncode in (0, 3), (i, done)
    if done.returncode:
        assert done.stderr.startswith((b"mlbatch: ", b"m.h5: ")), (i, done)
P
}

@test "$SCHED: a WebDataset tar of tar(1), a folder, and text come in" {
    mkdir -p classes/cat classes/dog flat
    printf meow > classes/cat/1.png
    printf woof > classes/dog/1.png
    printf 'größe\nzwei\n' > flat/1.txt
    for i in 1 2 3; do
        printf 'picture %s' $i > flat/s$i.jpg
        echo $((i % 2)) > flat/s$i.cls
    done
    tar -C flat --sort=name -czf set.tar.gz s1.cls s1.jpg s2.cls s2.jpg \
        s3.cls s3.jpg
    mlbatch dataset import tar set.tar.gz
    mlbatch dataset import pets classes
    mlbatch dataset import text flat/1.txt
    run cat "$(version_of tar)/manifest.json"
    [[ "$output" == *'"codec": "jpeg"'* ]]
    h5dump -d /fields/cls -y "$(version_of tar)/shard-00000.h5" |
        grep -q '^ *1, 0, 1$'
    run cat "$(version_of pets)/manifest.json"
    [[ "$output" == *'"cat"'*'"dog"'* ]]
    printf 'gr\xf6\xdfe\n' > flat/1.txt
    run mlbatch dataset import latin flat/1.txt
    [ "$status" -eq 3 ]
    [[ "$output" == *"flat/1.txt:1: not valid UTF-8"*iconv* ]]
    is_nowhere latin
}

@test "$SCHED: 300 MiB come in where 150 MiB are all that is to be had" {
    /usr/bin/python3 - <<'P'
import numpy as np
with open("big.npy", "wb") as f:
    np.lib.format.write_array_header_1_0(
        f, {"descr": "<f4", "fortran_order": False, "shape": (76800, 1024)})
    f.truncate(f.tell() + (300 << 20))
P
    # What the program takes before it reads anything, and 150 MiB.
    run bash -c 'ulimit -v 220000 &&
        exec mlbatch dataset import big big.npy --shard-size=64M'
    echo "$output"
    [ "$status" -eq 0 ]
    [[ "$output" == *"76800 rows"* ]]
    [ "$(ls "$(version_of big)" | grep -c shard)" -eq 5 ]
}

@test "$SCHED: killed in the middle, an import goes on where it was" {
    seq 1 300000 | sed 's/$/,1,2,3,4,5,6,7,8,9/' > rows.csv
    mlbatch dataset import calm rows.csv --shard-size=1M
    mlbatch dataset import killed rows.csv --shard-size=1M &
    local import=$! left
    until_true 30 eval 'ls -A "$MLBATCH_STORE"/datasets/killed/.mlb-tmp.*/ \
        2> /dev/null | grep -q shard-00002'
    kill -9 "$import"
    wait "$import" || true
    cd "$MLBATCH_STORE/datasets/killed"
    ls -i .mlb-tmp.*/shard-*.h5 | sed '1d; s/ .*//' > "$OLDPWD/before"
    cd "$OLDPWD"
    run --separate-stderr mlbatch dataset import killed rows.csv \
        --shard-size=1M
    [ "$status" -eq 0 ]
    [[ "$stderr" == *"going on after row "* ]]
    ls -i "$(version_of killed)" | sed 's/ *\([0-9]*\) .*/\1/' > after
    grep -qxFf before after
    [ "$(grep -cxFf before after)" -eq "$(wc -l < before)" ]
    [ "$(cat "$MLBATCH_STORE/datasets/killed/tags/latest")" = \
        "$(cat "$MLBATCH_STORE/datasets/calm/tags/latest")" ]
    [ "$(ls -A "$MLBATCH_STORE/datasets/killed" | wc -l)" -eq 2 ]
}

@test "$SCHED: what fails leaves nothing in the store" {
    printf '1,2\nx,3\n' > bad.csv
    run mlbatch dataset import none bad.csv
    [ "$status" -eq 3 ]
    [[ "$output" == *"bad.csv:2: column 1: expected a number"* ]]
    is_nowhere none
    run mlbatch dataset import none nowhere.csv
    [ "$status" -eq 6 ]
    run mlbatch dataset import none bad.csv --format=xls
    [ "$status" -eq 2 ]
    [[ "$output" == *"webdataset"* ]]
    run mlbatch dataset import none bad.csv --dtype=f32
    [ "$status" -eq 2 ]
    run mlbatch dataset import none bad.csv --dtype=u16
    [ "$status" -eq 2 ]
    [[ "$output" == *"--dtype means nothing to format csv"* ]]
    printf '1,2\n' > good.csv
    run bash -c 'ulimit -f 1 && exec mlbatch dataset import none good.csv'
    [ "$status" -ne 0 ]
    is_nowhere none
}

@test "$SCHED: what a cut-off import left is told and can be removed" {
    mkdir -p "$MLBATCH_STORE/datasets/cut"
    cd "$MLBATCH_STORE/datasets/cut"
    # A temporary's name says process, its start, boot and host; this host
    # has been started again since.
    local host
    host=$(uname -n)
    local left=.mlb-tmp.1.1.0.00000000.${host%%.*}
    mkdir "$left"
    touch "$left/shard-00000.h5" "$left.key"
    run mlbatch dataset show cut
    [ "$status" -eq 6 ]
    [[ "$output" == *"has no version: its import is not done"* ]]
    run mlbatch dataset rm cut < /dev/null
    [ "$status" -eq 2 ] && [ -e "$left" ]
    run mlbatch dataset rm cut --yes
    [ "$status" -eq 0 ]
    is_nowhere cut
    # One of another host may run.
    mkdir -p "$MLBATCH_STORE/datasets/cut/.mlb-tmp.1.1.0.00000000.else.where"
    run mlbatch dataset rm cut --yes
    [ "$status" -eq 1 ]
    ! is_nowhere cut
}

@test "$SCHED: a label that would be left out is refused, advice given" {
    /usr/bin/python3 -c 'import numpy as np
np.savez("a.npz", x=np.eye(3), y=np.arange(3))'
    run mlbatch dataset import none a.npz --label=y
    [ "$status" -eq 2 ]
    [[ "$output" == *"--label means nothing to format npz"* ]]
    printf 'a,label\n1,cat\n' > words.csv
    run mlbatch dataset import none words.csv --label=label
    [ "$status" -eq 3 ]
    [[ "$output" == *'(number the classes from 0 on), found "cat"'* ]]
    printf 'a;b\n1;2\n' > other.csv
    run mlbatch dataset import none other.csv
    [[ "$output" == *"(columns are separated by commas)"* ]]
    is_nowhere none
    run --separate-stderr mlbatch dataset import few other.csv --format=text \
        --split=train=0.9 --split=test=0.1
    [ "$status" -eq 0 ]
    [[ "$stderr" == *"split test has no rows: its share of 2 is "* ]]
    printf '"a","label"\n1,2\n' > quoted.csv
    mlbatch dataset import quoted quoted.csv --label=label
}

@test "$SCHED: nothing that a stranger's git repository names is run" {
    mkdir -p repo/cat
    echo a > repo/cat/a.txt
    git -C repo init -q
    git -C repo add .
    git -C repo -c user.name=a -c user.email=a@b commit -qm a
    printf '#!/bin/sh\ntouch "%s/ran"\ncat\n' "$PWD" > repo/.git/run
    chmod +x repo/.git/run
    cp repo/.git/run repo/.git/hooks/post-index-change
    git -C repo config core.fsmonitor "$PWD/repo/.git/run"
    run mlbatch dataset import one repo
    [ "$status" -eq 0 ]
    [ ! -e ran ]
    git -C repo config filter.x.clean "$PWD/repo/.git/run"
    echo '*.txt filter=x' > repo/.git/info/attributes
    echo b > repo/cat/a.txt
    run mlbatch dataset import one repo
    [ "$status" -eq 0 ]
    [ ! -e ran ]
    run mlbatch dataset show one
    [[ "$output" == *", with changes"* ]]
}
