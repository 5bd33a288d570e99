/* SPDX-License-Identifier: BSD-3-Clause */
/* Waiting for a program and for all that it leaves behind. */
#ifndef AGENT_REAP_H
#define AGENT_REAP_H

#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

/* Orphans below this process become its children from now on. */
void reap_adopt(void);

/* Wait for what has ended, without blocking, adding to usage: sums over
 * all that were waited for, ru_maxrss the largest. True if pid was among it,
 * with its wait status. */
bool reap_ended(pid_t pid, int *status, struct rusage *usage);

/* A time of it in seconds. */
double reap_seconds(struct timeval t);

/* The parent of a process, -1 if it has gone. */
pid_t reap_parent(pid_t pid);

/* End what is left below this process: SIGTERM, after 2 s SIGKILL; at most
 * 5 s in all (a process in the kernel's hands cannot be ended). signals is
 * the fd of signals_open; what comes in meanwhile is dropped. */
void reap_rest(int signals, struct rusage *usage);

#endif
