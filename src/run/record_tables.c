/* SPDX-License-Identifier: BSD-3-Clause */
/* The tables of a record: in memory, and as arrays of a sealed file, one a
 * column. */
#include "config.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/record_parts.h"
#include "store/sealed.h"

#define ROWS_LIMIT (1u << 24)
#define BYTES_LIMIT (1u << 30)
#define NAME_LIMIT 200

_Static_assert(sizeof(long) == 8, "columns of long are int64");

struct column {
    const char *name;
    enum sealed_type type;
    size_t at, width;
    const char *unit, *help;
};

struct table {
    const char *group;
    size_t row_bytes;
    const struct column *columns;
    int scope;                           /* of its metrics; -1: none */
    size_t total, state, mean;           /* offsets; mean 0: none */
};

#define WHOLE(s, m, unit, help) { #m, SEALED_I64, offsetof(struct s, m), 8,   \
                                  unit, help }
#define REAL(s, m, unit, help) { #m, SEALED_F64, offsetof(struct s, m), 8,    \
                                 unit, help }
#define WORDS(s, m, help) { #m, SEALED_TEXT, offsetof(struct s, m),           \
                            sizeof(((struct s *)0)->m), "", help }

static const struct column attempt_columns[] = {
    { "attempt", SEALED_I64, offsetof(struct record_attempt, number), 8, "",
      "number of the attempt" },
    REAL(record_attempt, start, "s", "since 1970"),
    REAL(record_attempt, end, "s", "since 1970"),
    WHOLE(record_attempt, exit, "", "exit code of the launch line"),
    WORDS(record_attempt, state, "how it ended"),
    WORDS(record_attempt, job, "the scheduler's id"),
    { 0 },
};

