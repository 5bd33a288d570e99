/* SPDX-License-Identifier: BSD-3-Clause */
/* Importing files of many formats as a version of a data set. For the
 * tools. */
#ifndef STORE_IMPORT_H
#define STORE_IMPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/problems.h"
#include "store/version.h"

#define IMPORT_MAX_PROBLEMS 20

/* Told now and then how far reading is, in bytes; total 0: not known. */
typedef void import_progress(void *arg, uint64_t done, uint64_t total);
/* Told what the user should know, a line without its end. */
typedef void import_say(void *arg, const char *line);

struct import_options {
    const char *store, *name, *source;
    char *const *more;            /* further sources, NULL at the end; NULL */
    const char *format;           /* NULL: guessed from the source */
    const char *label;            /* csv: first, last, a number from 1, a
                                   * column's name; npy, idx: a file */
    const char *shape;            /* csv: of field x, "8,8"; NULL: flat */
    enum mlb_dtype dtype;         /* tokens: u16 or u32; 0: none given */
    uint64_t length;              /* tokens: of a row; 0: none given */
    const char *separator;        /* tokens: id that ends a row; NULL */
    bool whole_files;             /* text: a file is a row */
    char *const *fields;          /* hdf5: data sets, NULL at the end; NULL */
    const struct version_split *splits;
    size_t split_count;
    uint64_t seed;
    uint64_t shard_bytes;         /* 0: one shard of any size */
    const char *command;          /* for the provenance, or NULL */
    import_progress *progress;    /* or NULL */
    import_say *say;              /* or NULL */
    void *arg;                    /* of both */
};

struct import_result {
    char version[MANIFEST_VERSION_LENGTH + 1];
    bool existed;                 /* the same content was there already */
    uint64_t rows;
};

/* Publish the sources as STORE/datasets/NAME/VERSION with tag latest. An
 * import of the same sources and options that was killed is continued. -1
 * with problems in the sources, each with its place, or err alone; nothing
 * is left in the store then. */
int import_run(const struct import_options *options,
               struct import_result *result, struct mlb_problems *problems,
               struct mlb_error *err);

#endif
