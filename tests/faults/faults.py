# SPDX-License-Identifier: BSD-3-Clause
"""What can happen to a run on the private cluster.

Each fault changes the job before it is submitted (prepare), does its harm
while the run goes (strike) and mends what does not mend by itself (heal). Its
name is what doc/faults.md calls it; causes are what an attempt that ended by
it may be said to have ended of."""
import os
import random
import signal
import subprocess
import time


class Fault:
    causes = ()
    needs_mount = False

    def __init__(self, run, rng):
        self.run = run
        self.rng = rng
        self.after = rng.uniform(0.0, 4.0)

    def prepare(self, job):
        pass

    def strike(self):
        pass

    def heal(self):
        pass


def processes():
    for name in os.listdir("/proc"):
        if name.isdigit():
            yield int(name)


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
        return True
    except OSError:
        return False


class Walltime(Fault):
    """The walltime ends during training."""
    name = "walltime"
    causes = ("timeout",)

    def prepare(self, job):
        job["resources.walltime"] = self.rng.randint(3, 5)


class WalltimeSave(Fault):
    """The walltime ends while checkpoints are written all the time."""
    name = "walltime-save"
    causes = ("timeout",)

    def prepare(self, job):
        job["resources.walltime"] = self.rng.randint(3, 5)
        job["checkpoint.warn"] = 0
        job["command[3]"] = "--save-every"
        job["command[4]"] = "1"
        job["command[5]"] = "--keep"
        job["command[6]"] = "3"


class WalltimeStart(Fault):
    """There is hardly time to start in."""
    name = "walltime-start"
    causes = ("timeout",)

    def prepare(self, job):
        job["resources.walltime"] = 1


class Preempt(Fault):
    """A job of a higher priority takes the nodes."""
    name = "preempt"
    causes = ("preempted",)

    def strike(self):
        self.run.call(["sbatch", "--parsable", "-p", "high", "-N4",
                       "--exclusive", "-t", "1", "-o", "/dev/null", "--wrap",
                       "sleep 1"], check=False)


class Interrupt(Fault):
    """A person interrupts it, as a timeout or a preemption."""
    name = "interrupt"
    causes = ("timeout", "preempted")

    def strike(self):
        self.run.mlbatch("interrupt", self.run.name, "--as=" +
                         self.rng.choice(("timeout", "preempt")))


class Daemon(Fault):
    """One of Slurm's daemons is gone for a while."""
    daemon = None
    how = "stop"
    least, most = 1.0, 8.0

    def strike(self):
        self.name_of = self.daemon
        self.run.daemon(self.name_of, self.how)
        time.sleep(self.rng.uniform(self.least, self.most))
        self.heal()

    def heal(self):
        self.run.daemon(self.daemon, "start")


class Slurmctld(Daemon):
    name = "slurmctld"
    daemon = "slurmctld"


class SlurmctldMinute(Slurmctld):
    name = "slurmctld-minute"
    least, most = 60.0, 60.0


class Slurmdbd(Daemon):
    name = "slurmdbd"
    daemon = "slurmdbd"


class Slurmd(Daemon):
    """The daemon of a node, whose steps live on without it."""
    name = "slurmd"
    how = "kill"

    def __init__(self, run, rng):
        super().__init__(run, rng)
        self.daemon = "node%d" % rng.randint(1, 2)


class Crash(Slurmd):
    """A node with all that runs on it. A peer may wait for the dead rank
    until the time is over."""
    name = "node-crash"
    how = "crash"
    causes = ("node failure", "failed", "timeout")


class RankKilled(Fault):
    """One rank is killed by SIGKILL."""
    name = "rank-killed"
    causes = ("failed", "out of memory")

    def strike(self):
        ranks = [p for p in processes()
                 if self.run.owns(p) and
                 os.path.basename(read("/proc/%d/cmdline" % p)
                                  .split(b"\0")[0]) == b"train"]
        if ranks:
            kill(self.rng.choice(ranks))


class AgentKilled(Fault):
    """The agent of the batch step is killed by SIGKILL."""
    name = "agent-killed"
    causes = ("failed", "node failure")

    def strike(self):
        mark = ("attempt\0" + self.run.dir + "\0").encode()
        for pid in processes():
            if mark in read("/proc/%d/cmdline" % pid):
                kill(pid)


class NoScontrol(Fault):
    """There is no scontrol on the nodes."""
    name = "no-scontrol"

    def prepare(self, job):
        self.run.hide("scontrol")


class ReadOnly(Fault):
    """The store cannot be written to for a while."""
    name = "store-read-only"
    causes = ("failed", "timeout", "preempted")
    needs_mount = True

    def strike(self):
        # Not while a file is open for writing: as on a real file server,
        # which refuses at any time, tried until it is so.
        for _ in range(200):
            if subprocess.run(["mount", "-o", "remount,ro", self.run.mount],
                              stderr=subprocess.DEVNULL).returncode == 0:
                break
            time.sleep(0.01)
        time.sleep(self.rng.uniform(0.5, 4.0))
        self.heal()

    def heal(self):
        subprocess.run(["mount", "-o", "remount,rw", self.run.mount],
                       check=True)


class Full(Fault):
    """The store is full for a while."""
    name = "store-full"
    causes = ("failed", "timeout", "preempted")
    needs_mount = True

    def path(self):
        return os.path.join(self.run.mount, "ballast")

    def strike(self):
        with open(self.path(), "wb", buffering=0) as file:
            for block in (1 << 20, 4096):
                try:
                    while True:
                        file.write(bytes(block))
                except OSError:
                    pass
        time.sleep(self.rng.uniform(0.5, 4.0))
        self.heal()

    def heal(self):
        if os.path.exists(self.path()):
            os.unlink(self.path())


class ClockJump(Fault):
    """The clocks of the nodes are set an hour on or back; srun then starts
    nothing, for munge refuses its credentials."""
    name = "clock-jump"
    causes = ("failed",)

    def prepare(self, job):
        self.run.fake_clock()

    def strike(self):
        self.run.set_clock(self.rng.choice((-3600, 3600)))


class Twice(Fault):
    """The run is submitted again while it runs: refused. When it has ended,
    as by another fault, that is a person's right."""
    name = "twice"

    def strike(self):
        for _ in range(2):
            if self.run.has_ended():
                return
            done = self.run.mlbatch("submit", "--again", self.run.name,
                                    "--patience=2s", check=False)
            if done.returncode == 0:
                self.run.submitted_again += 1


class Cancel(Fault):
    """A person cancels it."""
    name = "cancel"
    causes = ("cancelled",)

    def strike(self):
        self.run.mlbatch("cancel", self.run.name, check=False)


ALL = (Walltime, WalltimeSave, WalltimeStart, Preempt, Interrupt, Slurmctld,
       SlurmctldMinute, Slurmdbd, Slurmd, Crash, RankKilled, AgentKilled,
       NoScontrol, ReadOnly, Full, ClockJump, Twice, Cancel)

# Those that take a minute come seldom in random runs.
SELDOM = (SlurmctldMinute, WalltimeStart, Cancel)


def choose(rng, can_mount):
    """One to three different faults, walltimes not twice."""
    faults = [f for f in ALL if can_mount or not f.needs_mount]
    weights = [0.3 if f in SELDOM else 1.0 for f in faults]
    chosen = []
    for _ in range(rng.choice((1, 1, 2, 2, 3))):
        one = rng.choices(faults, weights)[0]
        kind = one.name.split("-")[0]
        if all(kind != c.name.split("-")[0] for c in chosen):
            chosen.append(one)
    return chosen
