# SPDX-License-Identifier: BSD-3-Clause
"""A small PBS, played: the server, its scheduler and its nodes in one.

    server.py DIR [openpbs|torque]

Jobs are processes of this machine, started as a MoM starts them: a login
shell in a session of its own that reads the script's name. What it knows of
PBS's ways was observed on a live OpenPBS (tests/pbs/README.md); it refuses
what it does not play rather than to guess. Its clock can be moved.
"""
import json
import os
import pwd
import re
import signal
import socket
import sys
import time

HOSTS = {"pbs%d" % n: {"ncpus": 8, "ngpus": 2} for n in (1, 2, 3, 4)}
QUEUES = {"workq": (True, True), "stoppedq": (True, False),
          "disabledq": (False, True)}
KILL_DELAY, POLL = 10.0, 1.0
STARTING = 0.2                   # seconds in substate 41
UNKNOWN, FINISHED, WRONG_STATE, BAD_VALUE = 153, 35, 168, 166
NO_QUEUE, DISABLED, UNKNOWN_RESOURCE = 170, 173, 187
RESOURCES = {"select", "place", "walltime", "nodes", "mem", "ncpus"}


class No(Exception):
    """An answer of PBS: its number and its words."""


def ctime(seconds):
    return time.ctime(seconds) if seconds else ""


def minute(seconds):
    return time.strftime("%a %b %d at %H:%M", time.localtime(seconds))


def clock(seconds):
    return "%02d:%02d:%02d" % (seconds // 3600, seconds // 60 % 60,
                               seconds % 60)


def read_walltime(text):
    parts = text.split(":")
    if len(parts) > 3 or not all(re.fullmatch(r"\d+", p) for p in parts):
        raise No(BAD_VALUE, "Illegal attribute or resource value "
                            "Resource_List.walltime")
    total = 0
    for part in parts:
        total = 60 * total + int(part)
    return total


