/* SPDX-License-Identifier: BSD-3-Clause */
/* From a run's event log to its record.h5: events sorted into tables, a
 * table's fields into columns. */
#include "config.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "run/events.h"
#include "run/record.h"
#include "store/container.h"

#define JOB_LIMIT (64u << 20)
#define STATE_BYTES 16       /* a state's name and a NUL at least */
#define NAME_LIMIT 200

/* A column: the field of an event that fills it. */
struct column {
    const char *name, *field;
    enum mlb_dtype dtype;    /* MLB_F64 or MLB_I64 */
};

/* Events that make a table, one a row. A row may be NULL: nothing told. */
struct rows {
    const struct mlb_event **items;
    size_t count;
};

struct record {
    struct container_writer *writer;
    void **buffers;          /* the arrays' data, read when published */
    size_t buffer_count;
};

static const struct column start_columns[] = {
    { "start", "time", MLB_F64 },
    { 0 },
};

static const struct column end_columns[] = {
    { "end", "time", MLB_F64 },
    { "exit", "exit", MLB_I64 },
    { 0 },
};

static const struct column task_columns[] = {
    { "attempt", "attempt", MLB_I64 },
    { "rank", "rank", MLB_I64 },
    { "exit", "exit", MLB_I64 },
    { "signal", "signal", MLB_I64 },
    { "seconds", "seconds", MLB_F64 },
    { "user_seconds", "user_seconds", MLB_F64 },
    { "system_seconds", "system_seconds", MLB_F64 },
    { "max_rss", "max_rss", MLB_I64 },
    { 0 },
};

static const struct column metric_columns[] = {
    { "step", "step", MLB_I64 },
    { "value", "value", MLB_F64 },
    { "rank", "rank", MLB_I64 },
    { "time", "time", MLB_F64 },
    { 0 },
};

static int64_t get_whole(const struct mlb_event *e, const char *field)
{
    const json_t *value = e ? json_object_get(e->fields, field) : NULL;

    return json_is_integer(value) ? json_integer_value(value) : INT64_MIN;
}

static double get_real(const struct mlb_event *e, const char *field)
{
    const json_t *value = e ? json_object_get(e->fields, field) : NULL;
    const char *text = json_string_value(value);

    if (text && strcmp(text, "inf") == 0)
        return INFINITY;
    if (text && strcmp(text, "-inf") == 0)
        return -INFINITY;
    return json_is_number(value) ? json_number_value(value) : NAN;
}

/* Add an array with a buffer of its own, which the caller fills before the
 * record is published. NULL on failure. */
static void *add_array(struct record *r, struct container_array *array,
                       struct mlb_error *err)
{
    size_t bytes = mlb_dtype_size(array->dtype);
    size_t n = r->buffer_count;

    for (int i = 0; i < array->rank; i++)
        bytes *= array->shape[i];
    if ((n & (n - 1)) == 0)
        r->buffers = xrealloc(r->buffers, (n ? 2 * n : 1) * sizeof(void *));
    array->data = r->buffers[r->buffer_count++] = xcalloc(bytes, 1);
    return container_add(r->writer, array, err) < 0 ? NULL
                                                    : r->buffers[n];
}

/* A column of a table, group ending in '/'. */
static int add_column(struct record *r, const char *group,
                      const struct column *column, const struct rows *rows,
                      struct mlb_error *err)
{
    char *name = xasprintf("%s%s", group, column->name);
    struct container_array array = {
        .name = name, .dtype = column->dtype,
        .rank = 1, .shape = { rows->count },
    };
    void *data = add_array(r, &array, err);

    for (size_t i = 0; data && i < rows->count; i++) {
        if (column->dtype == MLB_I64)
            ((int64_t *)data)[i] = get_whole(rows->items[i], column->field);
        else
            ((double *)data)[i] = get_real(rows->items[i], column->field);
    }
    free(name);
    return data ? 0 : -1;
}

static int add_columns(struct record *r, const char *group,
                       const struct column *columns, const struct rows *rows,
                       struct mlb_error *err)
{
    int rc = 0;

    for (; rc == 0 && columns->name; columns++)
        rc = add_column(r, group, columns, rows, err);
    return rc;
}

