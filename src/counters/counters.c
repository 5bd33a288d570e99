/* SPDX-License-Identifier: BSD-3-Clause */
/* A sampler: asks the sources in turn, and takes of each what it has. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "counters/source.h"

#define SLOW_READ 0.05           /* seconds: longer hangs the sampler */
#define PAUSE 60.0               /* seconds until such a source is asked */
#define SOURCES_MAX 8

/* Of one entity, what one source said. */
struct counters_slot {
    const struct counters_source *source;
    void *state;
    unsigned char count;                    /* metrics that it knows */
    unsigned char metric[METRIC_COUNT];
    struct metric_status *status;           /* of each of these */
    double paused_until;
    struct metric_status paused;
};

struct counters {
    const struct counters_source *sources[SOURCES_MAX];
    size_t count;
    struct metric_status no_papi;           /* why */
    /* Sources see all metrics; slots keep those that they know. */
    int64_t values[METRIC_COUNT];
    struct metric_status status[METRIC_COUNT];
};

static const struct counters_source *const usual[] = {
    &perf_source, &proc_source, &cgroup_source, &agent_source,
};
#define USUAL (sizeof(usual) / sizeof(usual[0]))

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* PAPI is not even loaded where the kernel would refuse it anyway. */
static void try_papi(struct counters *counters,
                     const struct counters_options *options)
{
    const char *words = "";
    enum metric_cause cause;

    if (!options->hardware) {
        metric_status_set(&counters->no_papi, METRIC_UNAVAILABLE,
                          METRIC_NOT_ASKED, "papi",
                          "hardware counters were not asked for");
        return;
    }
    cause = perf_hardware_refusal(&words);
    if (cause != METRIC_FINE) {
        metric_status_set(&counters->no_papi, METRIC_UNAVAILABLE, cause,
                          "papi", words);
        return;
    }
    const struct counters_source *source =
        counters_load_papi(options->papi_module, &counters->no_papi);
    if (source)
        counters->sources[counters->count++] = source;
}

/* Stands for PAPI where it is not loaded; no_papi says why. */
static const struct counters_source absent = { .name = "papi" };

/* ---- a sampler ---- */

static struct counters *create(const struct counters_source *const *sources,
                               size_t count)
{
    struct counters *counters = xcalloc(1, sizeof(*counters));

    for (size_t i = 0; i < count && i < SOURCES_MAX - 2; i++)
        counters->sources[counters->count++] = sources[i];
    return counters;
}

static void open_sources(const struct counters *counters,
                         const struct counters_options *options)
{
    for (size_t i = 0; i < counters->count; i++)
        if (counters->sources[i]->open)
            counters->sources[i]->open(options);
}

struct counters *counters_create_from(
    const struct counters_source *const *sources, size_t count,
    const struct counters_options *options)
{
    struct counters *counters = create(sources, count);

    open_sources(counters, options);
    return counters;
}

struct counters *counters_create(const struct counters_options *options)
{
    struct counters *counters = create(usual, USUAL);

    try_papi(counters, options);
    if (options->gpus)
        counters->sources[counters->count++] = &nvml_source;
    open_sources(counters, options);
    return counters;
}

void counters_destroy(struct counters *counters)
{
    if (!counters)
        return;
    for (size_t i = counters->count; i-- > 0;)
        if (counters->sources[i]->close)
            counters->sources[i]->close();
    free(counters);
}

/* ---- entities ---- */

/* Keep what the source knows, from the sampler's status of all metrics. */
static void keep_status(const struct counters *counters,
                        struct counters_slot *slot)
{
    for (int m = 0; m < METRIC_COUNT; m++)
        if (counters->status[m].source[0])
            slot->metric[slot->count++] = (unsigned char)m;
    slot->status = xcalloc(slot->count, sizeof(*slot->status));
    for (int i = 0; i < slot->count; i++)
        slot->status[i] = counters->status[slot->metric[i]];
}

static void begin_slot(struct counters *counters,
                       struct counters_entity *entity,
                       const struct counters_source *source)
{
    struct counters_slot *slot = &entity->slots[entity->slot_count];

    memset(counters->status, 0, sizeof(counters->status));
    slot->source = source;
    if (source->begin)
        slot->state = source->begin(entity, counters->status);
    keep_status(counters, slot);
    if (slot->state || slot->count)
        entity->slot_count++;
    else
        free(slot->status);
}

/* What PAPI would have told of a task, and why it cannot. */
static void begin_absent(struct counters *counters,
                         struct counters_entity *entity)
{
    struct counters_slot *slot = &entity->slots[entity->slot_count];

