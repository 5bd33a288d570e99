/* SPDX-License-Identifier: BSD-3-Clause */
/* A run's last submission: what was asked, and what was answered. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "run/points.h"

/* Fields of a file in the run; a missing file has none. */
static int read_part(const struct mlb_run *run, const char *part,
                     struct mlb_fields *fields, struct mlb_error *err)
{
    struct mlb_error why = { 0 };
    char *path = run_path(run, part);
    int rc = fields_read(fields, path, &why);

    if (rc < 0 && why.code == MLB_ERR_NOT_FOUND)
        rc = 0;
    if (rc < 0 && err)
        *err = why;
    free(path);
    return rc;
}

/* The job id in the claim of a token, "" if there is none. */
static int claimed_id(const struct mlb_run *run, const char *token, char **id,
                      struct mlb_error *err)
{
    struct mlb_fields claim = MLB_FIELDS_INIT;
    const char *job = NULL;
    int rc = 0;

    /* A token is a plain word; anything else must not lead elsewhere. */
    if (token && *token && *token != '.' && !strchr(token, '/')) {
        char *part = xasprintf("claims/%s", token);
        rc = read_part(run, part, &claim, err);
        free(part);
        job = fields_get(&claim, "job");
    }
    if (rc == 0)
        *id = xstrdup(job ? job : "");
    fields_clear(&claim);
    return rc;
}

void submission_forget(struct mlb_submission *submission)
{
    free(submission->scheduler);
    free(submission->id);
    free(submission->token);
    *submission = (struct mlb_submission){ 0 };
}

static char *copy_field(const struct mlb_fields *fields, const char *name)
{
    const char *value = fields_get(fields, name);

    return xstrdup(value ? value : "");
}

/* What a point's own files would say, had it ever been alone: from those of
 * its sweep. */
static int sweep_part(const struct mlb_run *run, struct mlb_fields *plan,
                      char **id, struct mlb_error *err)
{
    struct mlb_run sweep = { .path = run->sweep };
    struct mlb_fields done = MLB_FIELDS_INIT;
    int rc = 0;

    if (plan->pairs.count == 0) {
        rc = read_part(&sweep, "plan", plan, err);
        if (rc == 0) {
            struct mlb_fields record = MLB_FIELDS_INIT;
            rc = points_read(run->sweep, run->point, &record, err);
            const char *token = fields_get(&record, "token");
            if (token)
                fields_set(plan, "token", token);
            fields_clear(&record);
        }
    }
    if (rc == 0)
        rc = read_part(&sweep, "submission", &done, err);
    const char *token = fields_get(plan, "token");
    if (rc == 0 && token)
        *id = points_job(&done, token, run->point);
    fields_clear(&done);
    return rc;
}

int run_submission(const struct mlb_run *run,
                   struct mlb_submission *submission, struct mlb_error *err)
{
    struct mlb_fields plan = MLB_FIELDS_INIT, done = MLB_FIELDS_INIT;
    struct mlb_submission found = { 0 };
    int rc = -1;

    if (read_part(run, "plan", &plan, err) < 0 ||
        (run->sweep && sweep_part(run, &plan, &found.id, err) < 0) ||
        read_part(run, "submission", &done, err) < 0)
        goto out;
    found.scheduler = copy_field(&plan, "scheduler");
    found.token = copy_field(&plan, "token");
    const char *answered = fields_get(&done, "token");
    /* The parts of a sweep have tokens of their own. */
    if (!found.id && answered && (strcmp(answered, found.token) == 0 ||
                                  fields_get(&done, "part")))
        found.id = copy_field(&done, "id");
    if (!found.id && claimed_id(run, found.token, &found.id, err) < 0)
        goto out;
    *submission = found;
    found = (struct mlb_submission){ 0 };
    rc = 0;
out:
    submission_forget(&found);
    fields_clear(&plan);
    fields_clear(&done);
    return rc;
}
