/* SPDX-License-Identifier: BSD-3-Clause */
/* The scheduler's answers, shared by all commands of a user that wait.
 *
 * STORE/.poll-SCHEDULER-UID holds what the scheduler last said of each job
 * that somebody waits for. Whoever finds it too old asks for all of them at
 * once, so fifty that wait ask as often as one. Only answers are kept, never
 * that there was none. */
#ifndef CMD_POLL_CACHE_H
#define CMD_POLL_CACHE_H

#include "scheduler/scheduler.h"

struct poll_request {
    const struct mlb_scheduler *scheduler;
    const struct mlb_site *site;
    const char *store;
    long age;                /* seconds that an answer may be old; 0: ask for
                              * these alone and keep nothing, -1: ask, and
                              * keep the answer for others */
};

/* As the scheduler's query. A file that is damaged, a link, another user's or
 * open to others is as good as none, and one that cannot be written only
 * means that others ask themselves. */
int poll_cache_query(const struct poll_request *request,
                     struct mlb_job_status *jobs, size_t count,
                     struct mlb_error *err);

#endif
