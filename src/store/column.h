/* SPDX-License-Identifier: BSD-3-Clause */
/* One field of a version of a data set, read in the order of rows: for what
 * goes over all of it (verify, diff, export). One shard is open at a time.
 * For the tools.
 *
 *     struct column c;
 *     column_init(&c, &manifest, directory, field);
 *     n = column_read(&c, row, most, &batch, &e); ...
 *     column_clear(&c); */
#ifndef STORE_COLUMN_H
#define STORE_COLUMN_H

#include <stdbool.h>
#include <stdint.h>

#include "store/container.h"
#include "store/manifest.h"

/* Told now and then how far something is. */
typedef void column_progress(void *arg, uint64_t done, uint64_t total);

struct column {
    const struct manifest *m;             /* both the caller's */
    const char *directory;
    size_t index;
    const struct mlb_field *field;
    bool ragged;
    const char *codec;                    /* "" for plain numbers */
    size_t shard;                         /* the open one */
    uint64_t first, rows;                 /* what is in it */
    struct container *file;               /* NULL: none is open */
    const struct container_info *data, *crc, *offsets;
    uint64_t *window;                     /* offsets of rows of the shard, */
    uint64_t window_at, window_rows;      /* and one more; 0: none */
};

/* Some rows. Row i is bytes [ends[i - 1], ends[i]) of bytes. */
struct column_batch {
    uint64_t first, rows;
    uint64_t *ends;
    uint32_t *crcs;                       /* as saved */
    unsigned char *bytes;
    uint64_t size;                        /* of bytes, as allocated */
};

/* What the manifest says of field number i beside struct mlb_field. */
bool column_is_ragged(const struct manifest *m, size_t i);
const char *column_codec(const struct manifest *m, size_t i);
const json_t *column_json(const struct manifest *m, size_t i);

/* Number of the field of that name, or -1 with a near name. */
int column_find(const struct manifest *m, const char *name,
                struct mlb_error *err);

void column_init(struct column *c, const struct manifest *m,
                 const char *directory, size_t field);
void column_clear(struct column *c);

/* Open shard number i, and find and check the field's arrays in it. */
int column_open_shard(struct column *c, size_t i, struct mlb_error *err);

/* Read rows from row on: at least one, at most so many as asked, as are in
 * the same shard and as fit a few MiB. Fetch compares nothing; read compares
 * the checksum of each row: MLB_ERR_BAD_INPUT names a damaged one. */
int column_fetch(struct column *c, uint64_t row, uint64_t most,
                 struct column_batch *batch, struct mlb_error *err);
int column_read(struct column *c, uint64_t row, uint64_t most,
                struct column_batch *batch, struct mlb_error *err);

static inline uint64_t column_start(const struct column_batch *b, uint64_t i)
{
    return i == 0 ? 0 : b->ends[i - 1];
}

/* Is row i of a batch as it was saved? */
bool column_is_sound(const struct column_batch *batch, uint64_t i);
void column_batch_clear(struct column_batch *batch);

/* Path of shard number i. Caller frees. */
char *column_shard_path(const char *directory, size_t i);

/* The ids of split number i in a new buffer that the caller frees, ascending
 * and checked to be rows. */
int column_split_ids(const struct manifest *m, const char *directory,
                     size_t i, uint64_t **ids, struct mlb_error *err);

#endif
