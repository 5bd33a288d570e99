/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs that come after others: what one waits for of another's end. Pure. */
#ifndef RUN_AFTER_H
#define RUN_AFTER_H

#include <stdbool.h>

#include "base/state.h"
#include "run/events.h"

/* Is the condition "ok" (completed), "notok" (anything but that) or "any"
 * met by a run that ended so? end is final. */
bool after_is_met(const char *condition, enum mlb_state end);

/* How the run ended, by its own log alone. MLB_STATE_UNKNOWN if it has not
 * ended, goes on, or the log does not say. */
enum mlb_state after_end(const struct mlb_events *events);

#endif
