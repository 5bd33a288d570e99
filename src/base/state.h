/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a run stands. The order is that of a life. */
#ifndef BASE_STATE_H
#define BASE_STATE_H

#include <stdbool.h>

enum mlb_state {
    MLB_STATE_UNKNOWN = 0,       /* no answer; never means gone */
    MLB_STATE_NOT_SUBMITTED,
    MLB_STATE_PENDING,
    MLB_STATE_RUNNING,
    MLB_STATE_COMPLETED,
    MLB_STATE_FAILED,
    MLB_STATE_CANCELLED,
    MLB_STATE_TIMEOUT,
    MLB_STATE_OUT_OF_MEMORY,
    MLB_STATE_PREEMPTED,
    MLB_STATE_NODE_FAILURE,
    MLB_STATE_STALLED,           /* ended by us: it made no progress */
};

/* "unknown", "not submitted", "out of memory", ... */
const char *state_name(enum mlb_state state);
/* The state of that name, MLB_STATE_UNKNOWN if there is none. */
enum mlb_state state_find(const char *name);
/* Will it stay so unless somebody submits again? */
bool state_is_final(enum mlb_state state);

#endif
