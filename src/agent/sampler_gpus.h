/* SPDX-License-Identifier: BSD-3-Clause */
/* GPUs, read by a thread of their own: their library may take seconds to
 * start, and a lost GPU may never answer. (Inside agent/sampler*.c.) */
#ifndef AGENT_SAMPLER_GPUS_H
#define AGENT_SAMPLER_GPUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "counters/metric.h"

#define GPUS_MAX 64

struct gpus;

/* What was read of one. */
struct gpu {
    char name[96], product[96];
    int64_t capacity;
    int64_t values[METRIC_COUNT];
    struct metric_status status[METRIC_COUNT];
};

/* expected: how many the job has here. NULL if there can be no thread. */
struct gpus *gpus_start(long expected);

/* Have all read, and look at what was, unless it has not come within a
 * moment (then it comes the next time): their number, and *all, which stays
 * as it is until the next call. 0: nothing new. */
size_t gpus_read(struct gpus *gpus, const struct gpu **all);

/* Those that the job has but whose library has not yet said so, as entities
 * that nothing is known of. At most GPUS_MAX. */
size_t gpus_silent(struct gpus *gpus, struct gpu *one);

/* End it. NULL is fine. False: it hangs, and was left to itself. */
bool gpus_stop(struct gpus *gpus);

#endif
