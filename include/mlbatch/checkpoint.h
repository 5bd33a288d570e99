/* SPDX-License-Identifier: BSD-3-Clause */
/* Checkpoints: save tensors and state at a step, load the latest valid one.
 *
 *     struct mlb_saver_options options;
 *     mlb_saver_options_init(&options);
 *     struct mlb_saver *s = mlb_saver_open(&options, &e);      once
 *
 *     struct mlb_checkpoint *c = mlb_checkpoint_create(s, step, &e);
 *     mlb_checkpoint_add(c, &tensor, NULL, &e); ...
 *     mlb_checkpoint_publish(c, &e);
 *
 * A checkpoint is an HDF5 file step-NNNNNNNNNNNN.h5, or a directory of that
 * name with .d that holds a file per node; complete and checksummed before
 * it gets that name, and never changed after. Killed at any moment, a save
 * leaves the earlier checkpoints as they were.
 *
 * With a group (group.h) all ranks open the saver and make the same calls
 * for the same steps, and each adds what it holds; a call that fails on one
 * rank fails on all. A handle belongs to one thread at a time. Functions
 * return 0 or a count, -1 or NULL with err filled on failure. */
#ifndef MLBATCH_CHECKPOINT_H
#define MLBATCH_CHECKPOINT_H

#include <stdint.h>

#include <mlbatch/dataset.h>
#include <mlbatch/dtype.h>
#include <mlbatch/error.h>
#include <mlbatch/group.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mlb_saver;                 /* saves into one directory */
struct mlb_checkpoint;            /* one being written */
struct mlb_checkpoint_reader;     /* a published one */

/* An array in C order. name: parts separated by '/', e.g. "layer1/weight",
 * printable UTF-8, up to 255 bytes, no part empty, "." or "..". */
struct mlb_tensor {
    const char *name;
    enum mlb_dtype dtype;
    int rank;                          /* 0: a scalar */
    uint64_t shape[MLB_MAX_RANK];      /* of the whole (global) tensor */
    const void *data;                  /* of the box, packed in C order */
};

/* A part of a tensor: elements [origin, origin + extent) of each of its
 * dimensions. */
struct mlb_box {
    uint64_t origin[MLB_MAX_RANK], extent[MLB_MAX_RANK];
};

enum mlb_layout {
    MLB_LAYOUT_AUTO,                   /* by the file system: nodes on NFS */
    MLB_LAYOUT_SHARED,                 /* one file, all ranks write to it */
    MLB_LAYOUT_NODES,                  /* a directory with a file per node */
};

/* What to keep. A checkpoint goes when none of the rules wants it, never
 * the newest, and never the only valid one. All 0: all are kept. */
struct mlb_retention {
    int last;                          /* the newest K */
    uint64_t every;                    /* steps that are a multiple of N */
    int best;                          /* the best K by metric */
    const char *metric;                /* as in mlb_checkpoint_add_metric */
    int higher_is_better;
};

struct mlb_saver_options {
    const char *directory;
    const struct mlb_group *group;     /* NULL: this process alone; must
                                        * outlive the saver */
    enum mlb_layout layout;
    struct mlb_retention retention;
    int slots;                         /* retired files kept to be written
                                        * over, which is faster than a new
                                        * file: 0 to 2 */
};

/* The defaults, which are what the job file says where mlbatch started the
 * program: directory $MLB_CHECKPOINT_DIR (else "checkpoints"), keep, every
 * Nth, best, layout; 1 slot. Strings are the environment's. */
void mlb_saver_options_init(struct mlb_saver_options *options);

/* Make the directory if it is missing, clean up what a killed save left
 * there, and be its only writer until close: MLB_ERR_FAILED says who else
 * is (host, process, since when). */
struct mlb_saver *mlb_saver_open(const struct mlb_saver_options *options,
                                 struct mlb_error *err);
/* Waits for a save in the background (its outcome is lost: call
 * mlb_saver_wait before). NULL is fine; in a child that was forked off it
 * does nothing. */
void mlb_saver_close(struct mlb_saver *saver);

/* Begin a checkpoint of a step. One at a time; while one is being saved in
 * the background this waits for it, and fails if that failed. */
