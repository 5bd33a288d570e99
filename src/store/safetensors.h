/* SPDX-License-Identifier: BSD-3-Clause */
/* The head of a .safetensors file: 8 bytes of length (little-endian), JSON
 * with a type, a shape and a place for each tensor, blanks to a multiple of
 * 8; the data follow without gaps. For the tools. */
#ifndef STORE_SAFETENSORS_H
#define STORE_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/text.h"
#include "mlbatch/checkpoint.h"

/* "F32"; NULL: the format has no such type. */
const char *safetensors_type(enum mlb_dtype dtype);

/* Sort tensors the way their data must follow: wide elements first, so that
 * each begins at a multiple of its size, then by name. */
void safetensors_sort(struct mlb_tensor *tensors, size_t count);

/* Add the head for tensors in that order. metadata: strings, may be NULL.
 * MLB_ERR_UNSUPPORTED: a type that the format does not have. */
int safetensors_add_head(struct mlb_text *out,
                         const struct mlb_tensor *tensors, size_t count,
                         json_t *metadata, struct mlb_error *err);

#endif
