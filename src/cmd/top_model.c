/* SPDX-License-Identifier: BSD-3-Clause */
/* What samples say of a task: rates, losses, silence. Pure. */
#include "config.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#include "cmd/top.h"

/* Over so many missed ticks, and so many seconds, a node is silent. */
#define SILENT_TICKS 3
#define SILENT_SECONDS 3

static const enum metric_id counters[TOP_COUNTERS] = {
    [TOP_CPU] = METRIC_CPU_TIME,
    [TOP_READ] = METRIC_READ_BYTES,
    [TOP_WRITE] = METRIC_WRITE_BYTES,
    [TOP_SAMPLES] = METRIC_SAMPLES,
};

static bool goes_back(const struct top_point *old,
                      const struct top_point *new)
{
    if (new->time <= old->time)
        return true;
    for (int i = 0; i < TOP_COUNTERS; i++)
        if (old->values[i] != METRIC_MISSING &&
            new->values[i] != METRIC_MISSING &&
            new->values[i] < old->values[i])
            return true;
    return false;
}

void top_sample(struct top_task *task, const void *writer,
                int64_t monotonic, const int64_t values[METRIC_COUNT])
{
    struct top_point point = { .time = monotonic };

    for (int i = 0; i < TOP_COUNTERS; i++)
        point.values[i] = values[counters[i]];
    const struct top_point *last = task->count
                                       ? &task->points[task->count - 1]
                                       : NULL;
    /* Of a leader before the one that we have heard of already. */
    if (last && task->writer != writer && monotonic <= last->time)
        return;
    if (last && (task->writer != writer || goes_back(last, &point)))
        task->count = 0;
    task->writer = writer;
    if (task->count == TOP_POINTS) {
        memmove(task->points, task->points + 1,
                sizeof(task->points) - sizeof(task->points[0]));
        task->count--;
    }
    task->points[task->count++] = point;
    task->rss = values[METRIC_RSS];
    if (values[METRIC_STEP] != METRIC_MISSING)
        task->step = values[METRIC_STEP];
}

/* 2: "loss", 1: a name with that in it, 0: something else. */
static int rank_of(const char *name)
{
    if (strcmp(name, "loss") == 0)
        return 2;
    return strcasestr(name, "loss") ? 1 : 0;
}

void top_loss(struct top_task *task, const char *name, double value)
{
    int rank = rank_of(name);

    if (rank > 0 && rank >= task->loss_rank) {
        task->loss_rank = rank;
        task->loss = value;
    }
}

double top_rate(const struct top_task *task, enum top_counter which,
                double seconds)
{
    if (task->count < 2)
        return NAN;
    const struct top_point *last = &task->points[task->count - 1];
    const struct top_point *first = NULL;
    if (last->values[which] == METRIC_MISSING)
        return NAN;
    for (int i = task->count - 2; i >= 0; i--) {
        const struct top_point *p = &task->points[i];
        double back = 1e-9 * ((double)last->time - (double)p->time);
        if (p->values[which] == METRIC_MISSING || (first && back > seconds))
            break;
        first = p;
    }
    if (!first)
        return NAN;
    return ((double)last->values[which] - (double)first->values[which]) /
           (1e-9 * ((double)last->time - (double)first->time));
}

double top_silent(const struct top_node *node, double now)
{
    double age = now - node->seen;

    return age > SILENT_TICKS * node->interval + SILENT_SECONDS ? age : 0;
}

double top_gpu_use(const struct top_node *node)
{
    double sum = 0;

    for (size_t i = 0; i < node->gpu_count; i++) {
        /* A mean of those that are known would be a wrong number. */
        if (node->gpus[i].use == METRIC_MISSING)
            return NAN;
        sum += (double)node->gpus[i].use;
    }
    return node->gpu_count ? sum / (double)node->gpu_count : NAN;
}
