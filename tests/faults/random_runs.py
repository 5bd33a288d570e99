# SPDX-License-Identifier: BSD-3-Clause
"""Seeded random faults over short runs of digits on the private cluster.

    random_runs.py COUNT SEED RESULTS

Each run must end with the result of an undisturbed one, or stop and say why;
no checkpoint may be lost, no part of it done twice at once, and a run may be
unknown for a while, but never wrong. Expects the environment of tests/cluster
and MLB_BIN, MLB_TOP, MLB_TRAIN, MLB_CLOCK. Writes a line of JSON a run into
RESULTS, and exits with 1 if one failed."""
import collections
import glob
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback

import faults

EPOCHS = 900
PATIENCE = 240          # seconds that all may take, healing included
FINAL = ("completed", "failed", "cancelled", "timeout", "out of memory",
         "preempted", "node failure", "stalled")
OPEN = ("unknown", "not submitted", "pending", "running")
MINE = "mlb-faults"
KEEP = bool(os.environ.get("MLB_FAULTS_KEEP"))     # each run, to look at


# What an undisturbed run printed last, and its last checkpoint.
Reference = collections.namedtuple("Reference", "line file")


class Broken(Exception):
    """A promise that was not kept."""


class Run:
    """One run of digits in a store of its own."""

    def __init__(self, base, number, mount):
        self.base = os.path.join(base, "run-%d" % number)
        os.makedirs(os.path.join(self.base, "home"))
        self.mount = mount
        self.store = os.path.join(mount or self.base, "store")
        self.name = "digits.1"
        self.dir = os.path.join(self.store, "runs", self.name)
        self.env = dict(os.environ, MLBATCH_STORE=self.store,
                        MLBATCH_SCHEDULER="slurm",
                        HOME=os.path.join(self.base, "home"),
                        PATH=os.environ["MLB_BIN"] + ":" +
                        os.environ["PATH"])
        self.submitted_again = 0
        self.polls = []
        self.call(["cp", "-r", os.path.join(base, "store"), self.store])
        self.write_job()

    def write_job(self):
        conf = os.path.join(self.env["HOME"], ".config", "mlbatch")
        os.makedirs(conf)
        with open(os.path.join(conf, "mlbatch.conf"), "w") as file:
            file.write("kill_wait = 5;\n")
        with open(os.path.join(self.base, "digits.conf"), "w") as file:
            file.write("""name = "digits";
command = ["%s", "--epochs", "%d"];
launch = "mpi";
resources = { nodes = 2; tasks_per_node = 1; memory_per_node = "1G";
    walltime = "00:02:00"; };
datasets = ({ name = "digits"; as = "train"; });
checkpoint = { every = "1s"; keep = 3; warn = "1s"; };
restart = { on = ["timeout", "preempted", "node_fail", "failed",
    "out_of_memory"]; max = 8; };
environment = { OMPI_MCA_mpi_yield_when_idle = "1"; };
""" % (os.environ["MLB_TRAIN"], EPOCHS))

    def call(self, argv, check=True):
        done = subprocess.run(argv, env=self.env, cwd=self.base,
                              stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True,
                              errors="replace", timeout=200)
        if check and done.returncode:
            raise Broken("%s: %d: %s" % (argv, done.returncode, done.stdout))
        return done

    def mlbatch(self, *arguments, check=False):
        return self.call(["mlbatch", *arguments], check)

    def daemon(self, name, what):
        subprocess.run([os.path.join(os.environ["MLB_TOP"], "tests/cluster",
                                     "daemon"),
                        os.environ["MLB_TEST_CLUSTER"], name, what],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def owns(self, pid):
        return ("MLB_RUN_DIR=" + self.dir + "\0").encode() in \
            faults.read("/proc/%d/environ" % pid)

    def hide(self, program):
        """A PATH on which all is but one program."""
        folder = os.path.join(self.base, "bin")
        os.makedirs(folder)
        for place in reversed(self.env["PATH"].split(":")):
            for path in glob.glob(os.path.join(place, "*")):
                link = os.path.join(folder, os.path.basename(path))
                if os.path.lexists(link):
                    os.unlink(link)
                if os.path.basename(path) != program:
                    os.symlink(path, link)
        self.env["PATH"] = folder

    def fake_clock(self):
        self.clock = os.path.join(self.base, "clock")
        self.set_clock(0)
        self.job["environment.LD_PRELOAD"] = os.environ["MLB_CLOCK"]
        self.env["LD_PRELOAD"] = os.environ["MLB_CLOCK"]
        self.env["FAULT_CLOCK"] = self.clock
        self.job["environment.FAULT_CLOCK"] = self.clock

    def set_clock(self, seconds):
        with open(self.clock + ".new", "w") as file:
            file.write("%d\n" % seconds)
        os.rename(self.clock + ".new", self.clock)

    def events(self, name):
        found = []
        for path in glob.glob(os.path.join(self.dir, "events", "*.jsonl")):
            with open(path, errors="replace") as file:
                for line in file:
                    try:
                        event = json.loads(line)
                    except ValueError:
                        continue
                    if event.get("event") == name:
                        found.append(event)
        return sorted(found, key=lambda e: (e.get("attempt", 0), e["time"]))

    def status(self):
        done = self.mlbatch("status", self.name, "--json")
        try:
            start = done.stdout.index("{")
            status = json.loads(done.stdout[start:])
        except ValueError:
            raise Broken("status: %s" % done.stdout)
        state = status["state"]
        if state not in FINAL and state not in OPEN:
            raise Broken("status says %s" % state)
        if not self.polls or self.polls[-1] != state:
            self.polls.append(state)
        return status

    def has_ended(self):
        return self.status()["state"] in FINAL

    def final_lines(self):
        text = ""
        for path in glob.glob(os.path.join(self.dir, "out", "rank-*.log")):
            with open(path, errors="replace") as file:
                text += file.read()
        return [l for l in text.split("\n") if l.startswith("final:")]


def healthy():
    """All nodes idle and the queue empty."""
    def out(argv):
        return subprocess.run(argv, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True).stdout
    until = time.time() + 120
    for name in ("munged", "mariadbd", "slurmdbd", "slurmctld", "node1",
                 "node2", "node3", "node4"):
        subprocess.run([os.path.join(os.environ["MLB_TOP"], "tests/cluster",
                                     "daemon"),
                        os.environ["MLB_TEST_CLUSTER"], name, "start"],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    out(["scancel", "--quiet", "--user=root"])
    while time.time() < until:
        states = out(["sinfo", "-h", "-p", "main", "-o", "%T"]).split()
        if states == ["idle"] and not out(["squeue", "-h"]).strip():
            return
        if any(s.startswith(("down", "drain")) for s in states):
            out(["scontrol", "update", "NodeName=node[1-4]", "State=RESUME"])
        time.sleep(0.2)
    raise Broken("the cluster did not come back")


def strike_all(chosen, problems):
    for fault in sorted(chosen, key=lambda f: f.after):
        time.sleep(fault.after)
        try:
            fault.strike()
        except Exception:                       # told with the run
            problems.append(traceback.format_exc())


def wait_final(run, thread):
    until = time.time() + PATIENCE
    last = None
    while time.time() < until:
        if thread.is_alive():
            run.status()
            time.sleep(0.3)
            continue
        last = run.status()
        if last["state"] in FINAL:
            return last
        if last["state"] == "not submitted":
            return last
        time.sleep(0.3)
    raise Broken("no end in %d s: %s" % (PATIENCE, json.dumps(last)))


def check_attempts(run, chosen):
    """No two attempts at once, and each end said to be of what it was."""
    starts = {e["attempt"]: e["time"] for e in run.events("attempt-start")}
    ends = {}
    for e in run.events("task-end"):
        if e.get("attempt", 0) > 0:
            ends[e["attempt"]] = max(e["time"], ends.get(e["attempt"], 0))
    jumped = any(f.name == "clock-jump" for f in chosen)
    for n in sorted(starts):
        if not jumped and n - 1 in ends and ends[n - 1] > starts[n] + 0.5:
            raise Broken("attempt %d began %.1f s before %d had ended" %
                         (n, ends[n - 1] - starts[n], n - 1))
    allowed = {"completed"}.union(*(f.causes for f in chosen))
    for e in run.events("attempt-end"):
        if e["state"] not in allowed:
            raise Broken("attempt %d ended as %s (%s), not one of %s" %
                         (e["attempt"], e["state"], e["text"],
                          sorted(allowed)))
        if e["state"] != "completed" and not e["text"]:
            raise Broken("attempt %d ended without a cause" % e["attempt"])


def newest_checkpoint(run):
    files = sorted(glob.glob(os.path.join(run.dir, "checkpoints",
                                          "step-*.h5")))
    return files[-1] if files else None


def check_checkpoints(run):
    file = newest_checkpoint(run)
    saved = max([e.get("saved", -1) for e in run.events("attempt-end")],
                default=-1)
    newest = int(os.path.basename(file)[5:-3]) if file else -1
    if newest < saved:
        raise Broken("checkpoint of step %d is lost, the newest is %d" %
                     (saved, newest))
    if file:
        run.mlbatch("checkpoint", "verify", file, check=True)


def check(run, status, chosen, reference):
    check_attempts(run, chosen)
    check_checkpoints(run)
    if status["state"] == "completed":
        lines = set(run.final_lines())
        # A program's own output may be cut by a store that takes no more.
        silent = any(f.name.startswith("store-") for f in chosen)
        if lines != {reference.line} and not (silent and not lines):
            raise Broken("completed with %s, not %s" %
                         (lines, reference.line))
        run.mlbatch("checkpoint", "diff", reference.file,
                    newest_checkpoint(run), check=True)
    elif not status.get("text"):
        raise Broken("%s without a cause" % status["state"])
    if run.submitted_again:
        raise Broken("a run that ran was submitted again")


def set_up(run, chosen):
    run.job = {}
    for fault in chosen:
        fault.prepare(run.job)
    arguments = ["%s=%s" % pair for pair in run.job.items()]
    run.mlbatch("submit", "digits.conf", *arguments, check=True)


def one(base, mount, seed, reference):
    rng = random.Random(seed)
    shutil.rmtree(os.path.join(mount, "store"), ignore_errors=True) \
        if mount else None
    run = Run(base, seed, mount)
    chosen = [f(run, rng) for f in faults.choose(rng, mount is not None)]
    result = {"seed": seed, "faults": [f.name for f in chosen]}
    problems = []
    begun = time.time()
    try:
        set_up(run, chosen)
        thread = threading.Thread(target=strike_all, args=(chosen, problems))
        thread.start()
        status = wait_final(run, thread)
        thread.join()
        if problems:
            raise Broken(problems[0])
        result.update(state=status["state"], text=status.get("text"),
                      attempts=status.get("attempts"), polls=run.polls)
        check(run, status, chosen, reference)
        result["ok"] = True
    except Exception as error:
        result.update(ok=False, error="%s: %s" % (type(error).__name__,
                                                  error), polls=run.polls)
    for fault in chosen:
        fault.heal()
    if KEEP or not result["ok"]:
        result["kept"] = os.path.join(base, "kept-%d" % seed)
        shutil.copytree(run.store, result["kept"], symlinks=True)
    healthy()
    shutil.rmtree(run.base)
    result["seconds"] = round(time.time() - begun, 1)
    return result


def undisturbed(base):
    run = Run(base, 0, None)
    run.job = {}
    set_up(run, [])
    run.mlbatch("wait", run.name, check=True)
    lines = run.final_lines()
    if len(lines) != 1:
        raise Broken("undisturbed: %s" % lines)
    return Reference(lines[0], newest_checkpoint(run))


def try_mount(base):
    """A small file system for the store, None where none can be had."""
    mount = os.path.join(base, "mount")
    os.mkdir(mount)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m",
                           MINE, mount], stderr=subprocess.DEVNULL)
    return mount if done.returncode == 0 else None


