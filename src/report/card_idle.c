/* SPDX-License-Identifier: BSD-3-Clause */
/* Stretches in which nothing was done, of each GPU and of the whole run. */
#include "config.h"

#include <math.h>
#include <stdlib.h>

#include "report/card_parts.h"

#define BUSY 0.05            /* cores of a rank under which it is idle */
#define GAP 5                /* intervals without a sample: not watched */

static int by_size(const void *a, const void *b)
{
    double l = *(const double *)a, r = *(const double *)b;

    return (l > r) - (l < r);
}

/* The usual distance of two times. */
static double interval(const double *time, size_t count)
{
    double *steps = xcalloc(count + 1, sizeof(*steps));
    double median = 0;

    for (size_t i = 1; i < count; i++)
        steps[i - 1] = time[i] - time[i - 1];
    if (count > 1) {
        qsort(steps, count - 1, sizeof(*steps), by_size);
        median = steps[(count - 1) / 2];
    }
    free(steps);
    return median;
}

/* A sample speaks for the time since the one before; a time that nobody
 * watched is not idle. */
struct card_idle card_idle_find(const double *time, const double *value,
                                size_t count, double limit)
{
    struct card_idle idle = { 0 };
    double usual = interval(time, count), length = 0;

    /* Rows behind the last sample say nothing, also not that it ended. */
    while (count > 1 && isnan(value[count - 1]))
        count--;
    for (size_t i = 1; i < count; i++) {
        double step = time[i] - time[i - 1];
        bool watched = step <= GAP * usual && !isnan(value[i]);
        if (watched && value[i] <= limit)
            length += step;
        else
            length = 0;
        if (watched)
            idle.watched += step;
        if (length > idle.longest) {
            idle.longest = length;
            idle.from = time[i] - length;
        }
    }
    idle.tail = length;
    return idle;
}

/* Where GPUs worked, the run was not idle, whatever the CPUs did; where
 * nobody saw them, idle CPUs do not say that it was. */
static void add_gpus(const struct card_input *in, long attempt, double limit,
                     const struct record_curve *cpu, struct card_value *v)
{
    struct record_curve gpu = { 0 };
    size_t k = 0, unseen = 0;

    if (record_total_curve(in->record, attempt, METRIC_GPU_USE, &gpu,
                           NULL) < 0 || gpu.count == 0)
        card_worsen(v, METRIC_ESTIMATED, METRIC_NO_DEVICE, "by the CPUs "
                    "alone: what the GPUs did was not measured");
    for (size_t i = 0; i < cpu->count && gpu.count > 0; i++) {
        while (k + 1 < gpu.count && gpu.time[k] < cpu->time[i])
            k++;
        if (gpu.value[k] > 0) {
            cpu->value[i] = INFINITY;
        } else if (isnan(gpu.value[k]) && cpu->value[i] <= limit) {
            cpu->value[i] = NAN;
            unseen++;
        }
    }
    if (unseen > 0)
        card_worsen(v, METRIC_PARTIAL, METRIC_LOST, "while the CPUs did "
                    "nothing, what the GPUs did was not always seen");
    free(gpu.time);
    free(gpu.value);
}

static struct card_value longest(const struct card_input *in,
                                 struct card_idle *idle)
{
    const struct metric_status *status =
        &in->record->status[METRIC_CPU_TIME];
    struct record_curve cpu = { 0 };
    struct card_value v;
    struct mlb_error err = { 0 };
    const struct card_gpus gpus = card_gpus(in);

    *idle = (struct card_idle){ 0 };
    if (!in->last)
        return card_missing(METRIC_NOT_TOLD, "no rank has begun");
    long attempt = in->last->attempt->number;
    if (record_total_curve(in->record, attempt, METRIC_CPU_TIME, &cpu,
                           &err) < 0 && err.code != MLB_ERR_NOT_FOUND)
        return card_missing(METRIC_DAMAGED, "%s", err.text);
    if (cpu.count < 2) {
        v = card_missing(status->state == METRIC_OK ? METRIC_NOT_ASKED
                                                    : status->cause,
                         "%s", status->reason[0] ? status->reason
                         : "there are too few samples of CPU time");
    } else {
        double limit = BUSY * (double)in->last->tasks /
                       card_scale(METRIC_CPU_TIME);
        v = card_known(0, "journal");
        if (gpus.asked > 0 || gpus.held > 0)
            add_gpus(in, attempt, limit, &cpu, &v);
        *idle = card_idle_find(cpu.time, cpu.value, cpu.count, limit);
        /* A row stands for an interval around its time: the last one may
         * reach over the end. */
        if (card_has(&in->last->seconds))
            idle->from = fmin(idle->from,
                              fmax(in->last->seconds.number - idle->longest,
                                   0));
        v.number = idle->longest;
        if (idle->watched <= 0)
            card_worsen(&v, METRIC_UNAVAILABLE, METRIC_LOST,
                        "no two samples follow each other");
    }
    free(cpu.time);
    free(cpu.value);
    return v;
}

void card_idle(const struct card_input *in, struct card *card)
{
    struct card_section *s = card_section_add(
        card, "idle", in->attempt_count > 1 ? "Idle (the last attempt)"
                                            : "Idle");
    struct card_idle idle;
    struct card_value value = longest(in, &idle);
    struct card_value tail = card_value_copy(&value);
    struct card_row *row = card_row_add(s, "idle_longest",
                                        "Longest stretch", "s", value);

    if (card_has(&row->value) && idle.longest > 0) {
        struct mlb_text when = MLB_TEXT_INIT;
        text_add(&when, "from ");
        card_format(fmax(idle.from, 0), "s", &when);
        text_add(&when, " on");
        row->text = text_detach(&when);
    }
    if (card_has(&tail))
        tail.number = idle.tail;
    card_row_add(s, "idle_tail", "At the end", "s", tail);
}
