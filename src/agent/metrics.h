/* SPDX-License-Identifier: BSD-3-Clause */
/* From a task's channel to the event log. */
#ifndef AGENT_METRICS_H
#define AGENT_METRICS_H

#include <stdbool.h>

#include "counters/metric.h"
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

/* What the program told of its steps and the interposer of MPI: values and
 * status of METRIC_STEP to METRIC_MPI_CALLS. channel may be NULL. mpi_asked:
 * there should be an interposer. */
void metrics_told(const struct mlb_channel *channel, bool mpi_asked,
                  int64_t values[METRIC_COUNT],
                  struct metric_status status[METRIC_COUNT]);

#endif
