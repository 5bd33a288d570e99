/* SPDX-License-Identifier: BSD-3-Clause */
/* Data sets and checkpoints in formats of others. Nothing is compressed, all
 * is verified as it is read, memory does not grow with the size of the data,
 * and what is written gets its name when it is whole. For the tools. */
#ifndef STORE_EXPORT_H
#define STORE_EXPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"
#include "store/column.h"

enum export_format {
    EXPORT_NONE,
    EXPORT_NPZ,
    EXPORT_CSV,
    EXPORT_FILES,
    EXPORT_SAFETENSORS,
};

/* "npz", "csv", ...; the format of that name, or that a path's ending tells,
 * or EXPORT_NONE. */
const char *export_format_name(enum export_format format);
enum export_format export_format_find(const char *name);
enum export_format export_format_of_path(const char *path);

struct export_result {
    uint64_t rows, files, bytes;
    struct mlb_strings notes;             /* what a person should know */
};
void export_result_clear(struct export_result *result);

/* A version of a data set: npz (each field an array; a ragged one as
 * NAME.data and NAME.offsets), csv (fixed fields, flattened), files (the
 * rows of a ragged u8 field, in a folder for each class). */
struct export_dataset {
    const char *directory;                /* of the version */
    const char *to;
    enum export_format format;
    const char *split;                    /* or NULL: all rows */
    const struct mlb_strings *fields;     /* none: all that fit the format */
    bool force;                           /* replace a file */
    column_progress *progress;            /* or NULL */
    void *progress_arg;
};
int export_dataset(const struct export_dataset *request,
                   struct export_result *result, struct mlb_error *err);

/* The tensors of a checkpoint, as safetensors or npz. */
struct export_checkpoint {
    const char *path;                     /* of the checkpoint */
    const char *to;
    enum export_format format;
    const char *tensors;                  /* a pattern (fnmatch with its
                                           * extensions), or NULL */
    bool force;
    column_progress *progress;
    void *progress_arg;
};
int export_checkpoint(const struct export_checkpoint *request,
                      struct export_result *result, struct mlb_error *err);

#endif
