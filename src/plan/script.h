/* SPDX-License-Identifier: BSD-3-Clause */
/* The batch script: readable, kept in the run, good for plain sbatch. */
#ifndef PLAN_SCRIPT_H
#define PLAN_SCRIPT_H

#include "plan/plan.h"

/* The script of a plan whose other fields are set, and script_head. Caller
 * frees. */
char *script_render(struct mlb_plan *plan, const struct mlb_job *job,
                    const struct mlb_plan_context *context);

/* word for the shell of a script, as text_add_shell, whatever a scheduler
 * thinks of its line ends. */
void script_add_word(struct mlb_text *t, const char *word);

#endif
