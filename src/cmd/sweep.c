/* SPDX-License-Identifier: BSD-3-Clause */
/* Handing a sweep to the scheduler, as one array or as few as may be. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/json.h"
#include "cmd/sweep.h"
#include "run/points.h"

/* Slurm's own default of MaxArraySize, where it is not known. */
#define ARRAY_SIZE 1001

void sweep_parts_clear(struct sweep_parts *parts)
{
    for (size_t i = 0; i < parts->count; i++)
        free(parts->items[i].array.indices);
    free(parts->items);
    *parts = (struct sweep_parts)SWEEP_PARTS_INIT;
}

void sweep_parts_make(const long *points, long count, long array_size,
                      long at_once, struct sweep_parts *parts)
{
    long size = array_size > 0 ? array_size : ARRAY_SIZE;

    for (long i = 0, end; i < count; i = end) {
        long offset = points[i] / size * size;
        struct mlb_text indices = MLB_TEXT_INIT;
        for (end = i; end < count && points[end] < offset + size; end++)
            indices_add(&indices, points[end] - offset);
        parts->items = xrealloc(parts->items, (parts->count + 1) *
                                                  sizeof(*parts->items));
        struct sweep_part *part = &parts->items[parts->count++];
        *part = (struct sweep_part){
            .array = { end - i, offset, text_detach(&indices), at_once },
        };
        cmd_make_token(part->token);
    }
}

static const struct sweep_part *part_of(const struct sweep_parts *parts,
                                        long point)
{
    for (size_t i = 0; i < parts->count; i++) {
        const struct mlb_array *array = &parts->items[i].array;
        if (point >= array->offset &&
            indices_have(array->indices, point - array->offset))
            return &parts->items[i];
    }
    return NULL;
}

/* The plan of one point, as one job would have it. */
static int point_fields(struct cmd_submission *s,
                        const struct cmd_context *context,
                        const struct mlb_run *point, const char *token,
                        struct mlb_fields *fields, struct mlb_error *err)
{
    struct cmd_prepared *p = &s->prepared;
    const struct mlb_array array = p->array;

    p->array.points = 0;
    snprintf(p->token, sizeof(p->token), "%s", token);
    struct mlb_plan *plan = cmd_prepare_plan(context, p, point->id,
                                             point->path);
    p->array = array;
    if (!plan)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s",
                             p->problems.lines.count
                                 ? p->problems.lines.items[0] : "no plan");
    plan_agent_fields(plan, p->job, context->site, fields);
    plan_destroy(plan);
    return 0;
}

int sweep_template(struct cmd_submission *s,
                   const struct cmd_context *context,
                   struct mlb_fields *fields, struct mlb_error *err)
{
    struct cmd_prepared *p = &s->prepared;
    struct mlb_fields first = MLB_FIELDS_INIT;
    char mark[33];

    cmd_make_token(mark);
    sweep_point(&p->sweep, 0, &first);
    fields_clear(&p->values);
    for (size_t i = 0; i < first.pairs.count; i++) {
        char *name = xstrndup(first.pairs.items[i],
                              strcspn(first.pairs.items[i], "="));
        fields_addf(&p->values, name, "%s.%s.", mark, name);
        free(name);
    }
    struct mlb_run point = {
        .id = xasprintf("%s/%s#", s->run.id, mark),
        .path = xasprintf("%s/points/%s#", s->run.path, mark),
    };
    int rc = point_fields(s, context, &point, s->parts.items[0].token, fields,
                          err);
    fields_add(fields, "mark", mark);
    run_clear(&point);
    fields_clear(&p->values);
    strings_copy(&p->values.pairs, &first.pairs);
    fields_clear(&first);
    return rc;
}

