#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Cards of runs on this machine, as a person and as a program reads them.

load helper
setup() {
    SCHED=local common_setup
    cat > site.conf <<'C'
local = { cores = 2; };
C
    export MLBATCH_CONF=$PWD/site.conf
}
teardown() { SCHED=local common_teardown; }

# The value of a row of --json, by section and key.
value() {
    python3 -c '
import json, sys
row = json.load(sys.stdin)["sections"][sys.argv[1]][sys.argv[2]]
print(row["status"], row["value"])' "$@"
}

# Uses up some 0.4 s of CPU time.
burn='s=0; for i in $(seq 60000); do s=$((s + i)); done; echo $s'

@test "local: the card says what was asked and used" {
    mlbatch submit --job-name=burn --time=10 --mem=4G -c 2 -- bash -c "$burn"
    mlbatch wait burn
    run mlbatch report burn
    [ "$status" = 0 ]
    [ "${lines[0]}" = "burn.1: completed" ]
    [[ "$output" == *"of 10 min 0 s"* ]]
    [[ "$output" == *"Next request"* ]]
    mlbatch report --json > card.json
    read -r status seconds < <(value usage cpu_time < card.json)
    [ "$status" = ok ]
    python3 -c "assert 0.02 < $seconds < 30"
    read -r status asked < <(value usage wall_time < card.json)
    [ "$status" = ok ]
    # What nothing measured is null and has its reason.
    python3 - << 'P'
import json
card = json.load(open("card.json"))
assert card["schema"] == "mlbatch-card/1"
for section in card["sections"].values():
    for key, row in section.items():
        if row["status"] == "unavailable":
            assert row["value"] is None and row["reason"], key
        else:
            assert row["value"] is not None, key
P
}

@test "local: several runs make one table" {
    mlbatch submit --job-name='a "b", c' -- true
    mlbatch wait 'a "b", c'
    mlbatch submit --job-name=two -- true
    mlbatch wait two
    mlbatch report --csv 'a "b", c' two > table.csv
    python3 - << 'P'
import csv
rows = list(csv.DictReader(open("table.csv", newline="")))
assert [row["name"] for row in rows] == ['a "b", c', "two"], rows
for row in rows:
    assert row["wall_time_status"] == "ok"
    assert None not in row and None not in row.values()
P
}

@test "local: the advice of a job's runs, and of none" {
    mlbatch submit --job-name=burn --time=60 -c 2 -- bash -c "$burn"
    mlbatch wait burn
    store=$(dirname "$(readlink -f "$(command -v mlbatch)")")/../libexec/mlbatch/mlbatch-store
    "$store" --store="$MLBATCH_STORE" advise --job=burn > advice.json
    python3 - << 'P'
import json
advice = json.load(open("advice.json"))
assert advice["schema"] == "mlbatch-advice/1" and advice["runs"] == 1
items = {item["key"]: item for item in advice["items"]}
time = items["resources.walltime"]
assert time["was"] == "01:00:00" and time["sbatch"] == "--time=1", time
assert items["resources.cpus_per_task"]["value"] == "1"
P
    run "$store" --store="$MLBATCH_STORE" advise --job=nothing
    [ "$status" = 6 ]
}

@test "local: GPUs asked for and not seen are neither used nor idle" {
    cat > site.conf <<'C'
local = { cores = 2; gpus = ["0", "1"]; };
C
    mlbatch submit --job-name=g --gpus-per-task=2 -- true
    mlbatch wait g
    mlbatch report --json g > card.json
    run value usage gpu_use < card.json
    [ "$output" = "unavailable None" ]
    run mlbatch report g
    [[ "$output" == *"2 of 2 GPUs could not be measured"* ]]
}

@test "report: a wrong name, and two forms at once" {
    run mlbatch report nothing
    [ "$status" = 6 ]
    run mlbatch report --json --csv
    [ "$status" = 2 ] || [ "$status" = 6 ]
    mlbatch submit --job-name=x -- true
    mlbatch wait x
    run mlbatch report --json --csv x
    [ "$status" = 2 ]
    [[ "$output" == *"only one of"* ]]
}

@test "report: why a run failed stands under that it did" {
    mlbatch submit --job-name=bad -- sh -c 'exit 3'
    mlbatch wait bad || true
    run mlbatch report bad
    [ "${lines[0]}" = "bad.1: failed" ]
    [[ "${lines[1]}" == *"exited with 3"* ]]
}

@test "report: a page fetches nothing and runs nothing" {
    mlbatch submit --job-name=page -- true
    mlbatch wait page
    mlbatch report page --html > page.html
    grep -q '</html>' page.html
    ! grep -Eiq '<script|<link|@import|src=|url\(|href="?(https?:)?//' \
        page.html
}

@test "report: a damaged record is made anew, or named" {
    mlbatch submit --job-name=torn -- true
    mlbatch wait torn
    record=$MLBATCH_STORE/runs/torn.1/record.h5
    size=$(stat -c %s "$record")
    truncate -s $((size / 2)) "$record"
    run mlbatch report torn
    [ "$status" = 0 ]
    [[ "$output" == *"torn.1: completed"* ]]
    [ "$(stat -c %s "$record")" -gt $((size / 2)) ]
}
