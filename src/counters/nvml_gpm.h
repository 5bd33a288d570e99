/* SPDX-License-Identifier: BSD-3-Clause */
/* NVML's GPM: what a GPU was busy with between two samples. */
#ifndef COUNTERS_NVML_GPM_H
#define COUNTERS_NVML_GPM_H

#include "counters/nvml_library.h"

struct nvml_gpm {
    nvml_device device, parent;
    unsigned instance;
    nvml_sample before, after;       /* NULL: none */
    struct nvml_gpm_request request;
};

/* All give NVML's code. parent: of a part of a GPU, which instance numbers;
 * else NULL. */
int nvml_gpm_begin(struct nvml_gpm *gpm, nvml_device device,
                   nvml_device parent, unsigned instance);
/* What was between the last call and this one. */
int nvml_gpm_read(struct nvml_gpm *gpm);
/* Of the last read, in permille; id: NVML_GPM_SM_UTIL, ... */
int nvml_gpm_value(const struct nvml_gpm *gpm, unsigned id, int64_t *out);
void nvml_gpm_end(struct nvml_gpm *gpm);

#endif