void sweep_records(const struct cmd_submission *s, struct mlb_text *out)
{
    const struct sweep *sweep = &s->prepared.sweep;
    struct mlb_fields *records =
        xcalloc((size_t)sweep->count, sizeof(*records));

    for (long i = 0; i < sweep->count; i++) {
        struct mlb_fields values = MLB_FIELDS_INIT;
        records[i] = (struct mlb_fields)MLB_FIELDS_INIT;
        sweep_point(sweep, i, &values);
        fields_add(&records[i], "token", part_of(&s->parts, i)->token);
        for (size_t j = 0; j < values.pairs.count; j++)
            fields_add(&records[i], "value", values.pairs.items[j]);
        fields_clear(&values);
    }
    points_format(records, sweep->count, out);
    for (long i = 0; i < sweep->count; i++)
        fields_clear(&records[i]);
    free(records);
}

/* Add a part to RUN/submission and tell it in the log. */
static int write_part(const struct cmd_submission *s,
                      const struct sweep_part *part, struct mlb_error *err)
{
    const struct mlb_plan *plan = s->prepared.plan;
    struct mlb_fields f = MLB_FIELDS_INIT;
    char *path = run_path(&s->run, "submission");

    fields_read(&f, path, NULL);
    fields_set(&f, "scheduler", plan->scheduler);
    fields_set(&f, "id", s->id);
    fields_set(&f, "token", part->token);
    fields_addf(&f, "part", "%s %s %ld %s", s->id, part->token,
                part->array.offset, part->array.indices);
    int rc = fields_write(&f, path, err);
    if (rc == 0)
        rc = events_append(s->run.path, "submit", "submitted",
                           json_pack("{s:o, s:o, s:I}", "scheduler",
                                     json_text(plan->scheduler), "job",
                                     json_text(s->id), "points",
                                     (json_int_t)part->array.points), err);
    if (rc < 0)
        mlb_error_prefix(err, "%s runs as job %s, but", s->run.id, s->id);
    fields_clear(&f);
    free(path);
    return rc;
}

/* RUN/script is that of the first part; the others' are beside it, for a
 * point of an earlier one may yet start. */
static int write_script(const struct cmd_submission *s, struct mlb_error *err)
{
    const struct mlb_plan *plan = s->prepared.plan;
    char *path = xasprintf("%s/script-%s", s->run.path, plan->token);
    int rc = files_publish(path, plan->script, strlen(plan->script), 0700,
                           err);

    free(path);
    return rc;
}

int sweep_submit(struct cmd_submission *s, const struct cmd_context *context,
                 const struct sweep_parts *parts,
                 const struct scheduler_retry *retry, struct mlb_error *err)
{
    struct cmd_prepared *p = &s->prepared;
    const struct mlb_array first = p->array;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < parts->count; i++) {
        const struct sweep_part *part = &parts->items[i];
        p->array = part->array;
        snprintf(p->token, sizeof(p->token), "%s", part->token);
        struct mlb_plan *plan = cmd_prepare_plan(context, p, s->run.id,
                                                 s->run.path);
        if (!plan) {
            rc = mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s",
                               p->problems.lines.items[0]);
            break;
        }
        plan_destroy(p->plan);
        p->plan = plan;
        if (s->parts.count == 0 || i > 0)
            rc = write_script(s, err);
        if (rc == 0)
            rc = scheduler_submit(p->scheduler, p->plan, context->site,
                                  retry,
                                  s->id, err);
        if (rc == 0)
            rc = write_part(s, part, err);
        else if (i > 0)
            mlb_error_prefix(err, "points from %ld on were not submitted "
                             "(mlbatch submit --failed-of %s will)",
                             part->array.offset, s->run.id);
    }
    p->array = first;
    return rc;
}

/* ---- those that failed ---- */

/* A point gets a plan for its new part, in a directory of its own. */
static int renew_point(struct cmd_submission *s,
                       const struct cmd_context *context,
                       const struct cmd_run *point, const char *token,
                       struct mlb_error *err)
{
    struct mlb_fields record = MLB_FIELDS_INIT, all = MLB_FIELDS_INIT;
    struct mlb_strings values = MLB_STRINGS_INIT;
    char *path = run_path(&point->run, "plan");
    int rc = points_read(s->run.path, point->run.point, &record, err);