static const struct column task_columns[] = {
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

static const struct column node_columns[] = {
    WHOLE(record_node, attempt, "", "number of the attempt"),
    WORDS(record_node, name, ""),
    REAL(record_node, first, "s", "first sample, since 1970"),
    REAL(record_node, last, "s", "last sample, since 1970"),
    REAL(record_node, clock_off, "s", "its clock's lead on the batch node's"),
    WHOLE(record_node, ticks, "", "samples taken"),
    WHOLE(record_node, late, "", "samples over 0.1 s late"),
    { 0 },
};

static const struct column gpu_columns[] = {
    WHOLE(record_gpu, attempt, "", "number of the attempt"),
    WHOLE(record_gpu, node, "", "row of /nodes"),
    WORDS(record_gpu, uuid, ""),
    WORDS(record_gpu, product, ""),
    WHOLE(record_gpu, capacity, "bytes", "its memory"),
    REAL(record_gpu, seconds, "s", "time it was observed"),
    { 0 },
};

enum { ATTEMPTS, TASKS, NODES, GPUS, TABLES };

#define METRICS(s) offsetof(struct s, total), offsetof(struct s, state)

static const struct table tables[TABLES] = {
    { "/attempts", sizeof(struct record_attempt), attempt_columns, -1, 0, 0,
      0 },
    { "/tasks", sizeof(struct record_task), task_columns, METRIC_TASK,
      METRICS(record_task), 0 },
    { "/nodes", sizeof(struct record_node), node_columns, METRIC_NODE,
      METRICS(record_node), 0 },
    { "/gpus", sizeof(struct record_gpu), gpu_columns, METRIC_GPU,
      METRICS(record_gpu), offsetof(struct record_gpu, mean) },
};

/* The rows of a table in memory, and how many. */
static char **get_rows(struct record *r, int table, size_t **count)
{
    size_t *counts[] = { &r->attempt_count, &r->task_count, &r->node_count,
                         &r->gpu_count };
    void *rows[] = { &r->attempts, &r->tasks, &r->nodes, &r->gpus };

    *count = counts[table];
    return rows[table];
}

/* A row of which nothing is known. */
static void fill_row(const struct table *t, char *row)
{
    static const int64_t missing = INT64_MIN;
    static const double nan = NAN;

    memset(row, 0, t->row_bytes);
    for (const struct column *c = t->columns; c->name; c++)
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
static void *add_row(struct record *r, int table)
{
    const struct table *t = &tables[table];
    size_t *count;
    char **rows = get_rows(r, table, &count);
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
    struct record_node *n = add_row(r, NODES);
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
    struct record_gpu *g = add_row(r, GPUS);
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
    struct record_task *t = add_row(r, TASKS);

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
    return add_row(r, ATTEMPTS);
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
    for (int t = TASKS; t < TABLES; t++) {
        size_t *count;
        char *rows = *get_rows(r, t, &count);
        for (int m = 0; m < METRIC_COUNT; m++) {
            if ((int)metrics[m].scope != tables[t].scope)
                continue;
            r->have[m] = 0;
            r->of[m] = (long)*count;
            for (size_t i = 0; i < *count; i++)
                r->have[m] += rows[i * tables[t].row_bytes + tables[t].state +
                                   (size_t)m] != METRIC_UNAVAILABLE;
            if (!r->status[m].source[0])
                metric_status_set(&r->status[m], METRIC_UNAVAILABLE,
                                  METRIC_NOT_TOLD, "none",
                                  "nothing was told of it");
        }
    }
}

/* ---- writing ---- */

/* The values of one column, in rows of a table. */
struct values {
    char name[160];
    enum sealed_type type;
    size_t at, width, stride, count;
};

static size_t value_bytes(const struct values *v)
{
    return v->type == SEALED_TEXT ? v->width : v->type == SEALED_U8 ? 1 : 8;
}

static int write_values(struct sealed_writer *w, const struct values *v,
                        const char *rows, struct mlb_error *err)
{
    struct sealed_array array = { .name = v->name, .type = v->type,
                                  .width = v->width, .rank = 1,
                                  .shape = { v->count } };
    struct sealed_rows all = { 0, v->count };
    size_t bytes = value_bytes(v);
    char *data = xmalloc(v->count * bytes + 1);

    for (size_t i = 0; i < v->count; i++)
        memcpy(data + i * bytes, rows + i * v->stride + v->at, bytes);
    int rc = sealed_add(w, &array, err);
    if (rc == 0)
        rc = sealed_write(w, v->name, &all, data, err);
    free(data);
    return rc;
}

static void set_name(struct values *v, const char *group, const char *name,
                     const char *end)
{
    snprintf(v->name, sizeof(v->name), "%s/%s%s", group, name, end);
}

int record_describe(struct sealed_writer *w, const char *object,
                    const struct record *r, enum metric_id m,
                    struct mlb_error *err)
{
    const struct metric_status *s = &r->status[m];
    const char *const pairs[][2] = {
        { "unit", metrics[m].unit },
        { "kind", metrics[m].kind == METRIC_COUNTER ? "counter" : "gauge" },
        { "help", metrics[m].help },
        { "status", metric_state_name(s->state) },
        { "cause", metric_cause_name(s->cause) },
        { "reason", s->reason },
        { "source", s->source },
    };
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < sizeof(pairs) / sizeof(pairs[0]); i++)
        rc = sealed_attribute(w, object, pairs[i][0], pairs[i][1], err);
    return rc;
}

/* What a metric's totals have: values, states, means. */
static int write_metric(struct sealed_writer *w, const struct record *r,
                        struct values *v, int table, struct mlb_error *err)
{
    const struct table *t = &tables[table];
    enum metric_id m = (enum metric_id)v->width;
    const char *rows = *get_rows((struct record *)(uintptr_t)r, table,
                                 &(size_t *){ NULL });

    v->at = t->total + 8 * v->width;
    v->type = SEALED_I64;
    set_name(v, t->group, metrics[m].name, "");
    if (write_values(w, v, rows, err) < 0 ||
        record_describe(w, v->name, r, m, err) < 0)
        return -1;
    v->at = t->state + (size_t)m;
    v->type = SEALED_U8;
    set_name(v, t->group, metrics[m].name, "_state");
    if (write_values(w, v, rows, err) < 0 ||
        sealed_attribute(w, v->name, "help", "0 ok, 1 partial, 2 estimated, "
                         "3 unavailable", err) < 0)
        return -1;
    if (!t->mean || metrics[m].kind == METRIC_COUNTER)
        return 0;
    v->at = t->mean + 8 * (size_t)m;
    v->type = SEALED_F64;
    set_name(v, t->group, metrics[m].name, "_mean");
    return write_values(w, v, rows, err) < 0 ||
           sealed_attribute(w, v->name, "unit", metrics[m].unit, err) < 0
               ? -1 : 0;
}

static int write_table(struct sealed_writer *w, const struct record *r,
                       int table, struct mlb_error *err)
{
    const struct table *t = &tables[table];
    size_t *count;
    const char *rows = *get_rows((struct record *)(uintptr_t)r, table,
                                 &count);
    struct values v = { .stride = t->row_bytes, .count = *count };

    for (const struct column *c = t->columns; c->name; c++) {
        set_name(&v, t->group, c->name, "");
        v.type = c->type;
        v.at = c->at;
        v.width = c->width;
        if (write_values(w, &v, rows, err) < 0 ||
            sealed_attribute(w, v.name, "unit", c->unit, err) < 0 ||
            sealed_attribute(w, v.name, "help", c->help, err) < 0)
            return -1;
    }
    for (int m = 0; m < METRIC_COUNT; m++) {
        v.width = (size_t)m;
        if ((int)metrics[m].scope == t->scope &&
            write_metric(w, r, &v, table, err) < 0)
            return -1;
    }
    return 0;
}

static const struct column metric_columns[] = {
    WHOLE(record_metric, step, "", "as told"),
    REAL(record_metric, value, "", "as told; NaN may be what was told"),
    WHOLE(record_metric, rank, "", "who told it"),
    REAL(record_metric, time, "s", "since 1970"),
    { 0 },
};

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

static int write_told(struct sealed_writer *w, const struct record_metric *m,
                      struct mlb_error *err)
{
    char *part = is_plain(m->name) ? xstrdup(m->name)
                                   : text_encode_name(m->name);
    char *group = xasprintf("/metrics/%s", part);
    struct sealed_rows all = { 0, m->count };
    int rc = 0;

    for (const struct column *c = metric_columns; rc == 0 && c->name; c++) {
        const void *data = *(void *const *)((const char *)m + c->at);
        char *name = xasprintf("%s/%s", group, c->name);
        struct sealed_array array = { .name = name, .type = c->type,
                                      .rank = 1, .shape = { m->count } };
        rc = sealed_add(w, &array, err);
        if (rc == 0)
            rc = sealed_write(w, name, &all, data, err);
        if (rc == 0)
            rc = sealed_attribute(w, name, "help", c->help, err);
        free(name);
    }
    if (rc == 0)
        rc = sealed_attribute(w, group, "name", m->name, err);
    free(group);
    free(part);
    return rc;
}

int record_write_bytes(struct sealed_writer *w, const char *name,
                       const struct mlb_text *t, struct mlb_error *err)
{
    struct sealed_array array = { .name = name, .type = SEALED_U8, .rank = 1,
                                  .shape = { t->length } };
    struct sealed_rows all = { 0, t->length };

    return sealed_add(w, &array, err) < 0
               ? -1
               : sealed_write(w, name, &all, t->data, err);
}

int record_write_tables(struct sealed_writer *w, const struct record *r,
                        struct mlb_error *err)
{
    struct mlb_text damage = MLB_TEXT_INIT;
    int rc = 0;

    for (int t = 0; rc == 0 && t < TABLES; t++)
        rc = write_table(w, r, t, err);
    for (size_t i = 0; rc == 0 && i < r->metric_count; i++)
        rc = write_told(w, &r->metrics[i], err);
    for (size_t i = 0; i < r->damage.count; i++)
        text_addf(&damage, "%s\n", r->damage.items[i]);
    if (rc == 0)
        rc = record_write_bytes(w, "/job", &r->job, err);
    if (rc == 0)
        rc = record_write_bytes(w, "/plan", &r->plan, err);
    if (rc == 0)
        rc = record_write_bytes(w, "/damage", &damage, err);
    text_clear(&damage);
    return rc;
}

/* ---- reading ---- */

/* A column that is not there leaves what is in the rows. */
static int read_values(const struct sealed *s, const struct values *v,
                       char *rows, struct mlb_error *err)
{
    struct sealed_array a;
    struct sealed_rows all = { 0, v->count };

    if (!sealed_find(s, v->name, &a))
        return 0;
    struct values as = *v;
    as.width = a.width;
    size_t bytes = value_bytes(&as);
    if (a.type != v->type || a.rank != 1 || a.shape[0] != v->count ||
        a.width > SEALED_TEXT_MOST)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s is not as it should "
                             "be", v->name);
    char *data = xmalloc(v->count * bytes + 1);
    int rc = sealed_read(s, v->name, &all, data, err);
    for (size_t i = 0; rc == 0 && i < v->count; i++) {
        char *to = rows + i * v->stride + v->at;
        if (v->type != SEALED_TEXT) {
            memcpy(to, data + i * bytes, bytes);
            continue;
        }
        size_t n = strnlen(data + i * bytes, bytes);
        n = n < v->width ? n : v->width - 1;
        memcpy(to, data + i * bytes, n);
        to[n] = '\0';
    }
    free(data);
    return rc;
}

