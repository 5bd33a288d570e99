# SPDX-License-Identifier: BSD-3-Clause
"""The commands of the played PBS: client.py DIR COMMAND [ARGUMENT]...

Strict: an option that the real command does not have is refused as the real
one does, and one that is not played ends with 99.
"""
import getopt
import json
import os
import pwd
import re
import signal
import socket
import sys

DIR, NAME = sys.argv[1], sys.argv[2]
TORQUE = os.path.exists(os.path.join(DIR, "torque"))
QSUB_USAGE = """\
usage: qsub [-a date_time] [-A account_string] [-c interval]
	[-C directive_prefix] [-e path] [-f ] [-h ] [-I [-X]] [-j oe|eo] [-J X-Y[:Z]]
	[-k keep] [-l resource_list] [-m mail_options] [-M user_list]
	[-N jobname] [-o path] [-p priority] [-P project] [-q queue] [-r y|n]
	[-R o|e|oe] [-S path] [-u user_list] [-W otherattributes=value...]
	[-v variable_list] [-V ] [-z] [script | -- command [arg1 ...]]
       qsub --version
"""
QSTAT_USAGE = """\
usage: 
qstat [-f] [-J] [-p] [-t] [-x] [-E] [-F format | -w] [-D delim] [ job_identifier... | destination... ]
qstat [-a|-i|-r|-H|-T] [-J] [-t] [-u user] [-n] [-s] [-G|-M] [-1] [-w]
	[ job_identifier... | destination... ]
qstat -Q [-f] [-F format] [-D delim] [ destination... ]
qstat -q [-G|-M] [ destination... ]
qstat -B [-f] [-F format] [-D delim] [ server_name... ]
qstat --version
"""


def fail(code, text):
    sys.stderr.write(text)
    sys.stdout.flush()
    os._exit(code)


def not_played(what):
    fail(99, "%s: %s is not played\n" % (NAME, what))


def ask(do, **request):
    request.update({"do": do, "as": NAME})
    server = socket.socket(socket.AF_UNIX)
    try:
        server.connect("\0mlbatch-pbs" + DIR[-80:])
    except OSError:
        if NAME == "qdel":
            fail(162, "Connection refused\nCouldn't connect to cluster: "
                      "pbs1\n")
        if NAME == "pbsnodes":
            fail(1, "Connection refused\npbsnodes: cannot connect to server "
                    "pbs1, error=15010\n")
        fail(255 if NAME == "qstat" else 162,
             "Connection refused\n%s: cannot connect to server pbs1 "
             "(errno=15010)\n" % NAME)
    server.sendall(json.dumps(request).encode() + b"\n")
    data = server.makefile("r").read()
    if not data:
        fail(183, NAME + ": Communication failure.\n")
    return json.loads(data)


def finish(reply):
    sys.stdout.write(reply.get("out", ""))
    sys.stdout.flush()
    fail(reply.get("code", 0), reply.get("errors", ""))


def options(letters, usage):
    """As getopt(3) does it: what is bad is named, then the usage."""
    try:
        return getopt.getopt(sys.argv[3:], letters)
    except getopt.GetoptError as error:
        words = ("invalid option -- '%s'" if "recognized" in error.msg else
                 "option requires an argument -- '%s'") % error.opt
        fail(2, "%s: %s\n%s" % (NAME, words, usage))


def version():
    if sys.argv[3:] == ["--version"]:
        if TORQUE:
            fail(0, "Version: 6.1.3\nCommit: 2a2d2a3\n")
        print("pbs_version = 23.06.06")
        fail(0, "")


# ---- qsub ----

def bad(letter):
    fail(2, "qsub: illegal -%s value\n%s" % (letter, QSUB_USAGE))


def split_variables(text):
    """NAME=value,... with quotes and backslashes; else PBS refuses."""
    if text.count('"') % 2:
        fail(1, "qsub: cannot send environment with the job\n")
    pairs = []
    for part in re.findall(r'(?:[^,\\"]|\\.|"[^"]*")+', text, re.S):
        part = part.replace("\\,", ",").replace('"', "")
        name, equals, value = part.partition("=")
        if not equals:
            if name not in os.environ:
                fail(1, "qsub: cannot send environment with the job\n")
            value = os.environ[name]
        pairs.append((name, value))
    return pairs


