/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tools know of checkpoints beyond the public API. */
#ifndef STORE_CHECKPOINT_H
#define STORE_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mlbatch/checkpoint.h"
#include "store/container.h"

#define CHECKPOINT_TENSORS "/tensors/"
#define CHECKPOINT_SHARDS "/shards/"
#define CHECKPOINT_STATES "/state/"
#define CHECKPOINT_STEP "/meta/step"
#define CHECKPOINT_NODE "/meta/node"             /* u64: a node's number */
#define CHECKPOINT_INFO "/meta/info"             /* JSON, and so are these */
#define CHECKPOINT_METRICS "/meta/metrics"
#define CHECKPOINT_SHARD_TABLE "/meta/shards"    /* shards_json.c */
#define CHECKPOINT_FILES "/meta/files"           /* identities of node files */

#define CHECKPOINT_MANIFEST "manifest.h5"
#define CHECKPOINT_NODE_FILE "node-%03u.h5"
#define CHECKPOINT_MAX_FILES 65536u
#define CHECKPOINT_MAX_METRICS (UINT64_C(1) << 20)       /* bytes of JSON */

/* The steps that have a file or directory in directory (sound or not),
 * descending, in a new array that the caller frees. A missing directory has
 * none. */
int checkpoint_steps(const char *directory, uint64_t **steps, size_t *count,
                     struct mlb_error *err);

/* The path of a step: its directory, if there is one, else its file. */
int checkpoint_path(const char *directory, uint64_t step, char *out,
                    size_t size, struct mlb_error *err);

/* The path that a new one gets. */
int checkpoint_new_path(const char *directory, uint64_t step, bool nodes,
                        char *out, size_t size, struct mlb_error *err);

/* Remove a checkpoint, or a directory of files; 0 also if there is none. */
int checkpoint_remove(const char *path, struct mlb_error *err);

/* Does reading some of its bytes fail with EIO, as bad sectors do? */
bool checkpoint_is_bad(const char *path);

/* What names a published file and all that is in it, as a string. */
#define CHECKPOINT_IDENTITY 41
void checkpoint_identity(const struct container *c, char *out);

#endif
