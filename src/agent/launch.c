/* SPDX-License-Identifier: BSD-3-Clause */
/* While the launch line runs: the walltime, the signals, the asking. */
#include "config.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/process.h"
#include "base/units.h"

#include "agent/agent.h"
#include "agent/attempt.h"
#include "agent/reap.h"
#include "agent/spawn.h"

static double wall_clock(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void ask(struct attempt *a, enum ask what, const char *reason)
{
    struct mlb_error err;

    attempt_note(a, "checkpoint-asked", json_pack("{s:s}", "reason", reason));
    if (ask_publish(a->run_dir, a->number, what, &err) < 0)
        agent_complain(&err);
    a->asked = what;
}

/* Ask for the end. Launchers end their ranks within a second of a SIGTERM:
 * where tasks see the ask, the launch line gets one only as a last resort. */
static void stop(struct attempt *a, const char *reason)
{
    double now = clock_now();
    double wait = (double)a->settings.kill_wait;

    if (a->asked == ASK_STOP)
        return;
    a->ending.ended = wall_clock();
    a->warn_at = a->end_at = CLOCK_NEVER;
    a->kill_at = now + wait;
    a->terminate_at = settings_have_tasks(&a->settings)
                          ? now + fmax(wait - 1, wait / 2)
                          : now;
    ask(a, ASK_STOP, reason);
}

static void on_signal(struct attempt *a, int signum)
{
    switch (signum) {
    case SIGTERM:
    case SIGINT:
        a->ending.asked = true;
        stop(a, "stop");
        break;
    case SIGUSR1:
    case SIGUSR2:
        kill(-a->launch, signum);
        break;
    default:                     /* SIGHUP and the like: the job goes on */
        break;
    }
}

/* Do what is due. */
static void on_time(struct attempt *a)
{
    double now = clock_now();

    if (now >= a->warn_at) {
        a->warn_at = CLOCK_NEVER;
        ask(a, ASK_SAVE, "walltime");
    }
    if (now >= a->end_at) {
        a->ending.timed_out = true;
        stop(a, "walltime");
    }
    if (now >= a->terminate_at) {
        a->terminate_at = CLOCK_NEVER;
        kill(-a->launch, SIGTERM);
    }
    if (now >= a->kill_at) {
        a->kill_at = CLOCK_NEVER;
        kill(-a->launch, SIGKILL);
    }
}

/* When does the time end? Slurm tells from 23.02 on; before, the start of
 * this step is late by the prolog's time, which warn must cover. */
static void set_timers(struct attempt *a)
{
    const struct settings *s = &a->settings;
    bool slurm = strcmp(s->scheduler, "slurm") == 0;
    const char *told = slurm ? getenv("SLURM_JOB_END_TIME") : NULL;
    double now = clock_now(), wall = wall_clock(), left = -1;
    long end;

    a->warn_at = a->end_at = a->terminate_at = a->kill_at = CLOCK_NEVER;
    if (told && units_parse_long(told, 1, 1L << 40, &end, NULL) == 0)
        left = (double)end - wall;
    else if (s->walltime > 0)
        left = (double)s->walltime;
    if (left <= 0)
        return;
    a->ending.limit = wall + left;
    /* A walltime shorter than warn: half way is the best time left. */
    if (s->warn > 0)
        a->warn_at = now + ((double)s->warn < left ? left - (double)s->warn
                                                   : left / 2);
    /* Nobody else ends a local run. */
    if (strcmp(s->scheduler, "local") == 0)
        a->end_at = now + left;
}

int attempt_launch(struct attempt *a, struct mlb_error *err)
{
    struct spawn_call call = {
        .argv = a->settings.launch.items,
        .environment = &a->environment,
        .output = -1,
        .death_signal = SIGTERM,
    };
    struct rusage usage = { 0 };
    int status, signum;

    reap_adopt();
    if (chdir(a->settings.directory) < 0) {
        /* The scheduler must not take this for success. */
        a->ending.code = spawn_exit_code(errno);
        return mlb_error_errno(err, MLB_ERR_NOT_FOUND, "cannot enter %s",
                               a->settings.directory);
    }
    set_timers(a);
    a->launch = spawn_start(&call, err);
    if (a->launch < 0) {
        a->ending.code = spawn_exit_code(errno);
        return -1;
    }
    while (!reap_ended(a->launch, &status, &usage)) {
        double until = fmin(fmin(a->warn_at, a->end_at),
                            fmin(a->terminate_at, a->kill_at));
        on_signal(a, signals_wait(a->signals, until));
        on_time(a);
    }
    a->ending.code = process_exit_code(status);
    if (a->asked != ASK_STOP)
        a->ending.ended = wall_clock();
    /* Told to stop and ended by it in the same moment: the ask counts. */
    while ((signum = signals_wait(a->signals, 0)) > 0)
        a->ending.asked |= signum == SIGTERM || signum == SIGINT;
    reap_rest(a->signals, &usage);
    return 0;
}
