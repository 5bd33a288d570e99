/* SPDX-License-Identifier: BSD-3-Clause */
/* NVIDIA's management library, found when it is wanted. What is declared
 * here is what of its documented interface we use (NVML API Reference,
 * docs.nvidia.com/deploy/nvml-api); it keeps its binary interface. */
#ifndef COUNTERS_NVML_LIBRARY_H
#define COUNTERS_NVML_LIBRARY_H

#include "counters/source.h"

enum nvml_return {
    NVML_SUCCESS = 0,
    NVML_NOT_SUPPORTED = 3,
    NVML_NO_PERMISSION = 4,
    NVML_NOT_FOUND = 6,
    NVML_INSUFFICIENT_SIZE = 7,
    NVML_DRIVER_NOT_LOADED = 9,
    NVML_TIMEOUT = 10,
    NVML_LIBRARY_NOT_FOUND = 12,
    NVML_FUNCTION_NOT_FOUND = 13,
    NVML_GPU_IS_LOST = 15,
    NVML_RESET_REQUIRED = 16,
    NVML_OPERATING_SYSTEM = 17,
    NVML_VERSION_MISMATCH = 18,
    NVML_NO_DATA = 21,
};

typedef struct nvml_device *nvml_device;
typedef struct nvml_sample *nvml_sample;

struct nvml_utilization { unsigned gpu, memory; };
struct nvml_memory { unsigned long long total, free, used; };
/* used is without what the driver keeps for itself, as it is not in the
 * first version: an idle GPU has 0. */
struct nvml_memory_v2 {
    unsigned version;
    unsigned long long total, reserved, free, used;
};
#define NVML_MEMORY_V2 ((unsigned)sizeof(struct nvml_memory_v2) | 2u << 24)

#define NVML_CLOCK_SM 1
#define NVML_UNCORRECTED 1           /* kind of memory error */
#define NVML_VOLATILE 0              /* since the driver was loaded */

struct nvml_gpm_support { unsigned version, is_supported; };
struct nvml_gpm_metric {
    unsigned id;
    int rc;                          /* the value means nothing if not 0 */
    double value;
    const char *short_name, *long_name, *unit;
};
#define NVML_GPM_MAX 512             /* more than any driver's table */
struct nvml_gpm_request {
    unsigned version, count;
    nvml_sample first, second;
    struct nvml_gpm_metric metrics[NVML_GPM_MAX];
};
#define NVML_GPM_SM_UTIL 2           /* all four: percent */
#define NVML_GPM_SM_OCCUPANCY 3
#define NVML_GPM_TENSOR_UTIL 5
#define NVML_GPM_DRAM_UTIL 10

/* Functions that this driver's library does not have are NULL. */
extern struct nvml_library {
    int (*init)(void);
    int (*shutdown)(void);
    int (*count)(unsigned *count);
    int (*by_index)(unsigned index, nvml_device *device);
    int (*by_uuid)(const char *uuid, nvml_device *device);
    int (*minor)(nvml_device device, unsigned *minor);
    int (*uuid)(nvml_device device, char *text, unsigned size);
    int (*product)(nvml_device device, char *text, unsigned size);
    int (*mig_mode)(nvml_device device, unsigned *now, unsigned *next);
    int (*mig_parent)(nvml_device device, nvml_device *parent);
    int (*mig_instance)(nvml_device device, unsigned *instance);
    int (*utilization)(nvml_device device, struct nvml_utilization *u);
    int (*memory)(nvml_device device, struct nvml_memory *memory);
    int (*memory_v2)(nvml_device device, struct nvml_memory_v2 *memory);
    int (*power)(nvml_device device, unsigned *milliwatts);
    int (*energy)(nvml_device device, unsigned long long *millijoules);
    int (*clock)(nvml_device device, int kind, unsigned *mhz);
    int (*throttle)(nvml_device device, unsigned long long *reasons);
    int (*events)(nvml_device device, unsigned long long *reasons);
    int (*ecc)(nvml_device device, int kind, int counter,
               unsigned long long *count);
    int (*processes)(nvml_device device, unsigned *count, void *infos);
    int (*processes_v3)(nvml_device device, unsigned *count, void *infos);
    int (*gpm_support)(nvml_device device, struct nvml_gpm_support *support);
    int (*gpm_alloc)(nvml_sample *sample);
    int (*gpm_free)(nvml_sample sample);
    int (*gpm_get)(nvml_device device, nvml_sample sample);
    int (*gpm_get_mig)(nvml_device device, unsigned instance,
                       nvml_sample sample);
    int (*gpm_metrics)(struct nvml_gpm_request *request);
} nvml;

/* Load and initialise it; done once until nvml_close. -1: *why says why. */
int nvml_open(struct metric_status *why);
/* Shut it down; it stays loaded, as its threads may not have ended. */
void nvml_close(void);

/* What a return code means, in words. */
void nvml_explain(int rc, struct metric_status *why);

/* The device of an entity that nvml_gpus found. NVML's code. */
int nvml_find(const struct counters_entity *entity, nvml_device *device);
/* Is it a part of a GPU (MIG)? */
bool nvml_is_mig(const char *uuid);

/* The callback of struct counters_source. */
size_t nvml_gpus(long expected, struct counters_entity *found, size_t room,
                 struct metric_status *why);

#endif
