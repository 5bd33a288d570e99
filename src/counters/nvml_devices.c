/* SPDX-License-Identifier: BSD-3-Clause */
/* Which GPUs are the job's.
 *
 * NVML counts those GPUs that this process may open, in the order of the
 * bus; inside a job whose devices a control group holds back these are the
 * job's alone. So a number is read as who wrote it means it:
 *
 * - CUDA_VISIBLE_DEVICES and GPU_DEVICE_ORDINAL number what CUDA would see
 *   without them: the n-th GPU of those that can be opened. As for CUDA, what
 *   follows a number that is none is not visible.
 * - SLURM_STEP_GPUS, SLURM_JOB_GPUS and NVIDIA_VISIBLE_DEVICES number those
 *   of the machine: N is /dev/nvidiaN.
 *
 * The job has all that any of them names: a rank is often shown one of the
 * several GPUs that the job has on the node. Parts of GPUs (MIG) are named by
 * UUID; where there are some, numbers are not looked at, as they may number
 * parts. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "counters/nvml_library.h"

#define GPUS_MAX 64
#define LENGTH(table) (sizeof(table) / sizeof((table)[0]))

struct seen {
    nvml_device device;
    long minor;                      /* -1: not known */
    char uuid[96];
};

struct search {
    struct seen seen[GPUS_MAX];      /* all that can be opened */
    size_t seen_count;
    struct counters_entity *found;
    size_t count, room;
    bool named;                      /* the environment names some */
    bool parts;                      /* MIG among them */
};

static const struct variable {
    const char *name;
    bool of_machine;
} variables[] = {
    { "CUDA_VISIBLE_DEVICES", false },
    { "GPU_DEVICE_ORDINAL", false },
    { "NVIDIA_VISIBLE_DEVICES", true },
    { "SLURM_STEP_GPUS", true },
    { "SLURM_JOB_GPUS", true },
};

bool nvml_is_mig(const char *uuid)
{
    return strncmp(uuid, "MIG-", 4) == 0;
}

static void look(struct search *search)
{
    unsigned count = 0;

    if (nvml.count(&count) != NVML_SUCCESS)
        return;
    for (unsigned i = 0; i < count && search->seen_count < GPUS_MAX; i++) {
        struct seen *seen = &search->seen[search->seen_count];
        unsigned minor;
        if (nvml.by_index(i, &seen->device) != NVML_SUCCESS ||
            nvml.uuid(seen->device, seen->uuid, sizeof(seen->uuid)) !=
                NVML_SUCCESS)
            continue;
        seen->minor = nvml.minor && nvml.minor(seen->device, &minor) ==
                                        NVML_SUCCESS ? (long)minor : -1;
        search->seen_count++;
    }
}

static void add(struct search *search, nvml_device device, const char *uuid)
{
    struct counters_entity *entity = &search->found[search->count];
    struct nvml_memory_v2 v2 = { .version = NVML_MEMORY_V2 };
    struct nvml_memory memory;

    for (size_t i = 0; i < search->count; i++)
        if (strcmp(search->found[i].uuid, uuid) == 0)
            return;
    if (search->count == search->room)
        return;
    memset(entity, 0, sizeof(*entity));
    entity->scope = METRIC_GPU;
    entity->group_fd = -1;
    entity->index = (long)search->count;
    entity->capacity = METRIC_MISSING;
    snprintf(entity->uuid, sizeof(entity->uuid), "%s", uuid);
    if (!nvml.product ||
        nvml.product(device, entity->product, sizeof(entity->product)) !=
            NVML_SUCCESS)
        entity->product[0] = '\0';
    if (nvml.memory_v2 && nvml.memory_v2(device, &v2) == NVML_SUCCESS &&
        v2.total <= INT64_MAX)
        entity->capacity = (int64_t)v2.total;
    else if (nvml.memory && nvml.memory(device, &memory) == NVML_SUCCESS &&
             memory.total <= INT64_MAX)
        entity->capacity = (int64_t)memory.total;
    search->count++;
}

/* By the beginning of its UUID, as CUDA lets one name it. */
static int add_uuid(struct search *search, const char *name)
{
    nvml_device device;
    char uuid[96];

    for (size_t i = 0; i < search->seen_count; i++)
        if (strncmp(search->seen[i].uuid, name, strlen(name)) == 0) {
            add(search, search->seen[i].device, search->seen[i].uuid);
            return 0;
        }
    if (nvml.by_uuid(name, &device) != NVML_SUCCESS)
        return -1;
    if (nvml.uuid(device, uuid, sizeof(uuid)) != NVML_SUCCESS)
        snprintf(uuid, sizeof(uuid), "%s", name);
    add(search, device, uuid);
    return 0;
}

static int add_number(struct search *search, long number, bool of_machine)
{
    for (size_t i = 0; i < search->seen_count; i++) {
        const struct seen *seen = &search->seen[i];
        long own = of_machine && seen->minor >= 0 ? seen->minor : (long)i;
        if (own == number) {
            add(search, seen->device, seen->uuid);
            return 0;
        }
    }
    return -1;
}

/* One word: a UUID, a number, a range of numbers. */
static int add_word(struct search *search, const char *word, bool of_machine)
{
    char *end;

    if (strncmp(word, "GPU-", 4) == 0 || nvml_is_mig(word))
        return add_uuid(search, word);
    if (search->parts)
        return 0;
    long first = strtol(word, &end, 10), last = first;
    if (end == word || first < 0)
        return -1;
    if (*end == '-')
        last = strtol(end + 1, &end, 10);
    if (*end != '\0' || last < first || last - first >= GPUS_MAX)
        return -1;
    for (long n = first; n <= last; n++)
        if (add_number(search, n, of_machine) < 0)
            return -1;
    return 0;
}

/* "all", "void" and the like say nothing of a job. */
static bool names_some(const char *value)
{
    return value && (strncmp(value, "GPU-", 4) == 0 || nvml_is_mig(value) ||
                     (*value >= '0' && *value <= '9'));
}

static void add_variable(struct search *search, const struct variable *v)
{
    const char *value = getenv(v->name);
    char *copy, *rest, *word;

    if (!names_some(value))
        return;
    search->named = true;
    copy = rest = xstrdup(value);
    while ((word = strsep(&rest, ", ")))
        if (*word && add_word(search, word, v->of_machine) < 0 &&
            !v->of_machine)
            break;
    free(copy);
}

size_t nvml_gpus(long expected, struct counters_entity *found, size_t room,
                 struct metric_status *why)
{
    struct search search = { .found = found, .room = room };

    if (nvml_open(why) < 0)
        return 0;
    look(&search);
    for (size_t i = 0; i < LENGTH(variables); i++) {
        const char *value = getenv(variables[i].name);
        search.parts |= value && strstr(value, "MIG-");
    }
    for (size_t i = 0; i < LENGTH(variables); i++)
        add_variable(&search, &variables[i]);
    for (size_t i = 0; !search.named && i < search.seen_count &&
                       (long)i < expected; i++)
        add(&search, search.seen[i].device, search.seen[i].uuid);
    if (search.count == 0)
        metric_status_set(why, METRIC_UNAVAILABLE, METRIC_NO_DEVICE, "nvml",
                          search.seen_count > 0
                              ? "none of the job's GPUs can be seen here"
                              : "NVML shows no GPU here");
    return search.count;
}

int nvml_find(const struct counters_entity *entity, nvml_device *device)
{
    return nvml.by_uuid(entity->uuid, device);
}
