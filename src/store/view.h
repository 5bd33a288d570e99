/* SPDX-License-Identifier: BSD-3-Clause */
/* A checkpoint as the tools look at it. */
#ifndef STORE_VIEW_H
#define STORE_VIEW_H

#include <stdint.h>

#include "mlbatch/checkpoint.h"

/* Bytes of a tensor. */
uint64_t view_bytes(const struct mlb_tensor *tensor);

/* How many bytes from offset on view_read can give at once: up to a few MiB,
 * whole elements. 0 at the end. */
uint64_t view_piece(const struct mlb_tensor *tensor, uint64_t offset);

/* Read bytes [offset, offset + length) of a tensor in C order, length being
 * what view_piece said. Checksums are compared. */
int view_read(struct mlb_checkpoint_reader *reader,
              const struct mlb_tensor *tensor, uint64_t offset,
              uint64_t length, void *out, struct mlb_error *err);

#define VIEW_PIECE (UINT64_C(4) << 20)        /* at most */

#endif
