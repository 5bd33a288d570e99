/* SPDX-License-Identifier: BSD-3-Clause */
/* Between the files of the loader. */
#ifndef STORE_LOADER_H
#define STORE_LOADER_H

#include <stdbool.h>
#include <sys/types.h>

#include "store/dataset.h"
#include "store/rows.h"
#include "store/sampler.h"

/* Where the bytes of a row are, and their checksum, if it is compared. */
struct loader_row {
    const unsigned char *at;
    uint64_t length;
    uint32_t crc;
    bool compare;                 /* it with that of the bytes */
};

struct loader_field {
    const struct mlb_field *field;
    size_t number;                /* of the field */
    bool mapped;                  /* else direct */
    unsigned char *compared;      /* mapped: a bit a row, or NULL */
    unsigned char *values;        /* of the batch, size bytes */
    uint64_t size;
    unsigned char **outgrown;     /* ragged: what values were before */
    size_t outgrown_count;
    uint64_t *offsets;            /* ragged: rows + 1 */
};

/* A batch that is planned: this rank's slice of it. */
struct loader_batch {
    uint64_t size;                /* over all ranks */
    uint64_t first, rows;         /* the slice */
    uint64_t *ids;
};

/* The files of a data set in memory. */
struct loader_map;

/* Bring the fields that are mapped into memory. */
struct loader_map *loader_map_open(const struct mlb_dataset *dataset,
                                   const struct loader_field *fields,
                                   struct mlb_error *err);
void loader_map_close(struct loader_map *map);               /* NULL: fine */
const unsigned char *loader_map_at(const struct loader_map *map,
                                   const struct dataset_place *place);

/* Reading the others ahead, past the page cache. */
struct loader_direct;

struct loader_direct_options {
    unsigned batches;             /* in memory at once; 0: as many as keep
                                   * the disk busy; may become fewer */
    uint64_t most;                /* rows in one */
    uint64_t memory;              /* bytes for them, about */
    struct rows_options rows;
};

struct loader_direct *loader_direct_open(
    struct mlb_dataset *dataset, const struct loader_field *fields,
    const struct loader_direct_options *options, struct mlb_error *err);
void loader_direct_close(struct loader_direct *direct);      /* NULL: fine */

/* How many batches there is room for. */
unsigned loader_direct_batches(const struct loader_direct *direct);

/* Begin to read the rows of a batch into number slot, which is free. */
int loader_direct_begin(struct loader_direct *direct, unsigned slot,
                        const struct loader_batch *batch,
                        struct mlb_error *err);

/* Wait until they are there. */
int loader_direct_wait(struct loader_direct *direct, unsigned slot,
                       struct mlb_error *err);

/* Where the rows of a field are, after that. */
struct loader_row *loader_direct_rows(const struct loader_direct *direct,
                                      unsigned slot, size_t field);

/* Forget all that has begun. */
void loader_direct_cancel(struct loader_direct *direct);

void loader_direct_describe(const struct loader_direct *direct, char *out,
                            size_t size);

/* Where in the order of all epochs the next batch to be planned begins. */
struct loader_cursor {
    uint64_t epoch, position;
    struct sampler order;
    struct sampler_blocks blocks;
};

struct mlb_loader {
    struct mlb_dataset *dataset;
    struct mlb_loader_options options;   /* split is not kept */
    uint64_t *split;                     /* ids, or NULL: row i is id i */
    struct mlb_sampler_state state;      /* after the batches given */
    struct loader_cursor cursor;         /* after those planned */
    uint64_t most;                       /* rows in a slice */
    struct loader_field *fields;
    size_t field_count;
    struct loader_batch *batches;        /* a ring: the planned ones */
    unsigned batch_count, first, planned;
    struct loader_batch given;
    struct loader_row *sources;          /* most of them */
    struct loader_map *map;
    struct loader_direct *direct;
    pid_t owner;                         /* of direct */
    char mode_name[64];
};

/* Copy the rows of a batch, which is in slot, to the buffer of a field and
 * compare their checksums. */
int loader_fill(struct mlb_loader *l, struct loader_field *field,
                const struct loader_batch *batch, unsigned slot,
                struct mlb_error *err);

/* Decide how each field is read and prepare it; batch_count becomes how many
 * batches are planned at once. rows: which engine, for tests. */
int loader_choose(struct mlb_loader *l, const struct rows_options *rows,
                  struct mlb_error *err);

/* mlb_loader_create with an engine for direct reading, for tests. */
struct mlb_loader *loader_create(struct mlb_dataset *dataset,
                                 const struct mlb_loader_options *options,
                                 const struct rows_options *rows,
                                 struct mlb_error *err);

#endif
