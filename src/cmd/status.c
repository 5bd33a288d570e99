/* SPDX-License-Identifier: BSD-3-Clause */
/* mlbatch status: one run: state, cause, times, places, last metrics. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/json.h"
#include "base/units.h"
#include "cmd/cmd.h"
#include "run/points.h"

#define POINTS_SHOWN 50

struct arguments {
    struct cmd_options common;
    const char *run;
    bool json;
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
    default:
        return cmd_parse_run(key, arg, state, &a->run);
    }
}

/* The last value of each metric, by name: an object of {step, value}. */
static json_t *last_metrics(const struct mlb_events *events)
{
    json_t *last = json_object();

    for (size_t i = 0; i < events->count; i++) {
        const struct mlb_event *e = &events->items[i];
        const char *name;
        json_t *step, *value;
        if (strcmp(e->name, "metric") == 0 &&
            json_unpack(e->fields, "{s:s, s:o, s:o}", "name", &name, "step",
                        &step, "value", &value) == 0)
            json_object_set_new(last, name,
                                json_pack("{s:O, s:O}", "step", step, "value",
                                          value));
    }
    return last;
}

static json_t *time_json(double time)
{
    return time > 0 ? json_real(time) : json_null();
}

static json_t *newest_checkpoint(const struct mlb_run *run)
{
    char *path = cmd_newest_checkpoint(run);
    json_t *value = json_text(path);

    free(path);
    return value;
}

static json_t *file_json(const struct mlb_run *run, const char *name)
{
    char *path = run_path(run, name);
    json_t *value = files_is_file(path) ? json_text(path) : json_null();

    free(path);
    return value;
}

/* The values of a point: an object. */
static json_t *point_values(const struct mlb_run *point)
{
    struct mlb_fields record = MLB_FIELDS_INIT;
    struct mlb_strings values = MLB_STRINGS_INIT;
    json_t *o = json_object();

    if (points_read(point->sweep, point->point, &record, NULL) == 0)
        fields_get_all(&record, "value", &values);
    for (size_t i = 0; i < values.count; i++) {
        char *name = xstrndup(values.items[i],
                              strcspn(values.items[i], "="));
        json_object_set_new(o, name,
                            json_text(values.items[i] + strlen(name) + 1));
        free(name);
    }
    strings_clear(&values);
    fields_clear(&record);
    return o;
}

static json_t *points_json(const struct cmd_run *run)
{
    json_t *array = json_array();

    for (size_t i = 0; i < run->point_count; i++) {
        const struct cmd_run *p = &run->points[i];
        const char *job = p->submission.id;
        json_array_append_new(
            array,
            json_pack("{s:o, s:s, s:o, s:o, s:o, s:o}", "run",
                      json_text(p->run.id), "state",
                      state_name(p->state.state), "text",
                      json_text(p->state.text), "exit_code",
                      p->state.exit_code < 0
                          ? json_null() : json_integer(p->state.exit_code),
                      "job", json_text(*job ? job : NULL), "values",
                      point_values(&p->run)));
    }
    return array;
}

static json_t *status_json(const struct cmd_run *run)
{
    const struct mlb_run_state *s = &run->state;
    char *logs = run_path(&run->run, "out");
    json_t *o = json_pack(
        "{s:i, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:o}",
        "schema", 1, "run", json_text(run->run.id), "state",
        state_name(s->state), "text", json_text(s->text), "exit_code",
        s->exit_code < 0 ? json_null() : json_integer(s->exit_code),
        "scheduler", json_text(run->submission.scheduler), "job",
        json_text(*run->submission.id ? run->submission.id : NULL), "nodes",
        json_text(run->nodes), "attempts", (json_int_t)s->attempts, "step",
        s->step < 0 ? json_null() : json_integer(s->step), "submitted",
        time_json(s->submitted), "started", time_json(s->started), "ended",
        time_json(s->ended));

    json_object_set_new(o, "metrics", last_metrics(&run->events));
    json_object_set_new(o, "path", json_text(run->run.path));
    json_object_set_new(o, "logs", json_text(logs));
    json_object_set_new(o, "checkpoint", newest_checkpoint(&run->run));
    json_object_set_new(o, "record", file_json(&run->run, "record.h5"));
    if (run->run.sweep)
        json_object_set_new(o, "values", point_values(&run->run));
    json_object_set_new(o, "points",
                        run->point_count ? points_json(run) : json_null());
    json_object_set_new(o, "torn_events",
                        json_integer((json_int_t)run->events.torn));
    free(logs);
    return o;
}

static void row(struct mlb_text *t, const char *label, const char *value)
{
    if (value && *value)
        text_addf(t, "  %-12s %s\n", label, value);
}

