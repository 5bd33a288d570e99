/* SPDX-License-Identifier: BSD-3-Clause */
/* A task's processes as /proc shows them. (Inside src/counters.) */
#ifndef COUNTERS_PROC_PARTS_H
#define COUNTERS_PROC_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "counters/files.h"
#include "counters/tree.h"

/* What the kernel hands on to the parent of a process that is waited for. */
enum proc_sum {
    SUM_CPU, SUM_MINOR, SUM_MAJOR, SUM_IO, SUM_COUNT = SUM_IO + FILES_IO
};
/* What it forgets with each thread: time on a CPU, waiting, switches. */
enum proc_thread_sum { THREAD_RUN, THREAD_DELAY, THREAD_SWITCHES,
                       THREAD_SUMS };

struct proc_thread {
    pid_t tid;
    int fd;
    bool seen;
    int64_t sums[THREAD_SUMS];
};

struct proc_member {
    pid_t pid, parent;
    unsigned long long start;
    int stat, io, statm;         /* kept open; -1: not */
    int io_error;                /* errno of the last try */
    int64_t sums[SUM_COUNT];     /* with its children that were waited for */
    int64_t child_minor;         /* minor faults of those */
    int64_t explained;           /* of these, by children that we knew */
    int64_t resident;
    struct proc_thread *threads;
    size_t thread_count, thread_size;
    /* Of one that has gone: whose sums may hold its own, since when. */
    pid_t heir;
    unsigned long gone;
};

struct proc_list {
    struct proc_member *items;
    size_t count, size;
};

/* All processes of a task, and what those that have gone left behind. */
struct proc_task {
    struct tree_task tree;
    struct proc_list alive, gone;
    int64_t sums[SUM_COUNT];     /* of those that handed theirs to nobody */
    int64_t thread_sums[THREAD_SUMS];
    unsigned long look;          /* number of looks taken */
    bool lost;                   /* some ended out of our sight */
};

/* Start and stop knowing a process; its first values are read. */
void proc_member_open(struct proc_member *member, pid_t pid, pid_t parent);
void proc_member_close(struct proc_member *member);
/* Read all of it: -1: it has gone. */
int proc_member_read(struct proc_member *member, struct proc_task *task);
/* Resident memory alone. */
void proc_member_read_resident(struct proc_member *member);

/* Find the processes, read them, see to those that have gone. */
void proc_look(struct proc_task *task, bool fresh);
void proc_sum_up(const struct proc_task *task, int64_t sums[SUM_COUNT],
                 int64_t thread_sums[THREAD_SUMS]);

#endif
