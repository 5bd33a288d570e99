/* SPDX-License-Identifier: BSD-3-Clause */
/* mlbatch wait, and submit --wait: to the end of a run. */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "cmd/cmd.h"

/* The scheduler is asked seldom, and less and less: the event log tells of
 * the end sooner. Sites punish those who poll their controller. Local runs
 * are only files. */
#define ASK_FIRST 10.0
#define ASK_LAST 180.0
#define ASK_GROWTH 1.5
#define ASK_AT_HAND 2.0

/* How long a look at the log may be late where inotify hears nothing: on a
 * network file system the writer is another machine. */
#define LOOK_MS 1000

/* A scheduler that has answered so often that it has no such job will not
 * have it again; the log may be late on a network file system. */
#define LOST_ENOUGH 4

#define SEAL_SECONDS 5.0

struct arguments {
    struct cmd_options common;
    const char *run;
    bool quiet;
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void tell(const struct cmd_run *run, struct mlb_run_state *told)
{
    const struct mlb_run_state *s = &run->state;

    if (s->state == told->state && strcmp(s->text, told->text) == 0)
        return;
    *told = *s;
    fprintf(stderr, "%s %s%s%s\n", run->run.id, state_name(s->state),
            s->text[0] ? ": " : "", s->text);
}

/* The record is sealed after the end is told. Whoever waited wants to find
 * it, but not to hang if the agent died between the two. */
static void wait_for_record(struct cmd_run *run, int inotify)
{
    double until = now() + SEAL_SECONDS;

    while (now() < until) {
        const struct mlb_event *end =
            events_last(&run->events, "attempt-end");
        const struct mlb_event *sealed = events_last(&run->events, "sealed");
        if (!end || (sealed && sealed > end))
            return;
        cmd_wait_for_news(inotify, LOOK_MS);
        if (cmd_run_read(run, NULL) < 0)
            return;
    }
}

/* The code that a shell should see: the job's own, and never 0 for a run
 * that did not complete. */
static int final_code(const struct mlb_run_state *s)
{
    if (s->state == MLB_STATE_COMPLETED)
        return s->exit_code > 0 ? s->exit_code : 0;
    return s->exit_code > 0 ? s->exit_code : MLB_ERR_FAILED;
}

/* When the scheduler is asked, and how old its answer may be then. */
struct pace {
    double ask_at, pause;
    struct mlb_run_state seen;       /* by the log alone */
    int lost;
};

/* What the log tells of the scheduler's doing makes an older answer wrong. */
static bool has_moved(struct pace *pace, const struct mlb_run_state *log)
{
    bool moved = log->state != pace->seen.state ||
                 log->attempts != pace->seen.attempts ||
                 log->submitted != pace->seen.submitted;

    pace->seen = *log;
    return moved;
}

/* Ask if it is time to; true if it was. */
static bool ask(const struct cmd_context *context, struct cmd_run *run,
                struct pace *pace)
{
    struct cmd_context shared = *context;
    bool moved = has_moved(pace, &run->state);

    if (moved)
        pace->pause = ASK_FIRST;
    else if (now() < pace->ask_at)
        return false;
    /* Counted as lost is only what the scheduler says anew. */
    shared.answer_age = moved || pace->lost > 0 ? -1 : (long)pace->pause;
    cmd_runs_query(&shared, run, 1);
    pace->lost = run->lost ? pace->lost + 1 : 0;
    if (run->lost || cmd_run_at_hand(run)) {
        pace->ask_at = now() + ASK_AT_HAND;
    } else {
        pace->ask_at = now() + pace->pause;
        pace->pause *= ASK_GROWTH;
        pace->pause = pace->pause < ASK_LAST ? pace->pause : ASK_LAST;
    }
    return true;
}

int cmd_wait_for(const struct cmd_context *context, const char *which,
                 bool quiet)
{
    struct cmd_run run = { 0 };
    struct mlb_error err = { 0 };
    struct mlb_run_state told = { .state = (enum mlb_state)-1 };
    struct pace pace = { .pause = ASK_FIRST };
    int code = 0, inotify = inotify_init1(IN_CLOEXEC);

    if (run_find(context->store, which, &run.run, &err) < 0) {
        code = cmd_fail(&err);
        goto out;
    }
    char *events = run_path(&run.run, "events");
    inotify_add_watch(inotify, events, IN_MODIFY | IN_CREATE);
    free(events);
    for (;;) {
        if (cmd_run_read(&run, &err) < 0) {
            code = cmd_fail(&err);
            goto out;
        }
        /* The log's end alone may not be the run's: it may be requeued. */
        if (ask(context, &run, &pace)) {
            if (!quiet)
                tell(&run, &told);
            if (state_is_final(run.state.state) || pace.lost == LOST_ENOUGH)
                break;
        }
        cmd_wait_for_news(inotify, LOOK_MS);
    }
    code = final_code(&run.state);
    wait_for_record(&run, inotify);
out:
    if (inotify >= 0)
        close(inotify);
    cmd_run_clear(&run);
    return code;
}

static const struct argp_option options[] = {
    { .name = "quiet", .key = 'q', .doc = "Say nothing; only the exit code" },
    { 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->common;
        return 0;
    case 'q':
        a->quiet = true;
        return 0;
    default:
        return cmd_parse_run(key, arg, state, &a->run);
    }
}

int cmd_wait(int argc, char **argv)
{
    static const struct argp_child children[] = {
        { &cmd_common_argp, 0, NULL, 90 }, { 0 },
    };
    static const struct argp argp = {
        .options = options, .parser = parse, .children = children,
        .args_doc = "RUN",
        .doc = "Wait for the end of a run and exit with its exit code.",
    };
    struct arguments a = { 0 };
    struct cmd_context context = CMD_CONTEXT_INIT;

    cmd_parse(&argp, argc, argv, &a);
    int code = cmd_open(&context, &a.common);
    if (code == 0)
        code = cmd_wait_for(&context, a.run, a.quiet);
    cmd_close(&context);
    return code;
}
