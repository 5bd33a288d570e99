/* SPDX-License-Identifier: BSD-3-Clause */
/* A plan on standard output, for `plan` and `submit --dry-run`. */
#ifndef CMD_SHOW_PLAN_H
#define CMD_SHOW_PLAN_H

#include "plan/plan.h"

void show_plan_text(const struct mlb_plan *plan);
void show_plan_json(const struct mlb_plan *plan);

#endif
