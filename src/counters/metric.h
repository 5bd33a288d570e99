/* SPDX-License-Identifier: BSD-3-Clause */
/* The metrics that mlbatch knows, and what is said of one that was not, or
 * not wholly, measured.
 *
 * Values are int64. A missing one is METRIC_MISSING, never 0: 0 means that
 * nothing happened, and that somebody looked. */
#ifndef COUNTERS_METRIC_H
#define COUNTERS_METRIC_H

#include <stdint.h>

#define METRIC_MISSING INT64_MIN

enum metric_scope {
    METRIC_TASK,             /* a rank: its program and all descendants */
    METRIC_NODE,             /* all of this job on a node */
    METRIC_GPU,
};

enum metric_kind {
    METRIC_COUNTER,          /* grows, from 0 at the start of its entity */
    METRIC_GAUGE,            /* goes up and down */
};

enum metric_id {
    /* ---- a task; sampled ---- */
    METRIC_CPU_TIME, METRIC_RSS, METRIC_MINOR_FAULTS, METRIC_MAJOR_FAULTS,
    METRIC_RUN_DELAY, METRIC_READ_CHARS, METRIC_WRITE_CHARS,
    METRIC_READ_BYTES, METRIC_WRITE_BYTES, METRIC_SWITCHES,
    /* ---- a task; the hardware's, at the slow interval ---- */
    METRIC_CYCLES, METRIC_INSTRUCTIONS, METRIC_LLC_MISSES, METRIC_FP_OPS,
    METRIC_STALL_CYCLES, METRIC_BRANCH_MISSES,
    /* ---- a task; told by the program or by the MPI interposer ---- */
    METRIC_STEP, METRIC_SAMPLES, METRIC_STEP_TIME, METRIC_MPI_TIME,
    METRIC_MPI_BYTES, METRIC_MPI_CALLS,
    /* ---- a node: the job's control group there, and the agents ---- */
    METRIC_GROUP_MEMORY, METRIC_GROUP_MEMORY_PEAK, METRIC_GROUP_CPU_TIME,
    METRIC_OOM_KILLS, METRIC_AGENT_CPU_TIME, METRIC_AGENT_RSS,
    /* ---- a GPU ---- */
    METRIC_GPU_USE, METRIC_GPU_MEMORY, METRIC_GPU_POWER, METRIC_GPU_ENERGY,
    METRIC_GPU_CLOCK, METRIC_GPU_THROTTLE, METRIC_GPU_ECC,
    METRIC_GPU_PROCESSES, METRIC_GPU_SM_ACTIVE, METRIC_GPU_SM_OCCUPANCY,
    METRIC_GPU_TENSOR_ACTIVE, METRIC_GPU_DRAM_ACTIVE,
    METRIC_COUNT
};

struct metric {
    const char *name;        /* "cpu_time": files, JSON, CSV, Prometheus */
    const char *unit;        /* "ns", "bytes", "1", "mW", ... */
    enum metric_scope scope;
    enum metric_kind kind;
    const char *help;        /* a line for a person */
};
extern const struct metric metrics[METRIC_COUNT];

/* By name; -1: none of that name. */
int metric_find(const char *name);

/* From best to worst: what is derived is as bad as its worst input. */
enum metric_state {
    METRIC_OK,
    METRIC_PARTIAL,          /* of a part of the time, or of the processes */
    METRIC_ESTIMATED,        /* scaled up or derived from a stand-in */
    METRIC_UNAVAILABLE,
};
const char *metric_state_name(enum metric_state state);   /* "ok", ... */
int metric_state_find(const char *name);                  /* -1: none */

/* Why a metric is not METRIC_OK. */
enum metric_cause {
    METRIC_FINE, METRIC_NO_PMU, METRIC_FORBIDDEN, METRIC_CONTAINER,
    METRIC_FEW_FILES, METRIC_NO_LIBRARY, METRIC_NO_DEVICE,
    METRIC_CONTENDED, METRIC_ALWAYS_ZERO, METRIC_NOT_ASKED, METRIC_LATE,
    METRIC_LOST, METRIC_UNSUPPORTED, METRIC_NO_GROUP, METRIC_NOT_TOLD,
    METRIC_DAMAGED, METRIC_ERROR,
    METRIC_CAUSE_COUNT
};
const char *metric_cause_name(enum metric_cause cause);   /* "no-pmu" */
int metric_cause_find(const char *name);                  /* -1: none */

struct metric_status {
    enum metric_state state;
    enum metric_cause cause;
    int coverage;            /* percent of time counted, 0..100 */
    char source[40];         /* "perf", "papi:PAPI_TOT_CYC", "proc", ... */
    char reason[160];        /* for a person, "" if ok; one line */
};

/* Set all of it. reason may be NULL ("" then). */
void metric_status_set(struct metric_status *status, enum metric_state state,
                       enum metric_cause cause, const char *source,
                       const char *reason);

#endif
