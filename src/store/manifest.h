/* SPDX-License-Identifier: BSD-3-Clause */
/* manifest.json of a data set version: what is in it, and whence it came.
 *
 * { "format": "mlbatch-dataset", "format_version": 1, "name": "digits",
 *   "version": "0123456789abcdef", "rows": 1797,
 *   "fields": [ { "name": "x", "dtype": "f32", "shape": [8, 8] }, ... ],
 *   "splits": [ { "name": "train", "rows": 1438 }, ... ],
 *   "shards": [ { "file": "shard-00000.h5", "rows": 1797, "bytes": 491520,
 *                 "xxh3_128": "...", "elements": { "t": 70000 } }, ... ],
 *   "provenance": { ... } }                 free, for people
 *
 * A field may have besides: "ragged": true (then each shard says how many
 * elements it holds of it), "codec": "jpeg", "classes": ["cat", "dog"],
 * "stats": { "mean", "std", "min", "max", "count" } with null for what is
 * not finite, and "counts": [[0, 178], [1, 182]], how many rows have each
 * value. */
#ifndef STORE_MANIFEST_H
#define STORE_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "mlbatch/dataset.h"
#include "mlbatch/error.h"

#define MANIFEST_FILE "manifest.json"
#define MANIFEST_VERSION_LENGTH 16        /* hex digits */
#define MANIFEST_MAX_ITEMS 100000         /* shards, classes of a field */
#define MANIFEST_MAX_NAME 64              /* of fields and splits */
#define MANIFEST_MAX_FIELD_RANK (MLB_MAX_RANK - 1)   /* rows take one */

struct manifest_split {
    const char *name;
    uint64_t rows;
};

struct manifest_shard {
    char file[32];                        /* shard-NNNNN.h5 */
    uint64_t rows, bytes;
    uint64_t *elements;                   /* one a field; 0 of fixed ones */
};

struct manifest_value {
    int64_t value;
    uint64_t rows;                        /* that have it */
};

/* What a field's values are, as far as it is known. */
struct manifest_about {
    const char **classes;                 /* the strings are of json */
    struct manifest_value *counts;        /* all rows, or none */
    size_t class_count, count_count;
    struct mlb_stats stats;
    bool has_stats;
};

struct manifest {
    json_t *json;                         /* owns the names below */
    const char *name, *version;
    uint64_t rows;
    struct mlb_field *fields;
    struct manifest_about *about;         /* one a field */
    struct manifest_split *splits;
    struct manifest_shard *shards;
    size_t field_count, split_count, shard_count;
};

/* Read and check the manifest in a version's directory. Every name, number
 * and sum in it is sound afterwards. MLB_ERR_NOT_FOUND, MLB_ERR_BAD_INPUT,
 * MLB_ERR_UNSUPPORTED (a newer format). */
int manifest_read(struct manifest *m, const char *directory,
                  struct mlb_error *err);

/* Free what manifest_read filled; fine for one that is all zero. */
void manifest_clear(struct manifest *m);

/* The name of shard number i. */
void manifest_shard_file(size_t i, char *out, size_t size);

/* Is name fit for a field or split: a letter or '_', then letters, digits
 * and "_-.", MANIFEST_MAX_NAME bytes at most? */
int manifest_name_ok(const char *name);

/* Fill in row_bytes from dtype and shape, of a ragged field those of one
 * element of its first dimension. -1: no such type, too many. */
int manifest_row_bytes(struct mlb_field *field, struct mlb_error *err);

#endif
