/* SPDX-License-Identifier: BSD-3-Clause */
/* mlbatch plan: what a job would ask, launch and export. */
#include "config.h"

#include <stdio.h>
#include <unistd.h>

#include "cmd/prepare.h"
#include "cmd/show_plan.h"

enum { KEY_FIT = 3000 };

struct arguments {
    struct cmd_options common;
    struct cmd_request request;
    bool json;
};

static const struct argp_option options[] = {
    { .name = "json", .key = 'j', .doc = "Print the plan as JSON" },
    { .name = "fit", .key = KEY_FIT,
      .doc = "Ask for what earlier runs of the job needed" },
    { 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->request;
        state->child_inputs[1] = &a->common;
        return 0;
    case 'j':
        a->json = true;
        return 0;
    case KEY_FIT:
        a->request.fit = true;
        return 0;
    case ARGP_KEY_ARG:
        cmd_request_argument(&a->request, arg, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int plan_and_show(const struct arguments *a)
{
    struct cmd_context context = CMD_CONTEXT_INIT;
    struct cmd_prepared prepared = CMD_PREPARED_INIT;
    struct mlb_error err = { 0 };
    int code = cmd_open(&context, &a->common);

    if (code)
        goto out;
    prepared.job = cmd_request_job(&a->request, &prepared.problems, &err);
    if (!prepared.job) {
        problems_print(&prepared.problems, stderr);
        code = cmd_fail(&err);
        goto out;
    }
    if (a->request.fit)
        cmd_fit(&context, prepared.job);
    prepared.directory = getcwd(NULL, 0);
    code = cmd_prepare(&context, &prepared);
    if (code == 0 && a->json)
        show_plan_json(prepared.plan);
    else if (code == 0)
        show_plan_text(prepared.plan);
out:
    cmd_prepared_clear(&prepared);
    cmd_close(&context);
    return code;
}

int cmd_plan(int argc, char **argv)
{
    const struct argp_child children[] = {
        { cmd_request_argp(), 0, "Options named as sbatch's:", 10 },
        { &cmd_common_argp, 0, NULL, 90 },
        { 0 },
    };
    const struct argp argp = {
        .options = options, .parser = parse, .children = children,
        .args_doc = "JOBFILE [KEY=VALUE...]\n-- COMMAND [ARGUMENT...]",
        .doc = "Show what a job would ask, launch and export, and submit "
               "nothing.",
    };
    struct arguments a = { .request = CMD_REQUEST_INIT };

    cmd_parse(&argp, argc, argv, &a);
    int code = plan_and_show(&a);
    cmd_request_clear(&a.request);
    return code;
}
