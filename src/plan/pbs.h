/* SPDX-License-Identifier: BSD-3-Clause */
/* What qsub is asked: resources in the words of OpenPBS or of Torque. */
#ifndef PLAN_PBS_H
#define PLAN_PBS_H

#include "plan/plan.h"

/* A job's name as every PBS takes it: at most 15 bytes, a letter first, no
 * blanks. Caller frees. */
char *pbs_name(const char *name);

/* Fill request and options of a plan whose resources are set. Options that
 * cannot be passed on and a constraint that is none of PBS are problems. */
void pbs_request(struct mlb_plan *plan, const struct mlb_job *job,
                 struct mlb_problems *problems);

/* Must the script open its log itself, for PBS cannot? */
bool pbs_script_logs(const struct mlb_plan *plan);

#endif
