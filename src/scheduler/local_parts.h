/* SPDX-License-Identifier: BSD-3-Clause */
/* What the local*.c files share. Nobody else includes this. */
#ifndef SCHEDULER_LOCAL_PARTS_H
#define SCHEDULER_LOCAL_PARTS_H

#include "scheduler/local_queue.h"
#include "scheduler/scheduler.h"

/* ---- local.c ---- */
/* 0 and the number of one of this host's, 1 for another host's (its name is
 * what comes before the last colon), -1 if it is no id of ours. Of a point
 * the number is its array's. */
int local_read_id(const char *id, long *number);
/* The index in the id of an array's point, else -1. */
long local_read_index(const char *id);
/* "HOST:TICKET" into SCHEDULER_ID_SIZE bytes. */
void local_write_id(char *id, long number);

/* The same of a point of an array: "HOST:TICKET_INDEX". */
void local_write_point(char *id, long array, long index);

/* ---- local_start.c ---- */

/* A job about to be: what its process needs. */
struct newcomer {
    const struct mlb_plan *plan;
    const struct mlb_site *site;
    long cores;                  /* of this machine */
    int report;                  /* write end of the pipe, or -1 */
    long index;                  /* of an array's point, else -1 */
    struct ticket ticket;
};

/* Leave the terminal and all that is open; standard error is the job's log
 * from here on. */
int local_detach(struct newcomer *job, struct mlb_error *err);
int local_take_ticket(struct newcomer *job, struct mlb_error *err);
int local_wait_turn(struct newcomer *job, struct mlb_error *err);
/* Becomes the script; returns only if that fails. */
void local_become(const struct newcomer *job);

/* ---- local_array.c ---- */

/* All of an array's life, in the process that has its ticket: starts a process
 * for each point when it may, and ends when all have ended. Does not return. */
void local_array(struct newcomer *job) __attribute__((noreturn));

/* ---- local_start.c: the member of the table. ---- */
int local_submit(const struct mlb_plan *plan, const struct mlb_site *site,
                 char *id, struct mlb_error *err);

/* ---- local_explain.c: the member of the table. ---- */
int local_explain(const struct mlb_site *site, const char *id,
                  struct mlb_waiting *waiting, struct mlb_error *err);

#endif
