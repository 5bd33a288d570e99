/* SPDX-License-Identifier: BSD-3-Clause */
/* A run that comes after others: may it start, now that their jobs ended? */
#ifndef AGENT_AFTER_H
#define AGENT_AFTER_H

#include "agent/attempt.h"

/* What the plan's conditions say, by the event logs of those runs. Before
 * anything of the attempt was noted.
 *
 * 0: it may start. 1: it must not, and all that is to be done for it was
 * done: the job may end with *code. Either one of them ended otherwise than
 * it should (attempt-end, cancelled), or one goes on as another job, or does
 * not say how it ended: then the run was handed to the scheduler again, which
 * is to wait for that job, or knows. */
int after_check(struct attempt *attempt, int *code);

#endif
