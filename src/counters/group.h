/* SPDX-License-Identifier: BSD-3-Clause */
/* Where this job's control groups are. (Inside src/counters.) */
#ifndef COUNTERS_GROUP_H
#define COUNTERS_GROUP_H

#include <stddef.h>

/* What stands before /proc and all mounted paths, "" but in tests. */
extern const char *group_root;

enum group_controller { GROUP_MEMORY, GROUP_CPU, GROUP_CONTROLLERS };

/* A directory of files, and of which version of control groups they are. */
struct group_place {
    char *path;                  /* NULL: there is none */
    int version;
};

/* The job's own group of each controller: the one of this process, or the
 * one above it that is named after the job (SLURM_JOB_ID, PBS_JOBID), or a
 * user's scope with nothing in it but this job. If there is none, reason
 * says so. */
void group_find(struct group_place places[GROUP_CONTROLLERS], char *reason,
                size_t size);
void group_clear(struct group_place places[GROUP_CONTROLLERS]);

#endif
