/* SPDX-License-Identifier: BSD-3-Clause */
/* The rows of a CSV file, checked and put into temporary files as numbers.
 * For the tools. */
#ifndef STORE_TABLE_H
#define STORE_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/problems.h"
#include "mlbatch/dtype.h"
#include "store/csv.h"

#define TABLE_MAX_PROBLEMS 20

/* Told now and then how far reading is, in bytes; total 0: not known. */
typedef void table_progress(void *arg, uint64_t done, uint64_t total);

struct table_options {
    const char *source;
    const char *directory;        /* for the temporary files */
    const char *label;            /* first, last, a number from 1, a column's
                                   * name; NULL: none */
    table_progress *progress;     /* or NULL */
    void *progress_arg;
};

struct table {
    uint64_t rows;
    size_t columns;               /* all; 0 before the first line */
    bool has_label;
    size_t label;                 /* its column, from 0 */
    enum mlb_dtype label_type;    /* i32, i64 or f32: the first that fits */
    FILE *values;                 /* f32, [rows, columns without label] */
    FILE *labels;                 /* struct table_label, [rows] */
};

struct table_label {
    int64_t whole;
    double value;
};

/* Read all of source. What is wrong with rows goes to problems, which ends
 * the reading at TABLE_MAX_PROBLEMS; then, too, -1. The temporary files have
 * no name: they are gone when t is cleared. */
int table_read(struct table *t, const struct table_options *options,
               struct mlb_problems *problems, struct mlb_error *err);
void table_clear(struct table *t);        /* fine for one all zero */

/* container_source of the two fields: from is the table; any offset that
 * begins an element. */
int table_get_values(void *from, uint64_t offset, void *out, size_t length,
                     struct mlb_error *err);
int table_get_labels(void *from, uint64_t offset, void *out, size_t length,
                     struct mlb_error *err);

#endif
