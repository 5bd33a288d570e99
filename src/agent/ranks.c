/* SPDX-License-Identifier: BSD-3-Clause */
/* All ranks of a run on this machine, each a `task` of its own. */
#include "config.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/files.h"
#include "base/process.h"

#include "agent/agent.h"
#include "agent/settings.h"
#include "agent/spawn.h"

struct ranks {
    char *run_dir;
    char *program;               /* this agent */
    struct settings settings;
    int signals;
    pid_t *pids;                 /* tasks of them; -1: ended */
    long running;
    int code;                    /* the highest so far */
    bool stopping;
    double kill_at;
};

static void signal_all(const struct ranks *r, int signum)
{
    for (long i = 0; i < r->settings.tasks; i++)
        if (r->pids[i] > 0)
            kill(r->pids[i], signum);
}

/* End the others; those that listen get time to save. */
static void stop(struct ranks *r)
{
    if (r->stopping)
        return;
    r->stopping = true;
    r->kill_at = clock_now() + (double)r->settings.kill_wait;
    signal_all(r, SIGTERM);
}

static int start(struct ranks *r, long rank, struct mlb_error *err)
{
    char *argv[] = { r->program, (char *)"task", r->run_dir, NULL };
    struct mlb_strings environment = MLB_STRINGS_INIT;
    struct spawn_call call = {
        .argv = argv,
        .environment = &environment,
        .output = -1,
        .death_signal = SIGTERM,
        .is_agent = true,
    };
    long each = r->settings.tasks_per_node, left = r->settings.tasks;
    long node = rank / each;

    left -= node * each;
    strings_pushf(&environment, "MLB_RANK_GLOBAL=%ld", rank);
    strings_pushf(&environment, "MLB_RANK_SIZE=%ld", r->settings.tasks);
    strings_pushf(&environment, "MLB_RANK_LOCAL=%ld", rank % each);
    strings_pushf(&environment, "MLB_RANK_LOCAL_SIZE=%ld",
                  left < each ? left : each);
    strings_pushf(&environment, "MLB_RANK_NODE=%ld", node);
    r->pids[rank] = spawn_start(&call, err);
    strings_clear(&environment);
    if (r->pids[rank] < 0)
        return -1;
    r->running++;
    return 0;
}

static void note_end(struct ranks *r, pid_t pid, int status)
{
    int code = process_exit_code(status);

    for (long i = 0; i < r->settings.tasks; i++) {
        if (r->pids[i] != pid)
            continue;
        r->pids[i] = -1;
        r->running--;
    }
    if (code > r->code)
        r->code = code;
    if (code != 0)
        stop(r);
}

static void watch(struct ranks *r)
{
    while (r->running > 0) {
        int status, signum = signals_wait(r->signals, r->kill_at);
        pid_t pid;
        while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
            note_end(r, pid, status);
        if (signum == SIGTERM)
            stop(r);
        else if (signum > 0 && signum != SIGCHLD && signum != SIGPIPE)
            signal_all(r, signum);
        if (clock_now() >= r->kill_at) {
            r->kill_at = CLOCK_NEVER;
            signal_all(r, SIGKILL);
        }
    }
}

/* The exit status, or -1 with err. */
static int run(struct ranks *r, struct mlb_error *err)
{
    r->signals = signals_open(err);
    if (r->signals < 0 || settings_read(&r->settings, r->run_dir, err) < 0)
        return -1;
    r->kill_at = CLOCK_NEVER;
    r->pids = xcalloc((size_t)r->settings.tasks, sizeof(*r->pids));
    for (long i = 0; i < r->settings.tasks && !r->stopping; i++)
        if (start(r, i, err) < 0) {
            agent_complain(err);
            r->code = err->code;
            stop(r);
        }
    watch(r);
    return r->code;
}

int ranks_main(int argc, char **argv)
{
    struct mlb_error err = { .code = MLB_OK };
    struct ranks r = { .settings = SETTINGS_INIT, .signals = -1 };

    if (argc != 2) {
        fputs("usage: mlbatch-agent ranks RUN_DIR\n", stderr);
        return MLB_ERR_USAGE;
    }
    r.run_dir = files_absolute(argv[1]);
    r.program = agent_sibling("mlbatch-agent");
    int rc = run(&r, &err);
    if (rc < 0) {
        agent_complain(&err);
        rc = err.code;
    }
    if (r.signals >= 0)
        close(r.signals);
    free(r.pids);
    settings_clear(&r.settings);
    free(r.program);
    free(r.run_dir);
    return rc;
}
