/* SPDX-License-Identifier: BSD-3-Clause */
/* The data of the benchmark of loading. */
#ifndef BENCH_LOADER_DATA_H
#define BENCH_LOADER_DATA_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include <hdf5.h>

#include "mlbatch/dataset.h"

#define ROW 3072
#define BATCH 256
#define BLOCK 128                        /* rows in a block: 384 KiB */
#define BUFFER ((size_t)32 << 20)

struct bench_data {
    char rows_directory[PATH_MAX], texts_directory[PATH_MAX];
    char path[PATH_MAX + 32];            /* of the shard of rows */
    char vlen_path[PATH_MAX];
    int fd;                              /* of the shard */
    uint64_t rows, rows_at;              /* where they begin */
    uint64_t texts;                      /* of 64 to 963 tokens */
};

void bench_fail(const char *what);
void bench_say(const struct mlb_error *err);
void *bench_room(size_t count, size_t size);

/* Write data sets of rows "x" and of texts "t" in a directory, and a file of
 * libhdf5 with the texts in variable length; synced. */
void bench_write(struct bench_data *d, const char *directory, size_t mib);
void bench_remove(const struct bench_data *d);

/* The same by libhdf5. */
void bench_find(const struct bench_data *d, hid_t *rows, hid_t *texts);

#endif
