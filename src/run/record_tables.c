/* SPDX-License-Identifier: BSD-3-Clause */
/* The tables of a record in memory: rows, and how they are found. */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/record_tables.h"

_Static_assert(sizeof(long) == 8, "columns of long are int64");

#define WHOLE(s, m, unit, help) { #m, SEALED_I64, offsetof(struct s, m), 8,   \
                                  unit, help }
#define REAL(s, m, unit, help) { #m, SEALED_F64, offsetof(struct s, m), 8,    \
                                 unit, help }
#define WORDS(s, m, help) { #m, SEALED_TEXT, offsetof(struct s, m),           \
                            sizeof(((struct s *)0)->m), "", help }

static const struct record_column attempt_columns[] = {
    { "attempt", SEALED_I64, offsetof(struct record_attempt, number), 8, "",
      "number of the attempt" },
    REAL(record_attempt, start, "s", "since 1970"),
    REAL(record_attempt, end, "s", "since 1970"),
    WHOLE(record_attempt, exit, "", "exit code of the launch line"),
    WORDS(record_attempt, state, "how it ended"),
    WORDS(record_attempt, job, "the scheduler's id"),
    WORDS(record_attempt, text, "the cause of its end"),
    { 0 },
};

static const struct record_column task_columns[] = {
    WHOLE(record_task, attempt, "", "number of the attempt"),
    WHOLE(record_task, rank, "", ""),
    WHOLE(record_task, node, "", "row of /nodes, -1: not known"),
    WHOLE(record_task, exit, "", "exit code"),
    WHOLE(record_task, signal, "", "0: none"),
    REAL(record_task, start, "s", "since 1970"),
    REAL(record_task, seconds, "s", "from start to end"),
    REAL(record_task, user_seconds, "s", "CPU time in user mode"),
    REAL(record_task, system_seconds, "s", "CPU time in kernel mode"),
    WHOLE(record_task, max_rss, "bytes", "largest peak of one process"),
    WHOLE(record_task, peak_rss, "bytes", "the most sampled at once"),
    { 0 },
};

static const struct record_column node_columns[] = {
    WHOLE(record_node, attempt, "", "number of the attempt"),
    WORDS(record_node, name, ""),
    REAL(record_node, first, "s", "first sample, since 1970"),
    REAL(record_node, last, "s", "last sample, since 1970"),
    REAL(record_node, clock_off, "s", "its clock's lead on the batch node's"),
    WHOLE(record_node, ticks, "", "samples taken"),
    WHOLE(record_node, late, "", "samples over 0.1 s late"),
    { 0 },
};

static const struct record_column gpu_columns[] = {
    WHOLE(record_gpu, attempt, "", "number of the attempt"),
    WHOLE(record_gpu, node, "", "row of /nodes"),
    WORDS(record_gpu, uuid, ""),
    WORDS(record_gpu, product, ""),
    WHOLE(record_gpu, capacity, "bytes", "its memory"),
    REAL(record_gpu, seconds, "s", "time it was observed"),
    { 0 },
};

const struct record_column record_metric_columns[] = {
    WHOLE(record_metric, step, "", "as told"),
    REAL(record_metric, value, "", "as told; NaN may be what was told"),
    WHOLE(record_metric, rank, "", "who told it"),
    REAL(record_metric, time, "s", "since 1970"),
    { 0 },
};

#define METRICS(s) offsetof(struct s, total), offsetof(struct s, state)

const struct record_table record_tables[RECORD_TABLES] = {
    { "/attempts", sizeof(struct record_attempt), attempt_columns, -1, 0, 0,
      0 },
    { "/tasks", sizeof(struct record_task), task_columns, METRIC_TASK,
      METRICS(record_task), 0 },
    { "/nodes", sizeof(struct record_node), node_columns, METRIC_NODE,
      METRICS(record_node), 0 },
    { "/gpus", sizeof(struct record_gpu), gpu_columns, METRIC_GPU,
      METRICS(record_gpu), offsetof(struct record_gpu, mean) },
};

