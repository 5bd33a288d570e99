/* SPDX-License-Identifier: BSD-3-Clause */
/* Who belongs to a program that already runs. */
#ifndef COUNTERS_THREADS_H
#define COUNTERS_THREADS_H

#include <stddef.h>
#include <sys/types.h>

/* The threads of pid and of its living descendants, room at most; how many
 * there are, which may be more. 0: the process has gone, or /proc does not
 * tell. Orphans whose parents have ended are not found. */
size_t threads_list(pid_t pid, pid_t *tids, size_t room);

#endif
