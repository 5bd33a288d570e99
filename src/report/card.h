/* SPDX-License-Identifier: BSD-3-Clause */
/* The report of one run: computed once, printed in many forms. */
#ifndef REPORT_CARD_H
#define REPORT_CARD_H

#include <stdbool.h>

#include "base/text.h"
#include "counters/metric.h"
#include "mlbatch/error.h"

/* A number, and how far it may be trusted. */
struct card_value {
    double number;           /* NAN if unavailable */
    enum metric_state state;
    enum metric_cause cause;
    char *reason, *source;   /* never NULL */
    long have, of;           /* entities with it, and all; 0, 0: as a whole */
};

struct card_row {
    const char *key;         /* "cpu_efficiency": JSON, CSV, Prometheus */
    const char *label;       /* "CPU" */
    const char *unit;        /* "s", "bytes", "1" (a share 0..1), ... */
    struct card_value value;
    double asked;            /* same unit: for a bar; NAN: nothing asked */
    char *text;              /* of rows that are words ("rank 3 on n2"), or
                              * a remark behind the value; NULL: none */
};

struct card_section {
    const char *key, *title;
    struct card_row *rows; size_t count;
};

/* A table: per node, or worst and best rank, or per GPU. */
struct card_table {
    const char *key, *title;
    struct card_column { const char *key, *label, *unit; } *columns;
    size_t column_count;
    char **names; size_t row_count;          /* of the rows */
    struct card_value *cells;                /* [row][column] */
    size_t left_out;         /* rows that the card leaves out */
    const char *rare;        /* key of a column whose 0 is no news, or NULL */
};

struct card_plot {
    const char *key, *title, *unit;  /* unit of y; x: seconds, or see x */
    const char *x;                   /* "time" or "step" */
    bool log_scale;
    struct card_line { char *name; size_t count; double *x, *y; } *lines;
    size_t line_count;
};

/* What the next request should be. */
struct card_advice {
    const char *key;         /* job-file key: "resources.memory_per_node" */
    char *was, *value;       /* as written in a job file: "16G" */
    char *sbatch, *pbs;      /* "--mem=2G", "-l select=1:mem=2gb" */
    char *basis;             /* "the highest of 3 runs, 1.4 GiB, and 20 %" */
};

struct card {
    char *run, *name, *state, *command, *scheduler, *job;
    char *cause;             /* of the state, one line; "": none told */
    double start, seconds;   /* seconds since 1970; of the last attempt */
    long attempts;
    struct mlb_strings warnings;     /* the worst first: "4 GPUs were ..." */
    struct card_section *sections; size_t section_count;
    struct card_table *tables; size_t table_count;
    struct card_plot *plots; size_t plot_count;
    struct card_advice *advice; size_t advice_count;
    char *advice_basis;      /* or why there is none */
    /* What could not be measured: "cycles ...: reason". */
    struct card_missing { char *what, *reason; const char *cause; } *missing;
    size_t missing_count;
    struct mlb_strings damage;
};

/* ---- card.c and its neighbours ---- */
struct record;
int card_compute(const struct record *record, struct card *card,
                 struct mlb_error *err);
void card_clear(struct card *card);

/* A number in its unit for a person: "1.4 GiB", "12 min 3 s", "93.1 %",
 * "NaN"; and a value: that, or "n/a". They add to out. */
void card_format(double number, const char *unit, struct mlb_text *out);
void card_format_value(const struct card_value *value, const char *unit,
                       struct mlb_text *out);

/* ---- one file each ---- */
struct card_style { bool color, unicode; int width; };
void card_text(const struct card *card, const struct card_style *style,
               struct mlb_text *out);
void card_json(const struct card *card, struct mlb_text *out);
/* One table: a line of names and one for each card. */
void card_csv(const struct card *cards, size_t count, struct mlb_text *out);
int card_html(const struct card *card, struct mlb_text *out,
              struct mlb_error *err);
void card_prometheus(const struct card *cards, size_t count,
                     struct mlb_text *out);

#endif
