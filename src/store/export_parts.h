/* SPDX-License-Identifier: BSD-3-Clause */
/* Between the parts of exporting a data set. */
#ifndef STORE_EXPORT_PARTS_H
#define STORE_EXPORT_PARTS_H

#include "store/export.h"
#include "store/target.h"

/* A field of which rows are asked one after the other. */
struct export_cursor {
    struct column column;
    struct column_batch batch;
};

struct exporting {
    const struct export_dataset *request;
    struct export_result *result;
    struct manifest m;
    size_t *fields;                       /* numbers of those wanted */
    size_t field_count;
    bool all_fields;                      /* none was named */
    uint64_t *ids;                        /* of the split; NULL: all rows */
    uint64_t rows;
    struct target target;
    uint64_t done, total;                 /* for the progress */
};

/* How many rows follow one another from the at-th one on, the first of which
 * is *row. */
uint64_t export_run(const struct exporting *e, uint64_t at, uint64_t *row);

/* The id of the at-th row. */
uint64_t export_row(const struct exporting *e, uint64_t at);

void export_progress(struct exporting *e, uint64_t done);

void export_cursor_init(const struct exporting *e, struct export_cursor *c,
                        size_t field);
void export_cursor_clear(struct export_cursor *c);
/* The bytes of the at-th row, good until the next call. */
int export_cursor_get(const struct exporting *e, struct export_cursor *c,
                      uint64_t at, const unsigned char **bytes,
                      uint64_t *length, struct mlb_error *err);

int export_npz(struct exporting *e, struct mlb_error *err);
int export_csv(struct exporting *e, struct mlb_error *err);
int export_files(struct exporting *e, struct mlb_error *err);

#endif
