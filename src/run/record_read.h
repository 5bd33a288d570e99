/* SPDX-License-Identifier: BSD-3-Clause */
/* A run's record in memory, but for the long series, read one by one. */
#ifndef RUN_RECORD_READ_H
#define RUN_RECORD_READ_H

#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "counters/metric.h"
#include "mlbatch/error.h"

struct record_attempt {
    long number;
    double start, end;       /* seconds since 1970; NAN: not told */
    long exit;               /* LONG_MIN: not told */
    char state[16];          /* "" : not told */
    char job[64];
    char text[160];          /* the cause, one line; "": none told */
};

struct record_task {
    long attempt, rank;
    long node;               /* index into nodes, -1: not known */
    long exit, signal;       /* LONG_MIN: not told */
    double start, seconds;   /* NAN: not told */
    double user_seconds, system_seconds;
    int64_t max_rss;         /* bytes: largest peak of one process */
    int64_t peak_rss;        /* bytes: the most seen at once, sampled */
    int64_t total[METRIC_COUNT];     /* the task's metrics over its life */
    uint8_t state[METRIC_COUNT];     /* enum metric_state of each */
};

struct record_node {
    long attempt;
    char name[96];
    int64_t total[METRIC_COUNT];     /* the node's; gauges: the highest */
    uint8_t state[METRIC_COUNT];
    double first, last;      /* samples from .. to, seconds since 1970 */
    double clock_off;        /* seconds that its clock is ahead of the batch
                              * node's, as far as events tell; NAN: unknown */
    long ticks, late;        /* samples taken, and those over 0.1 s late */
};

struct record_gpu {
    long attempt, node;
    char uuid[96], product[96];
    int64_t capacity;        /* bytes */
    int64_t total[METRIC_COUNT];     /* counters: used; gauges: the highest */
    double mean[METRIC_COUNT];       /* gauges over time; NAN: none */
    uint8_t state[METRIC_COUNT];
    double seconds;          /* time it was observed */
};

/* What the training told: one named metric, by time. */
struct record_metric {
    char *name;
    size_t count;
    int64_t *step, *rank;
    double *value, *time;    /* time: seconds since 1970 */
};

struct record {
    char *run_dir;
    struct mlb_text plan, job;       /* RUN/plan, RUN/job.conf as they were */
    struct record_attempt *attempts; size_t attempt_count;
    struct record_task *tasks; size_t task_count;    /* attempt, rank */
    struct record_node *nodes; size_t node_count;
    struct record_gpu *gpus; size_t gpu_count;
    struct record_metric *metrics; size_t metric_count;
    /* For each metric the worst state of any entity with its reason, and of
     * how many entities it is there. */
    struct metric_status status[METRIC_COUNT];
    long have[METRIC_COUNT], of[METRIC_COUNT];
    struct mlb_strings damage;       /* what could not be used, in words */
    struct record_file *file;        /* for record_series */
};

/* Of RUN_DIR/record.h5; made anew first (record_seal; in a temporary file if
 * RUN_DIR cannot be written) if it is missing, damaged (said in damage), or
 * older than the events or journals. */
struct record *record_open(const char *run_dir, struct mlb_error *err);
void record_close(struct record *record);            /* NULL is fine */

/* A metric over time on a grid of at most 512 points: of all tasks, nodes or
 * GPUs of the attempt together (counters: the rate a second; gauges: the sum
 * over tasks or nodes, the mean over GPUs). */
struct record_curve { size_t count; double *time, *value; }; /* s from start */
int record_total_curve(const struct record *record, long attempt,
                       enum metric_id metric, struct record_curve *curve,
                       struct mlb_error *err);
/* One entity's own rows (at most 4,096): index into tasks, nodes or gpus.
 * value: as total_curve's; high: the highest in each bucket. */
struct record_rows { size_t count; double *time, *value, *high; };
int record_rows(const struct record *record, enum metric_id metric,
                size_t index, struct record_rows *rows,
                struct mlb_error *err);

#endif
