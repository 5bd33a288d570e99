/* SPDX-License-Identifier: BSD-3-Clause */
/* Which rows fall into which split: a shuffled order of all rows (sampler.h)
 * is cut into parts; row i goes where its place in that order falls. So the
 * sizes are exact, ids come in ascending order, and nothing is kept in
 * memory. */
#ifndef STORE_SPLIT_H
#define STORE_SPLIT_H

#include <stddef.h>
#include <stdint.h>

#include "mlbatch/error.h"
#include "store/sampler.h"

struct split {
    const char *name;
    struct sampler order;
    uint64_t low, high;           /* places in the order */
    uint64_t next;                /* row to be asked next */
    uint64_t given;               /* ids given so far */
};

struct version_split;

/* Cut rows by the shares of count splits. MLB_ERR_USAGE: a bad name or one
 * given twice, shares that are not over 0 or sum to more than 1. */
int split_cut(struct split *out, const struct version_split *splits,
              size_t count, uint64_t rows, uint64_t seed,
              struct mlb_error *err);

static inline uint64_t split_rows(const struct split *s)
{
    return s->high - s->low;
}

/* container_source of the ids, u64, ascending; from is a struct split. An
 * offset of 0 begins anew. */
int split_get_ids(void *from, uint64_t offset, void *out, size_t length,
                  struct mlb_error *err);

#endif