static void read_status(struct record *r, const struct sealed *s,
                        const char *object, enum metric_id m)
{
    struct metric_status *status = &r->status[m];
    char state[32], cause[32];

    sealed_get_attribute(s, object, "status", state, sizeof(state));
    sealed_get_attribute(s, object, "cause", cause, sizeof(cause));
    int x = metric_state_find(state), y = metric_cause_find(cause);
    status->state = x < 0 ? METRIC_UNAVAILABLE : (enum metric_state)x;
    status->cause = y < 0 ? METRIC_DAMAGED : (enum metric_cause)y;
    status->coverage = status->state == METRIC_UNAVAILABLE ? 0 : 100;
    sealed_get_attribute(s, object, "source", status->source,
                         sizeof(status->source));
    sealed_get_attribute(s, object, "reason", status->reason,
                         sizeof(status->reason));
}

static int read_metric(struct record *r, const struct sealed *s, int table,
                       struct values *v, struct mlb_error *err)
{
    const struct table *t = &tables[table];
    size_t m = v->width;
    char *rows = *get_rows(r, table, &(size_t *){ NULL });

    v->at = t->total + 8 * m;
    v->type = SEALED_I64;
    set_name(v, t->group, metrics[m].name, "");
    read_status(r, s, v->name, (enum metric_id)m);
    if (read_values(s, v, rows, err) < 0)
        return -1;
    v->at = t->state + m;
    v->type = SEALED_U8;
    set_name(v, t->group, metrics[m].name, "_state");
    if (read_values(s, v, rows, err) < 0)
        return -1;
    for (size_t i = 0; i < v->count; i++) {
        uint8_t *state = (uint8_t *)rows + i * v->stride + v->at;
        *state = *state > METRIC_UNAVAILABLE ? METRIC_UNAVAILABLE : *state;
    }
    if (!t->mean)
        return 0;
    v->at = t->mean + 8 * m;
    v->type = SEALED_F64;
    set_name(v, t->group, metrics[m].name, "_mean");
    return read_values(s, v, rows, err);
}

