/* SPDX-License-Identifier: BSD-3-Clause */
/* One job of an array: which point of the sweep it is for. */
#include "config.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"
#include "base/units.h"
#include "run/points.h"

#include "agent/claim.h"
#include "agent/point.h"

/* The index that the scheduler gives to this job of an array, -1 if none. */
static long array_index(void)
{
    static const char *const names[] = {
        "SLURM_ARRAY_TASK_ID", "MLB_LOCAL_INDEX", "PBS_ARRAY_INDEX",
        "PBS_ARRAYID",
    };
    long index = -1;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *text = getenv(names[i]);
        if (text && units_parse_long(text, 0, INT_MAX, &index, NULL) == 0)
            return index;
    }
    return -1;
}

/* The batch step's log is in the sweep's directory, since the scheduler opens
 * it before there is a point's: a link there leads to it. */
static void link_log(const char *point_dir)
{
    char log[PATH_MAX];
    ssize_t n = readlink("/proc/self/fd/2", log, sizeof(log) - 1);
    char *link = xasprintf("%s/out/batch.log", point_dir);

    if (n > 0 && *log == '/') {
        log[n] = '\0';
        unlink(link);
        if (symlink(log, link) < 0)
            fprintf(stderr, "mlbatch-agent: no link %s to the log\n", link);
    }
    free(link);
}

int point_enter(struct attempt *a, long offset, struct mlb_error *err)
{
    struct mlb_run sweep = { .id = (char *)"", .path = a->run_dir };
    struct mlb_run point = MLB_RUN_INIT;
    long index = array_index();
    char *job = NULL;

    if (index < 0)
        return mlb_error_set(err, MLB_ERR_USAGE, "%s is a sweep, and this "
                             "job is none of an array", a->run_dir);
    points_run(&sweep, offset + index, &point);
    if (settings_read(&a->settings, a->run_dir, err) == 0)
        job = claim_job(&a->settings);
    settings_clear(&a->settings);
    a->settings = (struct settings)SETTINGS_INIT;
    int rc = job ? points_make(&point, job, err) : -1;
    if (rc == 0) {
        free(a->run_dir);
        a->run_dir = xstrdup(point.path);
        link_log(a->run_dir);
    }
    run_clear(&point);
    free(job);
    return rc;
}
