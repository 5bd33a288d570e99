/* SPDX-License-Identifier: BSD-3-Clause */
/* Checkpoints: save tensors and state at a step, load the latest valid one.
 *
 *     struct mlb_checkpoint *c = mlb_checkpoint_create(dir, step, &e);
 *     mlb_checkpoint_add(c, &tensor, &e); ...
 *     mlb_checkpoint_publish(c, keep, &e);
 *
 * A checkpoint is one HDF5 file, step-NNNNNNNNNNNN.h5, complete and
 * checksummed before it gets that name, and never changed after. Killed at
 * any moment, a save leaves the earlier checkpoints as they were.
 * One handle belongs to one thread at a time; one process saves into a
 * directory at a time (rank 0 of a data-parallel program).
 * Functions return 0 or a count, -1 or NULL with err filled on failure. */
#ifndef MLBATCH_CHECKPOINT_H
#define MLBATCH_CHECKPOINT_H

#include <stdint.h>

#include <mlbatch/dataset.h>
#include <mlbatch/dtype.h>
#include <mlbatch/error.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mlb_checkpoint;            /* one being written */
struct mlb_checkpoint_reader;     /* a published one */

/* An array in C order. name: parts separated by '/', e.g. "layer1/weight",
 * printable UTF-8, up to 255 bytes, no part empty, "." or "..". */
struct mlb_tensor {
    const char *name;
    enum mlb_dtype dtype;
    int rank;                          /* 0: a scalar */
    uint64_t shape[MLB_MAX_RANK];
    const void *data;
};

/* The directory for the checkpoints of this run: $MLB_CHECKPOINT_DIR, which
 * mlbatch sets for every task; else fallback. */
const char *mlb_checkpoint_dir(const char *fallback);

/* Begin a checkpoint of a step in directory (made if missing). */
struct mlb_checkpoint *mlb_checkpoint_create(const char *directory,
                                             uint64_t step,
                                             struct mlb_error *err);

/* Add a tensor, or bytes of state under a name of the same rules (typed
 * JSON or plain bytes; length may be 0). Tensors and states have a name
 * space each. The data is read in publish, not here: it must stay as it is
 * until then. MLB_ERR_USAGE: bad name, twice the same name, bad shape. */
int mlb_checkpoint_add(struct mlb_checkpoint *checkpoint,
                       const struct mlb_tensor *tensor,
                       struct mlb_error *err);
int mlb_checkpoint_add_state(struct mlb_checkpoint *checkpoint,
                             const char *name, const void *bytes,
                             uint64_t length, struct mlb_error *err);

/* Write, fsync, give it its name; then remove the oldest valid ones beyond
 * keep (0: keep all; never the one just written). Destroys checkpoint,
 * whatever the outcome. MLB_ERR_FAILED if this step is published already:
 * published files are never replaced. (A damaged one, which a run that fell
 * back comes by again, is renamed to *.damaged first.) */
int mlb_checkpoint_publish(struct mlb_checkpoint *checkpoint, int keep,
                           struct mlb_error *err);
void mlb_checkpoint_abandon(struct mlb_checkpoint *checkpoint);

/* Open the newest valid checkpoint in directory. A damaged newer one is
 * skipped, and note (may be NULL, size note_size) then says which and why;
 * else note is "". NULL and MLB_ERR_NOT_FOUND if there is none at all, the
 * error of the newest if none is sound. */
struct mlb_checkpoint_reader *mlb_checkpoint_latest(const char *directory,
                                                    char *note,
                                                    size_t note_size,
                                                    struct mlb_error *err);
/* Open one file; its structure is checked now, the data when loaded. */
struct mlb_checkpoint_reader *mlb_checkpoint_open(const char *path,
                                                  struct mlb_error *err);
void mlb_checkpoint_close(struct mlb_checkpoint_reader *reader);

uint64_t mlb_checkpoint_step(const struct mlb_checkpoint_reader *reader);
const char *mlb_checkpoint_path(const struct mlb_checkpoint_reader *reader);

/* Number of tensors, and the i-th one (data is NULL; name is owned by
 * reader). 0, or -1 if there is no such number. */
int mlb_checkpoint_tensors(const struct mlb_checkpoint_reader *reader);
int mlb_checkpoint_tensor(const struct mlb_checkpoint_reader *reader, int i,
                          struct mlb_tensor *tensor);

/* Load a whole tensor into out, after comparing dtype, rank and shape with
 * wanted (whose data is not used). The checksum is verified.
 * MLB_ERR_NOT_FOUND, MLB_ERR_BAD_INPUT (damaged, or another shape). */
int mlb_checkpoint_load(struct mlb_checkpoint_reader *reader,
                        const struct mlb_tensor *wanted, void *out,
                        struct mlb_error *err);

/* Load state into a new buffer, *bytes, which the caller frees; a NUL is
 * put after its end. */
int mlb_checkpoint_load_state(struct mlb_checkpoint_reader *reader,
                              const char *name, void **bytes,
                              uint64_t *length, struct mlb_error *err);

/* Read everything and compare every checksum. 0, or -1 naming the first
 * damaged tensor. */
int mlb_checkpoint_verify(struct mlb_checkpoint_reader *reader,
                          struct mlb_error *err);

#ifdef __cplusplus
}
#endif

#endif
