/* SPDX-License-Identifier: BSD-3-Clause */
/* From what each rank holds of the tensors to the arrays of the files.
 *
 * A tensor that is held whole, or in ranges of its first dimension, becomes
 * one array /tensors/NAME, which is the same for any number of ranks. Of one
 * that is cut otherwise each box is an array of its own, /shards/NAME/K, and
 * /meta/shards says where it belongs. With a file per node all are boxes.
 * For the library. */
#ifndef STORE_SHARDS_H
#define STORE_SHARDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mlbatch/checkpoint.h"

#define SHARDS_MAX_NAME 255

/* What a rank adds: a box of a tensor, or a state (u8, one dimension). Sent
 * between the ranks as it is, all bytes set. */
struct shards_item {
    uint32_t is_state;
    uint32_t dtype;
    int32_t rank;
    uint32_t reserved;
    uint64_t shape[MLB_MAX_RANK];
    struct mlb_box box;
    char name[SHARDS_MAX_NAME + 1];
};

struct shards_list {
    const struct shards_item *items;
    size_t count;
};

/* Bytes of an array that one rank writes. */
struct shards_piece {
    unsigned rank;
    size_t item;                 /* in that rank's list */
    size_t array;                /* of the plan */
    uint64_t offset, length;
};

struct shards_array {
    char *name;                  /* in the file */
    unsigned file;               /* 0, or the node */
    const struct shards_item *item;     /* one that is in it */
    bool is_box;
    uint64_t shape[MLB_MAX_RANK];
    uint64_t origin[MLB_MAX_RANK];      /* of a box */
    uint64_t bytes;
};

/* Refers to the lists that it was made of. */
struct shards_plan {
    struct shards_array *arrays;
    size_t count;
    struct shards_piece *pieces;        /* by array, ascending offsets */
    size_t piece_count;
    unsigned files;                     /* of nodes; 0: one for all */
};

struct shards_wanted {
    const struct shards_list *lists;    /* of each rank */
    size_t ranks;
    const unsigned *nodes;              /* of each rank; NULL: one file */
    unsigned files;                     /* of nodes; 0: one for all */
};

/* The same on every rank that has the same lists. MLB_ERR_USAGE: tensors of
 * one name that differ, boxes that overlap or leave a part out. */
int shards_plan(struct shards_plan *plan, const struct shards_wanted *wanted,
                struct mlb_error *err);
void shards_plan_clear(struct shards_plan *plan);

/* /meta/shards: a new string, which the caller frees; *text is NULL if no
 * tensor is in boxes. */
int shards_to_json(const struct shards_plan *plan, char **text,
                   struct mlb_error *err);

/* Is box within shape? 64-bit numbers of any value. */
bool shards_box_fits(int rank, const uint64_t *shape,
                     const struct mlb_box *box);

/* Do the boxes fill shape, none of its elements twice? Adds one at a time;
 * done is whether it is so by now. Boxes fit in shape. */
struct shards_cover {
    int rank;
    const uint64_t *shape;
    uint64_t sum[2];
};
void shards_cover_add(struct shards_cover *cover, const struct mlb_box *box);
bool shards_cover_done(const struct shards_cover *cover);

#endif
