/* SPDX-License-Identifier: BSD-3-Clause */
/* Which of PAPI's events stand for which metric here, in which sets. (Of the
 * PAPI module.) */
#ifndef COUNTERS_PAPI_EVENTS_H
#define COUNTERS_PAPI_EVENTS_H

#include "counters/source.h"

#define PAPI_EVENTS_MAX 7            /* DP_OPS, SP_OPS are one metric */
#define PAPI_IN_SET_MAX 6            /* cycles, instructions and four more */

struct papi_event {
    enum metric_id metric;
    const char *name;
    int code, natives;               /* hardware counters that it takes */
    int set;                         /* -1: in each */
    int slot;                        /* in its set */
};

/* Cycles and instructions first, in all sets; at least one set. */
struct papi_plan {
    struct papi_event events[PAPI_EVENTS_MAX];
    int count, sets;
    int in_set[PAPI_EVENTS_MAX];     /* events in each set, with those two */
    /* Of each metric of the hardware: METRIC_OK with its source, or why not. */
    struct metric_status status[METRIC_COUNT];
};

/* Initialise PAPI if nobody has; try events on this thread under work until
 * all metrics have working ones, or are known to have none. 0, or -1: none
 * counts, and each status says why. */
int papi_plan_make(struct papi_plan *plan);

/* A set of events on a thread and all that come of it, not started. tid 0:
 * this thread alone. The set, or -1 with the cause and words. */
int papi_set_build(const struct papi_plan *plan, int set, pid_t tid,
                   struct metric_status *why);
void papi_set_destroy(int set);

/* PAPI's code cannot name the cause of a failure: the kernel's answer to the
 * same wish can. wanted: descriptors that it takes; tid as above. */
void papi_explain(int rc, int wanted, pid_t tid, struct metric_status *why);

#endif