def summary(results):
    table = collections.defaultdict(collections.Counter)
    for r in results:
        for name in r["faults"]:
            table[name][r.get("state", "broken") if r["ok"]
                        else "broken"] += 1
    for name in sorted(table):
        print("%-18s %s" % (name, ", ".join(
            "%d %s" % (n, s) for s, n in table[name].most_common())))


def main():
    count, seed = int(sys.argv[1]), int(sys.argv[2])
    base = tempfile.mkdtemp(prefix="mlbf.")
    os.chmod(base, 0o755)
    env = dict(os.environ, MLBATCH_STORE=os.path.join(base, "store"),
               PATH=os.environ["MLB_BIN"] + ":" + os.environ["PATH"])
    subprocess.run(["mlbatch", "dataset", "import", "digits",
                    os.path.join(os.environ["MLB_TOP"],
                                 "contrib/examples/digits/digits.csv.gz"),
                    "--label", "last", "--split", "train=0.8", "--split",
                    "test=0.2"], env=env, check=True,
                   stdout=subprocess.DEVNULL)
    mount = try_mount(base)
    if not mount:
        print("skipped: store-read-only, store-full: cannot mount here")
    results = []
    try:
        reference = undisturbed(base)
        with open(sys.argv[3], "w") as out:
            for n in range(count):
                result = one(base, mount, seed + n, reference)
                results.append(result)
                print(json.dumps(result), file=out, flush=True)
                print("%s %s" % ("ok  " if result["ok"] else "FAIL",
                                 json.dumps(result)), flush=True)
    finally:
        if mount:
            subprocess.run(["umount", "-l", mount])
    summary(results)
    failed = sum(not r["ok"] for r in results)
    if not failed and not KEEP:
        shutil.rmtree(base)
    print("%d passed, %d failed" % (len(results) - failed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
