/* SPDX-License-Identifier: BSD-3-Clause */
/* Making a run and handing it to the scheduler, once and only once. */
#include "config.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "base/json.h"
#include "base/process.h"
#include "cmd/submission.h"
#include "cmd/sweep.h"
#include "run/lock.h"
#include "run/points.h"

#define LOCK_PATIENCE 5          /* seconds that another submit may take */

void submission_clear(struct cmd_submission *s)
{
    if (s->locked)
        lock_release(s->run.path, LOCK_SUBMIT);
    cmd_prepared_clear(&s->prepared);
    run_clear(&s->run);
    sweep_parts_clear(&s->parts);
    *s = (struct cmd_submission)CMD_SUBMISSION_INIT;
}

int submission_new(struct cmd_submission *s,
                   const struct cmd_context *context,
                   const struct cmd_request *request)
{
    struct cmd_prepared *p = &s->prepared;
    struct mlb_error err = { 0 };

    p->job = cmd_request_job(request, &p->problems, &err);
    if (!p->job) {
        problems_print(&p->problems, stderr);
        return cmd_fail(&err);
    }
    if (request->fit)
        cmd_fit(context, p->job);
    p->directory = getcwd(NULL, 0);
    p->hold = request->hold;
    return cmd_prepare(context, p);
}

/* A file of the run, or of the sweep that it is a point of and has not been
 * submitted without. Caller frees. */
static char *kept_file(const struct mlb_run *run, const char *name)
{
    char *path = run_path(run, name);

    if (run->sweep && !files_is_file(path)) {
        free(path);
        path = xasprintf("%s/%s", run->sweep, name);
    }
    return path;
}

/* The values of a point that is submitted alone. */
static int read_values(struct cmd_submission *s, struct mlb_error *err)
{
    struct mlb_fields record = MLB_FIELDS_INIT;
    int rc = 0;

    s->prepared.alone = s->run.sweep != NULL;
    if (s->run.sweep)
        rc = points_read(s->run.sweep, s->run.point, &record, err);
    fields_get_all(&record, "value", &s->prepared.values.pairs);
    fields_clear(&record);
    return rc;
}

/* The job and the directory of a run as they were, with changes. */
static int read_again(struct cmd_submission *s,
                      const struct cmd_request *changes,
                      struct mlb_error *err)
{
    struct cmd_prepared *p = &s->prepared;
    struct mlb_fields old = MLB_FIELDS_INIT;
    char *conf = kept_file(&s->run, "job.conf");
    char *plan = kept_file(&s->run, "plan");
    int rc = -1;

    p->job = job_create();
    if (read_values(s, err) < 0 ||
        job_read_file(p->job, conf, &p->problems, err) < 0)
        goto out;
    for (size_t i = 0; i < changes->values.count; i++)
        job_set_option(p->job, changes->options[i],
                       changes->values.items[i], &p->problems);
    for (size_t i = 0; i < changes->overrides.count; i++)
        job_override(p->job, changes->overrides.items[i], &p->problems);
    if (fields_read(&old, plan, err) == 0) {
        p->directory = xstrdup(fields_get(&old, "directory"));
        rc = 0;
    }
out:
    fields_clear(&old);
    free(conf);
    free(plan);
    return rc;
}

/* The submission before may have got through although its answer was lost:
 * 1 if the scheduler has it (and the run now says so), 0 if not. */
static int find_lost(struct cmd_submission *s,
                     const struct cmd_context *context,
                     struct mlb_error *err)
{
    struct cmd_prepared *p = &s->prepared;
    struct mlb_fields old = MLB_FIELDS_INIT;
    char *path = run_path(&s->run, "plan");
    int found = -1;

    if (fields_read(&old, path, err) == 0) {
        const char *token = fields_get(&old, "token");
        free(p->plan->comment);
        free(p->plan->token);
        p->plan->token = xstrdup(token ? token : "");
        p->plan->comment = xasprintf("mlbatch run=%s token=%s", s->run.id,
                                     p->plan->token);
        found = p->scheduler->find(p->plan, context->site, s->id, err);
    }
    fields_clear(&old);
    free(path);
    return found;
}

