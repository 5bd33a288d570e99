/* SPDX-License-Identifier: BSD-3-Clause */
/* mlbatch interrupt: fake an end, to see what a run does then. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "cmd/cmd.h"
#include "run/interrupt.h"

enum { KEY_AS = 3100 };

struct arguments {
    struct cmd_options common;
    struct mlb_strings runs;
    enum mlb_state as;
    bool json;
};

static const struct {
    const char *word;
    enum mlb_state state;
} ends[] = {
    { "timeout", MLB_STATE_TIMEOUT },
    { "preempt", MLB_STATE_PREEMPTED },
};
#define ENDS (sizeof(ends) / sizeof(ends[0]))

static const struct argp_option options[] = {
    { .name = "as", .key = KEY_AS, .arg = "END",
      .doc = "As if its time were over (timeout) or it had to make room "
             "(preempt)" },
    { .name = "json", .key = 'j', .doc = "Print JSON" },
    { 0 },
};

static void take_end(struct arguments *a, const char *word,
                     const struct argp_state *state)
{
    for (size_t i = 0; i < ENDS; i++)
        if (strcmp(word, ends[i].word) == 0)
            a->as = ends[i].state;
    if (a->as == MLB_STATE_UNKNOWN)
        argp_error(state, "--as: \"%s\" is neither timeout nor preempt",
                   word);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->common;
        return 0;
    case KEY_AS:
        take_end(a, arg, state);
        return 0;
    case 'j':
        a->json = true;
        return 0;
    case ARGP_KEY_ARG:
        strings_push(&a->runs, arg);
        return 0;
    case ARGP_KEY_END:
        if (a->as == MLB_STATE_UNKNOWN)
            argp_error(state, "as what? (--as=timeout or --as=preempt)");
        if (a->runs.count == 0)
            argp_error(state, "which runs? (\"mlbatch list --open\" shows "
                              "them)");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* The attempt that runs: the last that began. */
static long find_attempt(const struct cmd_run *run)
{
    long attempt = 0;

    for (size_t i = 0; i < run->events.count; i++) {
        const struct mlb_event *e = &run->events.items[i];
        if (strcmp(e->name, "attempt-start") == 0 && e->attempt > attempt)
            attempt = e->attempt;
    }
    return attempt;
}

/* The event first: the agent reads in it who wanted this. */
static int tell(const struct cmd_run *run, enum mlb_state as,
                struct mlb_error *err)
{
    long attempt = find_attempt(run);
    json_t *fields = cmd_who();

    json_object_set_new(fields, "attempt", json_integer(attempt));
    json_object_set_new(fields, "as", json_string(state_name(as)));
    if (events_append(run->run.path, "submit", "interrupt", fields, err) < 0)
        return -1;
    return interrupt_publish(run->run.path, attempt, as, err);
}

static int interrupt_one(const struct cmd_context *context,
                         const char *which, enum mlb_state as, json_t *done)
{
    struct cmd_run run = { 0 };
    struct mlb_error err = { 0 };
    int rc = cmd_run_get(context, which, &run, &err);
    enum mlb_state state = run.state.state;

    /* One of which the scheduler tells nothing may well run. */
    if (rc == 0 && ((state != MLB_STATE_RUNNING &&
                     state != MLB_STATE_UNKNOWN) || find_attempt(&run) == 0))
        rc = mlb_error_set(&err, MLB_ERR_FAILED, "%s is %s: only a run that "
                           "runs can be interrupted", run.run.id,
                           state_name(state));
    if (rc == 0)
        rc = tell(&run, as, &err);
    if (rc == 0 && done)
        json_array_append_new(done, json_pack("{s:o, s:s}", "run",
                                              json_text(run.run.id), "as",
                                              state_name(as)));
    else if (rc == 0)
        printf("%s is being interrupted as \"%s\"\n", run.run.id,
               state_name(as));
    cmd_run_clear(&run);
    return rc < 0 ? cmd_fail(&err) : 0;
}

int cmd_interrupt(int argc, char **argv)
{
    static const struct argp_child children[] = {
        { &cmd_common_argp, 0, NULL, 90 }, { 0 },
    };
    static const struct argp argp = {
        .options = options, .parser = parse, .children = children,
        .args_doc = "RUN...",
        .doc = "Have runs end as if their time were over or as if they were "
               "preempted, to test that they save and go on.",
    };
    struct arguments a = { .runs = MLB_STRINGS_INIT };
    struct cmd_context context = CMD_CONTEXT_INIT;

    cmd_parse(&argp, argc, argv, &a);
    int code = cmd_open(&context, &a.common);
    json_t *done = a.json ? json_array() : NULL;
    bool ready = code == 0;
    for (size_t i = 0; ready && i < a.runs.count; i++) {
        int one = interrupt_one(&context, a.runs.items[i], a.as, done);
        code = one ? one : code;
    }
    if (ready && done) {
        json_t *o = json_pack("{s:i, s:O}", "schema", 1, "runs", done);
        json_print(o);
        json_decref(o);
    }
    json_decref(done);
    strings_clear(&a.runs);
    cmd_close(&context);
    return code;
}
