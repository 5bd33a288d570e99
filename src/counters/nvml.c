/* SPDX-License-Identifier: BSD-3-Clause */
/* NVML: what GPUs do, told by their driver, whoever uses them. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "counters/nvml_gpm.h"
#include "counters/nvml_library.h"

#define LENGTH(table) ((int)(sizeof(table) / sizeof((table)[0])))
/* What NVML says for "no value", and anything that is none. */
#define NOT_32 0xffffffffu
#define NOT_64 0xffffffffffffffffull

struct gpu {
    nvml_device device, parent;      /* parent: of a part (MIG), else NULL */
    unsigned instance;               /* of the part */
    bool divided;                    /* a whole GPU in MIG mode */
    int64_t base[METRIC_COUNT];      /* of counters, at their first read */
    long reads[METRIC_COUNT], good[METRIC_COUNT];
    bool given_up[METRIC_COUNT];
    struct nvml_gpm gpm;
};

/* ---- asking; all give NVML's code ---- */

static int from_32(int rc, unsigned value, int64_t *out)
{
    if (rc == NVML_SUCCESS && value == NOT_32)
        rc = NVML_NO_DATA;
    *out = value;
    return rc;
}

static int from_64(int rc, unsigned long long value, int64_t *out)
{
    if (rc == NVML_SUCCESS && (value == NOT_64 || value > INT64_MAX))
        rc = NVML_NO_DATA;
    *out = (int64_t)value;
    return rc;
}

static int ask_use(const struct gpu *gpu, int64_t *out)
{
    struct nvml_utilization use = { NOT_32, NOT_32 };

    /* Some drivers say 0 of a GPU in MIG mode, which is not so. */
    if (!nvml.utilization || gpu->divided || gpu->parent)
        return NVML_NOT_SUPPORTED;
    int rc = nvml.utilization(gpu->device, &use);
    return from_32(rc, use.gpu > 100 ? NOT_32 : use.gpu, out);
}

static int ask_memory(const struct gpu *gpu, int64_t *out)
{
    struct nvml_memory_v2 v2 = { .version = NVML_MEMORY_V2, .used = NOT_64 };
    struct nvml_memory memory = { .used = NOT_64 };
    int rc = nvml.memory_v2 ? nvml.memory_v2(gpu->device, &v2)
                            : NVML_FUNCTION_NOT_FOUND;

    if (rc == NVML_SUCCESS || rc == NVML_GPU_IS_LOST)
        return from_64(rc, v2.used, out);
    if (!nvml.memory)
        return rc;
    rc = nvml.memory(gpu->device, &memory);
    return from_64(rc, memory.used, out);
}

static int ask_power(const struct gpu *gpu, int64_t *out)
{
    unsigned value = NOT_32;

    if (!nvml.power)
        return NVML_FUNCTION_NOT_FOUND;
    int rc = nvml.power(gpu->device, &value);
    return from_32(rc, value, out);
}

static int ask_energy(const struct gpu *gpu, int64_t *out)
{
    unsigned long long value = NOT_64;

    if (!nvml.energy)
        return NVML_FUNCTION_NOT_FOUND;
    int rc = nvml.energy(gpu->device, &value);
    return from_64(rc, value, out);
}

static int ask_clock(const struct gpu *gpu, int64_t *out)
{
    unsigned value = NOT_32;

    if (!nvml.clock)
        return NVML_FUNCTION_NOT_FOUND;
    int rc = nvml.clock(gpu->device, NVML_CLOCK_SM, &value);
    return from_32(rc, value, out);
}

static int ask_throttle(const struct gpu *gpu, int64_t *out)
{
    unsigned long long value = NOT_64;
    int (*ask)(nvml_device, unsigned long long *) =
        nvml.events ? nvml.events : nvml.throttle;

    if (!ask)
        return NVML_FUNCTION_NOT_FOUND;
    int rc = ask(gpu->device, &value);
    return from_64(rc, value, out);
}

static int ask_ecc(const struct gpu *gpu, int64_t *out)
{
    unsigned long long value = NOT_64;

    if (!nvml.ecc)
        return NVML_FUNCTION_NOT_FOUND;
    int rc = nvml.ecc(gpu->device, NVML_UNCORRECTED, NVML_VOLATILE, &value);
    return from_64(rc, value, out);
}

