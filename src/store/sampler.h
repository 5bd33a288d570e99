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
 * The order is part of what a checkpoint means and never changes; another
 * one would get another number. It is for shuffling, not for secrets. */
#ifndef STORE_SAMPLER_H
#define STORE_SAMPLER_H

#include <stdint.h>

#define SAMPLER_ALGORITHM 1
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

/* Positions of a global batch of size rows that rank of world reads:
 * *first within the batch and how many. The first size % world ranks get
 * one more than the others. */
uint64_t sampler_slice(uint64_t size, int rank, int world, uint64_t *first);

#endif
