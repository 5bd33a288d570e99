/* SPDX-License-Identifier: BSD-3-Clause */
/* Importing a CSV file as a version of a data set. For the tools. */
#ifndef STORE_IMPORT_H
#define STORE_IMPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/problems.h"
#include "store/table.h"
#include "store/version.h"

struct import_options {
    const char *store, *name, *source;
    const char *label;            /* see struct table_options */
    const char *shape;            /* of field x, "8,8"; NULL: flat */
    const struct version_split *splits;
    size_t split_count;
    uint64_t seed;
    uint64_t shard_bytes;         /* 0: one shard of any size */
    const char *command;          /* for the provenance, or NULL */
    table_progress *progress;     /* or NULL */
    void *progress_arg;
};

struct import_result {
    char version[MANIFEST_VERSION_LENGTH + 1];
    bool existed;                 /* the same content was there already */
    uint64_t rows;
};

/* Read source (comma-separated numbers, plain or gzip, with or without a
 * header) and publish it as STORE/datasets/NAME/VERSION with tag latest:
 * the label column as field "y", the others as field "x", f32. -1 with
 * problems in the rows, each with its line, or err alone. */
int import_csv(const struct import_options *options,
               struct import_result *result, struct mlb_problems *problems,
               struct mlb_error *err);

#endif
