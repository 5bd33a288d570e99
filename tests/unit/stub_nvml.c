/* SPDX-License-Identifier: BSD-3-Clause */
/* A stub of NVIDIA's library, for tests: as many GPUs as STUB_NVML_GPUS says
 * (default 1), GPU-00000000-0000-0000-0000-00000000000N of 80 GB each, which
 * do what STUB_NVML says, or the file whose absolute path it is; looked at
 * with each call:
 *   fine       (default) 60 % in use, 20 GB, 300 W
 *   idle       0 % in use, no memory, no process, 70 W
 *   unsupported  nothing but names, memory and clock is told
 *   absent     sentinels for "no value" in place of values
 *   lost       the GPUs have fallen off the bus
 *   forbidden  nobody may look
 *   mig        each GPU is divided; of its parts, MIG-GPU-...-N, memory and
 *              GPM are told
 *   nodriver   the library cannot be initialised
 * STUB_NVML_MINOR=N: the first is /dev/nvidiaN. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define GPUS 16

enum { OK, INVALID = 2, UNSUPPORTED = 3, FORBIDDEN = 4, NOT_FOUND = 6,
       SMALL = 7, NO_DRIVER = 9, LOST = 15 };

struct device {
    int number;
    bool part;
};
static struct device devices[2 * GPUS];

struct sample {
    struct timespec taken;
};

struct use { unsigned gpu, memory; };
struct memory { unsigned long long total, free, used; };
struct memory_v2 {
    unsigned version;
    unsigned long long total, reserved, free, used;
};
struct support { unsigned version, supported; };
struct metric {
    unsigned id;
    int rc;
    double value;
    char *names[3];
};
struct request {
    unsigned version, count;
    struct sample *first, *second;
    struct metric metrics[];
};

static const char *scenario(void)
{
    static char word[32];
    const char *told = getenv("STUB_NVML");
    FILE *f;

    if (!told || *told != '/')
        return told ? told : "fine";
    f = fopen(told, "r");
    if (!f || fscanf(f, "%31s", word) != 1)
        strcpy(word, "fine");
    if (f)
        fclose(f);
    return word;
}

static bool is(const char *word)
{
    return strcmp(scenario(), word) == 0;
}

static unsigned gpus(void)
{
    const char *told = getenv("STUB_NVML_GPUS");
    unsigned count = told ? (unsigned)atoi(told) : 1;

    return count < GPUS ? count : GPUS;
}

/* What all but names comes to; asks: a measurement, which a part has not. */
static int refusal(const struct device *d)
{
    if (is("lost"))
        return LOST;
    if (is("forbidden"))
        return FORBIDDEN;
    return is("unsupported") || d->part ? UNSUPPORTED : OK;
}

int nvmlInit_v2(void);
int nvmlInit_v2(void)
{
    for (int i = 0; i < 2 * GPUS; i++)
        devices[i] = (struct device){ i % GPUS, i >= GPUS };
    return is("nodriver") ? NO_DRIVER : OK;
}

int nvmlShutdown(void);
int nvmlShutdown(void)
{
    return OK;
}

int nvmlDeviceGetCount_v2(unsigned *count);
int nvmlDeviceGetCount_v2(unsigned *count)
{
    *count = gpus();
    return OK;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, struct device **device);
int nvmlDeviceGetHandleByIndex_v2(unsigned index, struct device **device)
{
    *device = &devices[index % GPUS];
    return index < gpus() ? OK : INVALID;
}

int nvmlDeviceGetUUID(const struct device *d, char *text, unsigned size);
int nvmlDeviceGetUUID(const struct device *d, char *text, unsigned size)
{
    snprintf(text, size, "%sGPU-00000000-0000-0000-0000-%012d",
             d->part ? "MIG-" : "", d->number);
    return OK;
}

