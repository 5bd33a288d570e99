/* SPDX-License-Identifier: BSD-3-Clause */
/* Trying again what a file system refuses for a while: it is full, or read
 * only, or its server does not answer. */
#ifndef AGENT_PATIENCE_H
#define AGENT_PATIENCE_H

#include <stdbool.h>

#include "mlbatch/error.h"

struct patience {
    double until;            /* on clock_now; 0: the first try is to come */
    double seconds;          /* how long to try */
};
#define PATIENCE_SECONDS 60  /* where nothing presses */

/* After a failed try: wait a little and try again? False if err is of
 * another kind, or the time is over. Says once that it waits. */
bool patience_again(struct patience *patience, const struct mlb_error *err);

#endif
