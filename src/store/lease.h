/* SPDX-License-Identifier: BSD-3-Clause */
/* Being the only writer of a directory of checkpoints.
 *
 * A file in it, .mlb-lease, says who is: host, process and run. It is made
 * in one step, so of two that come at once one is refused; and taken over
 * from a process that is no more, which on its own host can be told for sure,
 * and from an earlier attempt of the same run. No flock, which not every
 * network file system has. For the library. */
#ifndef STORE_LEASE_H
#define STORE_LEASE_H

#include "mlbatch/error.h"

struct lease;

/* Who asks; for tests to be somebody else. */
struct lease_holder {
    const char *host;
    const char *run;             /* "": not started by mlbatch */
    long attempt;
};

/* This process: host, MLB_RUN and MLB_ATTEMPT. */
void lease_self(struct lease_holder *self);

/* MLB_ERR_FAILED says who has it and what to do. */
struct lease *lease_take(const char *directory,
                         const struct lease_holder *self,
                         struct mlb_error *err);

/* Is it still ours? MLB_ERR_FAILED says who took it over. */
int lease_check(const struct lease *lease, struct mlb_error *err);

/* Give it back, if it is ours and this is the process that took it. NULL is
 * fine. */
void lease_release(struct lease *lease);

#endif