/* Room for none: how many there are is all that is wanted. */
static int ask_processes(const struct gpu *gpu, int64_t *out)
{
    unsigned count = 0;
    int (*ask)(nvml_device, unsigned *, void *) =
        nvml.processes_v3 ? nvml.processes_v3 : nvml.processes;

    if (!ask)
        return NVML_FUNCTION_NOT_FOUND;
    int rc = ask(gpu->device, &count, NULL);
    return from_32(rc == NVML_INSUFFICIENT_SIZE ? NVML_SUCCESS : rc, count,
                   out);
}

static const struct question {
    enum metric_id metric;
    const char *source;
    int (*ask)(const struct gpu *gpu, int64_t *out);
    unsigned gpm;                    /* of GPM instead */
} questions[] = {
    { METRIC_GPU_USE, "nvml", ask_use, 0 },
    { METRIC_GPU_MEMORY, "nvml", ask_memory, 0 },
    { METRIC_GPU_POWER, "nvml", ask_power, 0 },
    { METRIC_GPU_ENERGY, "nvml", ask_energy, 0 },
    { METRIC_GPU_CLOCK, "nvml", ask_clock, 0 },
    { METRIC_GPU_THROTTLE, "nvml", ask_throttle, 0 },
    { METRIC_GPU_ECC, "nvml", ask_ecc, 0 },
    { METRIC_GPU_PROCESSES, "nvml", ask_processes, 0 },
    { METRIC_GPU_SM_ACTIVE, "nvml:gpm", NULL, NVML_GPM_SM_UTIL },
    { METRIC_GPU_SM_OCCUPANCY, "nvml:gpm", NULL, NVML_GPM_SM_OCCUPANCY },
    { METRIC_GPU_TENSOR_ACTIVE, "nvml:gpm", NULL, NVML_GPM_TENSOR_UTIL },
    { METRIC_GPU_DRAM_ACTIVE, "nvml:gpm", NULL, NVML_GPM_DRAM_UTIL },
};

/* ---- what is said ---- */

/* It will not get better: do not ask each second. */
static bool is_final(int rc)
{
    return rc == NVML_NOT_SUPPORTED || rc == NVML_NO_PERMISSION ||
           rc == NVML_FUNCTION_NOT_FOUND;
}

static void explain(const struct gpu *gpu, const struct question *question,
                    int rc, struct metric_status *status)
{
    nvml_explain(rc, status);
    if (rc == NVML_NOT_SUPPORTED && (gpu->divided || gpu->parent))
        metric_status_set(status, METRIC_UNAVAILABLE, METRIC_UNSUPPORTED,
                          "nvml", gpu->parent
                              ? "NVML does not tell it of a part of a GPU "
                                "(MIG)"
                              : "the GPU is divided (MIG): NVML tells it of "
                                "no part");
    else if (rc == NVML_NOT_SUPPORTED && question->gpm)
        metric_status_set(status, METRIC_UNAVAILABLE, METRIC_UNSUPPORTED,
                          question->source,
                          "this GPU has no GPM (Hopper and later do)");
    snprintf(status->source, sizeof(status->source), "%s",
             question->source);
}

/* What was there for a part of the time is not unavailable. */
static void tell(struct gpu *gpu, const struct question *question, int rc,
                 struct metric_status *status)
{
    enum metric_id m = question->metric;
    long good = gpu->good[m], reads = gpu->reads[m];
    struct metric_status why;

    if (rc == NVML_SUCCESS && good == reads) {
        metric_status_set(status, METRIC_OK, METRIC_FINE, question->source,
                          NULL);
        return;
    }
    if (rc == NVML_SUCCESS) {
        status->state = METRIC_PARTIAL;
        status->coverage = (int)(100 * good / reads);
        return;
    }
    explain(gpu, question, rc, &why);
    *status = why;
    if (good > 0) {
        status->state = METRIC_PARTIAL;
        status->coverage = (int)(100 * good / reads);
    }
}

/* Counters of the driver's begin long before the job. */
static int from_base(struct gpu *gpu, enum metric_id m, int64_t *value)
{
    if (metrics[m].kind != METRIC_COUNTER)
        return NVML_SUCCESS;
    if (gpu->base[m] == METRIC_MISSING)
        gpu->base[m] = *value;
    if (*value < gpu->base[m])
        return NVML_RESET_REQUIRED;
    *value -= gpu->base[m];
    return NVML_SUCCESS;
}

