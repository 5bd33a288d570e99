/* SPDX-License-Identifier: BSD-3-Clause */
/* mlbatch list: all runs of the store, one call to each scheduler. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/units.h"
#include "cmd/cmd.h"

struct arguments {
    struct cmd_options common;
    const char *name;
    long last;
    bool open, json;
};

static const struct argp_option options[] = {
    { .name = "open", .key = 'o', .doc = "Only runs that have not ended" },
    { .name = "last", .key = 'n', .arg = "COUNT",
      .doc = "Only the COUNT latest [20]; 0 for all" },
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
    case 'o':
        a->open = true;
        return 0;
    case 'n':
        if (units_parse_long(arg, 0, 1000000000, &a->last, &err) < 0)
            argp_error(state, "--last: %s", err.text);
        return 0;
    case 'j':
        a->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (a->name)
            argp_error(state, "one job name at most");
        a->name = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* When the run last moved, to put the latest last. */
static double moment(const struct cmd_run *run)
{
    const struct mlb_events *e = &run->events;

    return e->count ? e->items[0].time : 0;
}

static int by_moment(const void *a, const void *b)
{
    double x = moment(a), y = moment(b);

    return (x > y) - (x < y);
}

static bool wanted(const char *id, const char *name)
{
    const char *dot = strrchr(id, '.');

    return !name || (dot && strlen(name) == (size_t)(dot - id) &&
                     strncmp(id, name, (size_t)(dot - id)) == 0);
}

/* Read what can be read; a damaged run is named and left out. */
static size_t read_runs(const struct cmd_context *context, const char *name,
                        const struct mlb_strings *ids, struct cmd_run *runs)
{
    char *encoded = name ? text_encode_name(name) : NULL;
    size_t count = 0;

    for (size_t i = 0; i < ids->count; i++) {
        struct mlb_error err = { 0 };
        struct cmd_run *run = &runs[count];
        if (!wanted(ids->items[i], encoded))
            continue;
        if (run_find(context->store, ids->items[i], &run->run, &err) == 0 &&
            cmd_run_read(run, &err) == 0) {
            count++;
            continue;
        }
        cmd_fail(&err);
        cmd_run_clear(run);
    }
    free(encoded);
    return count;
}

static double elapsed(const struct mlb_run_state *s)
{
    if (s->started <= 0)
        return -1;
    return (s->ended > 0 ? s->ended : (double)time(NULL)) - s->started;
}

static void add_row(struct mlb_text *t, const struct cmd_run *run)
{
    struct mlb_text time_text = MLB_TEXT_INIT;
    double seconds = elapsed(&run->state);

    if (seconds >= 0)
        units_add_duration(&time_text, seconds);
    else
        text_add(&time_text, "-");
    text_addf(t, "%-24s %s%-13s%s %-10s %-14s %s\n", run->run.id,
              cmd_colour(run->state.state), state_name(run->state.state),
              cmd_colour_end(), *run->submission.id ? run->submission.id : "-",
              time_text.data, run->state.text);
    text_clear(&time_text);
}

static json_t *row_json(const struct cmd_run *run)
{
    const struct mlb_run_state *s = &run->state;
    const char *job = run->submission.id;
    double seconds = elapsed(s);

    return json_pack(
        "{s:o, s:s, s:o, s:o, s:o, s:o, s:o}", "run", json_text(run->run.id),
        "state", state_name(s->state), "scheduler",
        json_text(run->submission.scheduler), "job",
        json_text(*job ? job : NULL), "exit_code",
        s->exit_code < 0 ? json_null() : json_integer(s->exit_code),
        "seconds", seconds < 0 ? json_null() : json_real(seconds), "text",
        json_text(s->text));
}

/* Move those that have not ended to the front; returns how many. */
static size_t keep_open(struct cmd_run *runs, size_t count)
{
    size_t open = 0;

    for (size_t i = 0; i < count; i++) {
        if (state_is_final(runs[i].state.state))
            cmd_run_clear(&runs[i]);
        else
            runs[open++] = runs[i];
    }
    return open;
}

static void print_runs(const struct arguments *a, struct cmd_run *runs,
                       size_t count)
{
    struct mlb_text t = MLB_TEXT_INIT;
    json_t *array = json_array();
    size_t first = 0, shown = 0;

    if (a->last > 0 && (size_t)a->last < count)
        first = count - (size_t)a->last;
    for (size_t i = first; i < count; i++) {
        shown++;
        if (a->json)
            json_array_append_new(array, row_json(&runs[i]));
        else
            add_row(&t, &runs[i]);
    }
    if (a->json) {
        json_t *o = json_pack("{s:i, s:O}", "schema", 1, "runs", array);
        json_print(o);
        json_decref(o);
    } else if (shown > 0) {
        printf("%-24s %-13s %-10s %-14s %s\n%s", "RUN", "STATE", "JOB",
               "TIME", "REASON", t.data);
        if (first > 0)
            fprintf(stderr, "mlbatch: %zu earlier runs not shown (--last=0 "
                    "shows all)\n", first);
    } else {
        char *name = a->name ? text_printable(a->name) : NULL;
        fprintf(stderr, "mlbatch: no runs%s%s%s\n", name ? " of " : "",
                name ? name : "",
                a->open ? " that have not ended" : name ? "" : " yet");
        free(name);
    }
    json_decref(array);
    text_clear(&t);
}

int cmd_list(int argc, char **argv)
{
    static const struct argp_child children[] = {
        { &cmd_common_argp, 0, NULL, 90 }, { 0 },
    };
    static const struct argp argp = {
        .options = options, .parser = parse, .children = children,
        .args_doc = "[NAME]",
        .doc = "List runs, the latest last; with NAME, those of that job.",
    };
    struct arguments a = { .last = 20 };
    struct cmd_context context = CMD_CONTEXT_INIT;
    struct mlb_strings ids = MLB_STRINGS_INIT;
    struct mlb_error err = { 0 };
    struct cmd_run *runs = NULL;
    size_t count = 0;

    cmd_parse(&argp, argc, argv, &a);
    int code = cmd_open(&context, &a.common);
    if (code == 0 && run_list(context.store, &ids, &err) < 0)
        code = cmd_fail(&err);
    if (code == 0) {
        runs = xcalloc(ids.count, sizeof(*runs));
        count = read_runs(&context, a.name, &ids, runs);
        qsort(runs, count, sizeof(*runs), by_moment);
        cmd_runs_query(&context, runs, count);
        if (a.open)
            count = keep_open(runs, count);
        print_runs(&a, runs, count);
    }
    for (size_t i = 0; i < count; i++)
        cmd_run_clear(&runs[i]);
    free(runs);
    strings_clear(&ids);
    cmd_close(&context);
    return code;
}