static int add_bytes(struct record *r, const char *name,
                     const struct mlb_text *t, struct mlb_error *err)
{
    struct container_array array = {
        .name = name, .dtype = MLB_U8, .rank = 1, .shape = { t->length },
    };
    void *data = add_array(r, &array, err);

    if (data)
        memcpy(data, t->data, t->length);
    return data ? 0 : -1;
}

static void push(struct rows *rows, const struct mlb_event *e)
{
    size_t n = rows->count;

    if ((n & (n - 1)) == 0)
        rows->items = xrealloc(rows->items, (n ? 2 * n : 1) *
                                                sizeof(*rows->items));
    rows->items[rows->count++] = e;
}

/* Events of these names (second may be NULL) in the order of compare. */
static struct rows collect(const struct mlb_events *events,
                           const char *first, const char *second,
                           int (*compare)(const void *, const void *))
{
    struct rows rows = { 0 };

    for (size_t i = 0; i < events->count; i++) {
        const char *name = events->items[i].name;
        if (strcmp(name, first) == 0 || (second && strcmp(name, second) == 0))
            push(&rows, &events->items[i]);
    }
    if (rows.count > 0)
        qsort(rows.items, rows.count, sizeof(*rows.items), compare);
    return rows;
}

/* By attempt and rank; then as merged: all point into one array. */
static int compare_task(const void *a, const void *b)
{
    const struct mlb_event *x = *(const struct mlb_event *const *)a;
    const struct mlb_event *y = *(const struct mlb_event *const *)b;

    if (x->attempt != y->attempt)
        return x->attempt < y->attempt ? -1 : 1;
    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    return (x > y) - (x < y);
}

static const char *metric_name(const struct mlb_event *e)
{
    const char *name = json_string_value(json_object_get(e->fields, "name"));

    return name ? name : "";
}

static int compare_metric(const void *a, const void *b)
{
    const struct mlb_event *x = *(const struct mlb_event *const *)a;
    const struct mlb_event *y = *(const struct mlb_event *const *)b;
    int order = strcmp(metric_name(x), metric_name(y));

    return order ? order : (x > y) - (x < y);
}

/* From rows[at]: the last start and end of one attempt and rank. Returns
 * where the next begins. An attempt's rank is -1. */
static size_t next_pair(const struct rows *rows, size_t at,
                        const struct mlb_event **start,
                        const struct mlb_event **end)
{
    const struct mlb_event *first = rows->items[at];

    *start = *end = NULL;
    for (; at < rows->count; at++) {
        const struct mlb_event *e = rows->items[at];
        if (e->attempt != first->attempt || e->rank != first->rank)
            break;
        if (strcmp(strrchr(e->name, '-'), "-start") == 0)
            *start = e;
        else
            *end = e;
    }
    return at;
}

static int add_states(struct record *r, const struct rows *ends,
                      struct mlb_error *err)
{
    struct container_array array = {
        .name = "/attempts/state", .dtype = MLB_U8,
        .rank = 2, .shape = { ends->count, STATE_BYTES },
    };
    char *data = add_array(r, &array, err);

    for (size_t i = 0; data && i < ends->count; i++) {
        const struct mlb_event *e = ends->items[i];
        const char *state = json_string_value(
            e ? json_object_get(e->fields, "state") : NULL);
        if (state)
            memcpy(data + i * STATE_BYTES, state,
                   strnlen(state, STATE_BYTES - 1));
    }
    return data ? 0 : -1;
}

static int add_attempts(struct record *r, const struct mlb_events *events,
                        struct mlb_error *err)
{
    static const struct column number = { "attempt", "attempt", MLB_I64 };
    struct rows all = collect(events, "attempt-start", "attempt-end",
                              compare_task);
    struct rows starts = { 0 }, ends = { 0 }, either = { 0 };

    for (size_t i = 0; i < all.count;) {
        const struct mlb_event *start, *end;
        i = next_pair(&all, i, &start, &end);
        push(&starts, start);
        push(&ends, end);
        push(&either, start ? start : end);
    }
    int rc = add_column(r, "/attempts/", &number, &either, err);
    if (rc == 0)
        rc = add_columns(r, "/attempts/", start_columns, &starts, err);
    if (rc == 0)
        rc = add_columns(r, "/attempts/", end_columns, &ends, err);
    if (rc == 0)
        rc = add_states(r, &ends, err);
    free(either.items);
    free(ends.items);
    free(starts.items);
    free(all.items);
    return rc;
}

