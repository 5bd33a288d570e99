/* SPDX-License-Identifier: BSD-3-Clause */
/* What libhdf5 does for us: the structure of a file, without the data. */
#ifndef STORE_STRUCTURE_H
#define STORE_STRUCTURE_H

#include <stddef.h>
#include <stdint.h>

#include "mlbatch/dataset.h"
#include "mlbatch/error.h"
#include "store/container.h"

/* One array of the file. */
struct structure_array {
    const char *name;
    enum mlb_dtype dtype;          /* 0: entries of the index */
    int rank;
    uint64_t shape[MLB_MAX_RANK];
    uint64_t bytes;
    uint64_t offset;               /* out: where it lies; 0 if no bytes */
};

/* Make an HDF5 file at path, which must not exist, with room for all
 * arrays, and learn where each lies. Safe from several threads. */
int structure_create(const char *path, enum container_kind kind,
                     struct structure_array *arrays, size_t count,
                     struct mlb_error *err);

#endif
