/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a run stands, from its event log and the scheduler's answer. Pure. */
#ifndef RUN_STATE_H
#define RUN_STATE_H

#include <stdbool.h>
#include <time.h>

#include "base/state.h"
#include "run/events.h"

/* The scheduler's answer about the last submission, in plain values so that
 * this room need not know the scheduler's. */
struct mlb_witness {
    bool answered;           /* it was asked and answered */
    bool known;              /* ... and it has the job */
    enum mlb_state state;
    enum mlb_state ending;   /* what it will be soon, or UNKNOWN */
    const char *reason;      /* or NULL */
    int exit_code;           /* -1: not known */
};

struct mlb_run_state {
    enum mlb_state state;
    int exit_code;           /* -1: not known or not ended */
    char text[256];          /* the cause or the reason, one line, or "" */
    double submitted, started, ended;   /* seconds since 1970, 0: not yet */
    long attempts;
    long step;               /* last step that a metric told, -1: none */
};

/* The rules, in this order. What belongs to the last submission is told by
 * the job id in its events, by time only where they have none.
 *  1. The last attempt's attempt-end event is the truth of its end, except
 *     "failed"/"cancelled" by a signal (no exit code, or over 128) is refined
 *     by the scheduler's TIMEOUT, PREEMPTED, NODE_FAILURE, OUT_OF_MEMORY or
 *     CANCELLED, also when it is still cleaning up (ending). If the scheduler
 *     says that the job is pending, it was requeued since: rule 2.
 *     If "restart" follows it, the attempt is not the run's end: pending
 *     ("will go on: ...") until the next attempt-start or submission. If the
 *     scheduler says that the job has ended for good, or no longer knows it,
 *     nothing will go on: the attempt's end again, with a text that says so.
 *     The last "restart" or "not-restarted" of the attempt counts.
 *  2. Without one: the scheduler's state if it knows the job (a final state
 *     with no attempt-end adds "ended without a word from the agent", unless
 *     it was cancelled before it started). If it ended and a cancel event
 *     says who wanted that: cancelled.
 *  3. The scheduler answered and does not know the job: cancelled if a
 *     cancel event says so; with an attempt-start, unknown ("started at ...,
 *     the scheduler no longer knows it"); never "gone".
 *     A cancel that cancel-failed follows does not count.
 *  4. No answer: the event log's word if final, else unknown.
 *  5. No submitted event and no attempt-start (whose submitter died): not
 *     submitted, and the text of a not-submitted event. */
void run_state(const struct mlb_events *events,
               const struct mlb_witness *witness,
               struct mlb_run_state *state);

#endif
