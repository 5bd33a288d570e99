/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a run stands, from three witnesses: its event log, the scheduler, and
 * the scheduler's accounting (its history of ended jobs). Pure. */
#ifndef RUN_STATE_H
#define RUN_STATE_H

#include <stdbool.h>
#include <time.h>

#include "base/state.h"
#include "run/events.h"

enum mlb_answer {
    MLB_NOT_ASKED = 0,
    MLB_ABSENT,              /* nobody is there to ask: no accounting */
    MLB_SILENT,              /* it was asked and did not answer */
    MLB_ANSWERED,
};

/* What the scheduler or its accounting says of the last submission, in plain
 * values so that this room need not know the scheduler's. */
struct mlb_witness {
    enum mlb_answer answer;
    const char *why;         /* ABSENT and SILENT: in words, or NULL */
    bool known;              /* it answered, and has the job */
    bool may_return;         /* an end after which it may start the job again
                              * by itself */
    enum mlb_state state;
    enum mlb_state ending;   /* what it will be soon, or UNKNOWN */
    const char *reason;      /* or NULL */
    int exit_code;           /* -1: not known */
    double ended;            /* seconds since 1970, 0: not known */
};

struct mlb_run_state {
    enum mlb_state state;
    int exit_code;           /* -1: not known or not ended */
    char text[256];          /* the cause or the reason, one line, or "" */
    double submitted, started, ended;   /* seconds since 1970, 0: not yet */
    long attempts;
    long step;               /* last step that a metric told, -1: none */
    bool refinable;          /* it was ended by a signal, and neither scheduler
                              * nor accounting nor a cancel event said why */
};

/* The rules, in this order; doc/state.md has them as a table. What belongs to
 * the last submission is told by the job id in its events, by time only where
 * they have none.
 *  0. The scheduler's word is its live answer if that knows the job. Else it
 *     is what accounting says of the end; not of one that may return while
 *     the scheduler is silent, and never of a job that still runs: accounting
 *     comes late, and is not told when a controller dies.
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
 *  2. Without one: the scheduler's word (a final state with no attempt-end
 *     adds "ended without a word from the agent", unless it was cancelled
 *     before it started; one that may return is pending). If it ended and a
 *     cancel event says who wanted that: cancelled.
 *  3. The scheduler answered and does not know the job: cancelled if a
 *     cancel event says so; with an attempt-start, unknown ("started at ...,
 *     the scheduler no longer knows it"); never "gone".
 *     A cancel that cancel-failed follows does not count.
 *  4. No answer: the event log's word if final, else unknown.
 *  5. No submitted event and no attempt-start (whose submitter died): not
 *     submitted, and the text of a not-submitted event.
 * The text of an unknown state says which witness did not answer, and why. */
void run_state(const struct mlb_events *events,
               const struct mlb_witness *live,
               const struct mlb_witness *history,
               struct mlb_run_state *state);

#endif
