/* SPDX-License-Identifier: BSD-3-Clause */
/* Tasks, nodes and GPUs of a record: their numbers, and sums over them. */
#include "config.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/card_parts.h"

bool card_task_ended(const struct record_task *task)
{
    return task->exit != LONG_MIN || task->signal != LONG_MIN;
}

static enum metric_state checked(uint8_t state)
{
    return state > METRIC_UNAVAILABLE ? METRIC_UNAVAILABLE
                                      : (enum metric_state)state;
}

double card_task_number(const struct card_input *in, size_t task,
                        enum metric_id metric, enum metric_state *state)
{
    const struct record_task *t = &in->record->tasks[task];

    *state = checked(t->state[metric]);
    if (*state != METRIC_UNAVAILABLE && t->total[metric] != METRIC_MISSING)
        return (double)t->total[metric] * card_scale(metric);
    /* What wait4 said stands when nobody sampled. */
    if (metric == METRIC_CPU_TIME && !isnan(t->user_seconds) &&
        !isnan(t->system_seconds)) {
        *state = METRIC_OK;
        return t->user_seconds + t->system_seconds;
    }
    *state = METRIC_UNAVAILABLE;
    return NAN;
}

double card_task_seconds(const struct card_input *in, size_t task,
                         enum metric_state *state)
{
    const struct record_task *t = &in->record->tasks[task];

    *state = METRIC_OK;
    if (!isnan(t->seconds))
        return t->seconds;
    for (size_t i = 0; i < in->attempt_count; i++) {
        const struct card_attempt *a = &in->attempts[i];
        if (a->attempt->number != t->attempt || isnan(a->end) ||
            isnan(t->start) || a->end < t->start)
            continue;
        *state = METRIC_PARTIAL;
        return a->end - t->start;
    }
    *state = METRIC_UNAVAILABLE;
    return NAN;
}

double card_task_memory(const struct card_input *in, size_t task,
                        enum metric_state *state)
{
    const struct record_task *t = &in->record->tasks[task];
    int64_t sampled = t->peak_rss, largest = t->max_rss;

    if (checked(t->state[METRIC_RSS]) != METRIC_UNAVAILABLE &&
        t->total[METRIC_RSS] > largest)
        largest = t->total[METRIC_RSS];
    *state = METRIC_OK;
    if (sampled >= 0)
        return (double)(sampled > largest ? sampled : largest);
    /* Of one process: a task may have had several. */
    *state = largest >= 0 ? METRIC_ESTIMATED : METRIC_UNAVAILABLE;
    return largest >= 0 ? (double)largest : NAN;
}

double card_gpu_number(const struct record_gpu *gpu, enum metric_id metric,
                       enum metric_state *state)
{
    *state = checked(gpu->state[metric]);
    if (*state != METRIC_UNAVAILABLE && gpu->total[metric] != METRIC_MISSING)
        return (double)gpu->total[metric] * card_scale(metric);
    *state = METRIC_UNAVAILABLE;
    return NAN;
}

double card_gpu_mean(const struct record_gpu *gpu, enum metric_id metric,
                     enum metric_state *state)
{
    *state = checked(gpu->state[metric]);
    if (*state == METRIC_UNAVAILABLE || isnan(gpu->mean[metric])) {
        *state = METRIC_UNAVAILABLE;
        return NAN;
    }
    return gpu->mean[metric] * card_scale(metric);
}

struct card_value card_task_sum(const struct card_input *in,
                                enum metric_id metric,
                                const struct card_attempt *attempt,
                                struct card_tally *tally)
{
    const struct record *record = in->record;
    long expected = 0, open = 0;

    card_tally_begin(tally);
    for (size_t i = 0; i < in->attempt_count; i++)
        if (!attempt || attempt == &in->attempts[i])
            expected += in->attempts[i].tasks;
    for (size_t i = 0; i < record->task_count; i++) {
        enum metric_state state;
        if (attempt && record->tasks[i].attempt != attempt->attempt->number)
            continue;
        double number = card_task_number(in, i, metric, &state);
        card_tally_add(tally, i, number, state);
        open += !isnan(number) && !card_task_ended(&record->tasks[i]);
    }
    if (expected > tally->of)
        tally->of = expected;
    struct card_value value = card_tally_value(tally, tally->sum, "ranks",
                                               &record->status[metric]);
    if (open > 0)
        card_worsen(&value, METRIC_PARTIAL, METRIC_LOST, "%ld of %ld ranks "
                    "never told their end: counted as far as was seen",
                    open, tally->of);
    return value;
}

