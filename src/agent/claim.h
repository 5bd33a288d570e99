/* SPDX-License-Identifier: BSD-3-Clause */
/* Who runs a submission: of two copies of it exactly one. */
#ifndef AGENT_CLAIM_H
#define AGENT_CLAIM_H

#include "agent/settings.h"
#include "mlbatch/error.h"

/* The id of the job that this process runs in: what the plan's scheduler
 * set, else what another one did, else "host:pid". Caller frees. */
char *claim_job(const struct settings *settings);

/* Claim RUN_DIR/claims/TOKEN for job. 1: it is ours, also if the same job
 * claimed it before (the scheduler started it again); 0: another job has
 * it, *other is its id (caller frees); -1: err. */
int claim_take(const char *run_dir, const struct settings *settings,
               const char *job, char **other, struct mlb_error *err);

#endif