static int read_table(struct record *r, const struct sealed *s, int table,
                      struct mlb_error *err)
{
    const struct table *t = &tables[table];
    struct values v = { .stride = t->row_bytes };
    struct sealed_array a;

    set_name(&v, t->group, "attempt", "");
    if (!sealed_find(s, v.name, &a) || a.shape[0] > ROWS_LIMIT)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s is missing", v.name);
    v.count = a.shape[0];
    for (size_t i = 0; i < v.count; i++)
        add_row(r, table);
    char *rows = *get_rows(r, table, &(size_t *){ NULL });
    for (const struct column *c = t->columns; c->name; c++) {
        set_name(&v, t->group, c->name, "");
        v.type = c->type;
        v.at = c->at;
        v.width = c->width;
        if (read_values(s, &v, rows, err) < 0)
            return -1;
    }
    for (int m = 0; m < METRIC_COUNT; m++) {
        v.width = (size_t)m;
        if ((int)metrics[m].scope == t->scope &&
            read_metric(r, s, table, &v, err) < 0)
            return -1;
    }
    return 0;
}

int record_read_bytes(const struct sealed *s, const char *name,
                      struct mlb_text *t, struct mlb_error *err)
{
    struct sealed_array a;

    if (!sealed_find(s, name, &a))
        return 0;
    if (a.type != SEALED_U8 || a.rank != 1 || a.shape[0] > BYTES_LIMIT)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s is not as it should "
                             "be", name);
    struct sealed_rows all = { 0, a.shape[0] };
    char *data = xmalloc(a.shape[0] + 1);
    int rc = sealed_read(s, name, &all, data, err);
    if (rc == 0)
        text_addn(t, data, a.shape[0]);
    free(data);
    return rc;
}