size_t record_value_bytes(const struct record_values *v)
{
    return v->type == SEALED_TEXT ? v->width : v->type == SEALED_U8 ? 1 : 8;
}

void record_set_name(struct record_values *v, const char *group,
                     const char *name, const char *end)
{
    snprintf(v->name, sizeof(v->name), "%s/%s%s", group, name, end);
}

/* The rows of a table in memory, and how many. */
char **record_get_rows(struct record *r, int table, size_t **count)
{
    size_t *counts[] = { &r->attempt_count, &r->task_count, &r->node_count,
                         &r->gpu_count };
    void *rows[] = { &r->attempts, &r->tasks, &r->nodes, &r->gpus };

    *count = counts[table];
    return rows[table];
}

/* A row of which nothing is known. */
static void fill_row(const struct record_table *t, char *row)
{
    static const int64_t missing = INT64_MIN;
    static const double nan = NAN;

    memset(row, 0, t->row_bytes);
    for (const struct record_column *c = t->columns; c->name; c++)
        if (c->type != SEALED_TEXT)
            memcpy(row + c->at, c->type == SEALED_I64
                                    ? (const void *)&missing
                                    : (const void *)&nan, 8);
    for (int m = 0; t->scope >= 0 && m < METRIC_COUNT; m++) {
        memcpy(row + t->total + 8 * (size_t)m, &missing, 8);
        row[t->state + (size_t)m] = METRIC_UNAVAILABLE;
        if (t->mean)
            memcpy(row + t->mean + 8 * (size_t)m, &nan, 8);
    }
}

/* Add a row of which nothing is known. */
void *record_add_row(struct record *r, int table)
{
    const struct record_table *t = &record_tables[table];
    size_t *count;
    char **rows = record_get_rows(r, table, &count);
    size_t n = *count;

    if ((n & (n - 1)) == 0)
        *rows = xrealloc(*rows, (n ? 2 * n : 1) * t->row_bytes);
    fill_row(t, *rows + n * t->row_bytes);
    (*count)++;
    return *rows + n * t->row_bytes;
}

struct record *record_create(const char *run_dir)
{
    struct record *r = xcalloc(1, sizeof(*r));

    r->run_dir = xstrdup(run_dir);
    r->plan = r->job = (struct mlb_text)MLB_TEXT_INIT;
    r->damage = (struct mlb_strings)MLB_STRINGS_INIT;
    return r;
}

void record_clear(struct record *r)
{
    for (size_t i = 0; i < r->metric_count; i++) {
        struct record_metric *m = &r->metrics[i];
        free(m->name);
        free(m->step);
        free(m->rank);
        free(m->value);
        free(m->time);
    }
    free(r->metrics);
    free(r->attempts);
    free(r->tasks);
    free(r->nodes);
    free(r->gpus);
    text_clear(&r->plan);
    text_clear(&r->job);
    strings_clear(&r->damage);
    free(r->run_dir);
    free(r);
}

size_t record_node_index(struct record *r, long attempt, const char *name)
{
    for (size_t i = r->node_count; i > 0; i--) {
        const struct record_node *n = &r->nodes[i - 1];
        if (n->attempt == attempt && strcmp(n->name, name) == 0)
            return i - 1;
    }
    struct record_node *n = record_add_row(r, RECORD_NODES);
    n->attempt = attempt;
    n->ticks = n->late = 0;
    strncpy(n->name, name, sizeof(n->name) - 1);
    return r->node_count - 1;
}

size_t record_find_gpu(const struct record *r, long attempt, size_t node,
                       const char *uuid)
{
    for (size_t i = 0; i < r->gpu_count; i++) {
        const struct record_gpu *g = &r->gpus[i];
        if (g->attempt == attempt && g->node == (long)node &&
            strcmp(g->uuid, uuid) == 0)
            return i;
    }
    return SIZE_MAX;
}

