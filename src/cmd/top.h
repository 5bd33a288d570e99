/* SPDX-License-Identifier: BSD-3-Clause */
/* Parts of mlbatch-top: what is known of running tasks, how it is read, and
 * how it is shown. Only top_screen.c knows ncurses. */
#ifndef CMD_TOP_H
#define CMD_TOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/text.h"
#include "counters/metric.h"
#include "run/journal.h"
#include "run/run.h"

/* ---- top_model.c: samples in, rates out; no clock, no I/O ---- */

/* The counters whose rates are shown. */
enum top_counter { TOP_CPU, TOP_READ, TOP_WRITE, TOP_SAMPLES,
                   TOP_COUNTERS };

#define TOP_POINTS 16
#define TOP_RANKS 1000000    /* a larger rank is not believed */

struct top_task {
    long rank;
    char node[96];           /* "": not known */
    struct top_point {
        int64_t time;        /* monotonic, ns */
        int64_t values[TOP_COUNTERS];
    } points[TOP_POINTS];    /* the oldest first */
    int count;
    const void *writer;      /* the journal that they are from */
    int64_t rss, step;       /* METRIC_MISSING: not known */
    double loss;
    int loss_rank;           /* 0: none told; 2: "loss" itself */
    bool ended;
};

/* Values of a tick. Those of another writer, or a counter that went back,
 * begin anew. */
void top_sample(struct top_task *task, const void *writer,
                int64_t monotonic, const int64_t values[METRIC_COUNT]);
/* A metric of the training: is it a loss, and a better one? */
void top_loss(struct top_task *task, const char *name, double value);
/* A counter's rate a second over about the last seconds; NAN: unknown. */
double top_rate(const struct top_task *task, enum top_counter which,
                double seconds);

struct top_gpu {
    char name[96];
    int64_t use;             /* percent; METRIC_MISSING: unknown */
};
struct top_node {
    char name[96];
    double seen;             /* our monotonic time of its last word */
    double interval;         /* between its ticks; 0: not known */
    struct top_gpu *gpus;
    size_t gpu_count;
};
/* Seconds without a word, beyond what its interval allows; 0: not silent. */
double top_silent(const struct top_node *node, double now);
/* The mean use of the job's GPUs there, percent; NAN: unknown. */
double top_gpu_use(const struct top_node *node);

/* ---- top_read.c: following runs ---- */

struct top_journal;
struct top_log;
struct top_run {
    struct mlb_run run;
    long attempt;            /* that runs or ran last; 0: none yet */
    long ended;              /* the last that told its end */
    bool named;              /* the user asked for it */
    double heard;            /* our monotonic time of any word */
    struct top_task **tasks; /* by rank; NULL where nothing is known */
    size_t task_room;
    struct top_node *nodes;
    size_t node_count;
    struct top_journal *journals;
    size_t journal_count;
    struct top_log *logs;
    size_t log_count;
};

double top_now(void);        /* monotonic, seconds */
void top_run_clear(struct top_run *run);
/* What was written since the last poll; bounded, so that a huge or damaged
 * file cannot hold up the others. True: there may be more already. */
bool top_run_poll(struct top_run *run);
bool top_run_is_open(const struct top_run *run);
/* What of its journals could not be read, in words, added to out. */
void top_run_problems(const struct top_run *run, struct mlb_strings *out);
struct top_task *top_run_task(struct top_run *run, long rank);
struct top_node *top_run_node(struct top_run *run, const char *name);
/* Another attempt has begun: what is of the one before goes. */
void top_run_begin(struct top_run *run, long attempt);

/* ---- top_log.c: a run's event log ---- */
bool top_logs_poll(struct top_run *run);
void top_logs_clear(struct top_run *run);

/* ---- top_rows.c: rows, their order and their words ---- */

enum top_column { TOP_RUN, TOP_RANK, TOP_NODE, TOP_CPU_USE, TOP_RSS,
                  TOP_READ_RATE, TOP_WRITE_RATE, TOP_STEP, TOP_RATE,
                  TOP_LOSS, TOP_GPU, TOP_STATE, TOP_COLUMNS };
struct top_row {
    const struct top_run *run;
    const struct top_task *task;
    double cpu, read, write, samples, gpu, silent;
    char *cells[TOP_COLUMNS];
};
struct top_view {
    struct top_run *runs;
    size_t run_count;
    const char *filter;      /* NULL or "": all */
    enum top_column sort;
    bool reverse;
    struct top_row *rows;
    size_t row_count;
    size_t hidden;           /* runs without a word for long */
};
extern const char *const top_titles[TOP_COLUMNS];
/* -1: no column is called so. */
int top_column_find(const char *name);
void top_view_make(struct top_view *view, double now);
void top_view_clear(struct top_view *view);
/* Columns of the table, of which those are left out (0) that width cannot
 * hold; width 0: no limit. */
void top_widths(const struct top_view *view, int width,
                int widths[TOP_COLUMNS]);
/* One line, cells[] padded; no newline. */
void top_add_line(struct mlb_text *out, const char *const *cells,
                  const int widths[TOP_COLUMNS]);
void top_print(const struct top_view *view);
void top_print_json(const struct top_view *view);

/* ---- top_screen.c ---- */

/* Until q is pressed; poll is called once a second. */
struct top_screen {
    struct top_view *view;
    void (*poll)(void *context);
    void *context;
};
int top_screen(struct top_screen *screen, struct mlb_error *err);

#endif
