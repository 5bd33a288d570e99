/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files that compute a card share. (Inside src/report.) */
#ifndef REPORT_CARD_PARTS_H
#define REPORT_CARD_PARTS_H

#include "base/fields.h"
#include "report/card.h"
#include "run/record_read.h"

/* Aggregates over entities are refused if fewer of them than this share
 * could be measured. */
#define CARD_COVERAGE 0.8

/* ---- card_value.c: numbers and what is said of them ---- */

/* In the unit of the card: seconds, watts, joules, Hz, shares. */
double card_scale(enum metric_id metric);

struct card_value card_known(double number, const char *source);
struct card_value card_missing(enum metric_cause cause, const char *format,
                               ...) __attribute__((format(printf, 2, 3)));
void card_value_clear(struct card_value *value);
struct card_value card_value_copy(const struct card_value *value);
/* Make it as bad as state if it is better; format says why. */
void card_worsen(struct card_value *value, enum metric_state state,
                 enum metric_cause cause, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
bool card_has(const struct card_value *value);

/* number, which was computed from these: as bad as the worst of them, with
 * its reason. A number that is not finite, from inputs that are there, has
 * no meaning (0 / 0). */
struct card_value card_derive(double number,
                              const struct card_value *const *inputs,
                              size_t count);
struct card_value card_quotient(const struct card_value *above,
                                const struct card_value *below);

/* A total or a mean over entities. */
struct card_tally {
    double sum, highest, lowest;
    size_t highest_at, lowest_at;    /* index of the entity */
    long have, of;
    enum metric_state state;         /* the worst of those that have it */
};
void card_tally_begin(struct card_tally *tally);
void card_tally_add(struct card_tally *tally, size_t at, double number,
                    enum metric_state state);
/* number with the tally's state; refused under CARD_COVERAGE. what: the
 * entities ("ranks"); status: why some lack it. */
struct card_value card_tally_value(const struct card_tally *tally,
                                   double number, const char *what,
                                   const struct metric_status *status);

/* ---- card_input.c: the record as the card sees it ---- */

struct card_attempt {
    const struct record_attempt *attempt;
    struct card_value seconds;
    double end;                      /* NAN: not even known about */
    bool ended;                      /* it told its end */
    long tasks;                      /* that it should have had */
    double first_step;               /* that told a value; -1: none */
};

struct card_input {
    const struct record *record;
    struct mlb_fields plan;
    long nodes, tasks, cpus_per_task, gpus_per_task;
    double memory_per_node, walltime;        /* NAN: not asked */
    double peak_flops, peak_bandwidth;       /* of a node; NAN: unknown */
    struct card_attempt *attempts;
    size_t attempt_count;
    const struct card_attempt *last; /* the last with tasks; NULL: none */
    struct card_value seconds;       /* of all attempts together */
    struct card_tally *memory;       /* of each node, then of the tasks of
                                      * each attempt that are on none */
};
int card_input_read(struct card_input *in, const struct record *record,
                    struct mlb_error *err);
void card_input_clear(struct card_input *in);

/* A task's total over its life in the card's unit, NAN if missing. */
double card_task_number(const struct card_input *in, size_t task,
                        enum metric_id metric, enum metric_state *state);
/* The time that a task ran; NAN if not known. */
double card_task_seconds(const struct card_input *in, size_t task,
                         enum metric_state *state);
/* The most memory that it had at once. */
double card_task_memory(const struct card_input *in, size_t task,
                        enum metric_state *state);
/* The value that 95 % of them do not exceed (nearest rank); sorts them. */
double advise_percentile(double *values, size_t count);

/* MLB_JOB_NAME of a plan; "" if it has none. Caller frees. */
char *card_job_name(const struct mlb_fields *plan);

bool card_task_ended(const struct record_task *task);
double card_gpu_number(const struct record_gpu *gpu, enum metric_id metric,
                       enum metric_state *state);
double card_gpu_mean(const struct record_gpu *gpu, enum metric_id metric,
                     enum metric_state *state);
/* Over the tasks of one attempt; NULL: of all. The sum is the value. */
struct card_value card_task_sum(const struct card_input *in,
                                enum metric_id metric,
                                const struct card_attempt *attempt,
                                struct card_tally *tally);
/* Steps that the time METRIC_STEP_TIME of a task spans; NAN if unknown. */
double card_steps_done(const struct card_input *in, size_t task,
                       enum metric_state *state);
/* "rank 3 on n2": caller frees. */
char *card_rank_name(const struct card_input *in, size_t task);
/* Why memory in the tally is as it is. */
struct metric_status card_memory_status(const struct card_input *in,
                                        const struct card_tally *tally);
/* Memory of a node: what its tasks had. */
struct card_value card_node_memory(const struct card_input *in, size_t node);
/* The highest of all nodes. */
struct card_value card_memory(const struct card_input *in, char **where);
/* GPUs that were measured and used, measured, and asked for. */
struct card_gpus { long used, measured, asked, held; };
struct card_gpus card_gpus(const struct card_input *in);

/* The longest time in which value stays at or below limit, that at the end,
 * and all of the time that was watched. */
struct card_idle { double longest, from, tail, watched; };
struct card_idle card_idle_find(const double *time, const double *value,
                                size_t count, double limit);

/* ---- card_build.c: parts of a card ---- */

struct card_section *card_section_add(struct card *card, const char *key,
                                      const char *title);
/* Takes value; the row is good until the next. */
struct card_row *card_row_add(struct card_section *section, const char *key,
                              const char *label, const char *unit,
                              struct card_value value);
struct card_table *card_table_add(struct card *card, const char *key,
                                  const char *title,
                                  const struct card_column *columns,
                                  size_t column_count);
/* The cells of a new row; the caller sets every one. */
struct card_value *card_table_row(struct card_table *table,
                                  const char *name);
struct card_plot *card_plot_add(struct card *card, const char *key,
                                const char *title, const char *unit);
/* Takes x and y. */
void card_line_add(struct card_plot *plot, const char *name, size_t count,
                   double *x, double *y);
void card_missing_add(struct card *card, const char *what,
                      const char *reason, enum metric_cause cause);
const struct card_row *card_find(const struct card *card, const char *key);

/* ---- one file a theme; each adds its part to card ---- */
void card_usage(const struct card_input *in, struct card *card);
void card_hardware(const struct card_input *in, struct card *card);
void card_ranks(const struct card_input *in, struct card *card);
void card_nodes(const struct card_input *in, struct card *card);
void card_mpi(const struct card_input *in, struct card *card);
void card_gpu(const struct card_input *in, struct card *card);
void card_training(const struct card_input *in, struct card *card);
void card_io(const struct card_input *in, struct card *card);
void card_idle(const struct card_input *in, struct card *card);
void card_cost(const struct card_input *in, struct card *card);
void card_plots(const struct card_input *in, struct card *card);
void card_lacks(const struct card_input *in, struct card *card);
void card_warnings(const struct card_input *in, struct card *card);

#endif
