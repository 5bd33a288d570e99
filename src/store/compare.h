/* SPDX-License-Identifier: BSD-3-Clause */
/* What differs between two versions of data sets, or two checkpoints. All
 * data are read and verified. For the tools. */
#ifndef STORE_COMPARE_H
#define STORE_COMPARE_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "store/column.h"

struct compare_request {
    const char *a, *b;            /* directories of versions; checkpoints */
    column_progress *progress;    /* or NULL */
    void *progress_arg;
};

/* Compare two versions. *out becomes a new object:
 *   "same": true             all rows, fields, classes and splits are
 *   "rows": [a, b]
 *   "fields": [ { "name", "a": type or null, "b", "rows": how many of those
 *       that both have differ or null, "classes": [a, b] if they differ,
 *       "stats": { "mean": [a, b], ... } those that differ } ]
 *   "splits": [ { "name", "a": rows or null, "b", "same" } ]
 *   "provenance": { KEY: [a, b] }           those that differ */
int compare_datasets(const struct compare_request *request, json_t **out,
                     struct mlb_error *err);

/* Compare two checkpoints: as numbers, see value_compare.
 *   "same"; "steps": [a, b]
 *   "tensors": [ { "name", "a": type or null, "b", "elements", "differing":
 *       how many or null, "max_abs": the greatest difference, null if that
 *       is not a finite number } ]
 *   "states": [ { "name", "a": bytes or null, "b", "same" } ] */
int compare_checkpoints(const struct compare_request *request, json_t **out,
                        struct mlb_error *err);

/* "f32 [8, 8]", "ragged u8". Caller frees. */
char *compare_type(enum mlb_dtype dtype, int rank, const uint64_t *shape,
                   bool ragged);

#endif
