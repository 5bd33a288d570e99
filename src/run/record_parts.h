/* SPDX-License-Identifier: BSD-3-Clause */
/* The record's tables and series, for the files of src/run/record*.c. */
#ifndef RUN_RECORD_PARTS_H
#define RUN_RECORD_PARTS_H

#include <stdbool.h>

#include "run/events.h"
#include "run/record_read.h"

struct sealed;
struct sealed_writer;

#define RECORD_ROWS_MOST 4096            /* of one entity */
#define RECORD_VALUES_MOST (1u << 22)    /* of all entities, a metric */
#define RECORD_CELLS_MOST 512            /* of curves */
#define RECORD_SOURCES "/sources"

struct record_file {
    struct sealed *sealed;
    char *temporary;         /* to be removed at the end, or NULL */
};

/* ---- record_tables.c ---- */
struct record *record_create(const char *run_dir);
struct record_attempt *record_add_attempt(struct record *r);
struct record_task *record_add_task(struct record *r);
/* Indices of these; made if new. Tasks stay sorted only after a sort. */
size_t record_node_index(struct record *r, long attempt, const char *name);
size_t record_task_index(struct record *r, long attempt, long rank);
size_t record_gpu_index(struct record *r, long attempt, size_t node,
                        const char *uuid);
/* The same, SIZE_MAX if there is none. */
size_t record_find_task(const struct record *r, long attempt, long rank);
size_t record_find_gpu(const struct record *r, long attempt, size_t node,
                       const char *uuid);
void record_sort_tasks(struct record *r);
/* Count statuses in: the worst of each metric stays, with its reason. */
void record_worsen(struct record *r, enum metric_id m,
                   const struct metric_status *status);
/* have and of, and a reason where nothing was said. */
void record_count(struct record *r);
/* unit, kind, help, status, cause, reason and source of a metric. */
int record_describe(struct sealed_writer *w, const char *object,
                    const struct record *r, enum metric_id m,
                    struct mlb_error *err);
int record_write_tables(struct sealed_writer *w, const struct record *r,
                        struct mlb_error *err);
int record_read_tables(struct record *r, const struct sealed *s,
                       struct mlb_error *err);
/* A line that names a task, node or GPU within its attempt. */
void record_add_key(const struct record *r, int scope, size_t index,
                    struct mlb_text *t);
int record_write_bytes(struct sealed_writer *w, const char *name,
                       const struct mlb_text *t, struct mlb_error *err);
int record_read_bytes(const struct sealed *s, const char *name,
                      struct mlb_text *t, struct mlb_error *err);
void record_clear(struct record *r);

/* ---- record_events.c ---- */
/* Attempts, tasks, nodes and metrics from the log; totals of tasks. */
void record_add_events(struct record *r, const struct mlb_events *events);

/* ---- record_series.c: one attempt ---- */
struct series;
/* Look through the journals of an attempt (names in RUN/journal): tasks,
 * nodes and GPUs are added, and what is damaged is told. Begin with an
 * ended or running attempt; NULL: none can be used. */
struct series *series_scan(struct record *r, long attempt,
                           const struct mlb_strings *names);
/* Write /series/ATTEMPT; totals of its entities are filled. */
int series_write(struct series *s, struct record *r, struct sealed_writer *w,
                 struct mlb_error *err);
void series_destroy(struct series *s);   /* NULL is fine */

/* ---- record_grid.c: what becomes of samples ---- */
/* One entity's samples on the rows of its attempt. */
struct grid {
    size_t rows, cells, per_cell;
    double width;                        /* s of a row */
};
struct grid_entity {
    int64_t *last[METRIC_COUNT];         /* [rows], NULL: none yet */
    int64_t *most[METRIC_COUNT];         /* gauges */
    double sum[METRIC_COUNT];            /* of the row being filled */
    long count[METRIC_COUNT];
    long row[METRIC_COUNT];              /* that row */
    double all[METRIC_COUNT];            /* gauges: sum and count of all */
    long all_count[METRIC_COUNT];
    double at[METRIC_COUNT], apart[METRIC_COUNT];    /* counters */
    int64_t high[METRIC_COUNT], final[METRIC_COUNT];
};
struct grid_sample {
    double at;                           /* s from the start, not negative */
    long row;                            /* gauges: where it goes */
    double interval;                     /* usual between two */
    const int64_t *values;               /* [METRIC_COUNT] */
};
/* Counters have their value at the time of a row; gauges the mean of the
 * samples that belong to it, and the most. */
void grid_put(const struct grid *g, struct grid_entity *e,
              const struct grid_sample *s);
void grid_flush(struct grid_entity *e);
void grid_clear(struct grid_entity *e);
/* Add the entity's curve to the sums of cells: how many gave a value, and
 * how many were there at the time. */
struct grid_curve {
    double *value;
    long *have, *alive;
};
void grid_add_curve(const struct grid *g, const int64_t *rows,
                    enum metric_kind kind, const struct grid_curve *curve);
/* The sum over entities, or their mean: NaN where too few told. Where a few
 * did not, as if they had been like the others. */
void grid_finish_curve(const struct grid *g, const struct grid_curve *curve,
                       bool mean);
/* Up to how many rows two values may lie apart and be one stretch. */
size_t grid_reach(const int64_t *values, size_t rows);

/* ---- record_read.c ---- */
/* The tables of a sealed file. */
struct record *record_load(const char *run_dir, const char *path,
                           struct mlb_error *err);

/* ---- record.c ---- */
/* Seal into path; without it into RUN_DIR/record.h5, and then remove the
 * journals of ended attempts. */
int record_seal_to(const char *run_dir, const char *path,
                   struct mlb_error *err);
/* Is there something in the run that the sources of a record do not have? */
bool record_is_stale(const char *run_dir, const struct mlb_text *sources);

#endif