    if (!counters->no_papi.source[0] || entity->scope != METRIC_TASK)
        return;
    memset(counters->status, 0, sizeof(counters->status));
    for (int m = METRIC_CYCLES; m <= METRIC_BRANCH_MISSES; m++)
        counters->status[m] = counters->no_papi;
    slot->source = &absent;
    keep_status(counters, slot);
    entity->slot_count++;
}

static struct counters_entity *add(struct counters *counters,
                                   const struct counters_entity *like)
{
    struct counters_entity *entity = xcalloc(1, sizeof(*entity));

    *entity = *like;
    entity->slots = xcalloc(counters->count + 1, sizeof(*entity->slots));
    entity->slot_count = 0;
    entity->last = xcalloc(METRIC_COUNT, sizeof(*entity->last));
    for (size_t i = 0; i < counters->count; i++)
        begin_slot(counters, entity, counters->sources[i]);
    begin_absent(counters, entity);
    return entity;
}

struct counters_entity *counters_add_task(struct counters *counters,
                                          pid_t pid, int group_fd,
                                          bool late)
{
    return add(counters, &(struct counters_entity){
        .scope = METRIC_TASK,
        .pid = pid,
        .group_fd = group_fd,
        .late = late,
        .capacity = METRIC_MISSING,
    });
}

struct counters_entity *counters_add_node(struct counters *counters)
{
    return add(counters, &(struct counters_entity){
        .scope = METRIC_NODE,
        .group_fd = -1,
        .capacity = METRIC_MISSING,
    });
}

/* A GPU that should be there, of which nothing can be said but why. */
static struct counters_entity *add_unseen_gpu(
    size_t index, const struct metric_status *why)
{
    struct counters_entity *entity = xcalloc(1, sizeof(*entity));
    struct counters_slot *slot = xcalloc(1, sizeof(*slot));

    entity->scope = METRIC_GPU;
    entity->group_fd = -1;
    entity->index = (long)index;
    entity->capacity = METRIC_MISSING;
    snprintf(entity->uuid, sizeof(entity->uuid), "gpu%zu", index);
    slot->source = &absent;
    slot->status = xcalloc(METRIC_COUNT, sizeof(*slot->status));
    for (int m = 0; m < METRIC_COUNT; m++)
        if (metrics[m].scope == METRIC_GPU) {
            slot->status[slot->count] = *why;
            slot->metric[slot->count++] = (unsigned char)m;
        }
    entity->slots = slot;
    entity->slot_count = 1;
    return entity;
}

size_t counters_add_gpus(struct counters *counters, long expected,
                         struct counters_entity **entities, size_t room)
{
    struct counters_entity *found = xcalloc(room, sizeof(*found));
    struct metric_status why;
    size_t count = 0;

    metric_status_set(&why, METRIC_UNAVAILABLE, METRIC_NO_LIBRARY, "nvml",
                      "nothing here can look at GPUs");
    for (size_t i = 0; i < counters->count && count == 0; i++)
        if (counters->sources[i]->gpus)
            count = counters->sources[i]->gpus(expected, found, room, &why);
    for (size_t i = 0; i < count; i++)
        entities[i] = add(counters, &found[i]);
    if (count == 0)
        for (; count < room && (long)count < expected; count++)
            entities[count] = add_unseen_gpu(count, &why);
    free(found);
    return count;
}

void counters_remove(struct counters *counters,
                     struct counters_entity *entity)
{
    (void)counters;
    if (!entity)
        return;
    for (size_t i = 0; i < entity->slot_count; i++) {
        struct counters_slot *slot = &entity->slots[i];
        if (slot->state && slot->source->end)
            slot->source->end(slot->state);
        free(slot->status);
    }
    free(entity->slots);
    free(entity->last);
    free(entity);
}

const char *counters_uuid(const struct counters_entity *entity)
{
    return entity->uuid;
}

const char *counters_product(const struct counters_entity *entity)
{
    return entity->product;
}

int64_t counters_capacity(const struct counters_entity *entity)
{
    return entity->capacity;
}

/* ---- reading ---- */

/* Did this thread sleep in a source, or compute for long? One that was only
 * kept from a CPU by others says nothing of the source. */
static bool was_slow(const struct rusage *before, double seconds)
{
    struct rusage after;

    if (seconds < SLOW_READ || getrusage(RUSAGE_THREAD, &after) < 0)
        return false;
    double cpu = (double)(after.ru_utime.tv_sec + after.ru_stime.tv_sec -
                          before->ru_utime.tv_sec -
                          before->ru_stime.tv_sec) +
                 (double)(after.ru_utime.tv_usec + after.ru_stime.tv_usec -
                          before->ru_utime.tv_usec -
                          before->ru_stime.tv_usec) / 1e6;
    return after.ru_nvcsw > before->ru_nvcsw || cpu >= SLOW_READ;
}

