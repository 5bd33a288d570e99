/* SPDX-License-Identifier: BSD-3-Clause */
/* mlbatch hold and release: whether waiting runs may start. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "cmd/cmd.h"

struct arguments {
    struct cmd_options common;
    struct mlb_strings runs;
    bool json;
};

/* One of the two commands. */
struct verb {
    const char *name;            /* of the command and of its event */
    const char *done;            /* what a run is then */
    bool held;
};

static const struct argp_option options[] = {
    { .name = "json", .key = 'j', .doc = "Print JSON" },
    { 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->common;
        return 0;
    case 'j':
        a->json = true;
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

/* Tell the scheduler of the run, which must wait for it. */
static int tell(const struct cmd_context *context, const struct cmd_run *run,
                const struct verb *verb, struct mlb_error *err)
{
    enum mlb_state state = run->state.state;
    const struct mlb_scheduler *scheduler;

    /* An answer that did not come is no reason not to try. */
    if (state != MLB_STATE_PENDING && state != MLB_STATE_UNKNOWN &&
        !(run->point_count > 0 && state == MLB_STATE_RUNNING))
        return mlb_error_set(err, MLB_ERR_FAILED,
                             "%s is %s: only a run that waits can be %s",
                             run->run.id, state_name(state),
                             verb->held ? "held" : "released");
    scheduler = scheduler_find(run->submission.scheduler, context->site, err);
    if (!scheduler)
        return -1;
    int (*call)(const struct mlb_site *, const char *, struct mlb_error *) =
        verb->held ? scheduler->hold : scheduler->release;
    if (!call)
        return mlb_error_set(err, MLB_ERR_UNSUPPORTED,
                             "the scheduler %s cannot %s jobs",
                             scheduler->name, verb->name);
    struct mlb_strings jobs = MLB_STRINGS_INIT;
    int rc = 0;
    cmd_run_jobs(run, &jobs);
    for (size_t i = 0; i < jobs.count && rc == 0; i++)
        rc = call(context->site, jobs.items[i], err);
    strings_clear(&jobs);
    return rc;
}

static int change_one(const struct cmd_context *context, const char *which,
                      const struct verb *verb, json_t *done)
{
    struct cmd_run run = { 0 };
    struct mlb_error err = { 0 };
    int rc = cmd_run_get(context, which, &run, &err);

    if (rc == 0)
        rc = tell(context, &run, verb, &err);
    if (rc == 0 && cmd_run_note(&run, verb->name, cmd_who(), &err) < 0) {
        mlb_error_prefix(&err, "%s is %s, but", run.run.id, verb->done);
        rc = -1;
    }
    if (rc == 0 && done)
        json_array_append_new(done, json_pack("{s:o, s:b}", "run",
                                              json_text(run.run.id), "held",
                                              verb->held));
    else if (rc == 0)
        printf("%s is %s\n", run.run.id, verb->done);
    cmd_run_clear(&run);
    return rc < 0 ? cmd_fail(&err) : 0;
}

static int change(const struct argp *argp, int argc, char **argv,
                  const struct verb *verb)
{
    struct arguments a = { .runs = MLB_STRINGS_INIT };
    struct cmd_context context = CMD_CONTEXT_INIT;

    cmd_parse(argp, argc, argv, &a);
    int code = cmd_open(&context, &a.common);
    json_t *done = a.json ? json_array() : NULL;
    /* One that cannot be changed does not keep the others from it. */
    bool ready = code == 0;
    for (size_t i = 0; ready && i < a.runs.count; i++) {
        int one = change_one(&context, a.runs.items[i], verb, done);
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

static const struct argp_child children[] = {
    { &cmd_common_argp, 0, NULL, 90 }, { 0 },
};

int cmd_hold(int argc, char **argv)
{
    static const struct argp argp = {
        .options = options, .parser = parse, .children = children,
        .args_doc = "RUN...",
        .doc = "Keep runs that wait from starting, until they are released.",
    };

    return change(&argp, argc, argv, &(struct verb){ "hold", "held", true });
}

int cmd_release(int argc, char **argv)
{
    static const struct argp argp = {
        .options = options, .parser = parse, .children = children,
        .args_doc = "RUN...",
        .doc = "Let runs start that were held.",
    };

    return change(&argp, argc, argv,
                  &(struct verb){ "release", "released", false });
}
