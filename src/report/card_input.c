/* SPDX-License-Identifier: BSD-3-Clause */
/* The record as the card sees it: what was asked, and how long it took. */
#include "config.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/card_parts.h"

static double number_of(const struct mlb_fields *plan, const char *name)
{
    long value = fields_get_long(plan, name, -1);

    return value > 0 ? (double)value : NAN;
}

/* Small enough that products of two are numbers; -1: not told. */
static long count_of(const struct mlb_fields *plan, const char *name)
{
    long value = fields_get_long(plan, name, -1);

    return value >= 0 && value <= INT32_MAX ? value : -1;
}

/* The agent's task as launch line is one process, whatever was asked. */
static bool is_single(const struct mlb_fields *plan)
{
    struct mlb_strings launch = MLB_STRINGS_INIT;

    fields_get_all(plan, "launch", &launch);
    bool single = launch.count > 1 && strcmp(launch.items[1], "task") == 0;
    strings_clear(&launch);
    return single;
}

/* The first and the last that anybody said or saw of an attempt. */
static void find_signs(const struct record *record, long attempt,
                       double *first, double *last)
{
    for (size_t i = 0; i < record->task_count; i++) {
        const struct record_task *task = &record->tasks[i];
        if (task->attempt != attempt || isnan(task->start))
            continue;
        *first = fmin(*first, task->start);
        *last = fmax(*last, task->start);
        if (!isnan(task->seconds))
            *last = fmax(*last, task->start + task->seconds);
    }
    for (size_t i = 0; i < record->node_count; i++) {
        const struct record_node *node = &record->nodes[i];
        double off = isnan(node->clock_off) ? 0 : node->clock_off;
        if (node->attempt != attempt || isnan(node->first) ||
            isnan(node->last))
            continue;
        *first = fmin(*first, node->first - off);
        *last = fmax(*last, node->last - off);
    }
}

static void measure_attempt(const struct record *record,
                            struct card_attempt *a)
{
    const struct record_attempt *attempt = a->attempt;
    double first = INFINITY, last = -INFINITY;
    double start = attempt->start, end = attempt->end;

    a->ended = !isnan(end);
    find_signs(record, attempt->number, &first, &last);
    bool guessed = isnan(start) || isnan(end) || end < start;
    if (isnan(start) || end < start)
        start = first;
    if (isnan(end) || end < attempt->start)
        end = last;
    a->end = isfinite(end) ? end : NAN;
    if (!isfinite(start) || !isfinite(end) || end < start)
        a->seconds = card_missing(METRIC_NOT_TOLD, "attempt %ld did not "
                                  "tell when it began and ended",
                                  attempt->number);
    else
        a->seconds = card_known(end - start, "events");
    if (guessed && card_has(&a->seconds))
        card_worsen(&a->seconds, METRIC_PARTIAL, METRIC_NOT_TOLD,
                    "attempt %ld did not tell when it began or ended: from "
                    "the first to the last sign of it", attempt->number);
}

static void count_tasks(const struct card_input *in, struct card_attempt *a,
                        bool single)
{
    long asked = single ? 1 : in->tasks;

    for (size_t i = 0; i < in->record->task_count; i++)
        if (in->record->tasks[i].attempt == a->attempt->number)
            a->tasks++;
    /* Of a launcher that starts fewer, all have run if all went well. */
    if (a->tasks > 0 && asked > a->tasks &&
        strcmp(a->attempt->state, "completed") != 0)
        a->tasks = asked;
}

/* The first step of which this attempt told a value; -1: none. */
static double find_first_step(const struct card_input *in, long attempt)
{
    const struct record *record = in->record;
    double from = -INFINITY, to = INFINITY, least = INFINITY;

    for (size_t i = 0; i < in->attempt_count; i++) {
        const struct record_attempt *a = in->attempts[i].attempt;
        if (a->number == attempt && !isnan(a->start))
            from = a->start;
        if (a->number > attempt && !isnan(a->start) && a->start < to)
            to = a->start;
    }
    for (size_t m = 0; m < record->metric_count; m++)
        for (size_t i = 0; i < record->metrics[m].count; i++)
            if (record->metrics[m].time[i] >= from &&
                record->metrics[m].time[i] < to &&
                (double)record->metrics[m].step[i] < least)
                least = (double)record->metrics[m].step[i];
    return isfinite(least) ? least : -1;
}

static void read_attempts(struct card_input *in)
{
    const struct record *record = in->record;
    bool single = is_single(&in->plan);

    in->attempt_count = record->attempt_count;
    in->attempts = xcalloc(in->attempt_count + 1, sizeof(*in->attempts));
    in->seconds = record->attempt_count > 0
                      ? card_known(0, "events")
                      : card_missing(METRIC_NOT_TOLD,
                                     "no attempt has begun");
    for (size_t i = 0; i < in->attempt_count; i++) {
        struct card_attempt *a = &in->attempts[i];
        a->attempt = &record->attempts[i];
        measure_attempt(record, a);
        count_tasks(in, a, single);
        if (a->tasks > 0)
            in->last = a;
        in->seconds.number += a->seconds.number;
        card_worsen(&in->seconds, a->seconds.state, a->seconds.cause, "%s",
                    a->seconds.reason);
    }
    for (size_t i = 0; i < in->attempt_count; i++)
        in->attempts[i].first_step =
            find_first_step(in, in->attempts[i].attempt->number);
}

/* Memory of nodes and of tasks that are nowhere, in one pass. */
static void tally_memory(struct card_input *in)
{
    const struct record *record = in->record;
    size_t count = record->node_count + in->attempt_count;

    in->memory = xcalloc(count + 1, sizeof(*in->memory));
    for (size_t i = 0; i < count; i++)
        card_tally_begin(&in->memory[i]);
    for (size_t i = 0; i < record->task_count; i++) {
        const struct record_task *task = &record->tasks[i];
        enum metric_state state;
        double bytes = card_task_memory(in, i, &state);
        size_t at = (size_t)task->node;
        if (task->node < 0 || at >= record->node_count)
            for (at = record->node_count; at < count; at++)
                if (in->attempts[at - record->node_count].attempt->number ==
                    task->attempt)
                    break;
        if (at < count)
            card_tally_add(&in->memory[at], i, bytes, state);
    }
}

int card_input_read(struct card_input *in, const struct record *record,
                    struct mlb_error *err)
{
    *in = (struct card_input){ .record = record,
                               .plan = MLB_FIELDS_INIT };
    if (fields_parse(&in->plan, record->plan.data, record->plan.length,
                     err) < 0)
        return mlb_error_prefix(err, "the plan of %s", record->run_dir);
    in->nodes = count_of(&in->plan, "nodes");
    in->tasks = count_of(&in->plan, "tasks");
    in->cpus_per_task = count_of(&in->plan, "cpus_per_task");
    in->gpus_per_task = count_of(&in->plan, "gpus_per_task");
    in->memory_per_node = number_of(&in->plan, "memory_per_node");
    in->walltime = number_of(&in->plan, "walltime");
    in->peak_flops = number_of(&in->plan, "peak_gflops") * 1e9;
    in->peak_bandwidth = number_of(&in->plan, "peak_bandwidth");
    read_attempts(in);
    tally_memory(in);
    return 0;
}

void card_input_clear(struct card_input *in)
{
    for (size_t i = 0; i < in->attempt_count; i++)
        card_value_clear(&in->attempts[i].seconds);
    free(in->attempts);
    free(in->memory);
    card_value_clear(&in->seconds);
    fields_clear(&in->plan);
}
