/* SPDX-License-Identifier: BSD-3-Clause */
/* The tables of a sealed file, as rows in memory. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "run/record_tables.h"

#define BYTES_LIMIT (1u << 30)

/* A column that is not there leaves what is in the rows. */
static int read_values(const struct sealed *s, const struct record_values *v,
                       char *rows, struct mlb_error *err)
{
    struct sealed_array a;
    struct sealed_rows all = { 0, v->count };

    if (!sealed_find(s, v->name, &a))
        return 0;
    struct record_values as = *v;
    as.width = a.width;
    size_t bytes = record_value_bytes(&as);
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
                       struct record_values *v, struct mlb_error *err)
{
    const struct record_table *t = &record_tables[table];
    size_t m = v->width;
    char *rows = *record_get_rows(r, table, &(size_t *){ NULL });

    v->at = t->total + 8 * m;
    v->type = SEALED_I64;
    record_set_name(v, t->group, metrics[m].name, "");
    read_status(r, s, v->name, (enum metric_id)m);
    if (read_values(s, v, rows, err) < 0)
        return -1;
    v->at = t->state + m;
    v->type = SEALED_U8;
    record_set_name(v, t->group, metrics[m].name, "_state");
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
    record_set_name(v, t->group, metrics[m].name, "_mean");
    return read_values(s, v, rows, err);
}

static int read_table(struct record *r, const struct sealed *s, int table,
                      struct mlb_error *err)
{
    const struct record_table *t = &record_tables[table];
    struct record_values v = { .stride = t->row_bytes };
    struct sealed_array a;

    record_set_name(&v, t->group, "attempt", "");
    if (!sealed_find(s, v.name, &a) || a.shape[0] > RECORD_ROWS_LIMIT)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s is missing", v.name);
    v.count = a.shape[0];
    for (size_t i = 0; i < v.count; i++)
        record_add_row(r, table);
    char *rows = *record_get_rows(r, table, &(size_t *){ NULL });
    for (const struct record_column *c = t->columns; c->name; c++) {
        record_set_name(&v, t->group, c->name, "");
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
    const struct record_column *c = record_metric_columns;
    struct sealed_array a;
    int rc = 0;

    if (!sealed_get_attribute(s, group, "name", name, sizeof(name)))
        return 0;
    for (; rc == 0 && c->name; c++) {
        char *path = xasprintf("%s/%s", group, c->name);
        if (!sealed_find(s, path, &a) || a.rank != 1 || a.type != c->type ||
            a.shape[0] > RECORD_ROWS_LIMIT ||
            (m.count && a.shape[0] != m.count))
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

    for (int t = 0; rc == 0 && t < RECORD_TABLES; t++)
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
