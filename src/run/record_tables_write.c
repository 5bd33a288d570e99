/* SPDX-License-Identifier: BSD-3-Clause */
/* The tables of a record as arrays of a sealed file, one a column. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/record_tables.h"

#define NAME_LIMIT 200

static int write_values(struct sealed_writer *w, const struct record_values *v,
                        const char *rows, struct mlb_error *err)
{
    struct sealed_array array = { .name = v->name, .type = v->type,
                                  .width = v->width, .rank = 1,
                                  .shape = { v->count } };
    struct sealed_rows all = { 0, v->count };
    size_t bytes = record_value_bytes(v);
    char *data = xmalloc(v->count * bytes + 1);

    for (size_t i = 0; i < v->count; i++)
        memcpy(data + i * bytes, rows + i * v->stride + v->at, bytes);
    int rc = sealed_add(w, &array, err);
    if (rc == 0)
        rc = sealed_write(w, v->name, &all, data, err);
    free(data);
    return rc;
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
                        struct record_values *v, int table,
                        struct mlb_error *err)
{
    const struct record_table *t = &record_tables[table];
    enum metric_id m = (enum metric_id)v->width;
    const char *rows = *record_get_rows((struct record *)(uintptr_t)r, table,
                                 &(size_t *){ NULL });

    v->at = t->total + 8 * v->width;
    v->type = SEALED_I64;
    record_set_name(v, t->group, metrics[m].name, "");
    if (write_values(w, v, rows, err) < 0 ||
        record_describe(w, v->name, r, m, err) < 0)
        return -1;
    v->at = t->state + (size_t)m;
    v->type = SEALED_U8;
    record_set_name(v, t->group, metrics[m].name, "_state");
    if (write_values(w, v, rows, err) < 0 ||
        sealed_attribute(w, v->name, "help", "0 ok, 1 partial, 2 estimated, "
                         "3 unavailable", err) < 0)
        return -1;
    if (!t->mean || metrics[m].kind == METRIC_COUNTER)
        return 0;
    v->at = t->mean + 8 * (size_t)m;
    v->type = SEALED_F64;
    record_set_name(v, t->group, metrics[m].name, "_mean");
    return write_values(w, v, rows, err) < 0 ||
           sealed_attribute(w, v->name, "unit", metrics[m].unit, err) < 0
               ? -1 : 0;
}

static int write_table(struct sealed_writer *w, const struct record *r,
                       int table, struct mlb_error *err)
{
    const struct record_table *t = &record_tables[table];
    size_t *count;
    const char *rows = *record_get_rows((struct record *)(uintptr_t)r, table,
                                 &count);
    struct record_values v = { .stride = t->row_bytes, .count = *count };

    for (const struct record_column *c = t->columns; c->name; c++) {
        record_set_name(&v, t->group, c->name, "");
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

static bool is_column(const char *part, size_t n)
{
    const struct record_column *c = record_metric_columns;

    while (c->name && (strlen(c->name) != n || memcmp(part, c->name, n) != 0))
        c++;
    return c->name;
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
        if (p > name && is_column(p, n))
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
    const struct record_column *c = record_metric_columns;
    int rc = 0;

    for (; rc == 0 && c->name; c++) {
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

    for (int t = 0; rc == 0 && t < RECORD_TABLES; t++)
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
