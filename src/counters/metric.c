/* SPDX-License-Identifier: BSD-3-Clause */
/* The tables of metrics, states and causes. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "counters/metric.h"

#define LENGTH(table) ((int)(sizeof(table) / sizeof((table)[0])))

const struct metric metrics[METRIC_COUNT] = {
    [METRIC_CPU_TIME] = { "cpu_time", "ns", METRIC_TASK, METRIC_COUNTER,
        "CPU time, in user and kernel mode" },
    [METRIC_RSS] = { "rss", "bytes", METRIC_TASK, METRIC_GAUGE,
        "resident memory, pages shared by processes counted in each" },
    [METRIC_MINOR_FAULTS] = { "minor_faults", "1", METRIC_TASK,
        METRIC_COUNTER, "page faults that needed no I/O" },
    [METRIC_MAJOR_FAULTS] = { "major_faults", "1", METRIC_TASK,
        METRIC_COUNTER, "page faults that waited for I/O" },
    [METRIC_RUN_DELAY] = { "run_delay", "ns", METRIC_TASK, METRIC_COUNTER,
        "time ready to run without a CPU" },
    [METRIC_READ_CHARS] = { "read_chars", "bytes", METRIC_TASK,
        METRIC_COUNTER, "bytes read by system calls, also from caches" },
    [METRIC_WRITE_CHARS] = { "write_chars", "bytes", METRIC_TASK,
        METRIC_COUNTER, "bytes written by system calls" },
    [METRIC_READ_BYTES] = { "read_bytes", "bytes", METRIC_TASK,
        METRIC_COUNTER, "bytes fetched from storage" },
    [METRIC_WRITE_BYTES] = { "write_bytes", "bytes", METRIC_TASK,
        METRIC_COUNTER, "bytes sent to storage" },
    [METRIC_SWITCHES] = { "switches", "1", METRIC_TASK, METRIC_COUNTER,
        "context switches" },
    [METRIC_CYCLES] = { "cycles", "1", METRIC_TASK, METRIC_COUNTER,
        "CPU cycles" },
    [METRIC_INSTRUCTIONS] = { "instructions", "1", METRIC_TASK,
        METRIC_COUNTER, "instructions completed" },
    [METRIC_LLC_MISSES] = { "llc_misses", "1", METRIC_TASK, METRIC_COUNTER,
        "misses of the last-level cache" },
    [METRIC_FP_OPS] = { "fp_ops", "1", METRIC_TASK, METRIC_COUNTER,
        "floating-point operations" },
    [METRIC_STALL_CYCLES] = { "stall_cycles", "1", METRIC_TASK,
        METRIC_COUNTER, "cycles stalled on any resource" },
    [METRIC_BRANCH_MISSES] = { "branch_misses", "1", METRIC_TASK,
        METRIC_COUNTER, "branches predicted wrongly" },
    [METRIC_STEP] = { "step", "1", METRIC_TASK, METRIC_GAUGE,
        "the last training step that was told" },
    [METRIC_SAMPLES] = { "samples", "1", METRIC_TASK, METRIC_COUNTER,
        "samples gone through" },
    [METRIC_STEP_TIME] = { "step_time", "ns", METRIC_TASK, METRIC_COUNTER,
        "time from the first step told to the last" },
    [METRIC_MPI_TIME] = { "mpi_time", "ns", METRIC_TASK, METRIC_COUNTER,
        "time inside MPI calls" },
    [METRIC_MPI_BYTES] = { "mpi_bytes", "bytes", METRIC_TASK,
        METRIC_COUNTER, "bytes given to MPI to send" },
    [METRIC_MPI_CALLS] = { "mpi_calls", "1", METRIC_TASK, METRIC_COUNTER,
        "MPI calls" },
    [METRIC_GROUP_MEMORY] = { "group_memory", "bytes", METRIC_NODE,
        METRIC_GAUGE, "memory charged to the job on the node" },
    [METRIC_GROUP_MEMORY_PEAK] = { "group_memory_peak", "bytes", METRIC_NODE,
        METRIC_GAUGE, "the most memory ever charged to it" },
    [METRIC_GROUP_CPU_TIME] = { "group_cpu_time", "ns", METRIC_NODE,
        METRIC_COUNTER, "CPU time charged to the job on the node" },
    [METRIC_OOM_KILLS] = { "oom_kills", "1", METRIC_NODE, METRIC_COUNTER,
        "processes that the kernel killed for memory" },
    [METRIC_AGENT_CPU_TIME] = { "agent_cpu_time", "ns", METRIC_NODE,
        METRIC_COUNTER, "CPU time of mlbatch's own sampling" },
    [METRIC_AGENT_RSS] = { "agent_rss", "bytes", METRIC_NODE, METRIC_GAUGE,
        "resident memory of the sampling agent" },
    [METRIC_GPU_USE] = { "gpu_use", "percent", METRIC_GPU, METRIC_GAUGE,
        "share of time with a kernel running, however small" },
    [METRIC_GPU_MEMORY] = { "gpu_memory", "bytes", METRIC_GPU, METRIC_GAUGE,
        "device memory in use" },
    [METRIC_GPU_POWER] = { "gpu_power", "mW", METRIC_GPU, METRIC_GAUGE,
        "power drawn" },
    [METRIC_GPU_ENERGY] = { "gpu_energy", "mJ", METRIC_GPU, METRIC_COUNTER,
        "energy used" },
    [METRIC_GPU_CLOCK] = { "gpu_clock", "MHz", METRIC_GPU, METRIC_GAUGE,
        "clock of the multiprocessors" },
    [METRIC_GPU_THROTTLE] = { "gpu_throttle", "1", METRIC_GPU, METRIC_GAUGE,
        "why the clock is held down, NVML's bits" },
    [METRIC_GPU_ECC] = { "gpu_ecc", "1", METRIC_GPU, METRIC_COUNTER,
        "memory errors that could not be corrected" },
    [METRIC_GPU_PROCESSES] = { "gpu_processes", "1", METRIC_GPU,
        METRIC_GAUGE, "processes that compute on it" },
    [METRIC_GPU_SM_ACTIVE] = { "gpu_sm_active", "permille", METRIC_GPU,
        METRIC_GAUGE, "multiprocessors with work, mean" },
    [METRIC_GPU_SM_OCCUPANCY] = { "gpu_sm_occupancy", "permille", METRIC_GPU,
        METRIC_GAUGE, "warps resident, of those possible" },
    [METRIC_GPU_TENSOR_ACTIVE] = { "gpu_tensor_active", "permille",
        METRIC_GPU, METRIC_GAUGE, "tensor pipes busy" },
    [METRIC_GPU_DRAM_ACTIVE] = { "gpu_dram_active", "permille", METRIC_GPU,
        METRIC_GAUGE, "device memory bandwidth in use" },
};

static const char *const states[] = {
    [METRIC_OK] = "ok",
    [METRIC_PARTIAL] = "partial",
    [METRIC_ESTIMATED] = "estimated",
    [METRIC_UNAVAILABLE] = "unavailable",
};

static const char *const causes[METRIC_CAUSE_COUNT] = {
    [METRIC_FINE] = "fine",
    [METRIC_NO_PMU] = "no-pmu",
    [METRIC_FORBIDDEN] = "forbidden",
    [METRIC_CONTAINER] = "container",
    [METRIC_FEW_FILES] = "few-files",
    [METRIC_NO_LIBRARY] = "no-library",
    [METRIC_NO_DEVICE] = "no-device",
    [METRIC_CONTENDED] = "contended",
    [METRIC_ALWAYS_ZERO] = "always-zero",
    [METRIC_NOT_ASKED] = "not-asked",
    [METRIC_LATE] = "late",
    [METRIC_LOST] = "lost",
    [METRIC_UNSUPPORTED] = "unsupported",
    [METRIC_NO_GROUP] = "no-group",
    [METRIC_NOT_TOLD] = "not-told",
    [METRIC_DAMAGED] = "damaged",
    [METRIC_ERROR] = "error",
};

static int find(const char *const *table, int length, const char *name)
{
    for (int i = 0; i < length; i++)
        if (strcmp(table[i], name) == 0)
            return i;
    return -1;
}

int metric_find(const char *name)
{
    for (int i = 0; i < METRIC_COUNT; i++)
        if (strcmp(metrics[i].name, name) == 0)
            return i;
    return -1;
}

const char *metric_state_name(enum metric_state state)
{
    return states[state];
}

int metric_state_find(const char *name)
{
    return find(states, LENGTH(states), name);
}

const char *metric_cause_name(enum metric_cause cause)
{
    return causes[cause];
}

int metric_cause_find(const char *name)
{
    return find(causes, LENGTH(causes), name);
}

void metric_status_set(struct metric_status *status, enum metric_state state,
                       enum metric_cause cause, const char *source,
                       const char *reason)
{
    status->state = state;
    status->cause = cause;
    status->coverage = state == METRIC_UNAVAILABLE ? 0 : 100;
    snprintf(status->source, sizeof(status->source), "%s", source);
    snprintf(status->reason, sizeof(status->reason), "%s",
             reason ? reason : "");
}
