/* SPDX-License-Identifier: BSD-3-Clause */
/* What is looked at to say why an attempt ended: the facts in its events and
 * the ends of its logs. */
#ifndef RUN_EVIDENCE_H
#define RUN_EVIDENCE_H

#include "run/diagnose.h"
#include "run/run.h"
#include "run/state.h"

#define EVIDENCE_TAIL (256u << 10)   /* bytes of each log */
#define EVIDENCE_LOGS 64u            /* logs at most */

struct evidence_rank {
    long rank;
    const char *node;            /* of the events; or NULL */
    const char *text;            /* why it did not start, or NULL */
    bool ended;
    int exit, signal;
    double time;                 /* of its end */
    double max_rss;              /* bytes, 0: not known */
    long long from, to;          /* its part of its log; to -1: all */
};

struct evidence {
    char *run_dir;
    long attempt;                /* 0: none had started */
    struct diagnose_facts facts;
    struct evidence_rank *ranks; /* by number */
    size_t rank_count;
    struct diagnose_log *logs;   /* as diagnose wants them, not coloured */
    long long *starts;           /* where in its file each of them begins */
    size_t log_count;
};

/* The number of the last attempt that started, 0: none did. */
long evidence_last_attempt(const struct mlb_events *events);

/* Gather for one attempt (0: none had started, so that only the batch step
 * can tell). state is what is known of its end; NULL: its attempt-end event
 * is. Logs of old agents, which did not note where an attempt's part begins,
 * are taken as a whole; logs that cannot be read are left out. The events
 * and state must live as long as the evidence. */
void evidence_gather(const struct mlb_run *run,
                     const struct mlb_events *events, long attempt,
                     const struct mlb_run_state *state,
                     struct evidence *evidence);
void evidence_clear(struct evidence *evidence);

/* NULL if nothing is known of that rank. */
const struct evidence_rank *evidence_rank(const struct evidence *evidence,
                                          long rank);

/* The number in its file of a line (from 1) of a log; 0 if so much comes
 * before that it was not counted. */
long evidence_line(const struct evidence *evidence, size_t log, size_t line);

#endif
