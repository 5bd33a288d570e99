/* SPDX-License-Identifier: BSD-3-Clause */
/* What mlbatch explain found, for a person. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/units.h"
#include "cmd/explain.h"
#include "run/diagnose.h"

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

/* "2026-11-24 12:00:00, in 10 min". */
static void add_start(struct mlb_text *t, double start)
{
    double left = start - (double)time(NULL);

    cmd_add_time(t, start);
    if (left < 1) {
        text_add(t, ", at once");
        return;
    }
    text_add(t, ", in ");
    units_add_duration(t, left);
}

/* What the scheduler says of a new request like this run's; 0: nothing. */
static double start_of_same(const json_t *list)
{
    const json_t *e;
    size_t i;

    json_array_foreach(list, i, e)
        if (strcmp(get(e, "what"), EXPLAIN_THE_SAME) == 0)
            return json_number_value(json_object_get(e, "start"));
    return 0;
}

/* Those of the smaller requests that start sooner, and those that do not. */
static void add_asked(struct mlb_text *t, const json_t *waiting)
{
    const json_t *list = json_object_get(waiting, "asked"), *e;
    const double same = start_of_same(list);
    const char *label = "sooner";
    struct mlb_text others = MLB_TEXT_INIT;
    size_t i;

    json_array_foreach(list, i, e) {
        double start = json_number_value(json_object_get(e, "start"));
        struct mlb_text value = MLB_TEXT_INIT;
        const char *what = get(e, "what"), *error = get(e, "error");
        if (strcmp(what, EXPLAIN_THE_SAME) == 0)
            continue;
        if (start > 0 && (same <= 0 || start < same - 1)) {
            text_addf(&value, "%s: ", what);
            if (same > 0)
                units_add_duration(&value, same - start);
            else
                add_start(&value, start);
            row(t, &label, value.data);
        } else {
            text_addf(&others, "%s%s%s%s", others.length > 0 ? "; " : "",
                      what, *error ? ": " : "", error);
        }
        text_clear(&value);
    }
    label = "not sooner";
    if (others.length > 0)
        row(t, &label, others.data);
    text_clear(&others);
}

static void add_waiting(struct mlb_text *t, const json_t *waiting)
{
    const json_t *start = json_object_get(waiting, "start");
    const char *labels[] = { "reason", "it says", "expected", "" };
    struct mlb_text value = MLB_TEXT_INIT;

    if (!waiting)
        return;
    if (*get(waiting, "error"))
        row(t, &labels[0], get(waiting, "error"));
    if (*get(waiting, "text"))
        row(t, &labels[0], get(waiting, "text"));
    else if (*get(waiting, "reason"))
        row(t, &labels[1], get(waiting, "reason"));
    if (json_is_number(start)) {
        add_start(&value, json_number_value(start));
        row(t, &labels[2], value.data);
    }
    text_clear(&value);
    add_asked(t, waiting);
}

/* A run that goes on waits because of how it ended before. */
static void add_previous(struct mlb_text *t, const struct cmd_run *run,
                         const json_t *previous)
{
    struct mlb_text value = MLB_TEXT_INIT;
    const char *label = "before";

    if (!previous)
        return;
    text_addf(&value, "attempt %lld: %s (mlbatch explain %s --attempt=%lld)",
              (long long)json_integer_value(json_object_get(previous,
                                                            "attempt")),
              *get(previous, "text") ? get(previous, "text")
                                     : get(previous, "state"), run->run.id,
              (long long)json_integer_value(json_object_get(previous,
                                                            "attempt")));
    row(t, &label, value.data);
    text_clear(&value);
}

static void add_age(struct mlb_text *t, const char *label, const char *what,
                    const json_t *time_of)
{
    struct mlb_text value = MLB_TEXT_INIT;

    if (!json_is_number(time_of))
        return;
    double age = (double)time(NULL) - json_number_value(time_of);
    text_add(&value, what);
    units_add_duration(&value, age > 0 ? age : 0);
    text_add(&value, " ago");
    row(t, &label, value.data);
    text_clear(&value);
}

static void add_running(struct mlb_text *t, const json_t *running)
{
    const json_t *step = json_object_get(running, "step");
    char *what = xasprintf("step %lld, told ",
                           (long long)json_integer_value(step));

    add_age(t, "started", "", json_object_get(running, "since"));
    if (json_is_integer(step))
        add_age(t, "progress", what, json_object_get(running, "step_time"));
    add_age(t, "output", "last written ",
            json_object_get(running, "output_time"));
    if (running)
        add_list(t, running, "warnings", "warning");
    free(what);
}

void explain_print(const struct cmd_run *run, const json_t *o)
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
    add_waiting(&t, json_object_get(o, "waiting"));
    add_previous(&t, run, json_object_get(o, "previous"));
    add_running(&t, json_object_get(o, "running"));
    add_rank(&t, o);
    add_evidence(&t, o);
    add_looked(&t, o);
    add_list(&t, o, "advice", "what to do");
    fputs(t.data, stdout);
    text_clear(&t);
}
