/* SPDX-License-Identifier: BSD-3-Clause */
/* The points of a sweep: runs of their own below the run that is the sweep.
 *
 *   RUN/sweep       token= and value=NAME=VALUE of each point, a record each.
 *                   That it is there makes the run a sweep
 *   RUN/plan        the plan of a point, in which the word of its field mark,
 *                   random and so nowhere else, is followed by '#' for the
 *                   number of the point, and by ".NAME." for a value
 *   RUN/points/K    the run directory of point K, made when it starts or is
 *                   submitted again by itself; id "NAME.N/K"
 *   RUN/submission  part=ID TOKEN OFFSET INDICES for each array of the
 *                   scheduler: index i of it is point OFFSET + i
 *
 * A thousand points so cost little more to submit than one. */
#ifndef RUN_POINTS_H
#define RUN_POINTS_H

#include "run/run.h"

/* The file RUN/sweep of count records. Added to out. */
void points_format(const struct mlb_fields *records, long count,
                   struct mlb_text *out);

/* How many points a run has; 0: it is no sweep. */
long points_count(const char *run_dir);

/* One record into an empty *record. MLB_ERR_NOT_FOUND if there is no such
 * point. */
int points_read(const char *run_dir, long point, struct mlb_fields *record,
                struct mlb_error *err);

/* The run of a point, which need not have a directory yet. */
void points_run(const struct mlb_run *sweep, long point, struct mlb_run *run);

/* Make the directory of a point, with its plan and, as submitted events, what
 * the sweep's log says, unless it is there. job is the scheduler's id of the
 * point. Any number may do so at once. */
int points_make(const struct mlb_run *point, const char *job,
                struct mlb_error *err);

/* ---- parts: "0-999" and "3,7,9-12" ---- */

bool indices_have(const char *indices, long index);
/* Add an index that is larger than those before. */
void indices_add(struct mlb_text *indices, long index);

/* The scheduler's id of a point, by the parts of the sweep's submission whose
 * token it is; NULL if it is in none. Caller frees. */
char *points_job(const struct mlb_fields *submission, const char *token,
                 long point);

#endif
