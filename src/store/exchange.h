/* SPDX-License-Identifier: BSD-3-Clause */
/* What the ranks of a save say to each other, over a group (group.h).
 *
 * All functions are collective, also on a rank where something failed. After
 * the first failure of the group itself nobody knows who is in which call,
 * so all that follow fail at once. For the library. */
#ifndef STORE_EXCHANGE_H
#define STORE_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mlbatch/error.h"
#include "mlbatch/group.h"

struct exchange {
    const struct mlb_group *group;
    bool broken;
};

/* group NULL: this process alone. MLB_ERR_USAGE: not a possible group. */
int exchange_init(struct exchange *x, const struct mlb_group *group,
                  struct mlb_error *err);

int exchange_rank(const struct exchange *x);
int exchange_size(const struct exchange *x);

/* Give length bytes of each rank, the same length everywhere, to all: one
 * behind the other in all, on every rank. */
int exchange_words(struct exchange *x, const void *bytes, size_t length,
                   void *all, struct mlb_error *err);

/* The same for any lengths. Rank r's are bytes starts[r] to starts[r + 1].
 * Fails on all ranks if one has no memory. */
struct exchange_lists {
    char *bytes;
    uint64_t *starts;            /* size + 1 */
};
int exchange_gather(struct exchange *x, const void *bytes, uint64_t length,
                    struct exchange_lists *lists, struct mlb_error *err);
void exchange_lists_clear(struct exchange_lists *lists);

/* Give length bytes of rank 0 to all. */
int exchange_broadcast(struct exchange *x, void *bytes, size_t length,
                       struct mlb_error *err);

/* Does rc say that it failed on some rank? Then it failed on all, for the
 * reason of the first such rank. rc < 0: err holds this rank's reason. */
int exchange_agree(struct exchange *x, int rc, struct mlb_error *err);

#endif
