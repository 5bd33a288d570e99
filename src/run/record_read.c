/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading a run's record: tables at once, series when they are asked for. */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run/record_parts.h"
#include "store/sealed.h"

struct record *record_load(const char *run_dir, const char *path,
                           struct mlb_error *err)
{
    struct sealed *s = sealed_open(path, err);

    if (!s)
        return NULL;
    struct record *r = record_create(run_dir);
    r->file = xcalloc(1, sizeof(*r->file));
    r->file->sealed = s;
    if (record_read_tables(r, s, err) == 0)
        return r;
    mlb_error_prefix(err, "%s", path);
    record_close(r);
    return NULL;
}

void record_close(struct record *record)
{
    if (!record)
        return;
    if (record->file) {
        sealed_close(record->file->sealed);
        if (record->file->temporary)
            unlink(record->file->temporary);
        free(record->file->temporary);
        free(record->file);
    }
    record_clear(record);
}

/* A record in a place of its own, for a run that cannot be written. */
static struct record *open_aside(const char *run_dir, struct mlb_error *err)
{
    const char *tmp = getenv("TMPDIR");
    char *path = xasprintf("%s/mlbatch-record-XXXXXX", tmp && *tmp ? tmp
                                                                  : "/tmp");
    struct record *r = NULL;
    int fd = mkstemp(path);

    if (fd < 0) {
        mlb_error_errno(err, MLB_ERR_IO, "cannot make %s", path);
        free(path);
        return NULL;
    }
    close(fd);
    if (record_seal_to(run_dir, path, err) == 0)
        r = record_load(run_dir, path, err);
    if (r) {
        r->file->temporary = path;
        return r;
    }
    unlink(path);
    free(path);
    return NULL;
}

/* A sound record that has all there is. */
static struct record *open_fresh(const char *run_dir, const char *path,
                                 struct mlb_error *err)
{
    struct mlb_text sources = MLB_TEXT_INIT;
    struct record *r = record_load(run_dir, path, err);

    if (r && (record_read_bytes(r->file->sealed, RECORD_SOURCES, &sources,
                                err) < 0 ||
              record_is_stale(run_dir, &sources))) {
        record_close(r);
        r = NULL;
        mlb_error_set(err, MLB_ERR_NOT_FOUND, "older than the run");
    }
    text_clear(&sources);
    return r;
}

struct record *record_open(const char *run_dir, struct mlb_error *err)
{
    char *path = xasprintf("%s/record.h5", run_dir);
    struct mlb_error why = { 0 };
    struct record *r = open_fresh(run_dir, path, &why);

    if (!r) {
        r = record_seal_to(run_dir, NULL, err) == 0
                ? record_load(run_dir, path, err)
                : open_aside(run_dir, err);
        if (r && why.code != MLB_ERR_NOT_FOUND && why.text[0])
            strings_pushf(&r->damage, "the record was made anew: %s",
                          why.text);
    }
    free(path);
    return r;
}

/* ---- series ---- */

static double *read_reals(const struct sealed *s, const char *name,
                          size_t *count, struct mlb_error *err)
{
    struct sealed_array a;

    if (!sealed_find(s, name, &a) || a.type != SEALED_F64 || a.rank != 1 ||
        a.shape[0] > RECORD_VALUES_MOST) {
        mlb_error_set(err, MLB_ERR_NOT_FOUND, "%s is not in the record",
                      name);
        return NULL;
    }
    struct sealed_rows all = { 0, *count = a.shape[0] };
    double *data = xmalloc(8 * (size_t)a.shape[0] + 1);
    if (sealed_read(s, name, &all, data, err) == 0)
        return data;
    free(data);
    return NULL;
}

int record_total_curve(const struct record *record, long attempt,
                       enum metric_id metric, struct record_curve *curve,
                       struct mlb_error *err)
{
    const struct sealed *s = record->file->sealed;
    char *time = xasprintf("/series/%ld/total/time", attempt);
    char *value = xasprintf("/series/%ld/total/%s", attempt,
                            metrics[metric].name);
    struct record_curve c = { 0 };
    size_t count = 0;
    int rc = -1;

    c.value = read_reals(s, value, &c.count, err);
    if (c.value)
        c.time = read_reals(s, time, &count, err);
    if (c.time && count == c.count)
        rc = 0;
    else if (c.time)
        mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s has another length than "
                      "%s", time, value);
    if (rc == 0)
        *curve = c;
    else {
        free(c.value);
        free(c.time);
    }
    free(value);
    free(time);
    return rc;
}

