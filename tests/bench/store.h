/* SPDX-License-Identifier: BSD-3-Clause */
/* Between the files of the benchmark of saving. */
#ifndef TESTS_BENCH_STORE_H
#define TESTS_BENCH_STORE_H

#include <limits.h>
#include <stddef.h>

#include "mlbatch/error.h"
#include "store/container.h"

/* What a row measures with. */
struct bench {
    char path[PATH_MAX], other[PATH_MAX], raw[PATH_MAX];
    unsigned char *data;
    size_t bytes, rounds;
    size_t lead;               /* tensors begin so far from a page's start */
    size_t tensor;             /* bytes of each; 0: small ones of any size */
};

void bench_check(int rc, const struct mlb_error *err);
size_t bench_tensors(const struct bench *b);
struct container_writer *bench_begin(const struct bench *b, const char *path);

/* Remove a file, and what that leaves to be done. */
void bench_remove(const char *path);

/* A row each, or two with the same anchor. */
void bench_ranks(struct bench *b, unsigned ranks);

#endif
