/* SPDX-License-Identifier: BSD-3-Clause */
/* What the loader and the tools know of a data set beyond the public API. */
#ifndef STORE_DATASET_H
#define STORE_DATASET_H

#include "mlbatch/dataset.h"
#include "store/container.h"
#include "store/manifest.h"

/* A field in one shard. */
struct dataset_column {
    const struct container_info *data, *crc;
    const struct container_info *offsets;    /* NULL: not ragged */
    uint64_t *starts;             /* ragged: the offsets, once read */
    uint32_t *sums;               /* of the rows, as far as they are read */
    unsigned char *have;          /* is chunk i of sums there? */
};

struct dataset_shard {
    struct container *file;
    uint64_t first, count;        /* rows of the data set */
    struct dataset_column *columns;          /* one a field */
};

struct mlb_dataset {
    char *path;
    struct manifest m;
    struct dataset_shard *shards;
};

/* Where a row of a field lies. */
struct dataset_place {
    size_t shard;
    uint64_t offset, length;      /* in the shard's file */
};

/* The row ids of a split, ascending, in a new buffer that the caller frees:
 * 8 bytes a row. Checked to be rows of the data set. */
int dataset_split_ids(struct mlb_dataset *dataset, const char *split,
                      uint64_t **ids, struct mlb_error *err);

/* Bytes of field number f in all shards. */
uint64_t dataset_field_bytes(const struct mlb_dataset *dataset, size_t f);

/* Where row (which there is) of field number f lies, inside the array that
 * the index of its shard names. The offsets of a ragged field are read and
 * checked when the first row of a shard is asked for, and kept: 8 bytes a
 * row. */
int dataset_locate(struct mlb_dataset *dataset, size_t f, uint64_t row,
                   struct dataset_place *place, struct mlb_error *err);

/* The CRC32C that the bytes of a row should have. They are read by chunks
 * and kept, 4 bytes a row. */
int dataset_sum(struct mlb_dataset *dataset, size_t f, uint64_t row,
                uint32_t *crc, struct mlb_error *err);

/* Says that a row is damaged. */
int dataset_damaged(const struct mlb_dataset *dataset, size_t f, uint64_t row,
                    struct mlb_error *err);

/* Is each of ids a row of the data set? */
int dataset_check_ids(const struct mlb_dataset *dataset, const uint64_t *ids,
                      uint64_t count, struct mlb_error *err);

/* Free what dataset_locate and dataset_sum keep for a shard. */
void dataset_forget(struct mlb_dataset *dataset, size_t shard);

#endif