    if (rc == 0)
        rc = points_make(&point->run, point->submission.id, err);
    if (rc == 0) {
        fields_get_all(&record, "value", &values);
        fields_clear(&s->prepared.values);
        strings_copy(&s->prepared.values.pairs, &values);
        rc = point_fields(s, context, &point->run, token, &all, err);
    }
    if (rc == 0)
        rc = fields_write(&all, path, err);
    strings_clear(&values);
    fields_clear(&record);
    fields_clear(&all);
    free(path);
    return rc;
}

/* Each of them has its own log by now. */
static int tell_points(const struct cmd_submission *s,
                       const struct cmd_run *sweep, const long *points,
                       long count, struct mlb_error *err)
{
    for (long i = 0; i < count; i++) {
        struct mlb_submission now = { 0 };
        const struct mlb_run *run = &sweep->points[points[i]].run;
        if (run_submission(run, &now, err) < 0)
            return -1;
        int rc = events_append(run->path, "submit", "submitted",
                               json_pack("{s:o, s:o}", "scheduler",
                                         json_text(now.scheduler), "job",
                                         json_text(now.id)), err);
        submission_forget(&now);
        if (rc < 0)
            return -1;
    }
    (void)s;
    return 0;
}

static bool has_failed(const struct cmd_run *run)
{
    return run->lost || (state_is_final(run->state.state) &&
                         run->state.state != MLB_STATE_COMPLETED);
}

static void say(const char *line, void *data)
{
    (void)data;
    fprintf(stderr, "mlbatch: %s\n", line);
}

static int send_failed(struct cmd_submission *s,
                       const struct cmd_context *context,
                       const struct cmd_run *sweep, const long *points,
                       long count, long patience)
{
    const struct scheduler_retry retry = { .patience = patience, .say = say };
    struct sweep_parts parts = SWEEP_PARTS_INIT;
    struct mlb_error err = { 0 };
    int rc = 0;

    sweep_parts_make(points, count, s->prepared.array_size,
                     s->prepared.job->sweep.at_once, &parts);
    for (long i = 0; rc == 0 && i < count; i++)
        rc = renew_point(s, context, &sweep->points[points[i]],
                         part_of(&parts, points[i])->token, &err);
    if (rc == 0)
        rc = sweep_submit(s, context, &parts, &retry, &err);
    if (rc == 0)
        rc = tell_points(s, sweep, points, count, &err);
    sweep_parts_clear(&parts);
    return rc < 0 ? cmd_fail(&err) : 0;
}

int sweep_failed_of(struct cmd_submission *s,
                    const struct cmd_context *context, const char *which,
                    const struct cmd_request *changes, long patience)
{
    struct cmd_run run = { 0 };
    struct mlb_error err = { 0 };
    long *points = NULL, count = 0;
    int code = 0;

    if (cmd_run_get(context, which, &run, &err) < 0) {
        code = cmd_fail(&err);
        goto out;
    }
    points = xcalloc(run.point_count, sizeof(*points));
    for (size_t i = 0; i < run.point_count; i++)
        if (has_failed(&run.points[i]))
            points[count++] = (long)i;
    if (run.point_count > 0 ? count == 0 : !has_failed(&run)) {
        mlb_error_set(&err, MLB_ERR_FAILED, "nothing of %s has failed: it is "
                      "%s%s%s", run.run.id, state_name(run.state.state),
                      run.state.text[0] ? ", " : "", run.state.text);
        code = cmd_fail(&err);
    } else if (run.point_count == 0) {
        code = submission_again(s, context, which, changes);
        if (code == 0)
            code = submission_send(s, context, patience);
    } else {
        code = submission_reread(s, context, &run, changes);
        if (code == 0)
            code = send_failed(s, context, &run, points, count, patience);
    }
out:
    free(points);
    cmd_run_clear(&run);
    return code;
}
