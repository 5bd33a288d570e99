/* SPDX-License-Identifier: BSD-3-Clause */
/* The environment that a job inherits from the command that submits it. */
#ifndef SCHEDULER_ENVIRONMENT_H
#define SCHEDULER_ENVIRONMENT_H

#include "base/text.h"

/* Each "NAME=value" of from (as environ is), appended to out. If they are
 * those of a running job or rank, what speaks of that job stays behind:
 * another scheduler's or launcher's ids, ranks and GPUs would be taken for
 * the new job's own. SLURM_CONF, PBS_SERVER and the like stay, they say
 * where the cluster is. */
void environment_inherit(char *const *from, struct mlb_strings *out);

/* Set one variable in such a list, in place of its earlier values. */
void environment_set(struct mlb_strings *list, const char *name,
                     const char *value);

#endif
