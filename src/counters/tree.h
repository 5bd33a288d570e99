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
 * parents before their children. fresh: not from a scan of an earlier
 * call. */
struct tree_task {
    pid_t pid, agent;            /* the program and its parent */
    bool alone;                  /* all below the agent is this task's: there
                                  * are its orphans */
    bool ended;                  /* the program has: its pid says nothing */
};
void tree_find(const struct tree_task *task, bool fresh, struct tree *tree);
/* Is that process one of mlbatch's, as this one is? */
bool tree_is_ours(pid_t pid);
void tree_clear(struct tree *tree);
/* The end of the sampler: forget scans. */
void tree_forget(void);

#endif