char *card_rank_name(const struct card_input *in, size_t task)
{
    const struct record_task *t = &in->record->tasks[task];

    if (t->node < 0 || (size_t)t->node >= in->record->node_count)
        return xasprintf("rank %ld", t->rank);
    return xasprintf("rank %ld on %s", t->rank,
                     in->record->nodes[t->node].name);
}

struct metric_status card_memory_status(const struct card_input *in,
                                        const struct card_tally *tally)
{
    struct metric_status status = in->record->status[METRIC_RSS];

    /* That it was not sampled does not say what stands for it. */
    if (tally->have > 0 && tally->state == METRIC_ESTIMATED)
        metric_status_set(&status, METRIC_ESTIMATED, METRIC_NOT_ASKED,
                          "wait4", "not sampled: of the largest process "
                          "alone");
    return status;
}

static struct card_value memory_value(const struct card_input *in,
                                      const struct card_tally *tally)
{
    const struct metric_status status = card_memory_status(in, tally);
    struct card_value value =
        card_tally_value(tally, tally->sum, "ranks", &status);

    if (tally->have > 1)
        card_worsen(&value, METRIC_ESTIMATED, METRIC_FINE,
                    "the ranks' peaks added, which need not have come at "
                    "once");
    return value;
}

struct card_value card_node_memory(const struct card_input *in, size_t node)
{
    const struct record_node *n = &in->record->nodes[node];
    struct card_value value = memory_value(in, &in->memory[node]);

    if (card_has(&value) ||
        checked(n->state[METRIC_GROUP_MEMORY_PEAK]) == METRIC_UNAVAILABLE ||
        n->total[METRIC_GROUP_MEMORY_PEAK] == METRIC_MISSING)
        return value;
    card_value_clear(&value);
    value = card_known((double)n->total[METRIC_GROUP_MEMORY_PEAK], "cgroup");
    card_worsen(&value, METRIC_ESTIMATED, METRIC_FINE,
                "of the control group, with the files that it cached");
    return value;
}

/* Those that are on no known node are on the only one, or anywhere. */
static struct card_value nowhere_memory(const struct card_input *in,
                                        const struct card_tally *tally)
{
    if (in->nodes == 1)
        return memory_value(in, tally);
    return card_missing(METRIC_NOT_TOLD, "which node %ld ranks ran on is not "
                        "known", tally->of);
}

struct card_value card_memory(const struct card_input *in, char **where)
{
    size_t nodes = in->record->node_count;
    struct card_tally tally;
    struct metric_status status;

    card_tally_begin(&tally);
    metric_status_set(&status, METRIC_OK, METRIC_NOT_TOLD, "record", "");
    for (size_t i = 0; i < nodes + in->attempt_count; i++) {
        if (in->memory[i].of == 0)
            continue;
        struct card_value value =
            i < nodes ? card_node_memory(in, i)
                      : nowhere_memory(in, &in->memory[i]);
        card_tally_add(&tally, i, value.number, value.state);
        if (value.state > status.state)
            metric_status_set(&status, value.state, value.cause,
                              value.source, value.reason);
        card_value_clear(&value);
    }
    *where = tally.have > 0 && tally.highest_at < nodes
                 ? xstrdup(in->record->nodes[tally.highest_at].name) : NULL;
    return card_tally_value(&tally, tally.highest, "nodes", &status);
}

/* Three kinds of GPUs: used, idle, and those of which nobody can tell. */
static void count_gpu(const struct record_gpu *gpu, struct card_gpus *count)
{
    enum metric_state use_state, process_state;
    double use = card_gpu_number(gpu, METRIC_GPU_USE, &use_state);
    double processes = card_gpu_number(gpu, METRIC_GPU_PROCESSES,
                                       &process_state);

    count->held++;
    /* A process that holds it does not yet use it, but nobody saw it idle. */
    if (use_state == METRIC_UNAVAILABLE && !(processes > 0))
        return;
    count->measured++;
    count->used += use > 0 || (use_state == METRIC_UNAVAILABLE &&
                               processes > 0);
}

struct card_gpus card_gpus(const struct card_input *in)
{
    long asked = in->gpus_per_task > 0 && in->tasks > 0
                     ? in->gpus_per_task * in->tasks : 0;
    struct card_gpus best = { .asked = asked };

    for (size_t a = 0; a < in->attempt_count; a++) {
        struct card_gpus count = { .asked = asked };
        for (size_t i = 0; i < in->record->gpu_count; i++)
            if (in->record->gpus[i].attempt ==
                in->attempts[a].attempt->number)
                count_gpu(&in->record->gpus[i], &count);
        if (count.used > best.used ||
            (count.used == best.used && count.held >= best.held))
            best = count;
    }
    return best;
}
