/* SPDX-License-Identifier: BSD-3-Clause */
/* What happened to a run: RUN/events/WRITER.jsonl, one JSON object a line.
 *
 * A writer is one process or all tasks of one node; each line goes out in
 * one write to a file opened for appending, so lines are whole or, if the
 * machine died, torn at the very end: a torn line is ignored and counted.
 * {"time": 1700000000.123, "event": "task-end", "attempt": 1, "rank": 3,
 *  "exit": 0, ...} */
#ifndef RUN_EVENTS_H
#define RUN_EVENTS_H

#include <jansson.h>

#include "mlbatch/error.h"

/* The events and their fields beside time, event, attempt and rank:
 *  created         user, host, version, job (name as the user wrote it)
 *  submitted       scheduler, job, restart (true: by the run's own agent),
 *                  attempts (that had begun before)
 *  not-submitted   text
 *  cancel          by, host
 *  attempt-start   job, host, nodes (list of names), address and port of
 *                  the rendezvous, log_from (bytes of out/batch.log then)
 *  task-start      node, pid, world (how many ranks it was told of), log_from
 *                  (bytes of the rank's log then)
 *  task-end        node, exit, signal (0: none), seconds, user_seconds,
 *                  system_seconds, max_rss (bytes), text and log_from (if
 *                  not started); step, samples, dropped where the program
 *                  told them; oom_kills (programs that the kernel ended on
 *                  the node meanwhile for lack of memory) if it was killed
 *  checkpoint-asked  reason
 *  metric          name, step, value (number, or "nan" "inf" "-inf")
 *  attempt-end     job, state (a state_name), exit, text (the cause, one
 *                  line), saved (newest checkpoint's step, -1: none),
 *                  saved_at (last change among the checkpoints, 0: none)
 *  restart         cause (a state_name), action ("requeue" or "resubmit"),
 *                  count (of this cause, from 1; 0: Slurm's own doing),
 *                  text: the attempt is to go on; before its attempt-end,
 *                  so that nobody takes that for the run's
 *  not-restarted   cause, text: why it does not go on
 *  interrupt       as (a state_name), by, host
 *  hold, release   by, host
 *  sealed          exit (of the program that sealed the record)
 *  duplicate       job, text */
struct mlb_event {
    double time;             /* seconds since 1970, UTC */
    const char *name;        /* owned by fields */
    long attempt, rank;      /* -1: does not say */
    json_t *fields;          /* the whole object */
};

struct mlb_events {
    struct mlb_event *items; /* by time, then by writer and line */
    size_t count;
    size_t torn;             /* lines that could not be read */
};
#define MLB_EVENTS_INIT { 0 }
void events_clear(struct mlb_events *events);

/* Append one. fields (an object or NULL) is consumed. time is now, unless
 * fields has one (a metric's time is when the program told it). A line that
 * a dead machine left torn is ended first. */
int events_append(const char *run_dir, const char *writer, const char *name,
                  json_t *fields, struct mlb_error *err);

/* Read and merge all writers' files into an empty *events. Lines over 1 MiB
 * are torn ones. No events at all is fine. */
int events_read(const char *run_dir, struct mlb_events *events,
                struct mlb_error *err);

/* The last event of that name, or NULL. */
const struct mlb_event *events_last(const struct mlb_events *events,
                                    const char *name);

#endif
