/* SPDX-License-Identifier: BSD-3-Clause */
/* Writing .npz files, which numpy.load reads: a zip archive, not compressed
 * and with 64-bit sizes, of .npy members. For the tools. */
#ifndef STORE_NPZ_H
#define STORE_NPZ_H

#include <stddef.h>
#include <stdint.h>

#include "mlbatch/dataset.h"
#include "store/target.h"

struct npz;

/* Types that numpy does not have are stored as their bits: bf16 as u16, the
 * 8-bit floats as u8. The type that dtype is stored as. */
enum mlb_dtype npz_type(enum mlb_dtype dtype);

/* Begin an archive in target, which is published by the caller. */
struct npz *npz_create(struct target *target, struct mlb_error *err);

/* Begin an array: then come all its bytes, in C order. */
int npz_begin(struct npz *z, const char *name, enum mlb_dtype dtype,
              const uint64_t *shape, int rank, struct mlb_error *err);
int npz_write(struct npz *z, const void *bytes, size_t length,
              struct mlb_error *err);

/* Write the end. Destroys z, whatever the outcome. */
int npz_close(struct npz *z, struct mlb_error *err);
void npz_abandon(struct npz *z);          /* NULL is fine */

#endif
