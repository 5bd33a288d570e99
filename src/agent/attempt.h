/* SPDX-License-Identifier: BSD-3-Clause */
/* One attempt of a run, shared by its two halves: attempt.c has what is
 * before and after the launch line, launch.c what is meanwhile. */
#ifndef AGENT_ATTEMPT_H
#define AGENT_ATTEMPT_H

#include <jansson.h>
#include <sys/types.h>

#include "agent/ask.h"
#include "agent/cause.h"
#include "agent/settings.h"
#include "agent/slurm_job.h"

struct attempt {
    char *run_dir;               /* absolute */
    char *writer;                /* of events */
    char *job;                   /* the scheduler's id */
    struct settings settings;
    struct mlb_strings environment;   /* for the launch line */
    long number;                 /* 1, 2, ...; 0: not known */
    int signals;                 /* fd of signals_open */
    pid_t launch;                /* the launch line's pid and group */
    /* What is to be done when, on clock_now; CLOCK_NEVER if not (again). */
    double warn_at, end_at, terminate_at, kill_at, look_at;
    enum ask asked;
    off_t log_from;              /* where this attempt's batch log begins */
    struct ending ending;
};

/* Append an event of this attempt; fields are consumed. Failure is only
 * said on standard error: the run is worth more than its log. */
void attempt_note(const struct attempt *attempt, const char *name,
                  json_t *fields);

/* Run the launch line to its end, ask its tasks to save and to stop in time,
 * and end what is left of it. ending then says what was seen. -1 with err
 * (and ending.code) if it could not be started. */
int attempt_launch(struct attempt *attempt, struct mlb_error *err);

#endif
