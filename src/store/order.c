/* SPDX-License-Identifier: BSD-3-Clause */
/* Which rows come when, for those who read them in their own way. */
#include "config.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "store/dataset.h"
#include "store/sampler.h"

int mlb_dataset_split_ids(struct mlb_dataset *dataset, const char *split,
                          uint64_t *ids, struct mlb_error *err)
{
    int64_t rows = mlb_dataset_split_rows(dataset, split, err);
    uint64_t *found = NULL;

    if (rows < 0)
        return -1;
    if (!split) {
        for (uint64_t i = 0; i < (uint64_t)rows; i++)
            ids[i] = i;
        return 0;
    }
    if (dataset_split_ids(dataset, split, &found, err) < 0)
        return -1;
    memcpy(ids, found, (size_t)rows * sizeof(*ids));
    free(found);
    return 0;
}

int mlb_sampler_order(const struct mlb_sampler_state *state,
                      uint64_t position, uint64_t count, uint64_t *rows,
                      struct mlb_error *err)
{
    bool blocks = state->algorithm == SAMPLER_BLOCKS && state->block > 0;
    struct sampler_blocks in_blocks;
    struct sampler order;

    if (state->algorithm != SAMPLER_FEISTEL && !blocks)
        return mlb_error_set(err, MLB_ERR_UNSUPPORTED,
                             "no order has the number %" PRIu32
                             " and blocks of %" PRIu32 " rows",
                             state->algorithm, state->block);
    if (state->rows > UINT64_C(1) << 62 || position > state->rows ||
        count > state->rows - position)
        return mlb_error_set(err, MLB_ERR_USAGE,
                             "positions %" PRIu64 " and %" PRIu64
                             " on of %" PRIu64 " rows", position, count,
                             state->rows);
    if (count == 0)
        return 0;
    if (blocks) {
        sampler_blocks_init(&in_blocks, state->rows, state->block,
                            state->seed, state->epoch);
        sampler_blocks_fill(&in_blocks, position, count, rows);
    } else {
        sampler_init(&order, state->rows, state->seed, state->epoch);
        sampler_fill(&order, position, count, rows);
    }
    return 0;
}
