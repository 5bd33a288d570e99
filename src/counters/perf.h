/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading a group that counters_task_open opened. (Inside src/counters.) */
#ifndef COUNTERS_PERF_H
#define COUNTERS_PERF_H

#include "counters/metric.h"

/* CPU time and faults; -1: none of them, and their status says why. */
int perf_read(int group_fd, int64_t *values, struct metric_status *status);

/* What interrupts and a hypervisor took from all tasks of this machine since
 * this process opened the group, ns; -1: cannot tell. */
int64_t perf_taken_since(int group_fd);

#endif
