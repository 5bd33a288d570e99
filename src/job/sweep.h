/* SPDX-License-Identifier: BSD-3-Clause */
/* The points of a job's sweep: which values each of them has. Pure: the same
 * job gives the same points in the same order, everywhere. */
#ifndef JOB_SWEEP_H
#define JOB_SWEEP_H

#include "job/job.h"

#define SWEEP_POINTS_MOST 10000L

struct sweep {
    const struct mlb_job *job;
    long count;                  /* of points; 0: the job is no sweep */
    long long *drawn;            /* random: points of the grid; else NULL */
};
#define SWEEP_INIT { NULL, 0, NULL }

/* Is it one that can be run? Adds to problems. */
void sweep_check(const struct mlb_job *job, struct mlb_problems *problems);

/* The points of a job that was checked (none if its sweep is wrong). The job
 * must stay. sweep_clear it. */
void sweep_expand(const struct mlb_job *job, struct sweep *sweep);
void sweep_clear(struct sweep *sweep);

/* The values of point k, from 0 on, as name -> value in the order of the job
 * file, added to values. Of a grid the last name changes fastest. */
void sweep_point(const struct sweep *sweep, long k, struct mlb_fields *values);

#endif