int nvmlDeviceGetHandleByUUID(const char *uuid, struct device **device);
int nvmlDeviceGetHandleByUUID(const char *uuid, struct device **device)
{
    char own[64];

    for (int i = 0; i < 2 * GPUS; i++) {
        nvmlDeviceGetUUID(&devices[i], own, sizeof(own));
        if (devices[i].number >= (int)gpus() || strcmp(own, uuid) != 0 ||
            (devices[i].part && !is("mig")))
            continue;
        *device = &devices[i];
        return OK;
    }
    return NOT_FOUND;
}

int nvmlDeviceGetMinorNumber(const struct device *d, unsigned *minor);
int nvmlDeviceGetMinorNumber(const struct device *d, unsigned *minor)
{
    const char *first = getenv("STUB_NVML_MINOR");

    *minor = (unsigned)d->number + (first ? (unsigned)atoi(first) : 0);
    return d->part ? UNSUPPORTED : OK;
}

int nvmlDeviceGetName(const struct device *d, char *text, unsigned size);
int nvmlDeviceGetName(const struct device *d, char *text, unsigned size)
{
    snprintf(text, size, "Stub GPU%s", d->part ? " MIG 1g.10gb" : "");
    return OK;
}

int nvmlDeviceGetMigMode(const struct device *d, unsigned *now,
                         unsigned *next);
int nvmlDeviceGetMigMode(const struct device *d, unsigned *now,
                         unsigned *next)
{
    *now = *next = is("mig");
    return d->part ? INVALID : OK;
}

int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(const struct device *d,
                                                 struct device **parent);
int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(const struct device *d,
                                                 struct device **parent)
{
    *parent = &devices[d->number];
    return d->part ? OK : INVALID;
}

int nvmlDeviceGetGpuInstanceId(const struct device *d, unsigned *instance);
int nvmlDeviceGetGpuInstanceId(const struct device *d, unsigned *instance)
{
    *instance = 7;
    return d->part ? OK : INVALID;
}

/* As some drivers do of a divided GPU: yes, and 0. */
int nvmlDeviceGetUtilizationRates(const struct device *d, struct use *use);
int nvmlDeviceGetUtilizationRates(const struct device *d, struct use *use)
{
    *use = (struct use){ is("idle") || is("mig") ? 0 : 60, 30 };
    if (is("absent"))
        use->gpu = 0xffffffffu;
    return refusal(d);
}

static unsigned long long used(void)
{
    return is("idle") ? 0 : is("absent") ? ~0ull : 20000000000ull;
}

int nvmlDeviceGetMemoryInfo(const struct device *d, struct memory *memory);
int nvmlDeviceGetMemoryInfo(const struct device *d, struct memory *memory)
{
    (void)d;
    *memory = (struct memory){ 80000000000ull, 0, used() };
    if (memory->used != ~0ull)
        memory->used += 500000000;   /* what the driver keeps */
    return is("lost") ? LOST : is("forbidden") ? FORBIDDEN : OK;
}

int nvmlDeviceGetMemoryInfo_v2(const struct device *d,
                               struct memory_v2 *memory);
int nvmlDeviceGetMemoryInfo_v2(const struct device *d,
                               struct memory_v2 *memory)
{
    (void)d;
    if (memory->version != (sizeof(*memory) | 2u << 24))
        return INVALID;
    memory->total = 80000000000ull;
    memory->reserved = 500000000;
    memory->used = used();
    return is("lost") ? LOST : is("forbidden") ? FORBIDDEN : OK;
}

int nvmlDeviceGetPowerUsage(const struct device *d, unsigned *milliwatts);
int nvmlDeviceGetPowerUsage(const struct device *d, unsigned *milliwatts)
{
    *milliwatts = is("absent") ? 0xffffffffu : is("idle") ? 70000 : 300000;
    return refusal(d);
}

/* Each look finds 300 J more, from far above 0. */
int nvmlDeviceGetTotalEnergyConsumption(const struct device *d,
                                        unsigned long long *millijoules);
