/* SPDX-License-Identifier: BSD-3-Clause */
/* One rank: its program's environment, output, signals, end. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/files.h"
#include "base/json.h"
#include "base/process.h"
#include "counters/counters.h"
#include "run/channel.h"
#include "run/events.h"

#include "agent/agent.h"
#include "agent/ask.h"
#include "agent/member.h"
#include "agent/metrics.h"
#include "agent/oom.h"
#include "agent/patience.h"
#include "agent/reap.h"
#include "agent/spawn.h"
#include "agent/surroundings.h"
#include "agent/task_end.h"

#define TICK 1.0                     /* seconds between two drains */
#define NOTE_SECONDS 1.0             /* for an event, told to stop */
#define LAST_WORDS 2.0               /* from SIGTERM to SIGKILL at the end */

struct task {
    char *run_dir, *writer;
    struct settings settings;
    struct rank rank;
    struct surroundings surroundings;
    struct mlb_channel *channel;     /* NULL: none */
    struct member member;
    int signals, log, channel_fd;    /* -1: none */
    long long log_from;              /* its size before this attempt */
    int group;                       /* of the kernel's counters; -1: none */
    pid_t pid;                       /* the program, and its group */
    enum ask asked;                  /* as far as it was passed on */
    double tick_at, look_at, terminate_at, kill_at;
    double started;
    struct rusage usage;
    int status;                      /* as from waitpid */
    long oom_kills;                  /* of the node when it began */
};

static void note(const struct task *t, const char *name, json_t *fields)
{
    struct patience patience = { .seconds = t->asked == ASK_STOP
                                                ? NOTE_SECONDS
                                                : PATIENCE_SECONDS };
    struct mlb_error err;

    json_object_set_new(fields, "attempt",
                        json_integer(t->surroundings.attempt));
    json_object_set_new(fields, "rank", json_integer(t->rank.rank));
    json_object_set_new(fields, "node", json_string(settings_node()));
    while (events_append(t->run_dir, t->writer, name, json_incref(fields),
                         &err) < 0)
        if (!patience_again(&patience, &err)) {
            agent_complain(&err);
            break;
        }
    json_decref(fields);
}

static void drain(const struct task *t)
{
    struct metrics_log log = {
        .run_dir = t->run_dir,
        .writer = t->writer,
        .attempt = t->surroundings.attempt,
        .rank = t->rank.rank,
    };
    struct mlb_error err;

    if (t->channel && metrics_drain(t->channel, &log, &err) < 0)
        agent_complain(&err);
}

/* Pass on what is asked. A program that listens gets time to save, as does
 * one that knows the job's signal, which goes to the program alone and not to
 * what it started: workers that load data would die of it. To any other one
 * SIGTERM says the same in the only words it knows. */
static void pass_on(struct task *t, enum ask ask)
{
    double patience = ask_patience(t->settings.kill_wait);
    bool listens = t->channel && channel_attached(t->channel);
    bool hears = listens || t->settings.signal > 0;

    if (ask <= t->asked)
        return;
    if (!listens && t->settings.signal > 0 && t->asked < ASK_FINISH)
        kill(t->pid, t->settings.signal);
    t->asked = ask;
    if (t->channel)
        channel_ask_save(t->channel);
    if (t->channel && ask >= ASK_FINISH)
        channel_ask_stop(t->channel);
    if (ask != ASK_STOP)
        return;
    t->terminate_at = clock_now() + (hears ? patience : 0);
    t->kill_at = clock_now() + patience + LAST_WORDS;
}

static void on_signal(struct task *t, int signum)
{
    switch (signum) {
    case 0:
    case SIGCHLD:
    case SIGPIPE:                    /* the agent's own */
        break;
    case SIGTERM:
        pass_on(t, ASK_STOP);
        break;
    default:
        kill(-t->pid, signum);
        break;
    }
}