struct mlb_checkpoint *mlb_checkpoint_create(struct mlb_saver *saver,
                                             uint64_t step,
                                             struct mlb_error *err);

/* Add a tensor, or the box of it that this rank holds (box NULL: all of
 * it). What several ranks hold whole (box NULL, or equal boxes) is written
 * by the first of them. The boxes of all ranks must cover the tensor, and
 * different ones must not overlap: publish checks that. The data is read in
 * publish, not here. MLB_ERR_USAGE: bad name, twice the same name on one
 * rank, bad shape or box. */
int mlb_checkpoint_add(struct mlb_checkpoint *checkpoint,
                       const struct mlb_tensor *tensor,
                       const struct mlb_box *box, struct mlb_error *err);

/* Add bytes of state under a name of the same rules but in a name space of
 * its own: JSON or plain bytes, length may be 0. The same name on several
 * ranks: the first rank's counts. */
int mlb_checkpoint_add_state(struct mlb_checkpoint *checkpoint,
                             const char *name, const void *bytes,
                             uint64_t length, struct mlb_error *err);

/* Note a value, e.g. "loss": shown by mlbatch checkpoint list, and what
 * retention goes by. Rank 0's count, up to 1 MiB of them with their names
 * (publish refuses more). NaN and infinities are never best. */
int mlb_checkpoint_add_metric(struct mlb_checkpoint *checkpoint,
                              const char *name, double value,
                              struct mlb_error *err);

/* Write, sync, give it its name, then remove what retention does not want.
 * Destroys checkpoint, whatever the outcome. MLB_ERR_FAILED if this step is
 * published already: published files are never replaced. (A damaged one,
 * which a run that fell back comes by again, is renamed to *.damaged
 * first.) */
int mlb_checkpoint_publish(struct mlb_checkpoint *checkpoint,
                           struct mlb_error *err);

/* The same in the background: copies all data into memory of its own (kept
 * warm from save to save), so that it may be changed on return, and writes
 * from a second thread, which never calls the group. It becomes a
 * checkpoint in mlb_saver_poll. Destroys checkpoint. */
int mlb_checkpoint_publish_async(struct mlb_checkpoint *checkpoint,
                                 struct mlb_error *err);
void mlb_checkpoint_abandon(struct mlb_checkpoint *checkpoint);

/* Collective, cheap, to be called each step (or every few): have all ranks
 * finished writing? Then publish. 1: there was a save and it is published
 * now; 0: none under way, or not finished; -1: it failed, and training may
 * go on. */
int mlb_saver_poll(struct mlb_saver *saver, struct mlb_error *err);
/* Collective: wait for a save in the background. 0, or -1 if it failed. */
int mlb_saver_wait(struct mlb_saver *saver, struct mlb_error *err);

/* Open the newest valid checkpoint in directory (every byte is checked). A
 * damaged newer one is skipped, and note (may be NULL, size note_size) then
 * says which and why; else note is "". NULL and MLB_ERR_NOT_FOUND if there
 * is none at all, the error of the newest if none is sound. In a parallel
 * program let rank 0 call this and the others open what it found. */
struct mlb_checkpoint_reader *mlb_checkpoint_latest(const char *directory,
                                                    char *note,
                                                    size_t note_size,
                                                    struct mlb_error *err);
/* Open one, by the path of its file or directory; its structure is checked
 * now, the data when loaded. */
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

/* Names of states and of metrics; NULL if there is no such number. */
const char *mlb_checkpoint_state(const struct mlb_checkpoint_reader *reader,
                                 int i, uint64_t *length);
const char *mlb_checkpoint_metric(const struct mlb_checkpoint_reader *reader,
                                  int i, double *value);

/* Load a tensor, or a box of it (NULL: all), into out, packed in C order,
 * after comparing dtype, rank and shape with wanted (whose data is not
 * used). Any box, however many ranks saved it. Checksums are verified.
 * MLB_ERR_NOT_FOUND, MLB_ERR_BAD_INPUT (damaged, or another shape). */
int mlb_checkpoint_load(struct mlb_checkpoint_reader *reader,
                        const struct mlb_tensor *wanted,
                        const struct mlb_box *box, void *out,
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
