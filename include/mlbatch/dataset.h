/* SPDX-License-Identifier: BSD-3-Clause */
/* Data sets: open a published version, read rows, load shuffled batches.
 *
 *     struct mlb_dataset *d = mlb_dataset_open(getenv("MLB_DATA_TRAIN"), &e);
 *     struct mlb_loader *l = mlb_loader_create(d, &options, &e);
 *     while ((n = mlb_loader_next(l, &e)) > 0)
 *         pixels = mlb_loader_field(l, "x"); ...
 *
 * A data set is a table: N rows, and named fields with a fixed shape per
 * row. What is published never changes, so any number of processes and
 * threads may read it; one handle belongs to one thread at a time.
 * Functions return 0 or a count, -1 or NULL with err filled on failure. */
#ifndef MLBATCH_DATASET_H
#define MLBATCH_DATASET_H

#include <stdint.h>

#include <mlbatch/dtype.h>
#include <mlbatch/error.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MLB_MAX_RANK 8       /* dimensions of an array, at most */

struct mlb_dataset;
struct mlb_loader;

/* One field. Fixed: rows of shape[0..rank-1] elements each (rank 0: a
 * scalar). Ragged: each row has a length of its own, and is [length,
 * shape...] elements: a text, a picture's bytes, a sequence of tokens. */
struct mlb_field {
    const char *name;        /* owned by the data set */
    enum mlb_dtype dtype;
    int rank;
    uint64_t shape[MLB_MAX_RANK];
    uint64_t row_bytes;      /* fixed: of a row; ragged: of one element of
                              * its first dimension */
    int ragged;
    const char *codec;       /* what the bytes are: "jpeg", "png", "utf8",
                              * "tokens", ...; "" for plain numbers */
};

/* Over all elements of a field; of ragged ones, too. NaNs are left out. */
struct mlb_stats {
    double mean, std, min, max;
    uint64_t count;          /* elements; 0: nothing was measured */
};

/* Open a version by the path of its directory (what MLB_DATA_<AS> and
 * ${data.<as>} hold). Checks the manifest and the structure of each shard,
 * not every byte: rows are checked as they are read.
 * MLB_ERR_NOT_FOUND, MLB_ERR_BAD_INPUT (damaged or foreign), MLB_ERR_IO. */
struct mlb_dataset *mlb_dataset_open(const char *path,
                                     struct mlb_error *err);
void mlb_dataset_close(struct mlb_dataset *dataset);     /* NULL is fine */

uint64_t mlb_dataset_rows(const struct mlb_dataset *dataset);
const char *mlb_dataset_version(const struct mlb_dataset *dataset);
int mlb_dataset_fields(const struct mlb_dataset *dataset);      /* count */
/* Field number i, or by name; NULL if there is none. Owned by dataset. */
const struct mlb_field *mlb_dataset_field(const struct mlb_dataset *dataset,
                                          int i);
const struct mlb_field *mlb_dataset_find(const struct mlb_dataset *dataset,
                                         const char *name);

/* Rows in a split ("train", "test", ...); NULL means all rows. -1 and
 * MLB_ERR_NOT_FOUND if the data set has no such split. */
int64_t mlb_dataset_split_rows(const struct mlb_dataset *dataset,
                               const char *split, struct mlb_error *err);
int mlb_dataset_splits(const struct mlb_dataset *dataset);     /* count */
/* Name of split number i, NULL if there is none. Owned by dataset. */
const char *mlb_dataset_split(const struct mlb_dataset *dataset, int i);

/* The statistics of a field, as taken at import. -1: there is no such
 * field, or none were taken (bytes of pictures, texts). */
int mlb_dataset_stats(const struct mlb_dataset *dataset, const char *field,
                      struct mlb_stats *stats);

/* The names that values 0, 1, ... of a field stand for: name i, or NULL
 * where there is none. Owned by dataset. */
const char *mlb_dataset_class(const struct mlb_dataset *dataset,
                              const char *field, uint64_t i);

/* Copy rows ids[0..count-1] (0-based over the whole data set, any order) of
 * one field to out, which holds count * row_bytes bytes. Every row's
 * checksum is verified: MLB_ERR_BAD_INPUT names a damaged row. */
int mlb_dataset_read(struct mlb_dataset *dataset, const char *field,
                     const uint64_t *ids, uint64_t count, void *out,
                     struct mlb_error *err);

/* The same for a ragged field: rows one behind the other in out, which
 * holds size bytes, row i at bytes offsets[i] to offsets[i + 1] of it
 * (count + 1 offsets). Returns the bytes that all rows need; if that is
 * more than size nothing but offsets is filled (out may be NULL then). */
int64_t mlb_dataset_read_ragged(struct mlb_dataset *dataset,
                                const char *field, const uint64_t *ids,
                                uint64_t count, uint64_t *offsets, void *out,
                                uint64_t size, struct mlb_error *err);