size_t record_gpu_index(struct record *r, long attempt, size_t node,
                        const char *uuid)
{
    size_t found = record_find_gpu(r, attempt, node, uuid);

    if (found != SIZE_MAX)
        return found;
    struct record_gpu *g = record_add_row(r, RECORD_GPUS);
    g->attempt = attempt;
    g->node = (long)node;
    g->seconds = 0;
    strncpy(g->uuid, uuid, sizeof(g->uuid) - 1);
    return r->gpu_count - 1;
}

static int compare_task(const void *a, const void *b)
{
    const struct record_task *x = a, *y = b;

    if (x->attempt != y->attempt)
        return x->attempt < y->attempt ? -1 : 1;
    return (x->rank > y->rank) - (x->rank < y->rank);
}

void record_sort_tasks(struct record *r)
{
    if (r->task_count > 0)
        qsort(r->tasks, r->task_count, sizeof(*r->tasks), compare_task);
}

struct record_task *record_add_task(struct record *r)
{
    struct record_task *t = record_add_row(r, RECORD_TASKS);

    t->node = -1;
    return t;
}

/* They are sorted, so that 10,000 ranks are found quickly. */
size_t record_find_task(const struct record *r, long attempt, long rank)
{
    struct record_task key = { .attempt = attempt, .rank = rank };
    const struct record_task *found =
        r->task_count ? bsearch(&key, r->tasks, r->task_count,
                                sizeof(key), compare_task)
                      : NULL;

    return found ? (size_t)(found - r->tasks) : SIZE_MAX;
}

size_t record_task_index(struct record *r, long attempt, long rank)
{
    size_t found = record_find_task(r, attempt, rank);

    if (found != SIZE_MAX)
        return found;
    struct record_task *t = record_add_task(r);
    t->attempt = attempt;
    t->rank = rank;
    record_sort_tasks(r);
    return record_find_task(r, attempt, rank);
}

struct record_attempt *record_add_attempt(struct record *r)
{
    return record_add_row(r, RECORD_ATTEMPTS);
}

void record_worsen(struct record *r, enum metric_id m,
                   const struct metric_status *status)
{
    if (!r->status[m].source[0] || status->state > r->status[m].state) {
        r->status[m] = *status;
        if (!r->status[m].source[0])
            strcpy(r->status[m].source, "none");
    }
}

void record_add_key(const struct record *r, int scope, size_t index,
                    struct mlb_text *t)
{
    if (scope == METRIC_TASK) {
        text_addf(t, "%ld\n", r->tasks[index].rank);
        return;
    }
    long at = scope == METRIC_GPU ? r->gpus[index].node : (long)index;
    char *node = text_encode_name(r->nodes[at].name);
    text_add(t, node);
    free(node);
    if (scope == METRIC_GPU) {
        char *uuid = text_encode_name(r->gpus[index].uuid);
        text_addf(t, " %s", uuid);
        free(uuid);
    }
    text_add(t, "\n");
}

/* ---- how many have it ---- */

void record_count(struct record *r)
{
    for (int t = RECORD_TASKS; t < RECORD_TABLES; t++) {
        size_t *count;
        const struct record_table *of = &record_tables[t];
        char *rows = *record_get_rows(r, t, &count);
        for (int m = 0; m < METRIC_COUNT; m++) {
            if ((int)metrics[m].scope != of->scope)
                continue;
            r->have[m] = 0;
            r->of[m] = (long)*count;
            for (size_t i = 0; i < *count; i++)
                r->have[m] += rows[i * of->row_bytes + of->state +
                                   (size_t)m] != METRIC_UNAVAILABLE;
            if (!r->status[m].source[0])
                metric_status_set(&r->status[m], METRIC_UNAVAILABLE,
                                  METRIC_NOT_TOLD, "none",
                                  "nothing was told of it");
        }
    }
}