static int read_told(struct record *r, const struct sealed *s,
                     const char *group, struct mlb_error *err)
{
    char name[SEALED_TEXT_MOST];
    size_t n = r->metric_count;
    struct record_metric m = { 0 };
    struct sealed_array a;
    int rc = 0;

    if (!sealed_get_attribute(s, group, "name", name, sizeof(name)))
        return 0;
    for (const struct column *c = metric_columns; rc == 0 && c->name; c++) {
        char *path = xasprintf("%s/%s", group, c->name);
        if (!sealed_find(s, path, &a) || a.rank != 1 || a.type != c->type ||
            a.shape[0] > ROWS_LIMIT || (m.count && a.shape[0] != m.count))
            rc = mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s is missing", path);
        else {
            struct sealed_rows all = { 0, m.count = a.shape[0] };
            void *data = xmalloc(8 * m.count + 1);
            *(void **)((char *)&m + c->at) = data;
            rc = sealed_read(s, path, &all, data, err);
        }
        free(path);
    }
    m.name = xstrdup(name);
    if ((n & (n - 1)) == 0)
        r->metrics = xrealloc(r->metrics, (n ? 2 * n : 1) * sizeof(m));
    r->metrics[r->metric_count++] = m;
    return rc;
}

/* Groups may have groups in them. */
static int read_group(struct record *r, const struct sealed *s,
                      const char *group, struct mlb_error *err)
{
    struct mlb_strings names = MLB_STRINGS_INIT;
    struct sealed_array a;
    int rc = read_told(r, s, group, err);

    sealed_list(s, group, &names);
    for (size_t i = 0; rc == 0 && i < names.count; i++) {
        char *path = xasprintf("%s/%s", group, names.items[i]);
        if (!sealed_find(s, path, &a))
            rc = read_group(r, s, path, err);
        free(path);
    }
    strings_clear(&names);
    return rc;
}

static void split_damage(struct record *r, const struct mlb_text *t)
{
    for (const char *p = t->data; *p;) {
        size_t n = strcspn(p, "\n");
        char *line = xstrndup(p, n);
        strings_push(&r->damage, line);
        free(line);
        p += n + (p[n] == '\n');
    }
}

/* Rows that are named must be there. */
static int check_nodes(struct record *r, struct mlb_error *err)
{
    long count = (long)r->node_count;

    for (size_t i = 0; i < r->task_count; i++)
        if (r->tasks[i].node < -1 || r->tasks[i].node >= count)
            r->tasks[i].node = -1;
    for (size_t i = 0; i < r->gpu_count; i++)
        if (r->gpus[i].node < 0 || r->gpus[i].node >= count)
            return mlb_error_set(err, MLB_ERR_BAD_INPUT, "/gpus/node names "
                                 "a node that is not there");
    return 0;
}

int record_read_tables(struct record *r, const struct sealed *s,
                       struct mlb_error *err)
{
    struct mlb_text damage = MLB_TEXT_INIT;
    int rc = 0;

    for (int t = 0; rc == 0 && t < TABLES; t++)
        rc = read_table(r, s, t, err);
    if (rc == 0)
        rc = check_nodes(r, err);
    if (rc == 0)
        rc = read_group(r, s, "/metrics", err);
    if (rc == 0)
        rc = record_read_bytes(s, "/job", &r->job, err);
    if (rc == 0)
        rc = record_read_bytes(s, "/plan", &r->plan, err);
    if (rc == 0)
        rc = record_read_bytes(s, "/damage", &damage, err);
    split_damage(r, &damage);
    text_clear(&damage);
    if (rc == 0)
        record_count(r);
    return rc;
}
