/* SPDX-License-Identifier: BSD-3-Clause */
/* mlbatch explain: why a run waits, or why it ended. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/units.h"
#include "cmd/explain.h"
#include "run/evidence.h"

struct arguments {
    struct cmd_options common;
    const char *run;
    long attempt;                /* 0: the last */
    bool json;
};

static const struct argp_option options[] = {
    { .name = "attempt", .key = 'a', .arg = "N",
      .doc = "Of this attempt [the last]" },
    { .name = "json", .key = 'j', .doc = "Print JSON" },
    { 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;
    struct mlb_error err;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->common;
        return 0;
    case 'a':
        if (units_parse_long(arg, 1, 99999999, &a->attempt, &err) < 0)
            argp_error(state, "--attempt: %s", err.text);
        return 0;
    case 'j':
        a->json = true;
        return 0;
    default:
        return cmd_parse_run(key, arg, state, &a->run);
    }
}

/* The number of the attempt, 0 if the job ended before one started. */
static int choose(const struct cmd_run *run, long wanted, long *attempt,
                  struct mlb_error *err)
{
    long last = evidence_last_attempt(&run->events);

    if (wanted > last)
        return mlb_error_set(err, MLB_ERR_NOT_FOUND,
                             "%s has no attempt %ld, of attempts there are %ld",
                             run->run.id, wanted, last);
    *attempt = wanted > 0 ? wanted : run->state.started > 0 ? last : 0;
    return 0;
}

/* Why the attempt before the one that is waited for ended, in short. */
static void add_previous(const struct cmd_run *run, long attempt, json_t *out)
{
    json_t *end = json_object();

    explain_end(run, attempt, NULL, end);
    json_object_set_new(out, "previous",
        json_pack("{s:I, s:O, s:O?, s:O}", "attempt", (json_int_t)attempt,
                  "state", json_object_get(end, "state"), "cause",
                  json_object_get(end, "cause"), "text",
                  json_object_get(end, "text")));
    json_decref(end);
}

static json_t *explain(const struct cmd_context *context,
                       const struct cmd_run *run, long attempt, long wanted)
{
    const struct mlb_run_state *s = &run->state;
    long last = evidence_last_attempt(&run->events);
    char *text = text_printable(s->text);
    /* Of one that goes on, the last attempt is over. */
    bool earlier = wanted > 0 && (wanted < last || s->started <= 0 ||
                                  s->state == MLB_STATE_PENDING);
    bool over = run->lost || (state_is_final(s->state) &&
                              s->state != MLB_STATE_COMPLETED &&
                              s->state != MLB_STATE_NOT_SUBMITTED);
    json_t *o = json_pack(
        "{s:i, s:o, s:s, s:o, s:I, s:I}", "schema", 1, "run",
        json_text(run->run.id), "state", state_name(s->state), "text",
        json_text(text), "attempt", (json_int_t)attempt, "attempts",
        (json_int_t)last);

    free(text);
    if (earlier)
        explain_end(run, attempt, NULL, o);
    else if (over)
        explain_end(run, attempt, s, o);
    else if (s->state == MLB_STATE_RUNNING)
        explain_running(run, o);
    else if (s->state == MLB_STATE_PENDING)
        explain_wait(context, run, o);
    if (s->state == MLB_STATE_PENDING && !earlier && last > 0)
        add_previous(run, last, o);
    return o;
}

int cmd_explain(int argc, char **argv)
{
    static const struct argp_child children[] = {
        { &cmd_common_argp, 0, NULL, 90 }, { 0 },
    };
    static const struct argp argp = {
        .options = options, .parser = parse, .children = children,
        .args_doc = "RUN",
        .doc = "Say why a run waits, or why it ended: the cause, the lines "
               "of its logs that show it, and what to do.",
    };
    struct arguments a = { 0 };
    struct cmd_context context = CMD_CONTEXT_INIT;
    struct cmd_run run = { 0 };
    struct mlb_error err = { 0 };
    long attempt = 0;

    cmd_parse(&argp, argc, argv, &a);
    int code = cmd_open(&context, &a.common);
    if (code == 0 && (cmd_run_get(&context, a.run, &run, &err) < 0 ||
                      choose(&run, a.attempt, &attempt, &err) < 0))
        code = cmd_fail(&err);
    if (code == 0) {
        json_t *o = explain(&context, &run, attempt, a.attempt);
        if (a.json)
            json_print(o);
        else
            explain_print(&run, o);
        json_decref(o);
    }
    cmd_run_clear(&run);
    cmd_close(&context);
    return code;
}
