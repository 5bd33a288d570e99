/* SPDX-License-Identifier: BSD-3-Clause */
/* Who runs a submission: of two copies of it exactly one. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fields.h"
#include "base/files.h"
#include "base/process.h"

#include "agent/claim.h"

static const struct {
    const char *scheduler, *variable;
} job_ids[] = {
    { "slurm", "SLURM_JOB_ID" },
    { "local", "MLB_LOCAL_JOB" },
    { "pbs", "PBS_JOBID" },
};
#define JOB_IDS (sizeof(job_ids) / sizeof(job_ids[0]))

char *claim_job(const struct settings *settings)
{
    const char *found = NULL;

    /* The plan's own first: a local run may be started inside an allocation
     * of Slurm, whose id is in the environment too. */
    for (size_t i = 0; i < JOB_IDS; i++)
        if (strcmp(job_ids[i].scheduler, settings->scheduler) == 0)
            found = getenv(job_ids[i].variable);
    /* A point of an array has an id of its own. */
    const char *array = getenv("SLURM_ARRAY_JOB_ID");
    const char *index = getenv("SLURM_ARRAY_TASK_ID");
    if (array && index && strcmp(settings->scheduler, "slurm") == 0)
        return xasprintf("%s_%s", array, index);
    for (size_t i = 0; i < JOB_IDS && (!found || !*found); i++)
        found = getenv(job_ids[i].variable);
    if (found && *found)
        return xstrdup(found);
    return xasprintf("%s:%ld", process_host(), (long)getpid());
}

/* The job in the claim that is there. NULL with err if it cannot be told. */
static char *read_claim(const char *path, struct mlb_error *err)
{
    struct mlb_fields f = MLB_FIELDS_INIT;
    char *job = NULL;

    if (fields_read(&f, path, err) == 0) {
        job = xstrdup(fields_get(&f, "job"));
        if (!job)
            mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s: no field job", path);
    }
    fields_clear(&f);
    return job;
}

int claim_take(const char *run_dir, const struct settings *settings,
               const char *job, char **other, struct mlb_error *err)
{
    struct mlb_fields f = MLB_FIELDS_INIT;
    struct mlb_text t = MLB_TEXT_INIT;
    char *token = text_encode_name(settings->token);
    char *path = xasprintf("%s/claims/%s", run_dir, token);

    fields_add(&f, "job", job);
    fields_add(&f, "scheduler", settings->scheduler);
    fields_add(&f, "host", process_host());
    fields_addf(&f, "pid", "%ld", (long)getpid());
    fields_format(&f, &t);
    int rc = files_publish_new(path, t.data, t.length, 0600, err);
    if (rc == 0) {
        rc = 1;
    } else if (errno == EEXIST) {
        char *owner = read_claim(path, err);
        rc = !owner ? -1 : strcmp(owner, job) == 0;
        if (rc == 0)
            *other = owner;
        else
            free(owner);
    }
    free(path);
    free(token);
    text_clear(&t);
    fields_clear(&f);
    return rc;
}
