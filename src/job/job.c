/* SPDX-License-Identifier: BSD-3-Clause */
/* A job in memory: made, freed, and asked where its keys came from. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "job/value.h"

struct mlb_job *job_create(void)
{
    struct mlb_job *job = xcalloc(1, sizeof(*job));
    struct mlb_strings *const lists[] = {
        &job->command, &job->restart.on, &job->restart.grow,
        &job->checkpoint.command, &job->environment.pairs,
        &job->modules, &job->container.mounts, &job->after.ok,
        &job->after.any, &job->after.notok, &job->slurm_options,
        &job->pbs_options, &job->files, &job->origins.pairs,
    };

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        *lists[i] = (struct mlb_strings)MLB_STRINGS_INIT;
    for (const struct job_key *key = job_keys; key->path; key++) {
        void *place = job_key_place(key, job);
        if (key->type == KEY_COUNT || key->type == KEY_DURATION ||
            key->type == KEY_INTERVAL || key->type == KEY_BOOL)
            *(long *)place = MLB_UNSET;
        else if (key->type == KEY_SIZE)
            *(long long *)place = MLB_UNSET;
    }
    job->resources.tasks = MLB_UNSET;
    return job;
}

void job_clear_datasets(struct mlb_job *job)
{
    for (size_t i = 0; i < job->dataset_count; i++) {
        free(job->datasets[i].name);
        free(job->datasets[i].version);
        free(job->datasets[i].as);
    }
    free(job->datasets);
    job->datasets = NULL;
    job->dataset_count = 0;
}

void job_clear_axes(struct mlb_axes *axes)
{
    for (size_t i = 0; i < axes->count; i++) {
        free(axes->items[i].name);
        strings_clear(&axes->items[i].values);
    }
    free(axes->items);
    *axes = (struct mlb_axes){ NULL, 0 };
}

void job_destroy(struct mlb_job *job)
{
    if (!job)
        return;
    for (const struct job_key *key = job_keys; key->path; key++) {
        void *place = job_key_place(key, job);
        if (key->type == KEY_TEXT)
            free(*(char **)place);
        else if (key->type == KEY_STRINGS || key->type == KEY_COMMAND)
            strings_clear(place);
        else if (key->type == KEY_PAIRS)
            fields_clear(place);
        else if (key->type == KEY_DATASETS)
            job_clear_datasets(job);
        else if (key->type == KEY_AXES || key->type == KEY_POINTS)
            job_clear_axes(place);
    }
    fields_clear(&job->origins);
    free(job);
}

const char *job_origin(const struct mlb_job *job, const char *key)
{
    char *path = xstrdup(key);
    size_t length = strlen(path);
    const char *where = fields_get(&job->origins, path);

    /* The file itself was recorded under the empty key. */
    while (!where && length > 0) {
        do
            length--;
        while (length > 0 && path[length] != '.' && path[length] != '[');
        path[length] = '\0';
        where = fields_get(&job->origins, path);
    }
    free(path);
    return where ? where : "job";
}