static int write_submission(const struct cmd_submission *s,
                            struct mlb_error *err)
{
    struct mlb_fields f = MLB_FIELDS_INIT;
    char *path = run_path(&s->run, "submission");

    fields_add(&f, "scheduler", s->prepared.plan->scheduler);
    fields_add(&f, "id", s->id);
    fields_add(&f, "token", s->prepared.plan->token);
    int rc = fields_write(&f, path, err);
    if (rc == 0)
        rc = events_append(s->run.path, "submit", "submitted",
                           json_pack("{s:o, s:o, s:b, s:I}", "scheduler",
                                     json_text(s->prepared.plan->scheduler),
                                     "job", json_text(s->id), "restart",
                                     s->restart, "attempts",
                                     (json_int_t)s->attempts), err);
    fields_clear(&f);
    free(path);
    return rc;
}

/* Does the agent of the run's own last job ask, which is about to end? */
static bool is_restart(const struct cmd_run *run)
{
    const char *job = getenv("MLB_RESUBMIT");

    return job && *job && strcmp(job, run->submission.id) == 0;
}

/* The run that is to be submitted once more, locked until it is, and known
 * to have ended. */
static int take_ended(struct cmd_submission *s,
                      const struct cmd_context *context, const char *which,
                      struct cmd_run *run, struct mlb_error *err)
{
    if (run_find(context->store, which, &s->run, err) < 0)
        return -1;
    if (lock_take(s->run.path, LOCK_SUBMIT, LOCK_PATIENCE, err) < 0)
        return mlb_error_prefix(err, "%s is being submitted", s->run.id);
    s->locked = true;
    if (cmd_run_get(context, s->run.path, run, err) < 0)
        return -1;
    enum mlb_state state = run->state.state;
    s->restart = is_restart(run);
    s->attempts = run->state.attempts;
    if (!state_is_final(state) && !run->lost && !s->restart)
        return mlb_error_set(err, MLB_ERR_FAILED,
                             "%s has not ended: it is %s%s%s; cancel it "
                             "first", run->run.id, state_name(state),
                             run->state.text[0] ? ", " : "",
                             run->state.text);
    if (run->point_count > 0 && state != MLB_STATE_NOT_SUBMITTED)
        return mlb_error_set(err, MLB_ERR_USAGE,
                             "%s is a sweep: submit one point again (%s/0), "
                             "or all that failed (--failed-of=%s)",
                             run->run.id, run->run.id, run->run.id);
    return 0;
}

int submission_again(struct cmd_submission *s,
                     const struct cmd_context *context, const char *which,
                     const struct cmd_request *changes)
{
    struct cmd_run run = { 0 };
    struct mlb_error err = { 0 };
    int code = 0;

    s->again = true;
    if (take_ended(s, context, which, &run, &err) < 0 ||
        read_again(s, changes, &err) < 0) {
        code = cmd_fail(&err);
        goto out;
    }
    if (changes->fit)
        cmd_fit(context, s->prepared.job);
    s->prepared.hold = changes->hold;
    s->prepared.again = s->run.id;
    code = cmd_prepare(context, &s->prepared);
    /* Of a sweep whose answer was lost, each point would end at once, its
     * token being another one now. */
    if (code || run.point_count > 0 ||
        (run.state.state != MLB_STATE_NOT_SUBMITTED && !run.lost))
        goto out;
    int found = find_lost(s, context, &err);
    if (found < 0 && err.code != MLB_ERR_UNREACHABLE)
        code = cmd_fail(&err);
    if (found > 0) {
        code = write_submission(s, &err) < 0 ? cmd_fail(&err)
                                             : MLB_ERR_FAILED;
        fprintf(stderr, "mlbatch: %s had been submitted after all, as job "
                "%s; nothing was submitted now\n", s->run.id, s->id);
    }
out:
    cmd_run_clear(&run);
    return code;
}

