/* SPDX-License-Identifier: BSD-3-Clause */
/* What Slurm says of the job from inside of it: by scontrol, which may be
 * missing on the node, and by its own lines in the batch log. */
#ifndef AGENT_SLURM_JOB_H
#define AGENT_SLURM_JOB_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/state.h"
#include "mlbatch/error.h"

struct slurm_job {
    long restarts;               /* how often it was requeued; -1: unknown */
    double end;                  /* seconds since 1970; 0: unknown */
    double limit;                /* seconds from its start to end; 0: ... */
};

/* Ask the controller, for a few seconds at most. -1 with err if it did not
 * answer or scontrol is not here; *job is all unknown then. */
int slurm_job_ask(const char *id, struct slurm_job *job,
                  struct mlb_error *err);

/* The answer of `scontrol -o show job` with times in seconds. Pure; what it
 * does not hold is unknown. */
void slurm_job_parse(const char *text, struct slurm_job *job);

/* Has Slurm put the job back into its queue since this attempt of it began?
 * False if it does not say. */
bool slurm_job_is_requeued(const struct slurm_job *job);

/* Why it was told to end, as slurmstepd writes it into the batch log:
 * "*** JOB 7 ON node1 CANCELLED AT 2024-05-01T10:00:00 DUE TO PREEMPTION
 * ***". UNKNOWN if there is no such line for job id, CANCELLED if it gives
 * no reason. Of several the last. Pure. */
enum mlb_state slurm_job_reason(const char *log, const char *id);

/* Run `scontrol requeue`. It ends this job: signals may come before the
 * answer does, so the caller has them ignored, which scontrol inherits. -1
 * with err if it was refused or did not answer. */
int slurm_job_requeue(const char *id, struct mlb_error *err);

#endif