def read_directives(script, prefix):
    if not prefix:
        return []
    found = []
    for line in script.decode("utf-8", "surrogateescape").split("\n"):
        if line.startswith(prefix):
            found += line[len(prefix):].split()
        elif line and not line.startswith("#") and line.strip():
            break
    return found


def submit():
    letters = ("a:A:b:c:C:d:D:e:fF:hIj:k:K:l:L:m:M:nN:o:p:P:q:r:S:t:T:u:v:VW:"
               "w:xXz" if TORQUE else
               "a:A:c:C:e:fGhIj:J:k:l:m:M:N:o:p:P:q:r:R:S:u:v:VW:Xz")
    given, words = options(letters, QSUB_USAGE)
    if "--" in sys.argv[3:]:
        not_played("--")
    prefix = dict(given).get("-C", "#PBS")
    if words:
        try:
            with open(words[0], "rb") as f:
                script = f.read()
        except OSError:
            fail(1, "qsub: script file:: No such file or directory\n")
    else:
        script = sys.stdin.buffer.read()
    if b"\r\n" in script:
        fail(1, "qsub: script contains cr, lf\n")
    if os.environ.get("LC_ALL") != "C" and "MLB_TOKEN" in str(given):
        not_played("mlbatch in another language than C")
    account = pwd.getpwuid(os.getuid())
    variables = [("PBS_O_" + n, os.environ[n]) for n in (
        "HOME", "LANG", "LOGNAME", "PATH", "SHELL") if n in os.environ]
    if any('"' in value for _, value in variables):
        fail(1, "qsub: cannot send environment with the job\n")
    variables += [("PBS_O_WORKDIR", os.getcwd()), ("PBS_O_SYSTEM", "Linux"),
                  ("PBS_O_QUEUE", "workq"), ("PBS_O_HOST", "pbs1")]
    request = {"user": account.pw_name, "name": "STDIN", "queue": None,
               "account": None, "output": None, "join": "n", "keep": "n",
               "shell": None, "hold": False, "depend": "", "resources": [],
               "home": os.environ.get("MLB_REPLAY_HOME", account.pw_dir),
               "arguments": sys.argv[3:], "script": script.hex(),
               "priority": "0"}
    if request["home"] == "/nonexistent":
        request["home"] = "/"
    given = options_of(read_directives(script, prefix), letters) + given
    for option, value in given:
        set_option(request, option, value, variables)
    request["variables"] = variables
    finish(ask("submit", **request))


def options_of(words, letters):
    try:
        return getopt.getopt(words, letters)[0]
    except getopt.GetoptError:
        fail(2, "qsub: directive error\n" + QSUB_USAGE)


def set_option(request, option, value, variables):
    letter = option[1:]
    if letter == "N":
        if len(value) > 230:
            fail(2, "qsub: Job name is too long \n")
        if not re.fullmatch(r"[A-Za-z0-9._+-]+", value):
            bad("N")
        request["name"] = value
    elif letter == "j":
        if value not in ("oe", "eo", "n"):
            bad("j")
        request["join"] = value
    elif letter == "k":
        if not re.fullmatch(r"n|[oed]+", value) or (TORQUE and "d" in value):
            bad("k")
        request["keep"] = value
    elif letter == "S":
        if not value.startswith("/"):
            bad("S")
        request["shell"] = value
    elif letter == "l":
        request["resources"] += value.split(",")
    elif letter == "v":
        variables += split_variables(value)
    elif letter == "W":
        name, _, what = value.partition("=")
        if name == "depend":
            request["depend"] = what
        elif name == "umask" and re.fullmatch(r"[0-7]{1,4}", what):
            pass
        elif name not in ("group_list", "umask"):
            fail(154, "qsub: Error (15002) submitting job\n")
        else:
            bad("W")
    elif letter in "ofqAhCpPr":
        names = {"o": "output", "q": "queue", "A": "account",
                 "p": "priority"}
        if letter == "p" and not re.fullmatch(r"-?\d{1,4}", value):
            bad("p")
        if letter in names:
            request[names[letter]] = value
        elif letter == "h":
            request["hold"] = True
        elif letter == "f" and TORQUE:
            not_played("a fault tolerant job (-f)")
    else:
        not_played(option)


