/* SPDX-License-Identifier: BSD-3-Clause */
/* The points of a sweep: runs of their own below the run that is the sweep. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "run/events.h"
#include "run/points.h"

/* Sizes of the file's head: one line, and a line with the offset of each
 * record and of the end. */
#define HEAD "mlbatch-sweep 1 %09ld\n"
#define HEAD_BYTES 26
#define LINE "%015lld\n"
#define LINE_BYTES 16
#define RECORD_LIMIT (64LL << 20)
#define POINTS_LIMIT 1000000L

void points_format(const struct mlb_fields *records, long count,
                   struct mlb_text *out)
{
    struct mlb_text bodies = MLB_TEXT_INIT;
    long long start = HEAD_BYTES + (long long)(count + 1) * LINE_BYTES;

    text_addf(out, HEAD, count);
    for (long i = 0; i < count; i++) {
        text_addf(out, LINE, start + (long long)bodies.length);
        fields_format(&records[i], &bodies);
    }
    text_addf(out, LINE, start + (long long)bodies.length);
    text_addn(out, bodies.data, bodies.length);
    text_clear(&bodies);
}

/* ---- reading ---- */

static int open_sweep(const char *run_dir)
{
    char *path = xasprintf("%s/sweep", run_dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    free(path);
    return fd;
}

static bool read_at(int fd, char *to, size_t length, long long offset)
{
    return pread(fd, to, length, offset) == (ssize_t)length;
}

static long count_of(int fd)
{
    char head[HEAD_BYTES + 1] = "";
    long count = 0;

    if (fd < 0 || !read_at(fd, head, HEAD_BYTES, 0) ||
        sscanf(head, "mlbatch-sweep 1 %9ld", &count) != 1 ||
        count > POINTS_LIMIT)
        return 0;
    return count;
}

long points_count(const char *run_dir)
{
    int fd = open_sweep(run_dir);
    long count = count_of(fd);

    if (fd >= 0)
        close(fd);
    return count > 0 ? count : 0;
}

static int read_record(int fd, long point, struct mlb_fields *record,
                       struct mlb_error *err)
{
    char lines[2 * LINE_BYTES + 1] = "";
    long long from, to;

    if (!read_at(fd, lines, 2 * LINE_BYTES,
                 HEAD_BYTES + (long long)point * LINE_BYTES) ||
        sscanf(lines, "%lld %lld", &from, &to) != 2 || from < HEAD_BYTES ||
        to < from || to - from > RECORD_LIMIT)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "sweep: is damaged");
    size_t length = (size_t)(to - from);
    char *bytes = xmalloc(length + 1);
    int rc = read_at(fd, bytes, length, from)
                 ? fields_parse(record, bytes, length, err)
                 : mlb_error_set(err, MLB_ERR_BAD_INPUT, "sweep: is cut off");
    free(bytes);
    return rc;
}

int points_read(const char *run_dir, long point, struct mlb_fields *record,
                struct mlb_error *err)
{
    int fd = open_sweep(run_dir);
    long count = count_of(fd);
    int rc = point >= 0 && point < count
                 ? read_record(fd, point, record, err)
                 : mlb_error_set(err, MLB_ERR_NOT_FOUND,
                                 "no point %ld: there are %ld", point, count);

    if (rc < 0)
        mlb_error_prefix(err, "%s", run_dir);
    if (fd >= 0)
        close(fd);
    return rc;
}

void points_run(const struct mlb_run *sweep, long point, struct mlb_run *run)
{
    *run = (struct mlb_run){
        .id = xasprintf("%s/%ld", sweep->id, point),
        .path = xasprintf("%s/points/%ld", sweep->path, point),
        .sweep = xstrdup(sweep->path), .point = point,
    };
}

/* ---- making ---- */

/* The value of that name in a record, and its length with the dot behind it;
 * NULL if there is none. */
static const char *find_value(const struct mlb_strings *values,
                              const char *name, size_t *length)
{
    *length = strcspn(name, ".");
    for (size_t i = 0; i < values->count; i++) {
        const char *equals = strchr(values->items[i], '=');
        if (equals && (size_t)(equals - values->items[i]) == *length &&
            strncmp(values->items[i], name, *length) == 0)
            return equals + 1;
    }
    return NULL;
}

/* One pair of the plan, with what the marks stand for. What is put in is not
 * looked at again. */
static void fill_in(const char *pair, const char *mark,
                    const struct mlb_strings *values, long point,
                    struct mlb_text *out)
{
    for (const char *at; (at = strstr(pair, mark));) {
        const char *rest = at + strlen(mark);
        size_t length;
        text_addn(out, pair, (size_t)(at - pair));
        const char *value =
            *rest == '.' ? find_value(values, rest + 1, &length) : NULL;
        if (*rest == '#') {
            text_addf(out, "%ld", point);
            pair = rest + 1;
        } else if (value) {
            text_add(out, value);
            pair = rest + 1 + length + (rest[1 + length] == '.');
        } else {
            text_add(out, mark);
            pair = rest;
        }
    }
    text_add(out, pair);
}

