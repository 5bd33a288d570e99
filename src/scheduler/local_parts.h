/* SPDX-License-Identifier: BSD-3-Clause */
/* What the local*.c files share. Nobody else includes this. */
#ifndef SCHEDULER_LOCAL_PARTS_H
#define SCHEDULER_LOCAL_PARTS_H

#include "scheduler/local_queue.h"
#include "scheduler/scheduler.h"

/* ---- local.c ---- */
/* 0 and the number of one of this host's, 1 for another host's (its name is
 * what comes before the last colon), -1 if it is no id of ours. */
int local_read_id(const char *id, long *number);
/* "HOST:TICKET" into SCHEDULER_ID_SIZE bytes. */
void local_write_id(char *id, long number);

/* ---- local_start.c: the member of the table. ---- */
int local_submit(const struct mlb_plan *plan, const struct mlb_site *site,
                 char *id, struct mlb_error *err);

/* ---- local_explain.c: the member of the table. ---- */
int local_explain(const struct mlb_site *site, const char *id,
                  struct mlb_waiting *waiting, struct mlb_error *err);

#endif
