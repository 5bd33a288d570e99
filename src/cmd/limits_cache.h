/* SPDX-License-Identifier: BSD-3-Clause */
/* What a scheduler said of its limits, kept for a few minutes.
 *
 * Asking costs a controller more than a submission does (all nodes, all
 * partitions), and users submit in bursts. The file is a cache: no word in
 * it refuses a job, a refusal is always by a fresh answer. */
#ifndef CMD_LIMITS_CACHE_H
#define CMD_LIMITS_CACHE_H

#include <stdbool.h>

#include "plan/plan.h"

/* The limits kept for this scheduler, user and configuration, if they are
 * young enough. */
bool limits_cache_read(const char *scheduler, struct mlb_limits *limits);

/* Keep them. A cache that cannot be written is none. */
void limits_cache_write(const char *scheduler,
                        const struct mlb_limits *limits);

#endif