int submission_reread(struct cmd_submission *s,
                      const struct cmd_context *context,
                      const struct cmd_run *run,
                      const struct cmd_request *changes)
{
    struct mlb_error err = { 0 };

    s->again = true;
    run_copy(&run->run, &s->run);
    if (read_again(s, changes, &err) < 0)
        return cmd_fail(&err);
    if (changes->fit)
        cmd_fit(context, s->prepared.job);
    s->prepared.hold = changes->hold;
    s->prepared.again = s->run.id;
    return cmd_prepare(context, &s->prepared);
}

static json_t *created_fields(const struct mlb_job *job)
{
    const struct passwd *user = getpwuid(getuid());

    return json_pack("{s:o, s:o, s:s, s:o}", "user",
                     user ? json_text(user->pw_name) : json_null(), "host",
                     json_text(process_host()), "version", PACKAGE_VERSION,
                     "job", json_text(job->name));
}

/* The run's plan; of a sweep that of its first part. */
static void plan_run(struct cmd_submission *s,
                     const struct cmd_context *context)
{
    struct cmd_prepared *p = &s->prepared;
    const struct mlb_array whole = p->array;

    if (s->parts.count == 0) {
        cmd_prepare_run(context, p, &s->run);
        return;
    }
    p->array = s->parts.items[0].array;
    snprintf(p->token, sizeof(p->token), "%s", s->parts.items[0].token);
    plan_destroy(p->plan);
    p->plan = cmd_prepare_plan(context, p, s->run.id, s->run.path);
    p->array = whole;
}

/* What the node needs: plan, job and script. */
static int write_files(struct cmd_submission *s,
                       const struct cmd_context *context,
                       struct mlb_error *err)
{
    struct cmd_prepared *p = &s->prepared;
    struct mlb_fields f = MLB_FIELDS_INIT;
    struct mlb_text conf = MLB_TEXT_INIT, plan = MLB_TEXT_INIT;
    struct mlb_text sweep = MLB_TEXT_INIT;
    char *paths[] = { run_path(&s->run, "job.conf"),
                      run_path(&s->run, "script"),
                      run_path(&s->run, "plan"),
                      run_path(&s->run, "sweep") };
    int rc = -1;

    if (s->parts.count > 0) {
        sweep_records(s, &sweep);
        if (sweep_template(s, context, &f, err) < 0)
            goto out;
    }
    plan_run(s, context);
    if (!p->plan) {
        mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s",
                      p->problems.lines.count ? p->problems.lines.items[0]
                                              : "no plan");
        goto out;
    }
    if (s->parts.count == 0)
        plan_agent_fields(p->plan, p->job, context->site, &f);
    fields_format(&f, &plan);
    job_write(p->job, &conf);
    const struct files_item items[] = {
        { paths[0], conf.data, conf.length, 0600 },
        { paths[1], p->plan->script, strlen(p->plan->script), 0700 },
        { paths[2], plan.data, plan.length, 0600 },
        { paths[3], sweep.data, sweep.length, 0600 },
    };
    rc = files_publish_set(items, s->parts.count > 0 ? 4 : 3, err);
out:
    fields_clear(&f);
    text_clear(&conf);
    text_clear(&plan);
    text_clear(&sweep);
    for (size_t i = 0; i < 4; i++)
        free(paths[i]);
    return rc;
}

/* Was whoever made the run killed before its code was stored? It was never
 * submitted then, so the code as it is now is the code that it runs with;
 * what had been stored goes, so that nothing old is mixed in. */
static bool take_up(const struct mlb_run *run)
{
    struct mlb_events events = MLB_EVENTS_INIT;
    bool whole = events_read(run->path, &events, NULL) < 0 ||
                 events_last(&events, "created") ||
                 events_last(&events, "submitted") ||
                 events_last(&events, "attempt-start");
    char *code = run_path(run, "code");

    events_clear(&events);
    if (!whole)
        whole = files_remove_tree(code, NULL) < 0 ||
                files_mkdirs(code, NULL) < 0;
    free(code);
    return !whole;
}

