/* SPDX-License-Identifier: BSD-3-Clause */
/* Letting a run go on after an attempt of it ended: put back into the queue
 * by Slurm, or submitted once more as another job. */
#ifndef AGENT_AGAIN_H
#define AGENT_AGAIN_H

#include "agent/attempt.h"
#include "run/restart.h"

struct again {
    struct restart restart;
    struct restart_saved saved;      /* by now */
    bool requeued;                   /* Slurm has put it back by itself */
    bool requeue;                    /* ask it to; else submit again */
    char change[128];                /* "resources.walltime=5400", or "" */
    enum mlb_state cause;
};

/* Decide it and write it down, before the attempt's end is: whoever reads
 * the end is to know that the run goes on. */
void again_decide(const struct attempt *attempt,
                  const struct mlb_events *events, enum mlb_state state,
                  struct again *again);

/* Do what was decided, when all else of the attempt is done: requeueing ends
 * this process. What cannot be done is written down. */
void again_perform(const struct attempt *attempt,
                   const struct again *again);

#endif