static void pause_slot(struct counters_slot *slot, double took)
{
    char reason[sizeof(slot->paused.reason)];

    snprintf(reason, sizeof(reason),
             "a read took %.0f ms; not tried again for %.0f s", took * 1e3,
             PAUSE);
    slot->paused_until = now() + PAUSE;
    metric_status_set(&slot->paused, METRIC_UNAVAILABLE, METRIC_LOST,
                      slot->source->name, reason);
}

/* Ask a source; its answer is in the sampler's values and status. */
static void ask(struct counters *counters, struct counters_slot *slot)
{
    struct rusage before;
    double start = now();

    for (int i = 0; i < slot->count; i++) {
        counters->values[slot->metric[i]] = METRIC_MISSING;
        counters->status[slot->metric[i]] = slot->status[i];
    }
    getrusage(RUSAGE_THREAD, &before);
    slot->source->read(slot->state, counters->values, counters->status);
    double took = now() - start;
    if (was_slow(&before, took))
        pause_slot(slot, took);
    for (int i = 0; i < slot->count; i++)
        slot->status[i] = counters->status[slot->metric[i]];
}

static bool has(const struct metric_status *status)
{
    return status->state != METRIC_UNAVAILABLE;
}

/* Who fills a metric: the first source that can. */
static const struct counters_slot *owner(const struct counters_entity *entity,
                                         enum metric_id metric, int *at)
{
    const struct counters_slot *first = NULL;

    for (size_t s = 0; s < entity->slot_count; s++) {
        const struct counters_slot *slot = &entity->slots[s];
        for (int i = 0; i < slot->count; i++) {
            if (slot->metric[i] != metric)
                continue;
            if (!first) {
                first = slot;
                *at = i;
            }
            if (has(&slot->status[i])) {
                *at = i;
                return slot;
            }
        }
    }
    return first;
}

static bool is_paused(const struct counters_slot *slot)
{
    return slot->paused_until > 0 && now() < slot->paused_until;
}

/* A counter never goes back, also not from one source's number to that of
 * another that took over. */
static int64_t forward(const struct counters_entity *entity, int metric,
                       int64_t value)
{
    int64_t *last = &entity->last[metric];

    if (value == METRIC_MISSING || metrics[metric].kind != METRIC_COUNTER)
        return value;
    if (value > *last)
        *last = value;
    return *last;
}

void counters_read(struct counters *counters, struct counters_entity *entity,
                   bool hardware, int64_t values[METRIC_COUNT])
{
    bool filled[METRIC_COUNT] = { false };

    for (int m = 0; m < METRIC_COUNT; m++)
        values[m] = METRIC_MISSING;
    for (size_t s = 0; s < entity->slot_count; s++) {
        struct counters_slot *slot = &entity->slots[s];
        bool asked = slot->state && slot->source->read &&
                     (hardware || !slot->source->slow) && !is_paused(slot);
        if (asked)
            ask(counters, slot);
        for (int i = 0; i < slot->count; i++) {
            int m = slot->metric[i];
            if (filled[m] || !has(&slot->status[i]))
                continue;
            /* Also if it was not asked now: another source's number of the
             * same thing would make a counter jump. */
            filled[m] = true;
            if (asked)
                values[m] = forward(entity, m, counters->values[m]);
        }
    }
}

void counters_refresh(struct counters_entity *entity)
{
    for (size_t s = 0; s < entity->slot_count; s++) {
        struct counters_slot *slot = &entity->slots[s];
        if (slot->state && slot->source->refresh)
            slot->source->refresh(slot->state);
    }
}

const struct metric_status *counters_status(
    const struct counters_entity *entity, enum metric_id metric)
{
    static const struct metric_status nobody = {
        .state = METRIC_UNAVAILABLE,
        .cause = METRIC_UNSUPPORTED,
        .source = "none",
        .reason = "nothing here counts this",
    };
    int at = 0;
    const struct counters_slot *slot = owner(entity, metric, &at);

    if (!slot)
        return &nobody;
    if (is_paused(slot) && has(&slot->status[at]))
        return &slot->paused;
    return &slot->status[at];
}

/* ---- doctor ---- */

static void probe_source(const struct counters_source *source,
                         struct mlb_text *out)
{
    if (!source->probe)
        return;
    text_addf(out, "%s: ", source->name);
    source->probe(out);
    text_add(out, "\n");
}

void counters_probe(struct mlb_text *out)
{
    struct metric_status why;
    const struct counters_source *papi = counters_load_papi(NULL, &why);

    if (papi)
        probe_source(papi, out);
    else
        text_addf(out, "papi: unavailable: %s\n", why.reason);
    for (size_t i = 0; i < USUAL; i++)
        probe_source(usual[i], out);
    probe_source(&nvml_source, out);
}
