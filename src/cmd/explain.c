/* SPDX-License-Identifier: BSD-3-Clause */
/* mlbatch explain: why a run waits, or why it ended. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* ---- text ---- */

static const char *get(const json_t *o, const char *name)
{
    const char *s = json_string_value(json_object_get(o, name));

    return s ? s : "";
}

/* The label once, for the first of several lines. */
static void row(struct mlb_text *t, const char **label, const char *value)
{
    text_addf(t, "  %-12s %s\n", *label, value);
    *label = "";
}

static void add_rank(struct mlb_text *t, const json_t *o)
{
    const json_t *rank = json_object_get(o, "rank");
    const json_t *signum = json_object_get(o, "signal");
    const json_t *exit = json_object_get(o, "exit");
    struct mlb_text value = MLB_TEXT_INIT;
    const char *label = "rank", *node = get(o, "node");

    if (!json_is_integer(rank))
        return;
    text_addf(&value, "%lld%s%s", (long long)json_integer_value(rank),
              *node ? " on " : "", node);
    if (json_integer_value(signum) > 0)
        text_addf(&value, ", killed by signal %lld",
                  (long long)json_integer_value(signum));
    else if (json_is_integer(exit))
        text_addf(&value, ", exited with %lld",
                  (long long)json_integer_value(exit));
    row(t, &label, value.data);
    text_clear(&value);
}

static void add_evidence(struct mlb_text *t, const json_t *o)
{
    const json_t *list = json_object_get(o, "evidence"), *e;
    const char *label = "evidence";
    size_t i;

    json_array_foreach(list, i, e) {
        const json_t *line = json_object_get(e, "line");
        struct mlb_text value = MLB_TEXT_INIT;
        if (json_is_integer(line))
            text_addf(&value, "%s:%lld: ", get(e, "file"),
                      (long long)json_integer_value(line));
        else
            text_addf(&value, "near the end of %s: ", get(e, "file"));
        text_add(&value, get(e, "text"));
        row(t, &label, value.data);
        text_clear(&value);
    }
}

static void add_list(struct mlb_text *t, const json_t *o, const char *name,
                     const char *label)
{
    const json_t *list = json_object_get(o, name), *e;
    size_t i;

    json_array_foreach(list, i, e)
        row(t, &label, json_string_value(e));
}

/* What was looked at in vain. */
static void add_looked(struct mlb_text *t, const json_t *o)
{
    const json_t *list = json_object_get(o, "looked_at"), *e;
    const char *label = "looked at";
    struct mlb_text value = MLB_TEXT_INIT;
    size_t i;

    if (strcmp(get(o, "cause"), cause_name(MLB_CAUSE_UNKNOWN)) != 0)
        return;
    text_add(&value, "events");
    json_array_foreach(list, i, e) {
        if (i == 3)
            break;
        text_addf(&value, ", %s", get(e, "file"));
    }
    if (json_array_size(list) > 3)
        text_addf(&value, " and %zu more", json_array_size(list) - 3);
    row(t, &label, value.data);
    text_clear(&value);
}

static void print_text(const struct cmd_run *run, const json_t *o)
{
    const char *name = get(o, "state"), *text = get(o, "text");
    enum mlb_state state = state_find(name);
    bool told = strncmp(text, name, strlen(name)) == 0;
    struct mlb_text t = MLB_TEXT_INIT;

    /* "timeout: the walltime was over" says the state itself. */
    text_addf(&t, "%s %s%s%s%s%s\n", run->run.id, cmd_colour(state),
              name, cmd_colour_end(),
              told || !*text ? "" : ": ", told ? text + strlen(name) : text);
    if (json_integer_value(json_object_get(o, "attempts")) > 1)
        text_addf(&t, "  %-12s %lld of %lld\n", "attempt",
                  (long long)json_integer_value(json_object_get(o,
                                                                "attempt")),
                  (long long)json_integer_value(json_object_get(o,
                                                                "attempts")));
    add_rank(&t, o);
    add_evidence(&t, o);
    add_looked(&t, o);
    add_list(&t, o, "advice", "what to do");
    fputs(t.data, stdout);
    text_clear(&t);
}

/* ---- what to explain ---- */

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

static json_t *explain(const struct cmd_run *run, long attempt, long wanted)
{
    const struct mlb_run_state *s = &run->state;
    long last = evidence_last_attempt(&run->events);
    bool earlier = wanted > 0 && (wanted < last || s->started <= 0);
    json_t *o = json_pack(
        "{s:i, s:o, s:s, s:o, s:I, s:I}", "schema", 1, "run",
        json_text(run->run.id), "state", state_name(s->state), "text",
        json_text(s->text), "attempt", (json_int_t)attempt, "attempts",
        (json_int_t)last);

    if (earlier)
        explain_end(run, attempt, NULL, o);
    else if (state_is_final(s->state) && s->state != MLB_STATE_COMPLETED &&
             s->state != MLB_STATE_NOT_SUBMITTED)
        explain_end(run, attempt, s, o);
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
        json_t *o = explain(&run, attempt, a.attempt);
        if (a.json)
            json_print(o);
        else
            print_text(&run, o);
        json_decref(o);
    }
    cmd_run_clear(&run);
    cmd_close(&context);
    return code;
}
