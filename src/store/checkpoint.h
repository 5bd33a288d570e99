/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tools know of checkpoints beyond the public API. */
#ifndef STORE_CHECKPOINT_H
#define STORE_CHECKPOINT_H

#include <stddef.h>
#include <stdint.h>

#include "mlbatch/checkpoint.h"

#define CHECKPOINT_TENSORS "/tensors/"
#define CHECKPOINT_STATES "/state/"
#define CHECKPOINT_STEP "/meta/step"

/* The steps that have a file in directory (sound or not), descending, in a
 * new array that the caller frees. A missing directory has none. */
int checkpoint_steps(const char *directory, uint64_t **steps, size_t *count,
                     struct mlb_error *err);

/* The path of a step's file. */
int checkpoint_path(const char *directory, uint64_t step, char *out,
                    size_t size, struct mlb_error *err);

#endif
