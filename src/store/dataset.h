/* SPDX-License-Identifier: BSD-3-Clause */
/* What the loader and the tools know of a data set beyond the public API. */
#ifndef STORE_DATASET_H
#define STORE_DATASET_H

#include "mlbatch/dataset.h"
#include "store/manifest.h"

/* Its manifest, owned by it. */
const struct manifest *dataset_manifest(const struct mlb_dataset *dataset);

/* The row ids of a split, ascending, in a new buffer that the caller frees:
 * 8 bytes a row. Checked to be rows of the data set. */
int dataset_split_ids(struct mlb_dataset *dataset, const char *split,
                      uint64_t **ids, struct mlb_error *err);

#endif
