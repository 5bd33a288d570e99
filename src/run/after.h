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

/* The same of the run in a directory; a sweep has completed if all of its
 * points have, else it ended as the first that did not. MLB_STATE_UNKNOWN
 * also if its log cannot be read. */
enum mlb_state after_end_of(const char *run_dir);

#endif
