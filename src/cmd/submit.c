/* SPDX-License-Identifier: BSD-3-Clause */
/* mlbatch submit: options, and what is printed. The work is submission.c's. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/units.h"
#include "cmd/show_plan.h"
#include "cmd/submission.h"
#include "cmd/sweep.h"

enum { KEY_DRY_RUN = 3000, KEY_PARSABLE, KEY_AGAIN, KEY_PATIENCE, KEY_FIT,
       KEY_HOLD, KEY_FAILED_OF };

struct arguments {
    struct cmd_options common;
    struct cmd_request request;
    const char *again, *failed_of;
    long patience;
    bool dry_run, wait, parsable, json;
};

static const struct argp_option options[] = {
    { .name = "dry-run", .key = KEY_DRY_RUN,
      .doc = "Show the plan and submit nothing" },
    { .name = "wait", .key = 'W',
      .doc = "Wait for the end; exit with the job's exit code" },
    { .name = "parsable", .key = KEY_PARSABLE,
      .doc = "Print the run's name alone" },
    { .name = "json", .key = 'j', .doc = "Print the result as JSON" },
    { .name = "again", .key = KEY_AGAIN, .arg = "RUN",
      .doc = "Submit an ended run once more; it goes on from its last "
             "checkpoint" },
    { .name = "failed-of", .key = KEY_FAILED_OF, .arg = "RUN",
      .doc = "Submit again what failed: points of a sweep, or the run" },
    { .name = "fit", .key = KEY_FIT,
      .doc = "Ask for what earlier runs of the job needed" },
    { .name = "hold", .key = KEY_HOLD,
      .doc = "Let it wait until \"mlbatch release RUN\"" },
    { .name = "patience", .key = KEY_PATIENCE, .arg = "TIME",
      .doc = "How long to try when the scheduler does not answer [1m]" },
    { 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    struct mlb_error err;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->request;
        state->child_inputs[1] = &a->common;
        return 0;
    case KEY_DRY_RUN:
        a->dry_run = true;
        return 0;
    case 'W':
        a->wait = true;
        return 0;
    case KEY_PARSABLE:
        a->parsable = true;
        return 0;
    case 'j':
        a->json = true;
        return 0;
    case KEY_AGAIN:
        a->again = arg;
        return 0;
    case KEY_FAILED_OF:
        a->failed_of = arg;
        return 0;
    case KEY_FIT:
        a->request.fit = true;
        return 0;
    case KEY_HOLD:
        a->request.hold = true;
        return 0;
    case KEY_PATIENCE:
        if (units_parse_duration(arg, &a->patience, &err) < 0)
            argp_error(state, "--patience: %s", err.text);
        return 0;
    case ARGP_KEY_END:
        if (a->failed_of && (a->again || a->dry_run))
            argp_error(state, "--failed-of: not with --%s",
                       a->again ? "again" : "dry-run");
        if (a->parsable && (a->json || a->dry_run))
            argp_error(state, "--parsable prints the new run's name alone: "
                              "not with --%s", a->json ? "json" : "dry-run");
        return 0;
    case ARGP_KEY_ARG:
        if ((a->again || a->failed_of) && !strchr(arg, '='))
            argp_error(state, "--%s takes the job from the run; only "
                              "KEY=VALUE may follow",
                       a->again ? "again" : "failed-of");
        cmd_request_argument(&a->request, arg, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void print_result(const struct arguments *a,
                         const struct cmd_submission *s)
{
    const struct mlb_plan *plan = s->prepared.plan;

    if (a->json) {
        json_t *o = json_pack("{s:i, s:o, s:o, s:o, s:o}", "schema", 1,
                              "run", json_text(s->run.id),
                              "scheduler", json_text(plan->scheduler),
                              "job", json_text(s->id),
                              "path", json_text(s->run.path));
        json_print(o);
        json_decref(o);
    } else if (a->parsable) {
        puts(s->run.id);
    } else {
        for (size_t i = 0; i < plan->notes.count; i++)
            fprintf(stderr, "mlbatch: note: %s\n", plan->notes.items[i]);
        printf("%s submitted to %s as job %s\n", s->run.id, plan->scheduler,
               s->id);
        if (!a->wait && isatty(1))
            printf("  mlbatch status %s    mlbatch logs -f %s\n", s->run.id,
                   s->run.id);
    }
    fflush(stdout);
}

static int submit(const struct arguments *a, const struct cmd_context *context)
{
    struct cmd_submission s = CMD_SUBMISSION_INIT;
    int code =
        a->again ? submission_again(&s, context, a->again, &a->request)
        : a->failed_of ? sweep_failed_of(&s, context, a->failed_of,
                                         &a->request, a->patience)
                       : submission_new(&s, context, &a->request);

    if (code == 0 && a->dry_run) {
        if (a->json)
            show_plan_json(s.prepared.plan);
        else
            show_plan_text(s.prepared.plan);
        goto out;
    }
    if (code == 0 && !a->failed_of)
        code = submission_send(&s, context, a->patience);
    if (code)
        goto out;
    print_result(a, &s);
    if (a->wait)
        code = cmd_wait_for(context, s.run.id, a->parsable || a->json);
out:
    submission_clear(&s);
    return code;
}

int cmd_submit(int argc, char **argv)
{
    const struct argp_child children[] = {
        { cmd_request_argp(), 0, "Options named as sbatch's:", 10 },
        { &cmd_common_argp, 0, NULL, 90 },
        { 0 },
    };
    const struct argp argp = {
        .options = options, .parser = parse, .children = children,
        .args_doc = "JOBFILE [KEY=VALUE...]\n-- COMMAND [ARGUMENT...]",
        .doc = "Submit a job file, or a command after \"--\".",
    };
    struct arguments a = { .request = CMD_REQUEST_INIT, .patience = 60 };
    struct cmd_context context = CMD_CONTEXT_INIT;

    cmd_parse(&argp, argc, argv, &a);
    int code = cmd_open(&context, &a.common);
    if (code == 0)
        code = submit(&a, &context);
    cmd_request_clear(&a.request);
    cmd_close(&context);
    return code;
}
