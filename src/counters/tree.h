/* SPDX-License-Identifier: BSD-3-Clause */
/* Which processes are a task's. (Inside src/counters.) */
#ifndef COUNTERS_TREE_H
#define COUNTERS_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct tree_process {
    pid_t pid, parent;
};

struct tree {
    struct tree_process *items;
    size_t count, size;
};

/* Act as on a kernel without /proc/PID/task/TID/children: for tests. */
extern bool tree_no_children;

/* A task's program and all its descendants into tree (emptied first),
 * parents before their children. Orphans are found below agent, the parent
 * of the program, if that is a process of mlbatch; all of them if it is
 * this task's alone, else those of its process group. fresh: not from a
 * scan of an earlier call. */
struct tree_task {
    pid_t pid, agent;
    bool alone;
    bool ended;                  /* the program has: its pid says nothing */
};
void tree_find(const struct tree_task *task, bool fresh, struct tree *tree);
void tree_clear(struct tree *tree);
/* The end of the sampler: forget scans. */
void tree_forget(void);

#endif