# ---- the others ----

def stat():
    given, ids = options("fJptxEF:wD:aiHTu:nsGMBQq1r" if not TORQUE else
                         "fxtnu:aiqBQ1slrR", QSTAT_USAGE)
    asked = {option[1:] for option, _ in given}
    if asked == {"B", "f"}:
        finish(ask("server"))
    if asked - ({"f", "1"} if TORQUE else {"f", "w", "x"}):
        not_played(" ".join(sorted(asked)))
    if "f" in asked and not asked & {"w", "1"}:
        not_played("-f that folds its lines")
    finish(ask("stat", ids=ids, ended="x" in asked, full="f" in asked))


def select():
    given, words = options("a:A:c:h:HJl:N:p:q:r:s:t:TP:xu:" if not TORQUE
                           else "a:A:c:h:l:N:p:q:r:s:u:", "usage: qselect\n")
    asked = dict(given)
    if set(asked) - {"-x", "-N", "-u"}:
        not_played("this choice")
    finish(ask("select", name=asked.get("-N"), owner=asked.get("-u"),
               ended="-x" in asked))


def act(do, letters, usage):
    given, ids = options(letters, usage)
    if given:
        not_played(str(given))
    if not ids:
        fail(2, usage)
    code, out = 0, ""
    for text in ids:
        if not re.match(r"\d", text):
            reply = {"code": 1, "errors": "%s: illegally formed job "
                                          "identifier: %s\n" % (NAME, text)}
        else:
            reply = ask(do, id=text)
        errors = reply.get("errors", "")
        if NAME != "qdel":
            errors = re.sub(r"(Job has finished) \S+", r"\1", errors)
        out += errors
        code = reply.get("code", 0) or code
    fail(code, out)


def tmrsh():
    """HOST COMMAND...: a task of the job, with almost no environment."""
    job, words = os.environ.get("PBS_JOBID"), sys.argv[3:]
    if not job or len(words) < 2:
        fail(1, "usage: pbs_tmrsh host program [args]...\n")
    found = ask("attach", id=job, host=words[0], pid=0)
    if "number" not in found:
        fail(found["code"], found["errors"])
    hold, go = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        os.close(go)
        os.read(hold, 1)
        env = {n: os.environ[n] for n in (
            "HOME", "LOGNAME", "USER", "PBS_JOBID", "PBS_JOBNAME")
            if n in os.environ}
        env.update({"PATH": "/usr/bin:/bin", "PBS_ENVIRONMENT": "PBS_BATCH",
                    "PBS_NODENUM": str(found["number"]),
                    "PBS_TASKNUM": str(pid), "TMPDIR": found["tmp"]})
        os.chdir(found["home"])
        try:
            os.execvpe(words[1], words[1:], env)
        except OSError:
            fail(254, "%s: No such file or directory\n" % words[1])
    ask("attach", id=job, host=words[0], pid=pid)
    os.close(go)
    status = os.waitpid(pid, 0)[1]
    fail(os.WEXITSTATUS(status) if os.WIFEXITED(status)
         else 256 - os.WTERMSIG(status), "")


def play():
    reply = ask("play", word=sys.argv[3], value=(sys.argv[4:] + [""])[0])
    finish(reply)


def main():
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if NAME in ("qsub", "qstat", "qdel", "qhold", "qrls", "qselect",
                "pbsnodes"):
        version()
    commands = {
        "qsub": submit, "qstat": stat, "qselect": select,
        "qdel": lambda: act("delete", "W:x", "usage:\n\tqdel "
                            "[-W force|suppress_email=X] [-x] "
                            "job_identifier...\n\tqdel --version\n"),
        "qhold": lambda: act("hold", "h:", "usage: qhold [-h hold_list] "
                             "job_identifier...\n"),
        "qrls": lambda: act("release", "h:", "usage: qrls [-h hold_list] "
                            "job_identifier...\n"),
        "pbsnodes": lambda: finish(ask("nodes")) if sys.argv[3:] == ["-a"]
        else not_played("this"),
        "pbs_tmrsh": tmrsh, "pbsplay": play,
    }
    commands[NAME]()


main()
