/* SPDX-License-Identifier: BSD-3-Clause */
/* GPM by way of NVML, which keeps both samples. */
#include "config.h"

#include <string.h>

#include "counters/nvml_gpm.h"

static const unsigned wanted[] = {
    NVML_GPM_SM_UTIL, NVML_GPM_SM_OCCUPANCY, NVML_GPM_TENSOR_UTIL,
    NVML_GPM_DRAM_UTIL,
};
#define WANTED (sizeof(wanted) / sizeof(wanted[0]))

static int take(const struct nvml_gpm *gpm, nvml_sample sample)
{
    if (!gpm->parent)
        return nvml.gpm_get(gpm->device, sample);
    return nvml.gpm_get_mig ? nvml.gpm_get_mig(gpm->parent, gpm->instance,
                                               sample)
                            : NVML_FUNCTION_NOT_FOUND;
}

void nvml_gpm_end(struct nvml_gpm *gpm)
{
    if (gpm->before)
        nvml.gpm_free(gpm->before);
    if (gpm->after)
        nvml.gpm_free(gpm->after);
    gpm->before = gpm->after = NULL;
}

int nvml_gpm_begin(struct nvml_gpm *gpm, nvml_device device,
                   nvml_device parent, unsigned instance)
{
    struct nvml_gpm_support support = { .version = 1 };
    int rc;

    if (!nvml.gpm_support || !nvml.gpm_alloc || !nvml.gpm_free ||
        !nvml.gpm_get || !nvml.gpm_metrics)
        return NVML_FUNCTION_NOT_FOUND;
    rc = nvml.gpm_support(parent ? parent : device, &support);
    if (rc != NVML_SUCCESS || !support.is_supported)
        return rc != NVML_SUCCESS ? rc : NVML_NOT_SUPPORTED;
    gpm->device = device;
    gpm->parent = parent;
    gpm->instance = instance;
    rc = nvml.gpm_alloc(&gpm->before);
    if (rc == NVML_SUCCESS)
        rc = nvml.gpm_alloc(&gpm->after);
    if (rc == NVML_SUCCESS)
        rc = take(gpm, gpm->before);
    if (rc != NVML_SUCCESS)
        nvml_gpm_end(gpm);
    return rc;
}

int nvml_gpm_read(struct nvml_gpm *gpm)
{
    struct nvml_gpm_request *request = &gpm->request;
    nvml_sample taken = gpm->after;
    int rc;

    if (!gpm->before)
        return NVML_NOT_SUPPORTED;
    rc = take(gpm, taken);
    if (rc != NVML_SUCCESS)
        return rc;
    memset(request, 0, sizeof(*request));
    request->version = 1;
    request->first = gpm->before;
    request->second = taken;
    for (size_t i = 0; i < WANTED; i++)
        request->metrics[request->count++].id = wanted[i];
    rc = nvml.gpm_metrics(request);
    gpm->after = gpm->before;
    gpm->before = taken;
    return rc;
}

/* What is far outside, or no number, is no value. */
int nvml_gpm_value(const struct nvml_gpm *gpm, unsigned id, int64_t *out)
{
    for (unsigned i = 0; i < gpm->request.count; i++) {
        const struct nvml_gpm_metric *metric = &gpm->request.metrics[i];
        if (metric->id != id)
            continue;
        if (metric->rc != NVML_SUCCESS)
            return metric->rc;
        if (!(metric->value >= 0 && metric->value <= 110))
            return NVML_NO_DATA;
        *out = metric->value > 100 ? 1000
                                   : (int64_t)(metric->value * 10 + 0.5);
        return NVML_SUCCESS;
    }
    return NVML_NOT_SUPPORTED;
}