/* Where shuffled reading stands. Plain data: put it in a checkpoint and give
 * it back later. It knows nothing of the number of ranks, so that a run
 * stopped on 4 ranks goes on over 3 and sees every sample once per epoch. */
struct mlb_sampler_state {
    uint32_t algorithm;      /* 1: Feistel network with cycle walking; 2: the
                              * same over blocks of rows, then within them */
    uint32_t block;          /* rows in a block of algorithm 2; else 0 */
    uint64_t seed;
    uint64_t epoch;          /* 0, 1, ... */
    uint64_t position;       /* samples of this epoch already given out */
    uint64_t rows;           /* N: rows in the split */
    uint64_t global_batch;   /* rows in a batch over all ranks */
};

/* How rows are read. AUTO: mapped when all fields take up to half of the
 * memory that is free, else direct. */
enum mlb_loader_mode {
    MLB_LOADER_AUTO,
    MLB_LOADER_MAPPED,       /* the files in memory, brought in at once */
    MLB_LOADER_DIRECT,       /* past the page cache, the next batches being
                              * read while one is used */
};

struct mlb_loader_options {
    const char *split;       /* NULL: all rows */
    uint64_t global_batch;   /* over all ranks, at least 1 */
    uint64_t seed;
    int shuffle;             /* 0: rows in order, every epoch alike */
    int drop_last;           /* leave out an incomplete last batch */
    int rank, world_size;    /* this process among those that read */
    enum mlb_loader_mode mode;
    uint32_t block;          /* 0, or shuffle blocks of so many rows and the
                              * rows in each: large reads for small rows on
                              * slow disks. Algorithm 2. */
    int prefetch;            /* batches read ahead in direct mode; 0: as
                              * many as keep the disk busy, 2 or more */
    int no_verify;           /* do not compare the rows' checksums, which
                              * is done each time a row is read, in mapped
                              * mode the first time only */
};

/* A loader over the fields of dataset, which must outlive it and belongs to
 * the same thread. After a fork a child makes loaders of its own: one that
 * reads directly fails there with MLB_ERR_USAGE. Batch b of an
 * epoch is positions [b*G, (b+1)*G) of that epoch's permutation; rank r of W
 * gets an equal, contiguous slice of it, the first G mod W ranks one more.
 * With the same seed and G the batches are the same for every W. */
struct mlb_loader *mlb_loader_create(struct mlb_dataset *dataset,
                                     const struct mlb_loader_options *options,
                                     struct mlb_error *err);
void mlb_loader_destroy(struct mlb_loader *loader);      /* NULL is fine */

/* Read this rank's slice of the next batch. Returns the rows in the whole
 * (global) batch, 0 at the end of the epoch (the next call begins the next
 * epoch), -1 on error. The slice may be empty when the batch is smaller
 * than the number of ranks. */
int64_t mlb_loader_next(struct mlb_loader *loader, struct mlb_error *err);

/* This rank's rows of the current batch: how many, their ids, and a field's
 * values, [rows, shape...] packed; for a ragged field the rows one behind
 * the other, and where each begins (rows + 1 offsets in bytes). Owned by
 * loader, valid until next. */
uint64_t mlb_loader_rows(const struct mlb_loader *loader);
const uint64_t *mlb_loader_ids(const struct mlb_loader *loader);
/* Position of this rank's first row within the global batch. */
uint64_t mlb_loader_offset(const struct mlb_loader *loader);
const void *mlb_loader_field(const struct mlb_loader *loader,
                             const char *field);
const uint64_t *mlb_loader_offsets(const struct mlb_loader *loader,
                                   const char *field);
/* "mapped" or "direct, io_uring, O_DIRECT": what is in use. */
const char *mlb_loader_mode_name(const struct mlb_loader *loader);

/* The state after the batches given so far; and going on from one. Setting
 * refuses a state whose algorithm, rows or global batch differ from the
 * loader's: MLB_ERR_BAD_INPUT says which. */
void mlb_loader_get_state(const struct mlb_loader *loader,
                          struct mlb_sampler_state *state);
int mlb_loader_set_state(struct mlb_loader *loader,
                         const struct mlb_sampler_state *state,
                         struct mlb_error *err);

/* ---- for those who read rows in their own way ---- */

/* The rows of a split (NULL: all), ascending, into ids, which has room for
 * as many as mlb_dataset_split_rows says. */
int mlb_dataset_split_ids(struct mlb_dataset *dataset, const char *split,
                          uint64_t *ids, struct mlb_error *err);

/* What a loader does with algorithm, block, seed, epoch and rows of state:
 * which rows of its split (0 to rows - 1: places in the split's ids) come at
 * positions [position, position + count) of the epoch. state->position and
 * global_batch are not looked at. MLB_ERR_UNSUPPORTED: no such algorithm. */
int mlb_sampler_order(const struct mlb_sampler_state *state,
                      uint64_t position, uint64_t count, uint64_t *rows,
                      struct mlb_error *err);

#ifdef __cplusplus
}
#endif

#endif
