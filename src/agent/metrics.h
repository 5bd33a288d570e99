/* SPDX-License-Identifier: BSD-3-Clause */
/* From a task's channel to the event log. */
#ifndef AGENT_METRICS_H
#define AGENT_METRICS_H

#include "mlbatch/error.h"
#include "run/channel.h"

struct metrics_log {
    const char *run_dir, *writer;
    long attempt, rank;
};

/* Take all metrics that are in the channel and append them as `metric`
 * events, in one write. */
int metrics_drain(struct mlb_channel *channel, const struct metrics_log *log,
                  struct mlb_error *err);

#endif
