/* SPDX-License-Identifier: BSD-3-Clause */
/* Between the files that read a manifest. */
#ifndef STORE_MANIFEST_PARTS_H
#define STORE_MANIFEST_PARTS_H

#include "store/manifest.h"

#define MANIFEST_MAX_NAMED 10000          /* of one with different names */

/* A count from 0 to 2^62. -1: missing or something else. */
int manifest_get_count(const json_t *object, const char *key, uint64_t *out);

/* The array of that key into *count and a new zeroed array of elements. */
const json_t *manifest_get_list(const json_t *object, const char *key,
                                size_t size, void **out, size_t *count);

/* The list of fields, whose rows are known by now. */
int manifest_read_fields(struct manifest *m, struct mlb_error *err);
void manifest_clear_fields(struct manifest *m);

#endif
