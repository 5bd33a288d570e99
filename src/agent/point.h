/* SPDX-License-Identifier: BSD-3-Clause */
/* One job of an array: which point of the sweep it is for. */
#ifndef AGENT_POINT_H
#define AGENT_POINT_H

#include "agent/attempt.h"

/* From a sweep to the point that this job is for, OFFSET and the index that
 * the scheduler gave it: makes the point's directory and puts it into run_dir.
 * MLB_ERR_USAGE if the job is none of an array. */
int point_enter(struct attempt *attempt, long offset, struct mlb_error *err);

#endif
