/* SPDX-License-Identifier: BSD-3-Clause */
/* Loading NVML, and its codes in words. */
#include "config.h"

#include <dlfcn.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "counters/nvml_library.h"

#define LENGTH(table) (sizeof(table) / sizeof((table)[0]))

struct nvml_library nvml;

static const struct {
    size_t offset;
    const char *name;
} functions[] = {
#define FUNCTION(member, name) { offsetof(struct nvml_library, member), name }
    FUNCTION(init, "nvmlInit_v2"),
    FUNCTION(shutdown, "nvmlShutdown"),
    FUNCTION(count, "nvmlDeviceGetCount_v2"),
    FUNCTION(by_index, "nvmlDeviceGetHandleByIndex_v2"),
    FUNCTION(by_uuid, "nvmlDeviceGetHandleByUUID"),
    FUNCTION(minor, "nvmlDeviceGetMinorNumber"),
    FUNCTION(uuid, "nvmlDeviceGetUUID"),
    FUNCTION(product, "nvmlDeviceGetName"),
    FUNCTION(mig_mode, "nvmlDeviceGetMigMode"),
    FUNCTION(mig_parent, "nvmlDeviceGetDeviceHandleFromMigDeviceHandle"),
    FUNCTION(mig_instance, "nvmlDeviceGetGpuInstanceId"),
    FUNCTION(utilization, "nvmlDeviceGetUtilizationRates"),
    FUNCTION(memory, "nvmlDeviceGetMemoryInfo"),
    FUNCTION(memory_v2, "nvmlDeviceGetMemoryInfo_v2"),
    FUNCTION(power, "nvmlDeviceGetPowerUsage"),
    FUNCTION(energy, "nvmlDeviceGetTotalEnergyConsumption"),
    FUNCTION(clock, "nvmlDeviceGetClockInfo"),
    FUNCTION(throttle, "nvmlDeviceGetCurrentClocksThrottleReasons"),
    FUNCTION(events, "nvmlDeviceGetCurrentClocksEventReasons"),
    FUNCTION(ecc, "nvmlDeviceGetTotalEccErrors"),
    FUNCTION(processes, "nvmlDeviceGetComputeRunningProcesses"),
    FUNCTION(processes_v3, "nvmlDeviceGetComputeRunningProcesses_v3"),
    FUNCTION(gpm_support, "nvmlGpmQueryDeviceSupport"),
    FUNCTION(gpm_alloc, "nvmlGpmSampleAlloc"),
    FUNCTION(gpm_free, "nvmlGpmSampleFree"),
    FUNCTION(gpm_get, "nvmlGpmSampleGet"),
    FUNCTION(gpm_get_mig, "nvmlGpmMigSampleGet"),
    FUNCTION(gpm_metrics, "nvmlGpmMetricsGet"),
#undef FUNCTION
};

static const struct {
    int rc;
    enum metric_cause cause;
    const char *words;
} returns[] = {
    { NVML_NOT_SUPPORTED, METRIC_UNSUPPORTED,
      "this GPU, or its driver, does not tell" },
    { NVML_NO_PERMISSION, METRIC_FORBIDDEN,
      "the driver does not let this user look (ask for it, or for access to "
      "/dev/nvidia*)" },
    { NVML_NOT_FOUND, METRIC_NO_DEVICE, "the GPU cannot be seen from here" },
    { NVML_DRIVER_NOT_LOADED, METRIC_NO_DEVICE,
      "NVIDIA's driver is not loaded on this machine" },
    { NVML_TIMEOUT, METRIC_ERROR, "the driver did not answer in time" },
    { NVML_LIBRARY_NOT_FOUND, METRIC_NO_LIBRARY,
      "NVML lacks a library of the driver's" },
    { NVML_FUNCTION_NOT_FOUND, METRIC_UNSUPPORTED,
      "this driver's NVML is too old to tell" },
    { NVML_GPU_IS_LOST, METRIC_LOST,
      "the GPU has fallen off the bus (it needs an administrator)" },
    { NVML_RESET_REQUIRED, METRIC_LOST,
      "the GPU must be reset (it needs an administrator)" },
    { NVML_OPERATING_SYSTEM, METRIC_CONTAINER,
      "the system lets nobody reach the driver here (a container without "
      "its devices?)" },
    { NVML_VERSION_MISMATCH, METRIC_ERROR,
      "NVML and the loaded driver are of different versions (reboot)" },
    { NVML_NO_DATA, METRIC_UNSUPPORTED, "NVML answers, but has no value" },
};

static void *module;
static bool ready;

void nvml_explain(int rc, struct metric_status *why)
{
    char words[64];

    for (size_t i = 0; i < LENGTH(returns); i++)
        if (returns[i].rc == rc) {
            metric_status_set(why, METRIC_UNAVAILABLE, returns[i].cause,
                              "nvml", returns[i].words);
            return;
        }
    snprintf(words, sizeof(words), "NVML failed with code %d", rc);
    metric_status_set(why, METRIC_UNAVAILABLE, METRIC_ERROR, "nvml", words);
}

static int load(struct metric_status *why)
{
    module = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!module) {
        metric_status_set(why, METRIC_UNAVAILABLE, METRIC_NO_LIBRARY, "nvml",
                          "there is no libnvidia-ml.so.1 here (no driver of "
                          "NVIDIA's, or a container without it)");
        return -1;
    }
    for (size_t i = 0; i < LENGTH(functions); i++) {
        void *function = dlsym(module, functions[i].name);
        memcpy((char *)&nvml + functions[i].offset, &function,
               sizeof(function));
    }
    return 0;
}

int nvml_open(struct metric_status *why)
{
    int rc;

    if (ready)
        return 0;
    if (!module && load(why) < 0)
        return -1;
    if (!nvml.init || !nvml.shutdown || !nvml.count || !nvml.by_index ||
        !nvml.by_uuid || !nvml.uuid) {
        nvml_explain(NVML_FUNCTION_NOT_FOUND, why);
        return -1;
    }
    rc = nvml.init();
    if (rc != NVML_SUCCESS) {
        nvml_explain(rc, why);
        return -1;
    }
    ready = true;
    return 0;
}

void nvml_close(void)
{
    if (ready)
        nvml.shutdown();
    ready = false;
}