def session(sid):
    """The processes of a session, but for those that are dead."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open("/proc/%s/stat" % name, "rb") as f:
                fields = f.read().rsplit(b")", 1)[1].split()
        except (OSError, IndexError):
            continue
        if int(fields[3]) == sid and fields[0] not in (b"Z", b"X"):
            found.append(int(name))
    return found


class Job:
    def __init__(self, server, number, request):
        self.server, self.number = server, number
        self.id = "%d.pbs1" % number
        self.user, self.name = request["user"], request["name"]
        self.queue, self.account = request["queue"], request["account"]
        self.output, self.join = request["output"], request["join"]
        self.keep, self.shell = request["keep"], request["shell"]
        self.script, self.arguments = request["script"], request["arguments"]
        self.variables, self.home = request["variables"], request["home"]
        self.select, self.place = request["select"], request["place"]
        self.walltime, self.depend = request["walltime"], request["depend"]
        self.priority = request["priority"]
        self.hold = "u" if request["hold"] else "n"
        self.state, self.substate = "Q", 10
        self.created = self.modified = server.now()
        self.started = self.ended = 0
        self.comment, self.status, self.history = "", None, 0
        self.chunks, self.pid, self.sessions = [], 0, []
        self.deleted = self.timed_out = self.lost_node = False
        self.kill_at = self.due = None
        self.runs = 0

    def exec_host(self):
        return "+".join("%s/%d%s" % (h, i, "*%d" % n if n > 1 else "")
                        for i, (h, n, _) in enumerate(self.chunks))

    def exec_vnode(self):
        return "+".join("(%s:ncpus=%d)" % (h, n) for h, n, _ in self.chunks)

    def spool(self, what):
        return os.path.join(self.server.dir, "jobs",
                            "%d.%s" % (self.number, what))

    def output_path(self):
        return self.output or "%s/%s.o%d" % (self.home, self.name,
                                             self.number)

    def log(self):
        if self.output == "/dev/null" or "d" in self.keep:
            return self.output_path()
        return self.spool("OU")

    def used(self):
        end = self.ended or self.server.now()
        return int(end - self.started) if self.started else 0

    def attributes(self):
        """In the order of qstat -f."""
        yield "Job_Name", self.name
        yield "Job_Owner", "%s@pbs1" % self.user
        if self.started:
            for name, value in (("cpupercent", "0"), ("cput", "00:00:00"),
                                ("mem", "0kb"),
                                ("ncpus", str(sum(c[1] for c in self.chunks))),
                                ("vmem", "0kb"),
                                ("walltime", clock(self.used()))):
                yield "resources_used." + name, value
        torque = self.server.torque
        yield "job_state", ("C" if torque and self.state == "F"
                            else self.state)
        yield "queue", self.queue
        yield "server", "pbs1"
        if self.account:
            yield "Account_Name", self.account
        yield "Checkpoint", "u"
        yield "ctime", ctime(self.created)
        if self.depend:
            yield "depend", self.depend
        if self.chunks:
            yield "exec_host", self.exec_host()
            if not torque:
                yield "exec_vnode", self.exec_vnode()
        yield "Hold_Types", self.hold
        yield "Join_Path", self.join
        yield "Keep_Files", self.keep
        yield "Mail_Points", "a"
        yield "mtime", ctime(self.modified)
        yield "Output_Path", "localhost:" + self.output_path()
        yield "Priority", self.priority
        yield "qtime", ctime(self.created)
        yield "Rerunable", "True"
        if self.walltime:
            yield "Resource_List.walltime", clock(self.walltime)
        if self.started and torque:
            yield "start_time", ctime(self.started)
        if self.started and not torque:
            yield "stime", ctime(self.started)
        if self.ended:
            yield "comp_time" if torque else "obittime", ctime(self.ended)
        if self.pid:
            yield "session_id", str(self.pid)
            yield "jobdir", self.home
        if not torque:
            yield "substate", str(self.substate)
        yield "Variable_List", ",".join(
            "%s=%s" % (k, v.replace("\\", "\\\\").replace(",", "\\,"))
            for k, v in self.variables)
        if self.comment:
            yield "comment", self.comment
        yield "etime", ctime(self.created)
        if self.runs and not torque:
            yield "run_count", str(self.runs)
        if self.status is not None:
            if not torque:
                yield "Stageout_status", "1"
            yield "exit_status" if torque else "Exit_status", str(self.status)
        yield "Submit_arguments", " ".join(self.arguments)
        if self.history:
            yield "history_timestamp", str(int(self.history))
        if not torque:
            yield "project", "_pbs_project_default"
            yield "Submit_Host", "pbs1"

    def text(self):
        lines = ["    %s = %s\n" % (name, value.replace("\n", "\\n"))
                 for name, value in self.attributes()]
        return "Job Id: %s\n%s\n" % (self.id, "".join(lines))

    def line(self):
        return "%-16s  %-15.15s  %-15.15s %9s %s %-15s\n" % (
            self.id, self.name, self.user,
            clock(self.used()) if self.pid else 0, self.state, self.queue)

    # ---- what happens to it ----

    def place_chunks(self):
        """Chunks on hosts as (host, cpus, ranks); None: not now."""
        free = {h: dict(has) for h, has in HOSTS.items()}
        for job in self.server.jobs.values():
            if job.state in "RE":
                for host, cpus, _ in job.chunks:
                    free[host]["ncpus"] -= cpus
        chunks = []
        for want in self.select:
            for host in free:
                fits = all(free[host].get(r, 0) >= want.get(r, 0)
                           for r in ("ncpus", "ngpus"))
                again = self.place == "scatter" and any(
                    c[0] == host for c in chunks)
                if fits and not again and want.get("host", host) == host:
                    chunks.append((host, want["ncpus"], want["mpiprocs"]))
                    free[host]["ncpus"] -= want["ncpus"]
                    break
            else:
                return None
        return chunks

    def cannot_ever(self):
        for resource in ("ncpus", "ngpus"):
            wanted = sum(w.get(resource, 0) for w in self.select)
            total = sum(h[resource] for h in HOSTS.values())
            most = max(w.get(resource, 0) for w in self.select)
            if wanted > total or most > max(h[resource]
                                            for h in HOSTS.values()):
                return ("Can Never Run: Insufficient amount of resource: %s "
                        "(R: %d A: %d T: %d)" % (resource, wanted, total,
                                                 total))
        return None

    def wait(self, comment):
        if self.comment != comment:
            self.comment, self.modified = comment, self.server.now()

    def begin(self, chunks):
        self.chunks = chunks
        self.state, self.substate, self.status = "R", 41, None
        self.started = self.modified = self.server.now()
        self.due = time.monotonic() + self.server.starting
        self.comment = "Job run at %s on %s" % (minute(self.started),
                                                self.exec_vnode())
        self.runs += 1

    def environment(self):
        account = pwd.getpwnam(self.user)
        ranks = self.spool("nodefile")
        with open(ranks, "w") as f:
            for host, cpus, count in self.chunks:
                f.write((host + "\n") * (cpus if self.server.torque
                                         else count))
        made = self.spool("tmp")
        os.makedirs(made, exist_ok=True)
        cpus = str(self.chunks[0][1])
        env = dict(self.variables)
        env.update({
            "ENVIRONMENT": "BATCH", "HOME": self.home, "LOGNAME": self.user,
            "NCPUS": cpus, "OMP_NUM_THREADS": cpus,
            "PATH": self.server.bin + ":/usr/local/bin:/usr/bin:/bin",
            "PBS_ENVIRONMENT": "PBS_BATCH", "PBS_JOBDIR": self.home,
            "PBS_JOBID": self.id, "PBS_JOBNAME": self.name,
            "PBS_MOMPORT": "15003", "PBS_NODEFILE": ranks,
            "PBS_NODENUM": "0", "PBS_QUEUE": self.queue, "PBS_TASKNUM": "1",
            "SHELL": account.pw_shell, "TMPDIR": made, "USER": self.user})
        return env

    def run(self):
        """What a MoM does in substate 42: the login shell on top."""
        code = self.spool("SC")
        with open(code, "wb") as f:
            f.write(self.script)
        os.chmod(code, 0o700)
        with open(self.spool("in"), "w") as f:
            f.write(code + "\n")
        try:
            log = os.open(self.log(), os.O_WRONLY | os.O_CREAT | os.O_APPEND,
                          0o600)
        except OSError:
            self.state, self.substate, self.status = "H", 20, -3
            self.hold, self.chunks, self.runs = "s", [], 21
            self.comment = "job held, too many failed attempts to run"
            return
        env = self.environment()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.setsid()
                os.dup2(os.open(self.spool("in"), os.O_RDONLY), 0)
                os.dup2(log, 1)
                os.dup2(log, 2)
                os.closerange(3, 256)
                os.umask(0o077)
                os.chdir(self.home)
                for number in range(1, 32):
                    if number not in (signal.SIGKILL, signal.SIGSTOP):
                        signal.signal(number, signal.SIG_DFL)
                shell = self.shell or "/bin/sh"
                os.execve(shell, ["-" + os.path.basename(shell)], env)
            finally:
                os._exit(254)
        os.close(log)
        self.sessions = [self.pid]
        self.substate, self.modified = 42, self.server.now()

    def signal(self, number):
        for sid in self.sessions:
            for pid in session(sid):
                try:
                    os.kill(pid, number)
                except OSError:
                    pass

    def terminate(self):
        self.signal(signal.SIGTERM)
        self.kill_at = self.server.now() + self.server.kill_delay

    def alive(self):
        return any(session(sid) for sid in self.sessions)

    def finish(self, status, substate, comment):
        self.status, self.substate = status, substate
        self.state, self.due = "F", None
        self.comment = (self.comment + " " + comment).strip()
        now = self.server.now()
        self.ended = now if self.started else 0
        self.modified = self.history = now
        if self.pid and self.log() == self.spool("OU"):
            self.stage_out()
        self.server.after(self)

    def stage_out(self):
        try:
            with open(self.spool("OU"), "rb") as f, \
                    open(self.output_path(), "wb") as to:
                to.write(f.read())
            os.chmod(self.output_path(), 0o600)
        except OSError:
            pass

    def reaped(self, status):
        """The top process has ended; the others may live on for a while."""
        if self.lost_node:
            self.requeue()
            return
        self.status = (256 + os.WTERMSIG(status) if os.WIFSIGNALED(status)
                       else os.WEXITSTATUS(status))
        self.state, self.substate = "R", 42
        self.due = time.monotonic() + 0.1
        self.pid = -self.pid

    def requeue(self):
        """After node_fail_requeue: the same job from its beginning."""
        self.signal(signal.SIGKILL)
        self.state, self.substate, self.status = "Q", 10, -20
        self.pid, self.sessions, self.chunks = 0, [], []
        self.started, self.lost_node, self.kill_at = 0, False, None
        self.modified = self.server.now()

    def ended_by(self):
        if self.timed_out:
            self.finish(-11 if self.server.torque else -29, 93,
                        "and exceeded resource walltime")
        elif self.deleted:
            self.finish(self.status, 91,
                        "and terminated by %s@pbs1" % self.user)
        elif self.status == 0:
            self.finish(0, 92, "and finished")
        else:
            self.finish(self.status, 93, "and failed")

    def tick(self):
        now = self.server.now()
        if self.state == "R" and self.substate == 41:
            if time.monotonic() >= self.due:
                if self.deleted and self.server.torque:
                    self.finish(271, 91, "")
                elif self.deleted:   # it looks as if it had run to its end
                    self.finish(0, 92, "and finished")
                else:
                    self.due = None
                    self.run()
            return
        if self.state not in "RE":
            return
        if self.walltime and not self.kill_at and self.pid > 0 and \
                now >= self.started + self.walltime + POLL:
            self.timed_out = True
            with open(self.log(), "a") as f:
                f.write("=>> PBS: job killed: walltime %d exceeded limit "
                        "%d\n" % (now - self.started, self.walltime))
            self.terminate()
        if self.kill_at and now >= self.kill_at:
            self.signal(signal.SIGKILL)
        if self.pid < 0 and time.monotonic() >= self.due:
            if self.kill_at and now < self.kill_at and self.alive():
                return
            self.signal(signal.SIGKILL)
            self.pid = -self.pid
            self.ended_by()


class Server:
    def __init__(self, directory, dialect):
        self.dir, self.torque = directory, dialect == "torque"
        self.bin = os.path.join(directory, "bin")
        self.jobs, self.next, self.offset = {}, 100, 0.0
        self.keeps_history, self.starting = True, STARTING
        self.kill_delay, self.lost_answers = KILL_DELAY, 0
        self.forget, self.down_until = {}, None
        os.makedirs(os.path.join(directory, "jobs"), exist_ok=True)

    def now(self):
        return time.time() + self.offset

    # ---- requests, by name ----

    def find(self, text, ended=False):
        match = re.fullmatch(r"(\d+)(\.pbs1)?", text)
        if not match:
            if re.match(r"\d", text):
                raise No(1, "illegally formed job identifier: " + text)
            raise No(NO_QUEUE, "Unknown queue destination " + text)
        job = self.jobs.get(int(match.group(1)))
        if not job or (job.state == "F" and not self.keeps_history and
                       not self.torque):
            raise No(UNKNOWN, "Unknown Job Id %s.pbs1" % match.group(1))
        if job.state == "F" and not ended:
            raise No(FINISHED, job)
        return job

    def do_submit(self, request):
        queue = request["queue"] = request["queue"] or "workq"
        if queue not in QUEUES:
            raise No(NO_QUEUE, "Unknown queue")
        if not QUEUES[queue][0]:
            raise No(DISABLED, "Queue is not enabled")
        self.read_resources(request)
        request["script"] = bytes.fromhex(request["script"])
        self.next += 1
        job = self.jobs[self.next] = Job(self, self.next, request)
        if request["depend"]:
            job.state, job.substate, job.hold = "H", 22, "s"
        elif request["hold"]:
            job.state, job.substate = "H", 20
        self.schedule()
        if self.lost_answers:
            self.lost_answers -= 1
            return None
        return {"out": job.id + "\n"}

    def read_resources(self, request):
        got = {}
        for item in request.pop("resources"):
            name, _, value = item.partition("=")
            if name not in RESOURCES:
                raise No(UNKNOWN_RESOURCE,
                         "Unknown resource Resource_List." + name)
            got[name] = value
        if "select" in got and "ncpus" in got:
            raise No(5, '"-lresource=" cannot be used with "select" or '
                        '"place", resource is: ncpus')
        request["walltime"] = (read_walltime(got["walltime"])
                               if "walltime" in got else 0)
        request["place"] = got.get("place", "free").split(":")[0]
        if request["place"] not in ("free", "pack", "scatter"):
            raise No(BAD_VALUE, "Illegal attribute or resource value "
                                "Resource_List.place")
        if self.torque:
            request["select"] = self.read_nodes(got.get("nodes", "1"))
            request["place"] = "scatter"
        else:
            request["select"] = self.read_select(
                got.get("select", "1:ncpus=" + got.get("ncpus", "1")))

    def read_select(self, text):
        chunks = []
        for part in text.split("+"):
            words = part.split(":")
            count = int(words.pop(0)) if words[0].isdigit() else 1
            want = {"ncpus": 1, "mpiprocs": 1}
            for word in words:
                name, _, value = word.partition("=")
                if name in ("ncpus", "mpiprocs", "ngpus"):
                    if not value.isdigit():
                        raise No(BAD_VALUE, "Illegal attribute or resource "
                                            "value select." + name)
                    want[name] = int(value)
                elif name == "host":
                    want[name] = value
                elif name != "mem":
                    raise No(UNKNOWN_RESOURCE, "Unknown resource: " + name)
            chunks += [want] * count
        if not chunks:
            raise No(BAD_VALUE, "Illegal attribute or resource value")
        return chunks

    def read_nodes(self, text):
        words = text.split(":")
        want = {"ncpus": 1, "mpiprocs": 1}
        for word in words[1:]:
            name, _, value = word.partition("=")
            if name == "ppn":
                want["ncpus"] = int(value)
            elif name == "gpus":
                want["ngpus"] = int(value)
        return [want] * int(words[0])

    def do_stat(self, request):
        """Some of several ids may be bad: the good ones are shown."""
        out, errors, code = "", "", 0
        if request["ended"] and not self.keeps_history:
            return {"errors": "".join(
                "qstat: PBS is not configured to maintain job history %s\n"
                % (i if "." in i else i + ".pbs1") for i in request["ids"])}
        jobs = []
        for text in request["ids"]:
            try:
                jobs.append(self.find(text, request["ended"] or self.torque))
            except No as no:
                code, words = no.args
                if code == FINISHED:
                    words = (words.id + " Job has finished, use -x or -H to "
                             "obtain historical job information")
                errors += "qstat: %s\n" % words
        if not request["ids"]:
            jobs = [j for j in self.jobs.values()
                    if j.state != "F" or request["ended"]]
        if request["full"]:
            out = "".join(job.text() for job in jobs)
        elif jobs:
            out = ("Job id            Name             User              "
                   "Time Use S Queue\n----------------  ---------------- "
                   "----------------  -------- - -----\n")
            out += "".join(job.line() for job in jobs)
        return {"out": out, "errors": errors, "code": code}

    def do_server(self, request):
        lines = ["server_state = Active", "server_host = pbs1",
                 "scheduling = True", "total_jobs = %d" % len(self.jobs),
                 "default_queue = workq"]
        if self.keeps_history and not self.torque:
            lines += ["job_history_enable = True",
                      "job_history_duration = 24:00:00"]
        lines.append("pbs_version = " + ("6.1.3" if self.torque
                                         else "23.06.06"))
        return {"out": "Server: pbs1\n" + "".join(
            "    %s\n" % line for line in lines) + "\n"}

    def do_select(self, request):
        if request["ended"] and not self.keeps_history:
            return {"errors": "qselect: PBS is not configured to maintain "
                              "job history\n", "code": 64}
        return {"out": "".join(
            job.id + "\n" for job in self.jobs.values()
            if request["name"] in (None, job.name) and
            request["owner"] in (None, job.user) and
            (job.state != "F" or request["ended"]))}

    def do_delete(self, request):
        job = self.find(request["id"])
        if job.state == "E":
            raise No(WRONG_STATE,
                     "Request invalid for state of job " + job.id)
        job.deleted = True
        if job.state in "QHW":
            job.finish(None, 91, "and terminated")
        elif job.substate == 42 and not job.kill_at:
            job.terminate()
        return {}

    def do_hold(self, request):
        job = self.find(request["id"])
        job.hold = "u"
        if job.state == "Q":
            job.state, job.substate = "H", 20
            job.wait("Job held by %s on %s" % (job.user, ctime(self.now())))
        return {}

    def do_release(self, request):
        job = self.find(request["id"])
        if job.hold == "u":
            job.hold = "n"
            if job.state == "H":
                job.state, job.substate, job.comment = "Q", 10, ""
                self.schedule()
        return {}

    def do_nodes(self, request):
        out = ""
        for host, has in HOSTS.items():
            out += "%s\n     Mom = %s\n     state = free\n" % (host, host)
            for name, count in has.items():
                out += "     resources_available.%s = %d\n" % (name, count)
            out += "\n"
        return {"out": out}

    def do_attach(self, request):
        """A session that pbs_tmrsh began for a job."""
        job = self.find(request["id"])
        hosts = [chunk[0] for chunk in job.chunks]
        if request["host"] not in hosts:
            raise No(255, 'host "%s" is not a node in job <%s>'
                     % (request["host"], job.id))
        if request["pid"]:
            job.sessions.append(request["pid"])
        # A folder for each node, as real ones have: the daemons of Open MPI
        # on one host write over one another's files in a common one.
        number = hosts.index(request["host"])
        made = job.spool("tmp.%d" % number if number else "tmp")
        os.makedirs(made, exist_ok=True)
        return {"number": number, "home": job.home, "tmp": made}

    def do_play(self, request):
        """Not of PBS: what the tests do to it."""
        word, value = request["word"], request["value"]
        if word == "clock":
            self.offset += float(value)
        elif word == "history":
            self.keeps_history = value == "on"
        elif word == "starting":
            self.starting = float(value)
        elif word == "kill_delay":
            self.kill_delay = float(value)
        elif word == "lose":
            self.lost_answers = int(value)
        elif word == "kill":         # all that the job has on its nodes
            self.find(value).signal(signal.SIGKILL)
        elif word == "lose_node":    # and node_fail_requeue is over
            job = self.find(value)
            job.lost_node = True
            job.signal(signal.SIGKILL)
        elif word == "down":         # the server; jobs go on
            self.down_until = time.monotonic() + float(value)
        elif word == "forget":       # as a server that lost its data base
            self.jobs.clear()
            self.next = int(value)
        elif word != "stop":
            raise No(2, "no such thing to play: " + word)
        return {"stop": word == "stop"}

    # ---- by itself ----

    def schedule(self):
        for job in list(self.jobs.values()):
            if job.state != "Q":
                continue
            if not QUEUES[job.queue][1]:
                job.wait("Not Running: Queue not started.")
                continue
            never, chunks = job.cannot_ever(), job.place_chunks()
            if never:
                job.wait(never)
            elif chunks is None:
                job.wait("Not Running: No available resources on nodes")
            else:
                job.begin(chunks)

    def judge(self, job):
        """May a job that depends on others run? None: not yet."""
        for part in job.depend.split(","):
            kind, *ids = part.split(":")
            for text in ids:
                parent = self.jobs.get(int(text.split(".")[0]))
                if parent is None:
                    return False
                if parent.state != "F":
                    return None
                ok = parent.status == 0
                if parent.status is None:
                    return None      # deleted before it ran: stays held
                if (kind == "afterok" and not ok) or \
                        (kind == "afternotok" and ok):
                    return False
        return True

    def after(self, ended):
        if not self.keeps_history:
            self.forget[ended.number] = time.monotonic() + 0.3
        self.schedule()

    def tick(self):
        for job in list(self.jobs.values()):
            if job.state == "H" and job.substate == 22:
                verdict = self.judge(job)
                if verdict:
                    job.state, job.substate, job.hold = "Q", 10, "n"
                elif verdict is False:
                    job.finish(None, 92, "")
            job.tick()
        for number, when in list(self.forget.items()):
            if time.monotonic() >= when:
                self.jobs.pop(number, None)
                del self.forget[number]
        self.schedule()

    def reap(self):
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for job in self.jobs.values():
                if job.pid == pid:
                    job.reaped(status)

    def answer(self, connection):
        request = json.loads(connection.makefile("r").readline())
        try:
            reply = getattr(self, "do_" + request["do"])(request)
        except No as no:
            code, words = no.args
            if isinstance(words, Job):
                words = "Job has finished " + words.id
            reply = {"errors": "%s: %s\n" % (request["as"], words),
                     "code": code}
        if reply is not None:
            connection.sendall(json.dumps(reply).encode())
        return not (reply or {}).get("stop")

    def serve(self, listener):
        listener.settimeout(0.05)
        while os.path.isdir(self.bin):
            if self.down_until:
                listener.close()
                time.sleep(max(0, self.down_until - time.monotonic()))
                self.down_until = None
                listener = listen(self.dir)
                listener.settimeout(0.05)
            try:
                connection, _ = listener.accept()
            except socket.timeout:
                connection = None
            if connection:
                connection.settimeout(20)
                with connection:
                    if not self.answer(connection):
                        break
            self.reap()
            self.tick()
        for job in self.jobs.values():
            job.signal(signal.SIGKILL)


def listen(directory):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("\0mlbatch-pbs" + directory[-80:])
    listener.listen(64)
    return listener


def main():
    directory = sys.argv[1]
    listener = listen(directory)
    if os.fork():
        return
    os.setsid()
    null = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1):
        os.dup2(null, fd)
    log = os.open(os.path.join(directory, "server.log"),
                  os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 2)
    os.closerange(3, listener.fileno())
    os.closerange(listener.fileno() + 1, 256)
    Server(directory, sys.argv[2] if len(sys.argv) > 2 else
           "openpbs").serve(listener)


main()
