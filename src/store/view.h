/* SPDX-License-Identifier: BSD-3-Clause */
/* Tensors of a checkpoint piece by piece, in C order, however they were cut
 * when saved. For the tools.
 *
 *     for (at = 0; (n = view_read(r, &t, at, buffer, &e)) > 0; at += n) */
#ifndef STORE_VIEW_H
#define STORE_VIEW_H

#include <stdint.h>

#include "mlbatch/checkpoint.h"

#define VIEW_PIECE (UINT64_C(4) << 20)        /* bytes of one, at most */

uint64_t view_bytes(const struct mlb_tensor *tensor);

/* Read what follows offset, where the piece before ended, into out, which
 * holds VIEW_PIECE bytes; checksums are compared. Returns the bytes read, 0
 * at the end, -1 on failure. */
int64_t view_read(struct mlb_checkpoint_reader *reader,
                  const struct mlb_tensor *tensor, uint64_t offset,
                  void *out, struct mlb_error *err);

#endif
