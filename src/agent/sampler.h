/* SPDX-License-Identifier: BSD-3-Clause */
/* The leader of a node: a thread that samples its tasks, the node and its
 * GPUs into a journal, takes what programs tell into the event log, and
 * looks for what the job is asked, so that other agents can sleep. */
#ifndef AGENT_SAMPLER_H
#define AGENT_SAMPLER_H

#include <stdbool.h>

#include "mlbatch/error.h"

#include "agent/settings.h"

struct sampler;

struct sampler_options {
    const char *run_dir, *writer;    /* of events; copied */
    const struct settings *settings; /* copied as far as needed */
    long attempt, rank;
    long tasks;              /* of this job on this node */
    bool alone;              /* for one task of several, which found no
                              * leader: leaves node and GPUs alone */
};

/* Start it. listener: from leader_find, -1: none; client: its end of a pair
 * of sockets with this process's own task. Both become its own, also on
 * failure. The program must have been forked by now: it inherits nothing. */
struct sampler *sampler_start(const struct sampler_options *options,
                              int listener, int client,
                              struct mlb_error *err);

/* Has it stood still since the last two times that this was asked? Then it
 * hangs in a read. Ask with seconds in between. */
bool sampler_hangs(struct sampler *sampler);

/* End it: a last sample, totals to all members, who then find a new leader.
 * NULL is fine. False: it hangs, and was left to itself; its members were
 * let go even so. Then end the process by _exit. */
bool sampler_stop(struct sampler *sampler);

#endif
