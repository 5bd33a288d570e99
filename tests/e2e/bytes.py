# SPDX-License-Identifier: BSD-3-Clause
"""Random bytes in name, arguments, environment and directory arrive exactly.

Run in an empty directory that holds the program `dump`, which writes its
arguments, environment and directory, each ended by NUL, to ./dumped.
"""
import os
import random
import subprocess
import sys

rounds = int(sys.argv[1])
seed = int(os.environ.get("MLB_SEED", random.randrange(1 << 30)))
print("seed", seed)
dice = random.Random(seed)
fixed = [b"$(touch pwned)", b"`touch pwned`", b"a b", b"'", b'"', b"\\", b"",
         b"\n", b"\t", b"${HOME}", b"$HOME", b"%j", b"\xff\xfe", b"-n",
         "größe".encode(), b"a;b", b"*", b"#SBATCH --hold", b"a=b", b"\x01"]


def some_bytes(limit):
    if dice.random() < 0.4:
        return dice.choice(fixed)
    return bytes(dice.randrange(1, 256) for _ in range(dice.randrange(limit)))


def quoted(data):
    return b'"' + b"".join(b"\\x%02x" % c for c in data) + b'"'


top = os.getcwdb()
for _ in range(rounds):
    args = [some_bytes(40) for _ in range(dice.randrange(1, 6))]
    value = some_bytes(60)
    name = some_bytes(30) or b"n"
    place = some_bytes(20).replace(b"/", b"_").strip(b".") or b"d"
    directory = os.path.join(top, b"d" + place)
    os.makedirs(directory, exist_ok=True)
    os.chdir(directory)
    text = (b"name = " + quoted(name) + b";\n"
            + b"command = [" + b", ".join(
                [quoted(top + b"/dump")] + [quoted(a) for a in args])
            + b"];\nenvironment = { VALUE = " + quoted(value) + b"; };\n"
            + b'resources = { walltime = "00:05:00"; };\n')
    with open("job.conf", "wb") as f:
        f.write(text)
    done = subprocess.run(["mlbatch", "submit", "--wait", "--parsable",
                           "job.conf"], stdout=subprocess.PIPE)
    assert done.returncode == 0, (done, text)
    run = done.stdout.strip()
    with open("dumped", "rb") as f:
        parts = f.read().split(b"\0")[:-1]
    os.remove("dumped")
    count = int(parts[0])
    assert parts[2:count + 1] == args, (parts[2:count + 1], args)
    env = dict(p.split(b"=", 1) for p in parts[count + 1:-1] if b"=" in p)
    assert env[b"VALUE"] == value, (env[b"VALUE"], value)
    assert env[b"MLB_JOB_NAME"] == name, (env[b"MLB_JOB_NAME"], name)
    assert parts[-1] == directory, (parts[-1], directory)
    assert os.path.isdir(os.path.join(
        os.environb[b"MLBATCH_STORE"], b"runs", run)), run
    os.chdir(top)
assert not os.path.exists("pwned")
print("ok", rounds)