/* All of the run must be there before the scheduler hears of it. While
 * git stores the code the scheduler's library can be made ready, which takes
 * as long. */
static int write_run(struct cmd_submission *s,
                     const struct cmd_context *context,
                     struct mlb_error *err)
{
    struct cmd_prepared *p = &s->prepared;
    struct run_snapshot_work work = {
        .run = &s->run, .directory = p->directory, .files = &p->job->files,
    };

    if (s->run.sweep && points_make(&s->run, "", err) < 0)
        return -1;
    if (s->again && !take_up(&s->run))
        return write_files(s, context, err);
    if (run_snapshot_begin(&work, err) < 0)
        return -1;
    int rc = write_files(s, context, err);
    if (rc == 0 && p->scheduler->wake)
        p->scheduler->wake();
    if (run_snapshot_end(&work, rc < 0 ? NULL : err) < 0)
        rc = -1;
    /* Last: it says that all of the run is there. */
    if (rc == 0)
        rc = events_append(s->run.path, "submit", "created",
                           created_fields(p->job), err);
    return rc;
}

static void say(const char *line, void *data)
{
    (void)data;
    fprintf(stderr, "mlbatch: %s\n", line);
}

/* The scheduler said no, or nothing. */
static int not_submitted(struct cmd_submission *s, struct mlb_error *err)
{
    if (!s->again && err->code != MLB_ERR_UNREACHABLE) {
        struct mlb_error ignored;
        files_remove_tree(s->run.path, &ignored);
        return cmd_fail(err);
    }
    events_append(s->run.path, "submit", "not-submitted",
                  json_pack("{s:o}", "text", json_text(err->text)), NULL);
    cmd_fail(err);
    fprintf(stderr, "mlbatch: %s is not submitted; try later: mlbatch submit "
            "--again %s\n", s->run.id, s->run.id);
    return err->code;
}

static int send_one(struct cmd_submission *s,
                    const struct cmd_context *context,
                    const struct scheduler_retry *retry)
{
    struct mlb_error err = { 0 };

    if (scheduler_submit(s->prepared.scheduler, s->prepared.plan,
                         context->site, retry, s->id, &err) < 0)
        return not_submitted(s, &err);
    if (write_submission(s, &err) < 0) {
        mlb_error_prefix(&err, "%s runs as job %s, but", s->run.id, s->id);
        return cmd_fail(&err);
    }
    return 0;
}

/* All points of a new sweep. What the scheduler has of it stays. */
static int send_parts(struct cmd_submission *s,
                      const struct cmd_context *context,
                      const struct scheduler_retry *retry)
{
    struct mlb_error err = { 0 };
    int rc = sweep_submit(s, context, &s->parts, retry, &err);

    if (rc < 0 && s->id[0])
        return cmd_fail(&err);
    return rc < 0 ? not_submitted(s, &err) : 0;
}

static void part_sweep(struct cmd_submission *s)
{
    const struct cmd_prepared *p = &s->prepared;
    long *points = xcalloc((size_t)p->sweep.count, sizeof(*points));

    for (long i = 0; i < p->sweep.count; i++)
        points[i] = i;
    sweep_parts_make(points, p->sweep.count,
                     p->scheduler->limits ? p->array_size : p->sweep.count,
                     p->job->sweep.at_once, &s->parts);
    free(points);
}

int submission_send(struct cmd_submission *s,
                    const struct cmd_context *context, long patience)
{
    const struct scheduler_retry retry = { .patience = patience, .say = say };
    struct mlb_error err = { 0 };

    if (!s->again &&
        run_create(context->store, s->prepared.job->name, &s->run, &err) < 0)
        return cmd_fail(&err);
    part_sweep(s);
    if (write_run(s, context, &err) < 0) {
        struct mlb_error ignored;
        if (!s->again)
            files_remove_tree(s->run.path, &ignored);
        return cmd_fail(&err);
    }
    return s->parts.count > 0 ? send_parts(s, context, &retry)
                              : send_one(s, context, &retry);
}