/* A task that never told its end (its node died) has a row all the same. */
static int add_tasks(struct record *r, const struct mlb_events *events,
                     struct mlb_error *err)
{
    struct rows all = collect(events, "task-start", "task-end", compare_task);
    struct rows tasks = { 0 };

    for (size_t i = 0; i < all.count;) {
        const struct mlb_event *start, *end;
        i = next_pair(&all, i, &start, &end);
        push(&tasks, end ? end : start);
    }
    int rc = add_columns(r, "/tasks/", task_columns, &tasks, err);
    free(tasks.items);
    free(all.items);
    return rc;
}

/* Can a metric's name be a path of groups as it is? Each part has to be one
 * that HDF5 takes, and none but the first may be a column of another metric.
 * '=' is what encoded names have, and only they. */
static bool is_plain(const char *name)
{
    if (!text_is_printable(name) || strchr(name, '=') || !*name ||
        strlen(name) > NAME_LIMIT)
        return false;
    for (const char *p = name;; p++) {
        size_t n = strcspn(p, "/");
        if (n == 0 || (n == 1 && *p == '.') || (n == 2 && !memcmp(p, "..", 2)))
            return false;
        for (const struct column *c = metric_columns; p > name && c->name; c++)
            if (strlen(c->name) == n && memcmp(p, c->name, n) == 0)
                return false;
        p += n;
        if (!*p)
            return true;
    }
}

static int add_metrics(struct record *r, const struct mlb_events *events,
                       struct mlb_error *err)
{
    struct rows all = collect(events, "metric", NULL, compare_metric);
    int rc = 0;

    for (size_t i = 0, n; rc == 0 && i < all.count; i += n) {
        const char *name = metric_name(all.items[i]);
        for (n = 1; i + n < all.count; n++)
            if (strcmp(metric_name(all.items[i + n]), name) != 0)
                break;
        struct rows rows = { .items = all.items + i, .count = n };
        char *part = is_plain(name) ? xstrdup(name) : text_encode_name(name);
        char *group = xasprintf("/metrics/%s/", part);
        rc = add_columns(r, group, metric_columns, &rows, err);
        free(group);
        free(part);
    }
    free(all.items);
    return rc;
}

static int add_files(struct record *r, const char *run_dir,
                     const struct mlb_events *events, struct mlb_error *err)
{
    struct mlb_error why = { 0 };
    struct mlb_text t = MLB_TEXT_INIT;
    char *path = xasprintf("%s/job.conf", run_dir);
    int rc = files_read(path, JOB_LIMIT, &t, &why);

    if (rc < 0 && why.code == MLB_ERR_NOT_FOUND)
        rc = 0;
    if (rc < 0 && err)
        *err = why;
    if (rc == 0)
        rc = add_bytes(r, "/job", &t, err);
    text_clear(&t);
    for (size_t i = 0; rc == 0 && i < events->count; i++) {
        char *line = json_dumps(events->items[i].fields, JSON_COMPACT);
        if (line)
            text_addf(&t, "%s\n", line);
        free(line);
    }
    if (rc == 0)
        rc = add_bytes(r, "/events", &t, err);
    text_clear(&t);
    free(path);
    return rc;
}

int record_seal(const char *run_dir, struct mlb_error *err)
{
    struct mlb_events events = MLB_EVENTS_INIT;
    struct record r = { 0 };
    char *path = xasprintf("%s/record.h5", run_dir);
    int rc = events_read(run_dir, &events, err);

    if (rc == 0) {
        r.writer = container_create(path, CONTAINER_RECORD, err);
        rc = r.writer ? 0 : -1;
    }
    if (rc == 0)
        rc = add_attempts(&r, &events, err);
    if (rc == 0)
        rc = add_tasks(&r, &events, err);
    if (rc == 0)
        rc = add_metrics(&r, &events, err);
    if (rc == 0)
        rc = add_files(&r, run_dir, &events, err);
    if (rc == 0)
        rc = container_publish(r.writer, true, err);
    else
        container_abandon(r.writer);
    for (size_t i = 0; i < r.buffer_count; i++)
        free(r.buffers[i]);
    free(r.buffers);
    events_clear(&events);
    free(path);
    return rc;
}
