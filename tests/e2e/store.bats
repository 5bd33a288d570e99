#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# The commands on data sets and checkpoints, as a person types them.

load helper
setup() {
    common_setup
    "$MLB_HELPERS/sample" "$MLBATCH_STORE" "$MLBATCH_STORE/runs/r.1/checkpoints"
    numbers 10
}

# Data set "n" of so many rows: x is [row, row / 2], y is row modulo 3.
numbers() {
    seq 0 $(($1 - 1)) | awk '{ print $1 "," $1 / 2 "," $1 % 3 }' > n.csv
    mlbatch dataset import n n.csv --label last --split a=0.5 > import.log
}

version_of() {
    local dir
    for dir in "$MLBATCH_STORE/datasets/$1"/[0-9a-f]*; do
        echo "${dir##*/}"
    done
}

# Turn a byte of a file at an offset over.
damage() {
    local byte
    byte=$(od -An -tu1 -j "$2" -N 1 "$1" | tr -d ' ')
    printf "\\x$(printf %x $((byte ^ 255)))" |
        dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

@test "list and show tell what is there" {
    run mlbatch dataset list
    [ "$status" -eq 0 ]
    [[ "${lines[0]}" == NAME*VERSION*ROWS*SIZE*AGE*TAGS ]]
    [[ "$output" == *"n  "*" 10 "*latest* ]]
    run mlbatch dataset show pictures
    [ "$status" -eq 0 ]
    [[ "$output" == *"ragged u8 (jpeg)"* ]]
    [[ "$output" == *"mean 1.8  std 2.638  min 0  max 7"* ]]
    [[ "$output" == *"classes cat, d/g"* ]]
    [[ "$output" == *"0 cat  2  ###"* ]]
    local line
    while IFS= read -r line; do
        [[ ${#line} -le 80 || $line == path* ]]
    done <<< "$output"
    # Counted by reading, where the import did not.
    run mlbatch dataset show n
    [[ "$output" == *"rows by y"*"0"*" 4  #"*"1"*" 3  #"* ]]
}

@test "a word that is nearly right is answered with the right one" {
    run mlbatch help dataset import
    [ "$status" -eq 0 ]
    [[ "$output" == *"--whole-files"*"--site=FILE"* ]]
    run mlbatch help dataset improt
    [ "$status" -eq 2 ]
    [[ "$output" == *'did you mean "import"?'* ]]
    run mlbatch dataset show pictres
    [ "$status" -eq 6 ]
    [[ "$output" == *"did you mean pictures?"* ]]
    run mlbatch dataset show n:latets
    [ "$status" -eq 6 ]
    [[ "$output" == *"did you mean latest?"* ]]
    run mlbatch dataset verfy n
    [ "$status" -eq 2 ]
    [[ "$output" == *'did you mean "verify"?'* ]]
    run mlbatch dataset export n --to=x --format=cvs
    [ "$status" -eq 2 ]
    [[ "$output" == *"did you mean csv?"* ]]
    run mlbatch dataset export n --to=x.csv --field=yy
    [ "$status" -eq 6 ]
    [[ "$output" == *"did you mean y?"* ]]
    run mlbatch dataset diff n
    [ "$status" -eq 2 ]
    run mlbatch dataset show ../n
    [ "$status" -eq 2 ]
}

@test "verify finds a turned byte and names the row" {
    run mlbatch dataset verify n pictures
    [ "$status" -eq 0 ]
    local shard version
    version=$(version_of n)
    shard=$MLBATCH_STORE/datasets/n/$version/shard-00000.h5
    damage "$shard" "$(h5dump -p -H -d /fields/x "$shard" |
        sed -n 's/.*OFFSET \([0-9]*\).*/\1/p')"
    run mlbatch dataset verify n
    [ "$status" -eq 1 ]
    [[ "$output" == *"DAMAGED  n:$version"* ]]
    [[ "$output" == *"shard-00000.h5: row 0 of field x is damaged"* ]]
    run mlbatch dataset verify n --json
    [ "$status" -eq 1 ]
    [[ "$output" == *'"row": 0'* ]]
    run mlbatch dataset export n --to=n.csv --force
    [ "$status" -eq 3 ]
    [ "$(wc -l < n.csv)" -eq 10 ]
}

@test "tags are set, moved and forgotten" {
    run mlbatch dataset tag n good
    [ "$status" -eq 0 ]
    local first
    first=$(version_of n)
    numbers 12
    run mlbatch dataset show n
    [[ "$output" != *"n:$first"* ]]
    run mlbatch dataset show n:good
    [[ "$output" == *"n:$first"* ]]
    run mlbatch dataset tag "n:$first" latest
    [ "$status" -eq 0 ]
    [[ "$output" == *"n:latest is $first now (it was "* ]]
    run mlbatch dataset tag n:0123456789abcdef good
    [ "$status" -eq 6 ]
    run mlbatch dataset tag n 0123456789abcdef
    [ "$status" -eq 2 ]
    run mlbatch dataset tag --delete n godo
    [ "$status" -eq 6 ]
    run mlbatch dataset tag --delete n good
    [ "$status" -eq 0 ]
    run mlbatch dataset tag --delete n latest
    [ "$status" -eq 2 ]
}

@test "diff says what differs, and exits as diff does" {
    mlbatch dataset tag n old
    run mlbatch dataset diff n n:old
    [ "$status" -eq 0 ]
    [[ "$output" == *"the same content"* ]]
    numbers 12
    run mlbatch dataset diff n:old n
    [ "$status" -eq 1 ]
    [[ "$output" == *"rows: 10 -> 12"* ]]
    run mlbatch dataset diff n pictures
    [ "$status" -eq 1 ]
    [[ "$output" == *"field image: only in the second (ragged u8)"* ]]
    run mlbatch dataset diff n nosuch
    [ "$status" -eq 6 ]
}

@test "rm asks, spares what has a tag, and leaves nothing behind" {
    mlbatch dataset tag n keep
    numbers 12
    run mlbatch dataset rm n < /dev/null
    [ "$status" -eq 2 ]
    [[ "$output" == *"has 2 versions"* ]]
    run mlbatch dataset rm n:latest < /dev/null
    [ "$status" -eq 2 ]
    [[ "$output" == *"--yes"* ]]
    run mlbatch dataset rm n:keep --yes
    [ "$status" -eq 1 ]
    run mlbatch dataset rm n:latest --yes
    [ "$status" -eq 0 ]
    [[ "$output" == *"n:latest is "*" now"* ]]
    mlbatch dataset verify n
    run mlbatch dataset rm n --yes --force
    [ "$status" -eq 0 ]
    [ ! -e "$MLBATCH_STORE/datasets/n" ]
    run mlbatch dataset rm n --yes
    [ "$status" -eq 6 ]
}

@test "rm asks on a terminal, and takes no for an answer" {
    command -v script > /dev/null || skip "no script(1) to make a terminal"
    run script -qec "mlbatch dataset rm n" /dev/null < <(echo n)
    [ "$status" -eq 1 ]
    [[ "$output" == *"Remove n:"*"? [y/N]"*"nothing was removed"* ]]
    mlbatch dataset verify n
    run script -qec "mlbatch dataset rm n" /dev/null < <(echo y)
    [ "$status" -eq 0 ]
    [ ! -e "$MLBATCH_STORE/datasets/n" ]
}

@test "an export comes back by import, and never replaces unasked" {
    mlbatch dataset export n --to=out.csv
    run head -n 2 out.csv
    [ "$output" = "$(printf 'x[0],x[1],y\n0,0,0')" ]
    run mlbatch dataset export n --to=out.csv
    [ "$status" -eq 1 ]
    [[ "$output" == *--force* ]]
    mlbatch dataset export n --to=out.csv --force --split=a
    [ "$(wc -l < out.csv)" -eq 6 ]
    mlbatch dataset export n --to=out.csv --force
    mlbatch dataset import again out.csv --label y --split a=0.5
    run mlbatch dataset diff n again
    [ "$status" -eq 0 ]
    run mlbatch dataset export pictures --to=files --format=files
    [ "$status" -eq 0 ]
    [ "$(cat files/cat/1.jpg)" = one ]
    [ "$(find . -newer import.log -name '*.jpg' | wc -l)" -eq 5 ]
    run find . -name '.mlb-tmp*'
    [ -z "$output" ]
}

@test "a full disk under an export is told once" {
    run bash -c 'trap "" XFSZ; ulimit -f 0
        exec mlbatch dataset export n --to=n.npz'
    [ "$status" -eq 7 ]
    [ "$(grep -o 'cannot write' <<< "$output" | wc -l)" -eq 1 ]
    [ ! -e n.npz ]
}

@test "checkpoints of a run are listed, shown and verified" {
    run mlbatch checkpoint list r
    [ "$status" -eq 0 ]
    [[ "${lines[0]}" == *STEP*AGE*SIZE*LAYOUT*METRICS ]]
    [[ "${lines[1]}" == *" 4 "*nodes*"loss 6" ]]
    [[ "${lines[2]}" == *" 3 "*shared*"loss 7" ]]
    run mlbatch checkpoint show r:2
    [ "$status" -eq 0 ]
    [[ "$output" == *"in 2 files"*"t/bf16"*"bf16 [2, 3]"*ok* ]]
    [[ "$output" == *"rng"*state*ok* ]]
    mlbatch checkpoint verify r r.1:3
    # A directory that is no run: by its name, too.
    cp -r "$MLBATCH_STORE/runs/r.1/checkpoints" copy
    run mlbatch checkpoint list copy
    [ "$status" -eq 0 ]
    [[ "${lines[1]}" == *" 4 "* ]]
    run mlbatch checkpoint show r:7
    [ "$status" -eq 6 ]
    local file=$MLBATCH_STORE/runs/r.1/checkpoints/step-000000000002.d/node-000.h5
    damage "$file" "$(($(stat -c %s "$file") / 2))"
    run mlbatch checkpoint verify r
    [ "$status" -eq 1 ]
    [[ "$output" == *"DAMAGED"*"node-000.h5: /shards/big/0"* ]]
    run mlbatch checkpoint show r:2
    [ "$status" -eq 1 ]
    run mlbatch checkpoint export r:2 --to=x.npz
    [ "$status" -eq 3 ]
    [ ! -e x.npz ]
}

@test "checkpoint diff compares numbers" {
    run mlbatch checkpoint diff r:1 r:2
    [ "$status" -eq 0 ]
    run mlbatch checkpoint diff r:1 r
    [ "$status" -eq 1 ]
    [[ "$output" == *"tensor big: 1 of 1500000 differ, by up to 1"* ]]
    [[ "$output" == *"tensor t/e4m3: 6 of 6 differ, by up to 0.0019"* ]]
    [[ "$output" != *"tensor scalar"* ]]
}

@test "checkpoint export, options with their value as a word of its own" {
    run mlbatch checkpoint export r --to w.safetensors --tensor 'b*'
    [ "$status" -eq 0 ]
    [ "$output" = "w.safetensors: 1 tensor, 5.7 MiB" ]
    [ "$(stat -c %s w.safetensors)" -gt 6000000 ]
    run mlbatch checkpoint export r --to=w.pt
    [ "$status" -eq 2 ]
    [[ "$output" == *"which format?"*safetensors* ]]
    run mlbatch checkpoint export r --to=w.safetensors
    [ "$status" -eq 1 ]
    run mlbatch checkpoint export r --to=nowhere/w.safetensors
    [ "$status" -eq 6 ]
}

@test "prune keeps what the rules want, and one that is sound" {
    run mlbatch checkpoint prune r --keep=1 --dry-run
    [ "$status" -eq 0 ]
    [[ "$output" == *"would remove step 1"*"1 would stay" ]]
    run mlbatch checkpoint prune r
    [ "$status" -eq 2 ]
    run mlbatch checkpoint prune r --keep=1 < /dev/null
    [ "$status" -eq 2 ]
    run mlbatch checkpoint prune r --keep=1 --best=1 --metric=loss --higher \
        --yes
    [ "$status" -eq 0 ]
    [ "$output" = "$(printf 'removed step 2\nremoved step 3\n2 stay')" ]
    local dir=$MLBATCH_STORE/runs/r.1/checkpoints
    damage "$dir/step-000000000004.d/node-000.h5" 3000000
    run mlbatch checkpoint prune r --keep=1 --yes
    [ "$status" -eq 1 ]
    [[ "$output" == *"nothing was removed"* ]]
    [ -e "$dir/step-000000000001.h5" ]
}

# What bash offers for a line.
complete_line() {
    bash -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        compopt() { :; }; COMP_WORDBREAKS=$COMP_WORDBREAKS; _mlbatch
        printf "%s\n" "${COMPREPLY[@]% }"' - \
        "$MLB_TOP/contrib/mlbatch.bash" mlbatch "$@"
}

@test "completion knows data sets, tags, runs, steps and formats" {
    [ ! -e "$MLB_TOP/contrib/mlbatch.bash" ] &&
        skip "no contrib/mlbatch.bash here"
    run complete_line dataset ''
    [[ "$output" == *import*list*show*verify*diff*tag*export*rm* ]]
    run complete_line dataset verify pic
    [ "$output" = pictures ]
    run complete_line dataset show pictures : l
    [[ "$output" == *latest ]]
    run complete_line dataset export n --format = c
    [[ "$output" == *csv ]]
    run complete_line checkpoint show r.1 : ''
    [[ "$output" == *1*2*3*4* ]]
    mkdir -p some
    touch some/.mlb-slot-0.h5 some/step-000000000001.h5
    run complete_line checkpoint show some/
    [ "$output" = some/step-000000000001.h5 ]
    run complete_line checkpoint list ./so
    [ "$output" = ./some ]
    run complete_line checkpoint prune --ke
    [[ "$output" == *--keep=*--keep-every=* ]]
}
