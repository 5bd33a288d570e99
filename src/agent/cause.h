/* SPDX-License-Identifier: BSD-3-Clause */
/* How an attempt ended and why, from what its tasks said and what the agent
 * saw. Pure. */
#ifndef AGENT_CAUSE_H
#define AGENT_CAUSE_H

#include <stdbool.h>

#include "base/state.h"
#include "run/events.h"

/* What the agent saw. Times are seconds since 1970. */
struct ending {
    long attempt, tasks;
    bool have_tasks;         /* the launch line starts tasks of ours */
    int code;                /* exit code of the launch line */
    const char *failure;     /* why nothing was launched, or NULL */
    bool asked;              /* it was asked to stop by a signal */
    bool warned;             /* it was asked to save and end for its time */
    enum mlb_state interrupted;  /* as what a person faked; UNKNOWN: not */
    enum mlb_state told;     /* why, by the scheduler's own line in the log;
                                UNKNOWN: none */
    bool timed_out;          /* the agent ended it at its walltime */
    double ended;            /* when asked if it was, else when it ended */
    double limit;            /* when the walltime is over, 0: not known */
    long walltime;           /* seconds, -1: not known */
};

struct cause {
    enum mlb_state state;
    char text[256];          /* one line, or "" */
};

/* The rules, in this order. Nothing launched, or a launch line that ended
 * with 0 although not all of its tasks did, is failed; exit code 0 is
 * completed, asked or not. Of the others: a cancel event since the submission
 * makes it cancelled; what a person faked is what it was to be; a first rank
 * that was killed while the kernel ended programs for lack of memory, out of
 * memory; then what the scheduler wrote into the log. The agent's own end at
 * the walltime, a stop that it asked for in time, or one (asked, or ended
 * like one) in the last 90 s of the walltime (its last quarter if that is
 * less) or later is a timeout; any other failed. The text names the first
 * rank that failed. */
void cause_find(const struct mlb_events *events, const struct ending *ending,
                struct cause *cause);

#endif
