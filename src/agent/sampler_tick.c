/* SPDX-License-Identifier: BSD-3-Clause */
/* What the leader does each time that a sample is due. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/text.h"

#include "agent/agent.h"
#include "agent/metrics.h"
#include "agent/sampler_parts.h"

int64_t sampler_clock(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* A run goes on without its journal; that there is none is said once. */
static bool open_journal(struct sampler *s)
{
    struct mlb_error err;
    char text[96];

    if (s->journal)
        return true;
    s->journal = journal_create(s->run_dir, s->attempt, settings_node(),
                                &err);
    if (!s->journal) {
        if (!s->journal_failed)
            agent_complain(&err);
        s->journal_failed = true;
        return false;
    }
    snprintf(text, sizeof(text), "the agent of rank %ld samples%s", s->rank,
             s->alone ? " its task alone" : "");
    journal_note(s->journal, "leader", text);
    return true;
}

static void put(struct sampler *s, int index, enum metric_scope scope,
                const int64_t *values, const struct metric_status *const *all)
{
    for (int i = 0; i < METRIC_COUNT; i++)
        if (metrics[i].scope == scope)
            journal_set_status(s->journal, index, (enum metric_id)i, all[i]);
    journal_put(s->journal, index, values);
}

void tick_client(struct sampler *s, struct client *c, bool hardware)
{
    int64_t values[METRIC_COUNT], now = sampler_clock(CLOCK_MONOTONIC);
    const struct metric_status *all[METRIC_COUNT];
    struct metric_status told[METRIC_COUNT];

    for (int i = 0; i < METRIC_COUNT; i++)
        values[i] = METRIC_MISSING;
    counters_read(s->counters, c->entity, hardware, values);
    for (int i = 0; i < METRIC_COUNT; i++)
        all[i] = counters_status(c->entity, (enum metric_id)i);
    metrics_told(c->channel, s->mpi_asked, values, told);
    for (int i = METRIC_STEP; i <= METRIC_MPI_CALLS; i++)
        all[i] = &told[i];
    for (int i = 0; i < METRIC_COUNT; i++)
        if (values[i] != METRIC_MISSING) {
            c->last[i] = values[i];
            c->seen[i] = now;
        }
    if (!open_journal(s))
        return;
    if (c->index < 0) {
        struct journal_entity about = {
            .scope = METRIC_TASK,
            .rank = c->rank,
            .pid = c->pid,
            .capacity = METRIC_MISSING,
        };
        c->index = journal_add(s->journal, &about);
    }
    put(s, c->index, METRIC_TASK, values, all);
}

static void tick_node(struct sampler *s)
{
    int64_t values[METRIC_COUNT];
    const struct metric_status *all[METRIC_COUNT];

    if (!s->node)
        s->node = counters_add_node(s->counters);
    if (s->node_index < 0) {
        struct journal_entity about = {
            .scope = METRIC_NODE,
            .rank = -1,
            .capacity = METRIC_MISSING,
        };
        snprintf(about.name, sizeof(about.name), "%s", settings_node());
        s->node_index = journal_add(s->journal, &about);
    }
    for (int i = 0; i < METRIC_COUNT; i++)
        values[i] = METRIC_MISSING;
    counters_read(s->counters, s->node, false, values);
    for (int i = 0; i < METRIC_COUNT; i++)
        all[i] = counters_status(s->node, (enum metric_id)i);
    put(s, s->node_index, METRIC_NODE, values, all);
}

static void put_gpu(struct sampler *s, const struct gpu *gpu, size_t number)
{
    const struct metric_status *all[METRIC_COUNT];

    if (number == s->gpu_count) {
        struct journal_entity about = {
            .scope = METRIC_GPU,
            .rank = -1,
            .pid = (long)number,
            .capacity = gpu->capacity,
        };
        snprintf(about.name, sizeof(about.name), "%s", gpu->name);
        snprintf(about.product, sizeof(about.product), "%s", gpu->product);
        s->gpu_index[s->gpu_count++] = journal_add(s->journal, &about);
    }
    for (int i = 0; i < METRIC_COUNT; i++)
        all[i] = &gpu->status[i];
    put(s, s->gpu_index[number], METRIC_GPU, gpu->values, all);
}

/* Their library's start is none of the tasks' that wait to be welcomed. */
static void tick_gpus(struct sampler *s)
{
    const struct gpu *all;

    if (!s->gpus_asked)
        return;
    if (!s->gpus)
        s->gpus = gpus_start(s->gpus_expected);
    size_t count = s->gpus ? gpus_read(s->gpus, &all) : 0;
    for (size_t i = 0; i < count; i++)
        put_gpu(s, &all[i], i);
}

/* The job has some, but nothing was ever heard of them. */
static void end_gpus(struct sampler *s)
{
    struct gpu *one = xcalloc(1, sizeof(*one));
    size_t count = s->gpus && s->journal ? gpus_silent(s->gpus, one) : 0;

    for (size_t i = 0; i < count; i++) {
        snprintf(one->name, sizeof(one->name), "gpu%zu", i);
        put_gpu(s, one, i);
    }
    free(one);
    s->gpus_hang = !gpus_stop(s->gpus);
}

static void sample_rest(struct sampler *s)
{
    if (s->alone || !open_journal(s))
        return;
    tick_node(s);
    tick_gpus(s);
}

static void end_tick(struct sampler *s, int64_t now, int64_t real)
{
    struct mlb_error err;

    if (s->journal && journal_tick(s->journal, now, real, &err) < 0)
        agent_complain(&err);
}

static void note_gap(struct sampler *s, int64_t now)
{
    char text[64];

    if (!s->journal || now - s->pace.next <= 2 * s->pace.interval)
        return;
    snprintf(text, sizeof(text), "%.1f s without samples",
             (double)(now - s->pace.next + s->pace.interval) / 1e9);
    journal_note(s->journal, "gap", text);
}

void tick_all(struct sampler *s)
{
    int64_t now = sampler_clock(CLOCK_MONOTONIC);
    int64_t real = sampler_clock(CLOCK_REALTIME);
    bool hardware = pace_hardware_due(&s->pace, now);

    note_gap(s, now);
    for (size_t i = 0; i < s->count; i++)
        if (s->clients[i].entity)
            tick_client(s, &s->clients[i], hardware);
    sample_rest(s);
    const char *why = pace_ticked(&s->pace, now,
                                  sampler_clock(CLOCK_THREAD_CPUTIME_ID));
    if (why && s->journal) {
        char text[64];
        snprintf(text, sizeof(text), "a sample each %.0f s from now on",
                 (double)s->pace.interval / 1e9);
        journal_note(s->journal, why, text);
    }
    end_tick(s, now, real);
}

void tick_last(struct sampler *s)
{
    sample_rest(s);
    end_gpus(s);
    if (s->journal)
        journal_note(s->journal, "leader", "this leader's task has ended");
    end_tick(s, sampler_clock(CLOCK_MONOTONIC),
             sampler_clock(CLOCK_REALTIME));
}
