/* SPDX-License-Identifier: BSD-3-Clause */
/* Records made by hand, whose truth is known. */
#ifndef TESTS_UNIT_RECORD_FIXTURE_H
#define TESTS_UNIT_RECORD_FIXTURE_H

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fields.h"
#include "run/record_read.h"

#define START 1700000000.0
#define GiB (1LL << 30)
#define SECOND 1000000000LL

/* What the next curves and rows are: one a second from 1 on. */
static double fixture_cpu[64], fixture_use[64];
static size_t fixture_points, fixture_uses;

__attribute__((unused))
int record_total_curve(const struct record *record, long attempt,
                       enum metric_id metric, struct record_curve *curve,
                       struct mlb_error *err)
{
    size_t count = metric == METRIC_CPU_TIME ? fixture_points
                   : metric == METRIC_GPU_USE ? fixture_uses : 0;

    (void)record, (void)attempt, (void)err;
    *curve = (struct record_curve){ count, xcalloc(count + 1, 8),
                                    xcalloc(count + 1, 8) };
    for (size_t i = 0; i < count; i++) {
        curve->time[i] = (double)i + 1;
        curve->value[i] = metric == METRIC_CPU_TIME ? fixture_cpu[i]
                                                    : fixture_use[i];
    }
    return 0;
}

__attribute__((unused))
int record_rows(const struct record *record, enum metric_id metric,
                size_t index, struct record_rows *rows,
                struct mlb_error *err)
{
    struct record_curve curve;

    (void)index;
    record_total_curve(record, 1, metric, &curve, err);
    *rows = (struct record_rows){ curve.count, curve.time, curve.value,
                                  NULL };
    return 0;
}

static void fixture_miss(int64_t *total, uint8_t *state)
{
    for (int i = 0; i < METRIC_COUNT; i++) {
        total[i] = METRIC_MISSING;
        state[i] = METRIC_UNAVAILABLE;
    }
}

static void fixture_set(int64_t *total, uint8_t *state, enum metric_id metric,
                        int64_t value)
{
    total[metric] = value;
    state[metric] = METRIC_OK;
}

/* nodes of tasks_per_node ranks, that took 100 s; nothing was measured. */
static struct record *fixture_record(long nodes, long tasks_per_node,
                                     long cpus, long gpus)
{
    struct record *r = xcalloc(1, sizeof(*r));
    struct mlb_fields plan = MLB_FIELDS_INIT;
    long tasks = nodes * tasks_per_node;

    *r = (struct record){ .run_dir = xstrdup("/store/runs/digits.3"),
                          .plan = MLB_TEXT_INIT, .job = MLB_TEXT_INIT,
                          .damage = MLB_STRINGS_INIT };
    fields_add(&plan, "run", "digits.3");
    fields_add(&plan, "scheduler", "slurm");
    fields_addf(&plan, "nodes", "%ld", nodes);
    fields_addf(&plan, "tasks", "%ld", tasks);
    fields_addf(&plan, "cpus_per_task", "%ld", cpus);
    fields_addf(&plan, "gpus_per_task", "%ld", gpus);
    fields_addf(&plan, "memory_per_node", "%lld", 16 * GiB);
    fields_add(&plan, "walltime", "3600");
    fields_add(&plan, "command", "./train");
    fields_add(&plan, "command", "a b");
    fields_add(&plan, "env", "MLB_JOB_NAME=digits");
    fields_format(&plan, &r->plan);
    fields_clear(&plan);
    r->attempt_count = 1;
    r->attempts = xcalloc(1, sizeof(*r->attempts));
    r->attempts[0] = (struct record_attempt){
        .number = 1, .start = START, .end = START + 100, .exit = 0,
        .state = "completed", .job = "42" };
    r->node_count = (size_t)nodes;
    r->nodes = xcalloc(r->node_count, sizeof(*r->nodes));
    for (size_t i = 0; i < r->node_count; i++) {
        r->nodes[i] = (struct record_node){
            .attempt = 1, .first = START, .last = START + 100,
            .clock_off = NAN, .ticks = 100 };
        r->nodes[i].name[0] = 'n';
        r->nodes[i].name[1] = (char)('1' + i % 9);
        fixture_miss(r->nodes[i].total, r->nodes[i].state);
    }
    r->task_count = (size_t)tasks;
    r->tasks = xcalloc(r->task_count, sizeof(*r->tasks));
    for (size_t i = 0; i < r->task_count; i++) {
        r->tasks[i] = (struct record_task){
            .attempt = 1, .rank = (long)i, .node = (long)i / tasks_per_node,
            .signal = LONG_MIN, .start = START, .seconds = 100,
            .user_seconds = NAN, .system_seconds = NAN,
            .max_rss = METRIC_MISSING, .peak_rss = METRIC_MISSING };
        fixture_miss(r->tasks[i].total, r->tasks[i].state);
    }
    for (int i = 0; i < METRIC_COUNT; i++) {
        metric_status_set(&r->status[i], METRIC_UNAVAILABLE, METRIC_NO_PMU,
                          "", "no counters in this machine");
        r->of[i] = tasks;
    }
    return r;
}