int nvmlDeviceGetTotalEnergyConsumption(const struct device *d,
                                        unsigned long long *millijoules)
{
    static unsigned long long energy = 5000000000ull;

    *millijoules = is("absent") ? ~0ull : (energy += 300000);
    return refusal(d);
}

int nvmlDeviceGetClockInfo(const struct device *d, int kind, unsigned *mhz);
int nvmlDeviceGetClockInfo(const struct device *d, int kind, unsigned *mhz)
{
    *mhz = is("absent") ? 0xffffffffu : 1980;
    return kind != 1 ? INVALID : is("unsupported") ? OK : refusal(d);
}

int nvmlDeviceGetCurrentClocksThrottleReasons(const struct device *d,
                                              unsigned long long *reasons);
int nvmlDeviceGetCurrentClocksThrottleReasons(const struct device *d,
                                              unsigned long long *reasons)
{
    *reasons = is("absent") ? ~0ull : is("idle") ? 1 : 4;
    return refusal(d);
}

int nvmlDeviceGetTotalEccErrors(const struct device *d, int kind,
                                int counter, unsigned long long *count);
int nvmlDeviceGetTotalEccErrors(const struct device *d, int kind,
                                int counter, unsigned long long *count)
{
    *count = is("absent") ? ~0ull : 2;
    return kind != 1 || counter != 0 ? INVALID : refusal(d);
}

int nvmlDeviceGetComputeRunningProcesses_v3(const struct device *d,
                                            unsigned *count, void *infos);
int nvmlDeviceGetComputeRunningProcesses_v3(const struct device *d,
                                            unsigned *count, void *infos)
{
    unsigned room = *count;

    *count = is("idle") || is("absent") ? 0 : 1;
    if (refusal(d) != OK)
        return refusal(d);
    return *count > room || (*count > 0 && !infos) ? SMALL : OK;
}

int nvmlGpmQueryDeviceSupport(const struct device *d,
                              struct support *support);
int nvmlGpmQueryDeviceSupport(const struct device *d,
                              struct support *support)
{
    support->supported = !is("unsupported");
    return support->version == 1 && !d->part ? OK : INVALID;
}

int nvmlGpmSampleAlloc(struct sample **sample);
int nvmlGpmSampleAlloc(struct sample **sample)
{
    *sample = calloc(1, sizeof(**sample));
    return OK;
}

int nvmlGpmSampleFree(struct sample *sample);
int nvmlGpmSampleFree(struct sample *sample)
{
    free(sample);
    return OK;
}

int nvmlGpmSampleGet(const struct device *d, struct sample *sample);
int nvmlGpmSampleGet(const struct device *d, struct sample *sample)
{
    clock_gettime(CLOCK_MONOTONIC, &sample->taken);
    return is("mig") ? UNSUPPORTED : refusal(d);
}

int nvmlGpmMigSampleGet(const struct device *d, unsigned instance,
                        struct sample *sample);
int nvmlGpmMigSampleGet(const struct device *d, unsigned instance,
                        struct sample *sample)
{
    clock_gettime(CLOCK_MONOTONIC, &sample->taken);
    return instance != 7 || d->part ? INVALID : refusal(d);
}

/* Samples must be in their order. */
static bool in_order(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec < b->tv_sec ||
           (a->tv_sec == b->tv_sec && a->tv_nsec <= b->tv_nsec);
}

int nvmlGpmMetricsGet(struct request *request);
int nvmlGpmMetricsGet(struct request *request)
{
    if (request->version != 1 ||
        !in_order(&request->first->taken, &request->second->taken))
        return INVALID;
    for (unsigned i = 0; i < request->count; i++) {
        struct metric *metric = &request->metrics[i];
        metric->rc = OK;
        metric->value = is("idle") ? 0 : 5.0 * metric->id + 0.14;
        if (is("absent"))
            metric->value = 0.0 / 0.0;
    }
    return OK;
}
