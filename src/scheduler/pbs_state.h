/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a job of PBS stands, from what qstat says of it. */
#ifndef SCHEDULER_PBS_STATE_H
#define SCHEDULER_PBS_STATE_H

#include "scheduler/pbs_text.h"
#include "scheduler/scheduler.h"

/* Fill known, state, ending, reason, exit_code, nodes, start and end; the
 * caller has seen to id and token. The state of a job whose end PBS does not
 * tell is UNKNOWN, and the reason says so. */
void pbs_state_fill(const struct pbs_job *job, struct mlb_job_status *status);

#endif