/* Which row of a series is of an entity: its line among the keys. */
static int find_row(const struct record *r, int scope, size_t index,
                    uint64_t *row, struct mlb_error *err)
{
    static const char *const names[] = { "task_row", "node_row", "gpu_row" };
    long attempt = scope == METRIC_TASK ? r->tasks[index].attempt
                 : scope == METRIC_NODE ? r->nodes[index].attempt
                                        : r->gpus[index].attempt;
    char *name = xasprintf("/series/%ld/%s", attempt, names[scope]);
    struct mlb_text keys = MLB_TEXT_INIT, key = MLB_TEXT_INIT;
    int rc = record_read_bytes(r->file->sealed, name, &keys, err);
    const char *p = keys.data;

    record_add_key(r, scope, index, &key);
    for (*row = 0; rc == 0 && *p; (*row)++) {
        size_t n = strcspn(p, "\n") + 1;
        if (n == key.length && memcmp(p, key.data, n) == 0)
            break;
        p += p[n - 1] ? n : n - 1;
    }
    if (rc == 0 && !*p)
        rc = mlb_error_set(err, MLB_ERR_NOT_FOUND, "the record has no series "
                           "of that");
    text_clear(&key);
    text_clear(&keys);
    free(name);
    return rc;
}

static int64_t *read_row(const struct sealed *s, const char *name,
                         uint64_t row, size_t count, struct mlb_error *err)
{
    struct sealed_array a;
    struct sealed_rows one = { row, 1 };

    if (!sealed_find(s, name, &a) || a.type != SEALED_I64 || a.rank != 2 ||
        a.shape[1] != count || row >= a.shape[0]) {
        mlb_error_set(err, MLB_ERR_NOT_FOUND, "%s is not in the record",
                      name);
        return NULL;
    }
    int64_t *data = xmalloc(8 * count + 1);
    if (sealed_read(s, name, &one, data, err) == 0)
        return data;
    free(data);
    return NULL;
}

/* What was read of an entity: its rows as they are in the file. */
struct raw {
    size_t count;
    double *time;
    int64_t *value, *most;
};

static int read_raw(const struct record *r, enum metric_id m, size_t index,
                    struct raw *raw, struct mlb_error *err)
{
    const struct sealed *s = r->file->sealed;
    int scope = (int)metrics[m].scope;
    long attempt = scope == METRIC_TASK ? r->tasks[index].attempt
                 : scope == METRIC_NODE ? r->nodes[index].attempt
                                        : r->gpus[index].attempt;
    char *group = xasprintf("/series/%ld", attempt);
    char *time = xasprintf("%s/time", group);
    char *name = xasprintf("%s/%s", group, metrics[m].name);
    char *most = xasprintf("%s_max", name);
    uint64_t row;
    int rc = find_row(r, scope, index, &row, err);

    if (rc == 0 && !(raw->time = read_reals(s, time, &raw->count, err)))
        rc = -1;
    if (rc == 0 && !(raw->value = read_row(s, name, row, raw->count, err)))
        rc = -1;
    if (rc == 0)             /* or NULL: no more than value */
        raw->most = read_row(s, most, row, raw->count, NULL);
    free(most);
    free(name);
    free(time);
    free(group);
    return rc;
}

static void push_row(struct record_rows *rows, double time, double value,
                     double high)
{
    rows->time[rows->count] = time;
    rows->value[rows->count] = value;
    rows->high[rows->count++] = high;
}

/* Rows with a value, and one with none where there is a gap. */
static void make_rows(const struct raw *raw, enum metric_kind kind,
                      struct record_rows *rows)
{
    size_t reach = grid_reach(raw->value, raw->count), p = raw->count;

    for (size_t i = 0; i < raw->count; i++) {
        if (raw->value[i] == METRIC_MISSING)
            continue;
        bool near = p < raw->count && i - p <= reach;
        double value = (double)raw->value[i], high = value;
        if (raw->most && raw->most[i] != METRIC_MISSING)
            high = (double)raw->most[i];
        if (p < raw->count && !near)
            push_row(rows, raw->time[p + 1], NAN, NAN);
        if (kind == METRIC_GAUGE)
            push_row(rows, raw->time[i], value, high);
        else if (near) {
            double rate = (value - (double)raw->value[p]) /
                          (raw->time[i] - raw->time[p]);
            rate = rate >= 0 ? rate : NAN;
            push_row(rows, raw->time[i], rate, rate);
        }
        p = i;
    }
}

int record_rows(const struct record *record, enum metric_id metric,
                size_t index, struct record_rows *rows,
                struct mlb_error *err)
{
    struct raw raw = { 0 };
    int rc = read_raw(record, metric, index, &raw, err);

    if (rc == 0) {
        *rows = (struct record_rows){
            .time = xmalloc(8 * (raw.count + 1)),
            .value = xmalloc(8 * (raw.count + 1)),
            .high = xmalloc(8 * (raw.count + 1)),
        };
        make_rows(&raw, metrics[metric].kind, rows);
    }
    free(raw.time);
    free(raw.value);
    free(raw.most);
    return rc;
}
