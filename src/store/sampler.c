/* SPDX-License-Identifier: BSD-3-Clause */
/* A keyed permutation of [0, N): Feistel network with cycle walking. */
#include "config.h"

#include <assert.h>

#include "store/sampler.h"

#define GOLDEN UINT64_C(0x9e3779b97f4a7c15)

static uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    x ^= x >> 27;
    x *= UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

void sampler_init(struct sampler *s, uint64_t rows, uint64_t seed,
                  uint64_t epoch)
{
    uint64_t k = mix(mix(seed + GOLDEN) + epoch + GOLDEN);

    assert(rows <= UINT64_C(1) << 62);
    s->rows = rows;
    s->half_bits = 1;
    while (UINT64_C(1) << (2 * s->half_bits) < rows)
        s->half_bits++;
    for (uint64_t i = 0; i < SAMPLER_ROUNDS; i++)
        s->keys[i] = mix(k + (i + 1) * GOLDEN);
}

uint64_t sampler_at(const struct sampler *s, uint64_t position)
{
    const uint64_t mask = (UINT64_C(1) << s->half_bits) - 1;
    uint64_t value = position;

    assert(position < s->rows);
    /* Ends: the walk follows a cycle of a permutation that position is on,
     * so at the latest it comes back to position itself. */
    do {
        uint64_t left = value >> s->half_bits, right = value & mask;
        for (int i = 0; i < SAMPLER_ROUNDS; i++) {
            uint64_t next = left ^ (mix(right + s->keys[i]) & mask);
            left = right;
            right = next;
        }
        value = left << s->half_bits | right;
    } while (value >= s->rows);
    return value;
}

uint64_t sampler_slice(uint64_t size, int rank, int world, uint64_t *first)
{
    uint64_t w = (uint64_t)world, r = (uint64_t)rank;
    uint64_t each = size / w, extra = size % w;

    *first = r * each + (r < extra ? r : extra);
    return each + (r < extra);
}
