/* SPDX-License-Identifier: BSD-3-Clause */
/* What the local*.c files share. Nobody else includes this. */
#ifndef SCHEDULER_LOCAL_PARTS_H
#define SCHEDULER_LOCAL_PARTS_H

#include "scheduler/local_queue.h"
#include "scheduler/scheduler.h"

/* ---- local.c ---- */
/* The plan's store: its run is STORE/runs/NAME.N. The caller frees. */
char *local_store(const struct mlb_plan *plan);
/* "HOST:TICKET" into SCHEDULER_ID_SIZE bytes. */
void local_write_id(char *id, long number);

/* ---- local_start.c: the member of the table. ---- */
int local_submit(const struct mlb_plan *plan, const struct mlb_site *site,
                 char *id, struct mlb_error *err);

#endif
