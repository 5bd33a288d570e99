/* SPDX-License-Identifier: BSD-3-Clause */
/* Handing the run to the scheduler once more, from its own job. */
#ifndef AGENT_RESUBMIT_H
#define AGENT_RESUBMIT_H

#include "agent/settings.h"
#include "base/text.h"

/* Run `mlbatch submit --again RUN_DIR`, with change ("resources.walltime=60",
 * or ""), which takes job's word (environment MLB_RESUBMIT) that this is the
 * run's own job, about to end: the same run once more, planned anew, also
 * where the agent is of another installation than the one that the next
 * submission finds. Its standard error goes to words (added), or where ours
 * goes (NULL).
 *
 * The program's exit status: 0 if the run has a new job, whose token makes
 * this one's void. -1 with err if it could not be started, or gave no answer
 * for too long. */
int resubmit(const char *run_dir, const struct settings *settings,
             const char *job, const char *change, struct mlb_text *words,
             struct mlb_error *err);

#endif