/* Draining and looking are the leader's, while there is one. */
static void on_time(struct task *t)
{
    double now = clock_now();
    bool served = member_is_served(&t->member);

    pass_on(t, t->member.ask);
    if (!served && now >= t->tick_at) {
        t->tick_at = now + TICK;
        drain(t);
    }
    if (!served && now >= t->look_at) {
        t->look_at = now + ask_period(t->settings.tasks,
                                      t->settings.kill_wait);
        pass_on(t, ask_read(t->run_dir, t->surroundings.attempt));
    }
    if (now >= t->terminate_at) {
        t->terminate_at = CLOCK_NEVER;
        kill(-t->pid, SIGTERM);
    }
    if (now >= t->kill_at) {
        t->kill_at = CLOCK_NEVER;
        kill(-t->pid, SIGKILL);
    }
}

/* Everything before the program starts: where it works, writes, listens. */
static int prepare(struct task *t, struct mlb_error *err)
{
    char *path = xasprintf("%s/out/rank-%05ld.log", t->run_dir,
                           t->rank.rank);
    struct patience patience = { .seconds = PATIENCE_SECONDS };
    struct mlb_error why;

    do {
        t->log = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW |
                            O_CLOEXEC, 0600);
        if (t->log < 0)
            mlb_error_errno(err, MLB_ERR_IO, "cannot write %s", path);
    } while (t->log < 0 && patience_again(&patience, err));
    t->log_from = files_size(path);
    free(path);
    if (t->log < 0)
        return -1;
    if (chdir(t->settings.directory) < 0)
        return mlb_error_errno(err, MLB_ERR_NOT_FOUND, "cannot enter %s",
                               t->settings.directory);
    /* Training without metrics is better than none. */
    t->channel = channel_create(t->settings.every, &t->channel_fd, &why);
    if (!t->channel)
        agent_complain(&why);
    return 0;
}

/* Counted from its first instruction on: the program is held until it is,
 * which does not depend on whoever samples. */
static void count(struct task *t, pid_t pid)
{
    struct metric_status why;

    if (t->settings.sample_every == 0)
        return;
    t->group = counters_task_open(pid, &why);
    t->member.pid = pid;
    t->member.group = t->group;
    t->member.channel = t->channel_fd;
    t->member.options = (struct sampler_options){
        .run_dir = t->run_dir,
        .writer = t->writer,
        .settings = &t->settings,
        .attempt = t->surroundings.attempt,
        .rank = t->rank.rank,
        .tasks = strcmp(t->settings.scheduler, "local") == 0
                     ? t->settings.tasks
                     : t->rank.local_size,
    };
    t->member.place = (struct leader_place){
        .token = t->settings.token,
        .node = settings_node(),
        .attempt = t->surroundings.attempt,
    };
    member_begin(&t->member);
}

/* The program runs without it, too; said once on each node. */
static char *find_mpi_library(const struct task *t)
{
    char *path = t->settings.mpi_stats ? surroundings_mpi_library() : NULL;
    struct mlb_error err;

    if (t->settings.mpi_stats && !path && t->rank.local == 0) {
        mlb_error_set(&err, MLB_ERR_NOT_FOUND, "counters.mpi: "
                      SURROUNDINGS_NO_MPI_LIBRARY);
        agent_complain(&err);
    }
    return path;
}

static int start(struct task *t, struct mlb_error *err)
{
    char *library = find_mpi_library(t);
    struct mlb_strings environment = MLB_STRINGS_INIT;
    struct spawn_call call = {
        .argv = t->settings.command.items,
        .environment = &environment,
        .output = t->log,
        .death_signal = SIGKILL,
    };
    struct spawn_held held;
    int rc = -1;

    t->surroundings.channel = t->channel_fd;
    t->surroundings.mpi_library = library;
    if (surroundings_environment(&t->surroundings, &environment, err) == 0) {
        reap_adopt();
        if (spawn_hold(&call, &held, err) == 0) {
            count(t, held.pid);
            t->pid = spawn_release(&call, &held, err);
            rc = t->pid < 0 ? -1 : 0;
        }
    }
    t->surroundings.mpi_library = NULL;
    free(library);
    strings_clear(&environment);
    return rc;
}