static void add_times(struct mlb_text *t, const struct mlb_run_state *s)
{
    const struct {
        const char *label;
        double time;
    } times[] = { { "submitted", s->submitted },
                  { "started", s->started },
                  { "ended", s->ended } };

    for (size_t i = 0; i < 3; i++) {
        struct mlb_text shown = MLB_TEXT_INIT;
        if (times[i].time <= 0)
            continue;
        cmd_add_time(&shown, times[i].time);
        if (i == 2 && s->started > 0) {
            text_add(&shown, " after ");
            units_add_duration(&shown, s->ended - s->started);
        }
        row(t, times[i].label, shown.data);
        text_clear(&shown);
    }
}

/* "lr=0.1 seed=1" */
static void add_values(struct mlb_text *t, const json_t *values)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)values, name, value)
    {
        char *shown = text_printable(json_is_string(value)
                                         ? json_string_value(value) : "");
        text_addf(t, " %s=%s", name, shown);
        free(shown);
    }
}

static void add_points(struct mlb_text *t, const json_t *points)
{
    size_t count = json_array_size(points);

    for (size_t i = 0; i < count && i < POINTS_SHOWN; i++) {
        const json_t *p = json_array_get(points, i);
        text_addf(t, "  %-12s %-13s", strrchr(json_string_value(
                      json_object_get(p, "run")), '/') + 1,
                  json_string_value(json_object_get(p, "state")));
        add_values(t, json_object_get(p, "values"));
        text_add(t, "\n");
    }
    if (count > POINTS_SHOWN)
        text_addf(t, "  ... and %zu more (--json has all)\n",
                  count - POINTS_SHOWN);
}

static void print_text(const struct cmd_run *run, json_t *o)
{
    const struct mlb_run_state *s = &run->state;
    struct mlb_text t = MLB_TEXT_INIT;
    const char *name;
    json_t *metric;

    text_addf(&t, "%s %s%s%s%s%s\n", run->run.id, cmd_colour(s->state),
              state_name(s->state), cmd_colour_end(), s->text[0] ? ": " : "",
              s->text);
    if (s->exit_code >= 0)
        text_addf(&t, "  %-12s %d\n", "exit code", s->exit_code);
    if (*run->submission.id)
        text_addf(&t, "  %-12s %s %s\n", "job", run->submission.scheduler,
                  run->submission.id);
    row(&t, "nodes", run->nodes);
    if (s->attempts > 1)
        text_addf(&t, "  %-12s %ld\n", "attempts", s->attempts);
    add_times(&t, s);
    json_object_foreach(json_object_get(o, "metrics"), name, metric)
    {
        json_t *value = json_object_get(metric, "value");
        char *shown = json_is_string(value)
                          ? xstrdup(json_string_value(value))
                          : xasprintf("%g", json_number_value(value));
        text_addf(&t, "  %-12s %s at step %lld\n", name, shown,
                  (long long)json_integer_value(
                      json_object_get(metric, "step")));
        free(shown);
    }
    /* Whose reason is more than the line above can say. */
    if (state_is_final(s->state) && s->state != MLB_STATE_COMPLETED &&
        s->state != MLB_STATE_NOT_SUBMITTED)
        text_addf(&t, "  %-12s mlbatch explain %s\n", "why", run->run.id);
    row(&t, "checkpoint", json_string_value(json_object_get(o, "checkpoint")));
    row(&t, "logs", json_string_value(json_object_get(o, "logs")));
    row(&t, "record", json_string_value(json_object_get(o, "record")));
    row(&t, "directory", run->run.path);
    if (run->run.sweep) {
        struct mlb_text values = MLB_TEXT_INIT;
        add_values(&values, json_object_get(o, "values"));
        row(&t, "values", values.data + (values.length > 0));
        text_clear(&values);
    }
    add_points(&t, json_object_get(o, "points"));
    fputs(t.data, stdout);
    text_clear(&t);
    if (run->events.torn > 0)
        fprintf(stderr, "mlbatch: %zu lines of the event log are damaged and "
                "were left out\n", run->events.torn);
}

int cmd_status(int argc, char **argv)
{
    static const struct argp_child children[] = {
        { &cmd_common_argp, 0, NULL, 90 }, { 0 },
    };
    static const struct argp argp = {
        .options = options, .parser = parse, .children = children,
        .args_doc = "RUN",
        .doc = "Show where a run stands. RUN is NAME.N, or NAME for its "
               "latest.",
    };
    struct arguments a = { 0 };
    struct cmd_context context = CMD_CONTEXT_INIT;
    struct cmd_run run = { 0 };
    struct mlb_error err = { 0 };

    cmd_parse(&argp, argc, argv, &a);
    int code = cmd_open(&context, &a.common);
    if (code == 0 && cmd_run_get(&context, a.run, &run, &err) < 0)
        code = cmd_fail(&err);
    if (code == 0) {
        json_t *o = status_json(&run);
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
