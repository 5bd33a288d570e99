/* SPDX-License-Identifier: BSD-3-Clause */
/* From a run's event log to rows of its record. */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "run/record_parts.h"

static int64_t get_whole(const struct mlb_event *e, const char *field)
{
    const json_t *value = json_object_get(e->fields, field);

    return json_is_integer(value) ? json_integer_value(value) : INT64_MIN;
}

static double get_real(const struct mlb_event *e, const char *field)
{
    const json_t *value = json_object_get(e->fields, field);
    const char *text = json_string_value(value);

    if (text && strcmp(text, "inf") == 0)
        return INFINITY;
    if (text && strcmp(text, "-inf") == 0)
        return -INFINITY;
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static const char *get_words(const struct mlb_event *e, const char *field)
{
    const char *text = json_string_value(json_object_get(e->fields, field));

    return text ? text : "";
}

static void copy_words(char *to, size_t room, const char *text)
{
    size_t n = strnlen(text, room - 1);

    memcpy(to, text, n);
    to[n] = '\0';
}

/* ---- attempts ---- */

static struct record_attempt *get_attempt(struct record *r, long number)
{
    for (size_t i = r->attempt_count; i > 0; i--)
        if (r->attempts[i - 1].number == number)
            return &r->attempts[i - 1];
    struct record_attempt *a = record_add_attempt(r);
    a->number = number;
    return a;
}

static void start_attempt(struct record *r, const struct mlb_event *e)
{
    struct record_attempt *a = get_attempt(r, e->attempt);
    const json_t *nodes = json_object_get(e->fields, "nodes"), *node;
    size_t i;

    a->start = e->time;
    if (!a->job[0])
        copy_words(a->job, sizeof(a->job), get_words(e, "job"));
    json_array_foreach(nodes, i, node)
        if (json_is_string(node))
            record_node_index(r, e->attempt, json_string_value(node));
}

static void end_attempt(struct record *r, const struct mlb_event *e)
{
    struct record_attempt *a = get_attempt(r, e->attempt);

    a->end = e->time;
    a->exit = get_whole(e, "exit");
    copy_words(a->state, sizeof(a->state), get_words(e, "state"));
    copy_words(a->text, sizeof(a->text), get_words(e, "text"));
    if (*get_words(e, "job"))
        copy_words(a->job, sizeof(a->job), get_words(e, "job"));
}

static int compare_attempt(const void *a, const void *b)
{
    const struct record_attempt *x = a, *y = b;

    return (x->number > y->number) - (x->number < y->number);
}

/* ---- tasks ---- */

/* The reason that has the metric among its names, or NULL. */
static const char *find_reason(const struct mlb_event *e, const char *metric)
{
    json_t *missing = json_object_get(e->fields, "missing"), *names, *name;
    const char *reason;
    size_t i;

    json_object_foreach(missing, reason, names)
        json_array_foreach(names, i, name)
            if (json_is_string(name) &&
                strcmp(json_string_value(name), metric) == 0)
                return reason;
    return NULL;
}

/* What a task's end tells of a metric: a number that may be trusted as far
 * as its state, or why there is none. */
static void take_total(struct record *r, struct record_task *t, int m,
                       const struct mlb_event *e)
{
    const char *name = metrics[m].name;
    const json_t *value =
        json_object_get(json_object_get(e->fields, "totals"), name);
    const char *why = find_reason(e, name);
    const char *word = json_string_value(
        json_object_get(json_object_get(e->fields, "states"), name));
    struct metric_status status;

    if (json_is_integer(value) &&
        json_integer_value(value) != METRIC_MISSING) {
        int state = word ? metric_state_find(word) : METRIC_OK;
        t->total[m] = json_integer_value(value);
        /* A word of a later version is not an "ok". */
        t->state[m] = (uint8_t)(state < 0 || state == METRIC_UNAVAILABLE
                                    ? METRIC_ESTIMATED : state);
        metric_status_set(&status, t->state[m], t->state[m] == METRIC_OK
                              ? METRIC_FINE : METRIC_ERROR, "task",
                          t->state[m] == METRIC_OK ? NULL : why);
        record_worsen(r, m, &status);
    } else if (why) {
        metric_status_set(&status, METRIC_UNAVAILABLE, METRIC_NOT_TOLD,
                          "task", why);
        record_worsen(r, m, &status);
    }
}

static struct record_task *get_task(struct record *r,
                                    const struct mlb_event *e)
{
    size_t i = record_task_index(r, e->attempt, e->rank);
    struct record_task *t = &r->tasks[i];

    if (*get_words(e, "node"))
        t->node = (long)record_node_index(r, e->attempt,
                                          get_words(e, "node"));
    return t;
}

static void end_task(struct record *r, const struct mlb_event *e)
{
    struct record_task *t = get_task(r, e);

    t->exit = get_whole(e, "exit");
    t->signal = get_whole(e, "signal");
    t->seconds = get_real(e, "seconds");
    t->user_seconds = get_real(e, "user_seconds");
    t->system_seconds = get_real(e, "system_seconds");
    t->max_rss = get_whole(e, "max_rss");
    for (int m = 0; m < METRIC_COUNT; m++)
        if (metrics[m].scope == METRIC_TASK)
            take_total(r, t, m, e);
}

/* ---- what the program told ---- */

static int compare_metric(const void *a, const void *b)
{
    const struct mlb_event *x = *(const struct mlb_event *const *)a;
    const struct mlb_event *y = *(const struct mlb_event *const *)b;
    int order = strcmp(get_words(x, "name"), get_words(y, "name"));

    return order ? order : (x > y) - (x < y);
}

static void add_metric(struct record *r, const struct mlb_event **events,
                       size_t count)
{
    struct record_metric m = {
        .name = xstrdup(get_words(events[0], "name")), .count = count,
        .step = xmalloc(8 * count), .rank = xmalloc(8 * count),
        .value = xmalloc(8 * count), .time = xmalloc(8 * count),
    };
    size_t n = r->metric_count;

    for (size_t i = 0; i < count; i++) {
        m.step[i] = get_whole(events[i], "step");
        m.rank[i] = get_whole(events[i], "rank");
        m.value[i] = get_real(events[i], "value");
        m.time[i] = events[i]->time;
    }
    if ((n & (n - 1)) == 0)
        r->metrics = xrealloc(r->metrics, (n ? 2 * n : 1) * sizeof(m));
    r->metrics[r->metric_count++] = m;
}

static void add_metrics(struct record *r, const struct mlb_events *events)
{
    const struct mlb_event **all = xcalloc(events->count + 1, sizeof(*all));
    size_t count = 0;

    for (size_t i = 0; i < events->count; i++)
        if (strcmp(events->items[i].name, "metric") == 0)
            all[count++] = &events->items[i];
    if (count > 0)
        qsort(all, count, sizeof(*all), compare_metric);
    for (size_t i = 0, n; i < count; i += n) {
        for (n = 1; i + n < count; n++)
            if (strcmp(get_words(all[i + n], "name"),
                       get_words(all[i], "name")) != 0)
                break;
        add_metric(r, all + i, n);
    }
    free(all);
}

/* ---- all ---- */

static bool is_named(const struct mlb_event *e, const char *name)
{
    return strcmp(e->name, name) == 0;
}

/* Rows of all tasks at once: one by one they would be sorted each time. */
static void add_tasks(struct record *r, const struct mlb_events *events)
{
    for (size_t i = 0; i < events->count; i++) {
        const struct mlb_event *e = &events->items[i];
        if (e->attempt < 0 || (!is_named(e, "task-start") &&
                               !is_named(e, "task-end")))
            continue;
        struct record_task *t = record_add_task(r);
        t->attempt = e->attempt;
        t->rank = e->rank;
    }
    record_sort_tasks(r);
    size_t kept = 0;
    for (size_t i = 0; i < r->task_count; i++)
        if (kept == 0 || r->tasks[i].attempt != r->tasks[kept - 1].attempt ||
            r->tasks[i].rank != r->tasks[kept - 1].rank)
            r->tasks[kept++] = r->tasks[i];
    r->task_count = kept;
}

void record_add_events(struct record *r, const struct mlb_events *events)
{
    for (size_t i = 0; i < events->count; i++) {
        const struct mlb_event *e = &events->items[i];
        if (e->attempt >= 0 && is_named(e, "attempt-start"))
            start_attempt(r, e);
        else if (e->attempt >= 0 && is_named(e, "attempt-end"))
            end_attempt(r, e);
    }
    if (r->attempt_count > 0)
        qsort(r->attempts, r->attempt_count, sizeof(*r->attempts),
              compare_attempt);
    add_tasks(r, events);
    for (size_t i = 0; i < events->count; i++) {
        const struct mlb_event *e = &events->items[i];
        if (e->attempt >= 0 && is_named(e, "task-start"))
            get_task(r, e)->start = e->time;
        else if (e->attempt >= 0 && is_named(e, "task-end"))
            end_task(r, e);
    }
    add_metrics(r, events);
}
