/* SPDX-License-Identifier: BSD-3-Clause */
/* mlbatch cancel: end runs, and write down who wanted it. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "cmd/cmd.h"

struct arguments {
    struct cmd_options common;
    struct mlb_strings runs;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->common;
        return 0;
    case ARGP_KEY_ARG:
        strings_push(&a->runs, arg);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which runs? (\"mlbatch list --open\" shows them)");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* The log must know before the scheduler acts: the agent that is then told
 * to end reads there that a person wanted it. */
static int write_down(const struct cmd_run *run, struct mlb_error *err)
{
    return cmd_run_note(run, "cancel", cmd_who(), err);
}

/* Whatever ends the run later, it was not this. */
static void take_back(const struct cmd_run *run, struct mlb_error *err)
{
    cmd_run_note(run, "cancel-failed",
                 json_pack("{s:o}", "text", json_text(err->text)), NULL);
    mlb_error_prefix(err, "%s", run->run.id);
}

static int cancel_one(const struct cmd_context *context, const char *which)
{
    struct cmd_run run = { 0 };
    struct mlb_error err = { 0 };
    int rc = cmd_run_get(context, which, &run, &err);
    const struct mlb_scheduler *scheduler = NULL;

    if (rc == 0 && state_is_final(run.state.state))
        rc = mlb_error_set(&err, MLB_ERR_FAILED, "%s has ended already: %s",
                           run.run.id, state_name(run.state.state));
    if (rc == 0) {
        scheduler = scheduler_find(run.submission.scheduler, context->site,
                                   &err);
        rc = scheduler ? write_down(&run, &err) : -1;
    }
    if (rc == 0) {
        struct mlb_strings jobs = MLB_STRINGS_INIT;
        cmd_run_jobs(&run, &jobs);
        for (size_t i = 0; i < jobs.count; i++)
            if (scheduler->cancel(context->site, jobs.items[i], &err) < 0)
                rc = -1;
        strings_clear(&jobs);
        if (rc < 0)
            take_back(&run, &err);
    }
    if (rc == 0)
        printf("%s is being cancelled\n", run.run.id);
    cmd_run_clear(&run);
    return rc < 0 ? cmd_fail(&err) : 0;
}

int cmd_cancel(int argc, char **argv)
{
    static const struct argp_child children[] = {
        { &cmd_common_argp, 0, NULL, 90 }, { 0 },
    };
    static const struct argp argp = {
        .parser = parse, .children = children, .args_doc = "RUN...",
        .doc = "End runs. A program that uses libmlbatch saves a checkpoint "
               "first.",
    };
    struct arguments a = { .runs = MLB_STRINGS_INIT };
    struct cmd_context context = CMD_CONTEXT_INIT;

    cmd_parse(&argp, argc, argv, &a);
    int code = cmd_open(&context, &a.common);
    /* One that cannot be cancelled does not keep the others alive. */
    bool ready = code == 0;
    for (size_t i = 0; ready && i < a.runs.count; i++) {
        int one = cancel_one(&context, a.runs.items[i]);
        code = one ? one : code;
    }
    strings_clear(&a.runs);
    cmd_close(&context);
    return code;
}