__attribute__((unused))
static void fixture_task(struct record *r, size_t task,
                         enum metric_id metric, int64_t value)
{
    fixture_set(r->tasks[task].total, r->tasks[task].state, metric, value);
    if (++r->have[metric] >= r->of[metric])
        metric_status_set(&r->status[metric], METRIC_OK, METRIC_FINE, "test",
                          "");
}

/* A GPU of n1 that was used for a mean share; use < 0: not measured. */
__attribute__((unused))
static void fixture_gpu(struct record *r, int use, int most)
{
    r->gpus = xrealloc(r->gpus, (r->gpu_count + 1) * sizeof(*r->gpus));
    struct record_gpu *gpu = &r->gpus[r->gpu_count++];
    *gpu = (struct record_gpu){ .attempt = 1, .capacity = 80 * GiB,
                                .seconds = 100 };
    fixture_miss(gpu->total, gpu->state);
    for (int i = 0; i < METRIC_COUNT; i++)
        gpu->mean[i] = NAN;
    strcpy(gpu->uuid, "GPU-0");
    gpu->uuid[4] = (char)('0' + r->gpu_count % 10);
    if (use < 0)
        return;
    fixture_set(gpu->total, gpu->state, METRIC_GPU_USE, most);
    gpu->mean[METRIC_GPU_USE] = use;
}

__attribute__((unused))
static void fixture_metric(struct record *r, const char *name,
                           const double *values, size_t count)
{
    r->metrics = xrealloc(r->metrics,
                          (r->metric_count + 1) * sizeof(*r->metrics));
    struct record_metric *m = &r->metrics[r->metric_count++];
    *m = (struct record_metric){
        .name = xstrdup(name), .count = count, .step = xcalloc(count, 8),
        .rank = xcalloc(count, 8), .value = xcalloc(count, 8),
        .time = xcalloc(count, 8) };
    for (size_t i = 0; i < count; i++) {
        m->step[i] = (int64_t)i + 1;
        m->value[i] = values[i];
        m->time[i] = START + (double)i;
    }
}

static void fixture_free(struct record *r)
{
    for (size_t i = 0; i < r->metric_count; i++) {
        free(r->metrics[i].name);
        free(r->metrics[i].step);
        free(r->metrics[i].rank);
        free(r->metrics[i].value);
        free(r->metrics[i].time);
    }
    free(r->metrics);
    free(r->attempts);
    free(r->tasks);
    free(r->nodes);
    free(r->gpus);
    free(r->run_dir);
    text_clear(&r->plan);
    text_clear(&r->job);
    strings_clear(&r->damage);
    free(r);
    fixture_points = fixture_uses = 0;
}

#endif
