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
#include "run/interrupt.h"

#include "agent/agent.h"
#include "agent/attempt.h"
#include "agent/reap.h"
#include "agent/spawn.h"

#define LOOKS 2                      /* times a task's own pause */
#define CALLS 10.0                   /* seconds for sealing and calls */

static double wall_clock(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The job's own command beside what is asked; reaped with all others. */
static void run_save_command(struct attempt *a)
{
    const struct spawn_call call = {
        .argv = a->settings.save_command.items,
        .environment = &a->environment,
        .output = -1,
        .death_signal = SIGKILL,
    };
    struct mlb_error err;

    if (a->settings.save_command.count > 0 && spawn_start(&call, &err) < 0) {
        mlb_error_prefix(&err, "checkpoint.command");
        agent_complain(&err);
    }
}

static void ask(struct attempt *a, enum ask what, const char *reason)
{
    struct mlb_error err;

    attempt_note(a, "checkpoint-asked", json_pack("{s:s}", "reason", reason));
    if (ask_publish(a->run_dir, a->number, what, &err) < 0)
        agent_complain(&err);
    if (!settings_have_tasks(&a->settings) && a->settings.signal > 0 &&
        a->asked < ASK_FINISH)
        kill(a->launch, a->settings.signal);
    if (a->asked < ASK_FINISH)
        run_save_command(a);
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
    a->terminate_at = settings_have_tasks(&a->settings) ||
                              a->settings.signal > 0
                          ? now + fmax(wait - 1, wait / 2)
                          : now;
    ask(a, ASK_STOP, reason);
}

/* The walltime's end comes near. A run that will go on has nothing to gain
 * by working on after its checkpoint: that work would be done twice. */
static void warn(struct attempt *a, const char *reason)
{
    bool goes_on = settings_has(&a->settings.restart_on,
                                state_name(MLB_STATE_TIMEOUT));

    a->warn_at = CLOCK_NEVER;
    a->ending.warned = goes_on;
    ask(a, goes_on ? ASK_FINISH : ASK_SAVE, reason);
}

/* `mlbatch interrupt` fakes an end of its time, or of its right to run. */
static void on_interrupt(struct attempt *a)
{
    enum mlb_state as = interrupt_read(a->run_dir, a->number);
    double end = clock_now() + (double)a->settings.warn;

    if (as == MLB_STATE_UNKNOWN || a->ending.interrupted != MLB_STATE_UNKNOWN)
        return;
    a->ending.interrupted = as;
    if (as == MLB_STATE_TIMEOUT && a->asked < ASK_FINISH)
        warn(a, "interrupt");
    if (as == MLB_STATE_TIMEOUT)
        a->end_at = fmin(a->end_at, end);
    else
        stop(a, "interrupt");
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

    if (now >= a->look_at) {
        a->look_at = now + ask_period(1, a->settings.kill_wait) * LOOKS;
        on_interrupt(a);
    }
    if (now >= a->warn_at)
        warn(a, "walltime");
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

/* By Slurm's clock and ours, if the two agree: else by how long it may take
 * in all, less what it has. */
static double left_of(const struct slurm_job *job, double since)
{
    double left = job->end - wall_clock();

    if (job->limit > 0 && (left <= 0 || left > job->limit + 1))
        left = job->limit - (clock_now() - since);
    return left;
}

/* Seconds until the time ends, -1: no end. Slurm tells from 23.02 on by a
 * variable, before that when asked. Else it is reckoned from the start of
 * this step, which is late by what a prolog took: warn must cover that. */
static double time_left(const struct attempt *a, double since)
{
    const struct settings *s = &a->settings;
    bool slurm = strcmp(s->scheduler, "slurm") == 0;
    const char *told = slurm ? getenv("SLURM_JOB_END_TIME") : NULL;
    struct slurm_job job = { .end = 0 };
    long end;

    if (told && units_parse_long(told, 1, 1L << 40, &end, NULL) == 0)
        return (double)end - wall_clock();
    if (slurm && (s->warn > 0 || s->restart_on.count > 0) &&
        slurm_job_ask(a->job, &job, NULL) == 0 && job.end > 0)
        return left_of(&job, since);
    return s->walltime > 0 ? (double)s->walltime - (clock_now() - since) : -1;
}

/* Seconds before the end at which a run that goes on is ended by us: enough
 * to stop its tasks, to seal the record and to call the scheduler. */
static double reserve(const struct settings *s, double left)
{
    return fmin((double)s->kill_wait + CALLS, left / 4);
}

static void set_timers(struct attempt *a, double since)
{
    const struct settings *s = &a->settings;
    bool local = strcmp(s->scheduler, "local") == 0;
    bool goes_on = settings_has(&s->restart_on,
                                state_name(MLB_STATE_TIMEOUT));
    double left = time_left(a, since), now = clock_now();
    double asked = (double)s->walltime - (now - since);

    a->look_at = now;
    if (left <= 0)
        return;
    /* Schedulers round up, Slurm to minutes. One that is to go on does so
     * after the time that was asked for. */
    if (goes_on && s->walltime > 0)
        left = fmin(left, asked);
    a->ending.limit = wall_clock() + left;
    /* Nobody else ends a local run. */
    if (local)
        a->end_at = now + left;
    else if (goes_on)
        a->end_at = now + left - reserve(s, left);
    double end = fmin(a->end_at, now + left) - now;
    /* A walltime shorter than warn: half way is the best time left. */
    if (s->warn > 0)
        a->warn_at = now + ((double)s->warn < end ? end - (double)s->warn
                                                  : end / 2);
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
    a->warn_at = a->end_at = a->terminate_at = a->kill_at = a->look_at =
        CLOCK_NEVER;
    double since = clock_now();
    a->launch = spawn_start(&call, err);
    if (a->launch < 0) {
        a->ending.code = spawn_exit_code(errno);
        return -1;
    }
    /* After the launch: the controller may take a while to answer. */
    set_timers(a, since);
    while (!reap_ended(a->launch, &status, &usage)) {
        double until = fmin(fmin(fmin(a->warn_at, a->end_at), a->look_at),
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
