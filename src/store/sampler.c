/* SPDX-License-Identifier: BSD-3-Clause */
/* A keyed permutation of [0, N): Feistel network with cycle walking. */
#include "config.h"

#include <assert.h>
#include <stddef.h>

#include "store/sampler.h"

#define GOLDEN UINT64_C(0x9e3779b97f4a7c15)
#define LANES 64

static uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    x ^= x >> 27;
    x *= UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static uint64_t key_of(uint64_t seed, uint64_t epoch)
{
    return mix(mix(seed + GOLDEN) + epoch + GOLDEN);
}

void sampler_init(struct sampler *s, uint64_t rows, uint64_t seed,
                  uint64_t epoch)
{
    uint64_t k = key_of(seed, epoch);

    assert(rows <= UINT64_C(1) << 62);
    s->rows = rows;
    s->half_bits = 1;
    while (UINT64_C(1) << (2 * s->half_bits) < rows)
        s->half_bits++;
    for (uint64_t i = 0; i < SAMPLER_ROUNDS; i++)
        s->keys[i] = mix(k + (i + 1) * GOLDEN);
}

/* One walk through the network of each of count values. They do not depend
 * on one another, so that the processor works on all of them at once. */
static void pass(const struct sampler *s, uint64_t *values, size_t count)
{
    const uint64_t mask = (UINT64_C(1) << s->half_bits) - 1;
    uint64_t left[LANES], right[LANES];

    for (size_t i = 0; i < count; i++) {
        left[i] = values[i] >> s->half_bits;
        right[i] = values[i] & mask;
    }
    for (int round = 0; round < SAMPLER_ROUNDS; round++)
        for (size_t i = 0; i < count; i++) {
            uint64_t next = left[i] ^ (mix(right[i] + s->keys[round]) & mask);
            left[i] = right[i];
            right[i] = next;
        }
    for (size_t i = 0; i < count; i++)
        values[i] = left[i] << s->half_bits | right[i];
}

/* Fill up to LANES rows. */
static void fill_lanes(const struct sampler *s, uint64_t first, size_t count,
                       uint64_t *rows)
{
    uint64_t values[LANES];
    unsigned char where[LANES];

    for (size_t i = 0; i < count; i++) {
        values[i] = first + i;
        where[i] = (unsigned char)i;
    }
    /* Ends: each walk follows a cycle of a permutation that its position is
     * on, so at the latest it comes back to the position itself. */
    while (count > 0) {
        size_t outside = 0;
        pass(s, values, count);
        for (size_t i = 0; i < count; i++) {
            rows[where[i]] = values[i];
            values[outside] = values[i];
            where[outside] = where[i];
            outside += values[i] >= s->rows;
        }
        count = outside;
    }
}

void sampler_fill(const struct sampler *s, uint64_t first, uint64_t count,
                  uint64_t *rows)
{
    assert(first <= s->rows && count <= s->rows - first);
    for (uint64_t i = 0; i < count; i += LANES)
        fill_lanes(s, first + i, count - i < LANES ? (size_t)(count - i)
                                                   : LANES, rows + i);
}

uint64_t sampler_at(const struct sampler *s, uint64_t position)
{
    uint64_t row;

    sampler_fill(s, position, 1, &row);
    return row;
}

void sampler_blocks_init(struct sampler_blocks *s, uint64_t rows,
                         uint64_t block, uint64_t seed, uint64_t epoch)
{
    assert(rows > 0 && block > 0);
    *s = (struct sampler_blocks){
        .rows = rows, .block = block, .full = rows / block, .seed = seed,
        .epoch = epoch, .shift = mix(key_of(seed, epoch)) % rows,
    };
    sampler_init(&s->order, s->full, seed, epoch);
}

void sampler_blocks_fill(const struct sampler_blocks *s, uint64_t first,
                         uint64_t count, uint64_t *rows)
{
    assert(first <= s->rows && count <= s->rows - first);
    while (count > 0) {
        uint64_t place = first / s->block, within = first % s->block;
        uint64_t b = place < s->full ? sampler_at(&s->order, place) : place;
        uint64_t size = b < s->full ? s->block : s->rows % s->block;
        uint64_t n = size - within < count ? size - within : count;
        struct sampler inner;
        sampler_init(&inner, size, mix(s->seed + (b + 1) * GOLDEN), s->epoch);
        sampler_fill(&inner, within, n, rows);
        for (uint64_t i = 0; i < n; i++)
            rows[i] = (b * s->block + rows[i] + s->shift) % s->rows;
        first += n;
        count -= n;
        rows += n;
    }
}

uint64_t sampler_slice(uint64_t size, int rank, int world, uint64_t *first)
{
    uint64_t w = (uint64_t)world, r = (uint64_t)rank;
    uint64_t each = size / w, extra = size % w;

    *first = r * each + (r < extra ? r : extra);
    return each + (r < extra);
}
