/* SPDX-License-Identifier: BSD-3-Clause */
/* A checkpoint that is being read. */
#ifndef STORE_RESTORE_H
#define STORE_RESTORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/checkpoint.h"
#include "store/container.h"

/* A box of a tensor and the array that holds it. */
struct restore_piece {
    struct container *file;
    const struct container_info *array;
    struct mlb_box box;
};

struct restore_tensor {
    char *name;
    enum mlb_dtype dtype;
    int rank;
    uint64_t shape[MLB_MAX_RANK];
    struct restore_piece *pieces;      /* fill it, none twice */
    size_t count;
};

struct restore_metric {
    char *name;
    double value;
};

struct mlb_checkpoint_reader {
    char *path;
    struct container **files;          /* the manifest, if it is a */
    size_t file_count;                 /* directory, and those of nodes */
    bool is_directory;
    uint64_t step;
    struct restore_tensor *tensors;    /* in the order of saving; those in */
    int count;                         /* boxes last */
    const struct restore_tensor **by_name;
    struct restore_metric *metrics;
    int metric_count;
};

/* Read all and compare the checksums. */
int restore_check(struct mlb_checkpoint_reader *r, struct mlb_error *err);

/* Fill tensors and metrics from the files. Everything in them is checked. */
int restore_tensors(struct mlb_checkpoint_reader *r, struct mlb_error *err);
int restore_metrics(struct mlb_checkpoint_reader *r, struct mlb_error *err);
void restore_clear(struct mlb_checkpoint_reader *r);

/* The tensor of that name, or NULL. */
const struct restore_tensor *restore_tensor(
    const struct mlb_checkpoint_reader *r, const char *name);

/* The array of that name in any of the files, and in which. */
const struct container_info *restore_find(
    const struct mlb_checkpoint_reader *r, const char *name,
    struct container **file);

/* A whole array as a string of up to limit bytes, which the caller frees. */
int restore_text(struct container *c, const struct container_info *a,
                 uint64_t limit, char **text, struct mlb_error *err);

#endif
