/* SPDX-License-Identifier: BSD-3-Clause */
/* GPUs, read by a thread of their own. */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "counters/counters.h"

#include "agent/sampler_gpus.h"

#define MOMENT 50000000L             /* ns that a sample waits for GPUs */
#define PATIENCE 200000000L          /* ns for the thread's end */

struct gpus {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool wanted, fresh, found, stopping;     /* under the lock */
    size_t count;
    long expected;
    struct gpu *shared;              /* under the lock: what was read */
    struct gpu *seen;                /* the sampler's copy */
};

/* CLOCK_REALTIME is what timed joins go by. */
static struct timespec in(clockid_t clock, long nanoseconds)
{
    struct timespec t;

    clock_gettime(clock, &t);
    t.tv_nsec += nanoseconds;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

static void read_one(struct counters *counters,
                     struct counters_entity *entity, size_t number,
                     struct gpu *gpu)
{
    const char *uuid = counters_uuid(entity);

    if (*uuid)
        snprintf(gpu->name, sizeof(gpu->name), "%s", uuid);
    else
        snprintf(gpu->name, sizeof(gpu->name), "gpu%zu", number);
    snprintf(gpu->product, sizeof(gpu->product), "%s",
             counters_product(entity));
    gpu->capacity = counters_capacity(entity);
    for (int i = 0; i < METRIC_COUNT; i++)
        gpu->values[i] = METRIC_MISSING;
    counters_read(counters, entity, false, gpu->values);
    for (int i = 0; i < METRIC_COUNT; i++)
        gpu->status[i] = *counters_status(entity, (enum metric_id)i);
}

/* Read when it is wanted, until stopping; never under the lock. */
static void serve(struct gpus *g, struct counters *counters,
                  struct counters_entity **entities, size_t count)
{
    struct gpu *own = xcalloc(count + 1, sizeof(*own));

    pthread_mutex_lock(&g->lock);
    g->count = count;
    g->found = true;
    while (!g->stopping) {
        if (!g->wanted) {
            pthread_cond_wait(&g->changed, &g->lock);
            continue;
        }
        g->wanted = false;
        pthread_mutex_unlock(&g->lock);
        for (size_t i = 0; i < count; i++)
            read_one(counters, entities[i], i, &own[i]);
        pthread_mutex_lock(&g->lock);
        memcpy(g->shared, own, count * sizeof(*own));
        g->fresh = true;
        pthread_cond_broadcast(&g->changed);
    }
    pthread_mutex_unlock(&g->lock);
    free(own);
}

static void *run(void *argument)
{
    struct gpus *g = argument;
    const struct counters_options options = { .gpus = true };
    struct counters_entity *entities[GPUS_MAX];
    struct counters *counters = counters_create(&options);
    size_t count = counters_add_gpus(counters, g->expected, entities,
                                     GPUS_MAX);

    if (count > 0)
        serve(g, counters, entities, count);
    for (size_t i = 0; i < count; i++)
        counters_remove(counters, entities[i]);
    counters_destroy(counters);
    counters_io_disown();
    return NULL;
}

static void destroy(struct gpus *g)
{
    pthread_cond_destroy(&g->changed);
    pthread_mutex_destroy(&g->lock);
    free(g->shared);
    free(g->seen);
    free(g);
}

struct gpus *gpus_start(long expected)
{
    struct gpus *g = xcalloc(1, sizeof(*g));
    pthread_condattr_t clock;

    g->expected = expected;
    g->shared = xcalloc(GPUS_MAX, sizeof(*g->shared));
    g->seen = xcalloc(GPUS_MAX, sizeof(*g->seen));
    pthread_mutex_init(&g->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&g->changed, &clock);
    pthread_condattr_destroy(&clock);
    if (pthread_create(&g->thread, NULL, run, g) != 0) {
        destroy(g);
        return NULL;
    }
    return g;
}

size_t gpus_read(struct gpus *g, const struct gpu **all)
{
    struct timespec until = in(CLOCK_MONOTONIC, MOMENT);
    size_t count = 0;

    pthread_mutex_lock(&g->lock);
    g->wanted = true;
    pthread_cond_broadcast(&g->changed);
    while (g->found && !g->fresh)
        if (pthread_cond_timedwait(&g->changed, &g->lock, &until) != 0)
            break;
    if (g->fresh) {
        count = g->count;
        memcpy(g->seen, g->shared, count * sizeof(*g->seen));
        g->fresh = false;
    }
    pthread_mutex_unlock(&g->lock);
    *all = g->seen;
    return count;
}

size_t gpus_silent(struct gpus *g, struct gpu *one)
{
    pthread_mutex_lock(&g->lock);
    bool found = g->found;
    pthread_mutex_unlock(&g->lock);
    if (found || g->expected <= 0)
        return 0;
    *one = (struct gpu){ .capacity = METRIC_MISSING };
    for (int i = 0; i < METRIC_COUNT; i++) {
        one->values[i] = METRIC_MISSING;
        metric_status_set(&one->status[i], METRIC_UNAVAILABLE, METRIC_LOST,
                          "nvml", "the library of the GPUs did not answer");
    }
    return g->expected < GPUS_MAX ? (size_t)g->expected : GPUS_MAX;
}

bool gpus_stop(struct gpus *g)
{
    struct timespec until = in(CLOCK_REALTIME, PATIENCE);

    if (!g)
        return true;
    pthread_mutex_lock(&g->lock);
    g->stopping = true;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
    if (pthread_timedjoin_np(g->thread, NULL, &until) != 0) {
        pthread_detach(g->thread);
        return false;
    }
    destroy(g);
    return true;
}