/* Which fields of the sweep's plan a point's has from its record, or not. */
static bool is_own(const char *pair)
{
    return strncmp(pair, "token=", 6) == 0 || strncmp(pair, "mark=", 5) == 0;
}

static int make_plan(const struct mlb_run *point, struct mlb_text *plan,
                     struct mlb_error *err)
{
    struct mlb_fields whole = MLB_FIELDS_INIT, record = MLB_FIELDS_INIT;
    struct mlb_fields own = MLB_FIELDS_INIT;
    struct mlb_strings values = MLB_STRINGS_INIT;
    char *path = xasprintf("%s/plan", point->sweep);
    int rc = fields_read(&whole, path, err);
    const char *mark = fields_get(&whole, "mark");

    if (rc == 0)
        rc = points_read(point->sweep, point->point, &record, err);
    if (rc == 0 && (!mark || !*mark))
        rc = mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s: no field mark", path);
    fields_get_all(&record, "value", &values);
    for (size_t i = 0; rc == 0 && i < whole.pairs.count; i++) {
        struct mlb_text pair = MLB_TEXT_INIT;
        fill_in(whole.pairs.items[i], mark, &values, point->point, &pair);
        if (!is_own(whole.pairs.items[i]))
            strings_push(&own.pairs, pair.data);
        text_clear(&pair);
    }
    const char *token = fields_get(&record, "token");
    fields_add(&own, "token", token ? token : "");
    fields_format(&own, plan);
    strings_clear(&values);
    fields_clear(&own);
    fields_clear(&record);
    fields_clear(&whole);
    free(path);
    return rc;
}

/* What a run's log begins with, from the sweep's. */
static int begin_log(const struct mlb_run *point, const char *job,
                     struct mlb_error *err)
{
    struct mlb_events events = MLB_EVENTS_INIT;
    int rc = events_read(point->sweep, &events, err);
    const struct mlb_event *all[] = { events_last(&events, "created"),
                                      events_last(&events, "submitted") };

    for (size_t i = 0; rc == 0 && i < 2; i++) {
        if (!all[i])
            continue;
        json_t *fields = json_copy(all[i]->fields);
        json_object_del(fields, "event");
        if (i == 1)
            json_object_set_new(fields, "job", json_string(job));
        rc = events_append(point->path, "submit", all[i]->name, fields, err);
    }
    events_clear(&events);
    return rc;
}

int points_make(const struct mlb_run *point, const char *job,
                struct mlb_error *err)
{
    struct mlb_text plan = MLB_TEXT_INIT;
    char *points = xasprintf("%s/points", point->sweep);
    char *path = run_path(point, "plan");
    int rc = files_is_file(path) ? 1 : files_mkdirs(points, err);

    if (rc == 0)
        rc = run_make(point->path, err);
    if (rc == 0)
        rc = make_plan(point, &plan, err);
    if (rc == 0)
        rc = begin_log(point, job, err);
    /* Last: it says that all of it is there. */
    if (rc == 0 &&
        files_publish_new(path, plan.data, plan.length, 0600, err) < 0)
        rc = errno == EEXIST ? 0 : -1;
    text_clear(&plan);
    free(path);
    free(points);
    return rc < 0 ? -1 : 0;
}

/* ---- parts ---- */

bool indices_have(const char *indices, long index)
{
    for (const char *p = indices; *p;) {
        char *end;
        long first = strtol(p, &end, 10), last = first;
        if (end == p)
            return false;
        if (*end == '-')
            last = strtol(end + 1, &end, 10);
        if (index >= first && index <= last)
            return true;
        p = end + (*end == ',');
        if (p == end && *end)
            return false;
    }
    return false;
}

void indices_add(struct mlb_text *indices, long index)
{
    const char *comma = strrchr(indices->data, ',');
    const char *range = comma ? comma + 1 : indices->data;
    const char *dash = strchr(range, '-');

    if (indices->length == 0) {
        text_addf(indices, "%ld", index);
    } else if (strtol(dash ? dash + 1 : range, NULL, 10) + 1 != index) {
        text_addf(indices, ",%ld", index);
    } else {
        if (dash)
            indices->length = (size_t)(dash - indices->data);
        indices->data[indices->length] = '\0';
        text_addf(indices, "-%ld", index);
    }
}

char *points_job(const struct mlb_fields *submission, const char *token,
                 long point)
{
    struct mlb_strings parts = MLB_STRINGS_INIT;
    char *job = NULL;

    fields_get_all(submission, "part", &parts);
    for (size_t i = parts.count; i-- > 0 && !job;) {
        char id[128], key[128];
        long offset;
        int end = 0;
        if (sscanf(parts.items[i], "%127s %127s %ld %n", id, key, &offset,
                   &end) == 3 && end > 0 && strcmp(key, token) == 0 &&
            point >= offset &&
            indices_have(parts.items[i] + end, point - offset))
            job = xasprintf("%s_%ld", id, point - offset);
    }
    strings_clear(&parts);
    return job;
}