static void read_gpu(void *state, int64_t *values,
                     struct metric_status *status)
{
    struct gpu *gpu = state;
    int gpm = nvml_gpm_read(&gpu->gpm);

    for (int i = 0; i < LENGTH(questions); i++) {
        const struct question *question = &questions[i];
        enum metric_id m = question->metric;
        int64_t value = 0;
        int rc;
        if (gpu->given_up[m])
            continue;
        gpu->reads[m]++;
        if (question->ask)
            rc = question->ask(gpu, &value);
        else
            rc = gpm == NVML_SUCCESS
                     ? nvml_gpm_value(&gpu->gpm, question->gpm,
                                      &value)
                     : gpm;
        if (rc == NVML_SUCCESS)
            rc = from_base(gpu, m, &value);
        if (rc == NVML_SUCCESS) {
            values[m] = value;
            gpu->good[m]++;
        }
        tell(gpu, question, rc, &status[m]);
        gpu->given_up[m] = question->ask && is_final(rc) &&
                           gpu->good[m] == 0;
    }
}

/* ---- the source ---- */

static void end(void *state)
{
    struct gpu *gpu = state;

    if (gpu)
        nvml_gpm_end(&gpu->gpm);
    free(gpu);
}

static void set_all(const struct metric_status *why,
                    struct metric_status *status)
{
    for (int i = 0; i < LENGTH(questions); i++) {
        status[questions[i].metric] = *why;
        snprintf(status[questions[i].metric].source, sizeof(why->source),
                 "%s", questions[i].source);
    }
}

static void look_at_parts(struct gpu *gpu, const char *uuid)
{
    unsigned now = 0, next = 0;

    if (nvml_is_mig(uuid)) {
        if (!nvml.mig_parent || !nvml.mig_instance ||
            nvml.mig_parent(gpu->device, &gpu->parent) != NVML_SUCCESS ||
            nvml.mig_instance(gpu->device, &gpu->instance) != NVML_SUCCESS)
            gpu->divided = true;     /* nothing of it can be told apart */
    } else {
        gpu->divided = nvml.mig_mode &&
                       nvml.mig_mode(gpu->device, &now, &next) ==
                           NVML_SUCCESS && now == 1;
    }
}

/* The first values say what there is, and are where counters begin. */
static void *begin(const struct counters_entity *entity,
                   struct metric_status *status)
{
    int64_t values[METRIC_COUNT];
    struct metric_status why;
    struct gpu *gpu;
    int rc;

    if (entity->scope != METRIC_GPU)
        return NULL;
    if (nvml_open(&why) < 0) {
        set_all(&why, status);
        return NULL;
    }
    gpu = xcalloc(1, sizeof(*gpu));
    rc = nvml_find(entity, &gpu->device);
    if (rc != NVML_SUCCESS) {
        nvml_explain(rc, &why);
        set_all(&why, status);
        end(gpu);
        return NULL;
    }
    for (int m = 0; m < METRIC_COUNT; m++)
        gpu->base[m] = METRIC_MISSING;
    look_at_parts(gpu, entity->uuid);
    read_gpu(gpu, values, status);
    rc = gpu->divided ? NVML_NOT_SUPPORTED
                      : nvml_gpm_begin(&gpu->gpm, gpu->device, gpu->parent,
                                       gpu->instance);
    for (int i = 0; i < LENGTH(questions); i++) {
        enum metric_id m = questions[i].metric;
        if (!questions[i].gpm)
            continue;
        gpu->given_up[m] = rc != NVML_SUCCESS;
        gpu->reads[m] = 0;
        tell(gpu, &questions[i], rc, &status[m]);
    }
    return gpu;
}

static void probe(struct mlb_text *out)
{
    struct metric_status why;
    unsigned count = 0;
    int rc = nvml_open(&why);

    if (rc == 0) {
        rc = nvml.count(&count);
        if (rc == NVML_SUCCESS && count == 0)
            rc = NVML_NOT_FOUND;
        if (rc != NVML_SUCCESS)
            nvml_explain(rc, &why);
    }
    if (rc != 0)
        text_addf(out, "unavailable: %s", why.reason);
    else
        text_addf(out, "ok: %u GPU%s", count, count == 1 ? "" : "s");
    nvml_close();
}

const struct counters_source nvml_source = {
    .name = "nvml",
    .probe = probe,
    .begin = begin,
    .read = read_gpu,
    .end = end,
    .gpus = nvml_gpus,
    .close = nvml_close,
};
