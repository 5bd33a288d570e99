/* SPDX-License-Identifier: BSD-3-Clause */
/* The tables of a record, column by column. (Between the record's files.) */
#ifndef RUN_RECORD_TABLES_H
#define RUN_RECORD_TABLES_H

#include "run/record_parts.h"
#include "store/sealed.h"

#define RECORD_ROWS_LIMIT (1u << 24)

struct record_column {
    const char *name;
    enum sealed_type type;
    size_t at, width;
    const char *unit, *help;
};

struct record_table {
    const char *group;
    size_t row_bytes;
    const struct record_column *columns;
    int scope;                           /* of its metrics; -1: none */
    size_t total, state, mean;           /* offsets; mean 0: none */
};

enum { RECORD_ATTEMPTS, RECORD_TASKS, RECORD_NODES, RECORD_GPUS,
       RECORD_TABLES };

extern const struct record_table record_tables[RECORD_TABLES];
/* Of what the program told: one group a metric. */
extern const struct record_column record_metric_columns[];

/* The values of one column, in rows of a table. */
struct record_values {
    char name[160];
    enum sealed_type type;
    size_t at, width, stride, count;
};

size_t record_value_bytes(const struct record_values *v);
void record_set_name(struct record_values *v, const char *group,
                     const char *name, const char *end);

/* The rows of a table in memory, and how many. */
char **record_get_rows(struct record *r, int table, size_t **count);
/* Add a row of which nothing is known. */
void *record_add_row(struct record *r, int table);

#endif
