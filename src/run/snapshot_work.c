/* SPDX-License-Identifier: BSD-3-Clause */
/* The code snapshot beside other work.
 *
 * A thread, not a process: a fork would make the work beside it copy each
 * page that it touches. */
#include "config.h"

#include <errno.h>

#include "base/process.h"
#include "run/run.h"

static void *work_on(void *data)
{
    struct run_snapshot_work *work = data;

    work->rc = run_snapshot(work->run, work->directory, work->files,
                            &work->err);
    return NULL;
}

int run_snapshot_begin(struct run_snapshot_work *work, struct mlb_error *err)
{
    /* Found once and kept: not by two threads at a time. */
    process_host();
    int failed = pthread_create(&work->thread, NULL, work_on, work);

    if (failed == 0)
        return 0;
    errno = failed;
    return mlb_error_errno(err, MLB_ERR_IO, "cannot start a thread");
}

int run_snapshot_end(struct run_snapshot_work *work, struct mlb_error *err)
{
    pthread_join(work->thread, NULL);
    if (work->rc < 0)
        mlb_error_set(err, work->err.code, "%s", work->err.text);
    return work->rc;
}
