/* SPDX-License-Identifier: BSD-3-Clause */
/* Counting what tasks, nodes and GPUs do, from whatever source there is. */
#ifndef COUNTERS_COUNTERS_H
#define COUNTERS_COUNTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "base/text.h"
#include "counters/metric.h"

/* ---- a task's own counter: opened by the agent that starts it ---- */

/* Open the kernel's software counters (task clock, minor, major faults: one
 * group, inherited by all descendants, started by the next exec) on pid, a
 * child that has not yet called exec. The fd of the group, close-on-exec,
 * which may be passed to another process of the user; -1 and *status says
 * why. Whoever opened it must keep it open as long as anybody reads it:
 * counters_task_close closes all fds of the group (-1 is fine). */
int counters_task_open(pid_t pid, struct metric_status *status);
void counters_task_close(int group_fd);

/* The last word on a task when all its processes have been waited for:
 * values[m] for each metric of a task that the kernel accounts (CPU time,
 * faults, switches, I/O; METRIC_RSS: the largest peak of one process), with
 * status[m]. sum: ru_* added over all that were waited for (ru_maxrss:
 * largest); io: what this process's /proc/self/io inherited from them
 * (counters_io_inherited), or NULL. */
struct counters_io {
    int64_t read_chars, write_chars, read_bytes, write_bytes;
};
int counters_io_inherited(struct counters_io *io);      /* -1: cannot tell */
/* Called by a thread of this process before it ends: its own I/O shall not
 * count as inherited. */
void counters_io_disown(void);
void counters_task_totals(int group_fd, const struct rusage *sum,
                          const struct counters_io *io,
                          int64_t values[METRIC_COUNT],
                          struct metric_status status[METRIC_COUNT]);

/* ---- a sampler's view of a node; one thread uses it ---- */
struct counters;
struct counters_entity;              /* one task, node or GPU */

struct counters_options {
    bool hardware;                   /* try PAPI */
    bool gpus;                       /* try NVML */
    const char *papi_module;         /* path of counters-papi.so; NULL: the
                                      * one beside this program */
};
struct counters *counters_create(const struct counters_options *options);
void counters_destroy(struct counters *counters);       /* NULL is fine */

/* Begin to count. pid: the program's, before its exec or (late) running: all
 * threads and descendants it has by then are found, and the metrics that
 * missed their beginning are METRIC_PARTIAL. group_fd from
 * counters_task_open, -1: none; it stays the caller's. Never NULL: what
 * cannot be counted has its status. */
struct counters_entity *counters_add_task(struct counters *counters,
                                          pid_t pid, int group_fd,
                                          bool late);
struct counters_entity *counters_add_node(struct counters *counters);
/* The GPUs of this job on this node, by UUID: those that the environment
 * names (CUDA_VISIBLE_DEVICES, NVIDIA_VISIBLE_DEVICES, SLURM_STEP_GPUS,
 * SLURM_JOB_GPUS, GPU_DEVICE_ORDINAL), else, with expected > 0, the first
 * that many of all. If expected > 0 but none can be measured: expected
 * entities named "gpu0", ... with all metrics unavailable and the reason. */
size_t counters_add_gpus(struct counters *counters, long expected,
                         struct counters_entity **entities, size_t room);
void counters_remove(struct counters *counters,
                     struct counters_entity *entity);

/* A GPU's UUID ("GPU-8f...", "MIG-..."), "" otherwise; its product name; its
 * memory in bytes (METRIC_MISSING: unknown). */
const char *counters_uuid(const struct counters_entity *entity);
const char *counters_product(const struct counters_entity *entity);
int64_t counters_capacity(const struct counters_entity *entity);

/* Read all metrics of the entity's scope: values[m], METRIC_MISSING where it
 * has none now. hardware: the slow sources, too (PAPI; rotates its sets).
 * A read that took over 50 ms is not tried again for 60 s (METRIC_LOST).
 *
 * How old a value may be: what perf counts (CPU time, faults) and the
 * resident memory of a task's program are of this moment. What costs more
 * (descendants and their memory, run delay, switches, I/O; a node's out of
 * memory kills in version 1) is looked at every 5 s, sooner in a task's
 * first 20 s (a quarter of its age), later where looking is dear (60 s at
 * most); it is repeated until then. Counters never go back. */
void counters_read(struct counters *counters, struct counters_entity *entity,
                   bool hardware, int64_t values[METRIC_COUNT]);
/* The next read takes nothing from an earlier one. For a last look. */
void counters_refresh(struct counters_entity *entity);
/* As of the last read. */
const struct metric_status *counters_status(
    const struct counters_entity *entity, enum metric_id metric);

/* ---- doctor ---- */
/* One line a source: "papi: ok: ..." or "papi: unavailable: <reason, and
 * what to do>". A source is ok only if a counter was added, started, fed
 * with work and read more than zero. */
void counters_probe(struct mlb_text *out);

#endif
