/* SPDX-License-Identifier: BSD-3-Clause */
/* Do boxes fill a tensor without overlap?
 *
 * A box is told by its corners, those with an even number of upper ends
 * counted plus, the others minus: where boxes touch their corners cancel,
 * and what is left is the corners of the whole if and only if each element
 * of the whole is in exactly one box. (The signed corners are the mixed
 * difference of how many boxes an element is in, and that can be undone.)
 * Rather than to keep corners, their hashes of 128 bits are added up. This
 * takes time in proportion to the boxes whatever their arrangement. */
#include "config.h"

#include <string.h>

#include <xxhash.h>

#include "store/shards.h"

bool shards_box_fits(int rank, const uint64_t *shape,
                     const struct mlb_box *box)
{
    for (int i = 0; i < rank; i++)
        if (box->origin[i] > shape[i] ||
            box->extent[i] > shape[i] - box->origin[i])
            return false;
    return true;
}

static void add_corners(struct shards_cover *c, const struct mlb_box *box,
                        bool negative)
{
    uint64_t corner[MLB_MAX_RANK] = { 0 };

    for (unsigned set = 0; set < 1u << c->rank; set++) {
        bool minus = negative;
        bool cancels = false;
        for (int i = 0; i < c->rank; i++) {
            bool upper = set >> i & 1;
            corner[i] = box->origin[i] + (upper ? box->extent[i] : 0);
            minus ^= upper;
            cancels = cancels || box->extent[i] == 0;
        }
        if (cancels)
            return;
        XXH128_hash_t h = XXH3_128bits(corner, sizeof(corner));
        if (minus) {
            c->sum[1] -= h.high64 + (c->sum[0] < h.low64);
            c->sum[0] -= h.low64;
        } else {
            c->sum[0] += h.low64;
            c->sum[1] += h.high64 + (c->sum[0] < h.low64);
        }
    }
}

void shards_cover_add(struct shards_cover *cover, const struct mlb_box *box)
{
    add_corners(cover, box, false);
}

bool shards_cover_done(const struct shards_cover *cover)
{
    struct shards_cover left = *cover;
    struct mlb_box whole = { { 0 }, { 0 } };

    memcpy(whole.extent, cover->shape,
           (size_t)cover->rank * sizeof(whole.extent[0]));
    add_corners(&left, &whole, true);
    return left.sum[0] == 0 && left.sum[1] == 0;
}
