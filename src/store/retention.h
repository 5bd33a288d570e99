/* SPDX-License-Identifier: BSD-3-Clause */
/* Which checkpoints stay, and what becomes of the others. For the library. */
#ifndef STORE_RETENTION_H
#define STORE_RETENTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mlbatch/checkpoint.h"

#define RETENTION_MAX_SLOTS 2

/* A sound checkpoint. */
struct retention_saved {
    uint64_t step;
    double metric;               /* NaN: it has none */
    bool keep;                   /* out */
};

/* Decide which to keep of those that are sound, by descending steps. The
 * first always stays. MLB_ERR_IO: no memory. */
int retention_pick(const struct mlb_retention *rules,
                   struct retention_saved *saved, size_t count,
                   struct mlb_error *err);

/* Do it in a directory; newest was just written and stays. Files that go
 * become slots, up to that many, and directories and other files are
 * removed. Damaged ones are neither counted nor touched. */
struct retention_place {
    const char *directory;
    uint64_t newest;
    int slots;
};
int retention_apply(const struct mlb_retention *rules,
                    const struct retention_place *place,
                    struct mlb_error *err);

/* A slot: a retired file, kept to be written over. The path of one that is
 * there; -1: there is none. */
int retention_slot(const char *directory, char *out, size_t size);

/* Remove slots over that many. */
void retention_trim(const char *directory, int slots);

#endif
