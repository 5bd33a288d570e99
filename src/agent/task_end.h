/* SPDX-License-Identifier: BSD-3-Clause */
/* What is told of a task when it has ended. */
#ifndef AGENT_TASK_END_H
#define AGENT_TASK_END_H

#include <jansson.h>
#include <sys/resource.h>

#include "agent/leader.h"
#include "run/channel.h"

struct task_end {
    const struct mlb_channel *channel;       /* NULL: none */
    int group;                               /* -1: none */
    bool counted;                            /* false: by wait4 alone */
    bool mpi_asked;
    const struct rusage *usage;
    const struct totals *sampled;            /* NULL: nobody did */
};

/* Add step, samples, dropped (where the program told them), totals, missing
 * and states to fields. Call it before the sampler of this process has
 * ended: what its thread read and wrote would be the program's. */
void task_end_add(const struct task_end *end, json_t *fields);

#endif
