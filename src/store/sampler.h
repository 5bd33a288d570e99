/* SPDX-License-Identifier: BSD-3-Clause */
/* A shuffled order of [0, N) in O(1) memory: a keyed permutation.
 *
 * Algorithm 1: a balanced Feistel network (M. Luby and C. Rackoff, "How to
 * construct pseudorandom permutations from pseudorandom functions", 1988)
 * of 8 rounds over the smallest even number of bits that hold N - 1, at
 * least 2; a value that falls outside of [0, N) is put through again until
 * it falls inside (cycle walking: J. Black and P. Rogaway, "Ciphers with
 * arbitrary finite domains", 2002), fewer than 4 times on average. With
 *     mix(x): x ^= x >> 30; x *= 0xbf58476d1ce4e5b9; x ^= x >> 27;
 *             x *= 0x94d049bb133111eb; x ^= x >> 31      (splitmix64)
 *     k = mix(mix(seed + G) + epoch + G), G = 0x9e3779b97f4a7c15
 *     key[i] = mix(k + (i + 1) * G), i = 0 .. 7
 * a round is (left, right) -> (right, left ^ (mix(right + key[i]) & mask)).
 *
 * Algorithm 2: for rows that are small against what the disk reads at once.
 * With B rows in a block, F = N / B full blocks, the rest at the end, and
 *     shift = mix(k) % N, k as above
 *     order = algorithm 1 over [0, F) with seed and epoch
 *     inner(b) = algorithm 1 over [0, B) (for b = F: the rest) with seed
 *                mix(seed + (b + 1) * G) and epoch
 * position p is in the place q = p / B of the blocks; b = order(q), or F if
 * q = F; and its row is (b * B + inner(b)(p % B) + shift) % N. So batches of
 * a multiple of B rows are whole blocks; where blocks begin, and which rows
 * come last, differs from epoch to epoch.
 *
 * The order is part of what a checkpoint means and never changes; another
 * one would get another number. It is for shuffling, not for secrets. */
#ifndef STORE_SAMPLER_H
#define STORE_SAMPLER_H

#include <stdint.h>

#define SAMPLER_FEISTEL 1                 /* algorithms */
#define SAMPLER_BLOCKS 2
#define SAMPLER_ROUNDS 8

struct sampler {
    uint64_t rows;
    int half_bits;
    uint64_t keys[SAMPLER_ROUNDS];
};

/* rows up to 2^62. */
void sampler_init(struct sampler *s, uint64_t rows, uint64_t seed,
                  uint64_t epoch);

/* Which row comes at position (< rows): for all positions, all rows. */
uint64_t sampler_at(const struct sampler *s, uint64_t position);

/* The same for positions first to first + count - 1, much faster than one
 * by one. */
void sampler_fill(const struct sampler *s, uint64_t first, uint64_t count,
                  uint64_t *rows);

/* Algorithm 2. */
struct sampler_blocks {
    struct sampler order;             /* of the full blocks */
    uint64_t rows, block, full, shift, seed, epoch;
};

/* rows up to 2^62, at least 1; block from 1 to 2^32 - 1. */
void sampler_blocks_init(struct sampler_blocks *s, uint64_t rows,
                         uint64_t block, uint64_t seed, uint64_t epoch);
void sampler_blocks_fill(const struct sampler_blocks *s, uint64_t first,
                         uint64_t count, uint64_t *rows);

/* Positions of a global batch of size rows that rank of world reads:
 * *first within the batch and how many. The first size % world ranks get
 * one more than the others. */
uint64_t sampler_slice(uint64_t size, int rank, int world, uint64_t *first);

#endif
