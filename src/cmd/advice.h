/* SPDX-License-Identifier: BSD-3-Clause */
/* What earlier runs advise, put into a job: for --fit. */
#ifndef CMD_ADVICE_H
#define CMD_ADVICE_H

#include "job/job.h"

/* Apply what mlbatch-store advise printed (JSON "mlbatch-advice/1", checked:
 * it may be anything) to job. A key that was set on the command line stays,
 * and only memory, CPUs, GPUs and walltime are ever changed. What was
 * changed, from what to what and why, and what was not, goes into said, a
 * line each. -1: it is no advice, and the job is as it was. */
int advice_apply(struct mlb_job *job, const char *json, size_t length,
                 struct mlb_strings *said, struct mlb_error *err);

#endif