/* The last word: whatever the sampler does, by now or ever. */
static int tell_end(struct task *t, double seconds)
{
    int code = process_exit_code(t->status);
    struct totals *sampled = xcalloc(1, sizeof(*sampled));
    bool have = member_goodbye(&t->member, sampled);
    const struct task_end end = {
        .channel = t->channel,
        .group = t->group,
        .counted = t->settings.sample_every > 0,
        .mpi_asked = t->settings.mpi_stats > 0,
        .usage = &t->usage,
        .sampled = have ? sampled : NULL,
    };

    drain(t);
    json_t *fields = json_pack(
        "{s:i, s:i, s:f, s:f, s:f, s:I}", "exit", code, "signal",
        WIFSIGNALED(t->status) ? WTERMSIG(t->status) : 0, "seconds", seconds,
        "user_seconds", reap_seconds(t->usage.ru_utime), "system_seconds",
        reap_seconds(t->usage.ru_stime), "max_rss",
        (json_int_t)t->usage.ru_maxrss * 1024);
    task_end_add(&end, fields);
    if (t->oom_kills >= 0 && code == 128 + SIGKILL)
        json_object_set_new(fields, "oom_kills",
                            json_integer(oom_kills() - t->oom_kills));
    note(t, "task-end", fields);
    free(sampled);
    return code;
}

static int watch(struct task *t)
{
    t->terminate_at = t->kill_at = CLOCK_NEVER;
    t->tick_at = t->look_at = clock_now() + TICK;
    note(t, "task-start", json_pack("{s:i, s:I, s:I}", "pid", (int)t->pid,
                                    "world", (json_int_t)t->rank.size,
                                    "log_from", (json_int_t)t->log_from));
    while (!reap_ended(t->pid, &t->status, &t->usage)) {
        double until = fmin(fmin(t->terminate_at, t->kill_at),
                            member_deadline(&t->member));
        if (!member_is_served(&t->member))
            until = fmin(until, fmin(t->tick_at, t->look_at));
        on_signal(t, signals_wait_or(t->signals, member_fd(&t->member),
                                     until));
        member_serve(&t->member);
        on_time(t);
    }
    double seconds = clock_now() - t->started;
    reap_rest(t->signals, &t->usage);
    return tell_end(t, seconds);
}

/* It could not be run: said where anybody might look for the reason. */
static int give_up(struct task *t, int errnum, const struct mlb_error *err)
{
    int code = spawn_exit_code(errnum);

    agent_complain(err);
    if (t->log >= 0)
        dprintf(t->log, "mlbatch-agent: %s\n", err->text);
    note(t, "task-end",
         json_pack("{s:i, s:i, s:f, s:o, s:I}", "exit", code, "signal", 0,
                   "seconds", clock_now() - t->started, "text",
                   json_text(err->text), "log_from",
                   (json_int_t)t->log_from));
    return code;
}

static const char *get(const char *name)
{
    return getenv(name);
}

static int run(struct task *t, struct mlb_error *err)
{
    t->signals = signals_open(err);
    if (t->signals < 0 ||
        settings_read(&t->settings, t->run_dir, err) < 0) {
        agent_complain(err);
        return err->code;
    }
    rank_find(get, &t->rank);
    t->surroundings = (struct surroundings){
        .run_dir = t->run_dir,
        .settings = &t->settings,
        .rank = &t->rank,
    };
    surroundings_find(&t->surroundings);
    t->oom_kills = oom_kills();
    errno = 0;
    if (prepare(t, err) < 0 || start(t, err) < 0)
        return give_up(t, errno, err);
    return watch(t);
}

int task_main(int argc, char **argv)
{
    struct mlb_error err = { .code = MLB_OK };
    struct task t = {
        .settings = SETTINGS_INIT,
        .signals = -1,
        .log = -1,
        .channel_fd = -1,
        .group = -1,
        .member = MEMBER_INIT,
        .started = clock_now(),
    };

    if (argc != 2) {
        fputs("usage: mlbatch-agent task RUN_DIR\n", stderr);
        return MLB_ERR_USAGE;
    }
    t.run_dir = files_absolute(argv[1]);
    t.writer = xasprintf("node-%s", settings_node());
    int rc = run(&t, &err);
    if (!member_end(&t.member))
        _exit(rc);
    channel_close(t.channel);
    counters_task_close(t.group);
    for (int i = 0; i < 3; i++) {
        int fd = i == 0 ? t.signals : i == 1 ? t.log : t.channel_fd;
        if (fd >= 0)
            close(fd);
    }
    settings_clear(&t.settings);
    free(t.writer);
    free(t.run_dir);
    return rc;
}
