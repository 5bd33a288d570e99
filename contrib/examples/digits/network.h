/* SPDX-License-Identifier: BSD-3-Clause */
/* A small network, 64 pixels -> hidden ReLU -> 10 classes, whose gradients
 * are whole numbers.
 *
 * Floating-point sums depend on their order, so a gradient summed over 8
 * ranks is not the one summed over 2. Here each sample's contribution is
 * computed in float, by itself, and turned into a whole multiple of 2^-36
 * before anything is added. Whole numbers add up to the same in any order:
 * however a batch is divided over ranks, the sum is the same bit for bit. */
#ifndef NETWORK_H
#define NETWORK_H

#include <stddef.h>
#include <stdint.h>

#include <mlbatch/mlbatch.h>

enum {
    NETWORK_INPUTS = 64,
    NETWORK_CLASSES = 10,
    NETWORK_TENSORS = 8,         /* four of weights, four of momentum */
    NETWORK_MAX_HIDDEN = 4096,
    /* Rows in a batch. Each of them adds at most 2^10 to a sum, so that the
     * sum stays within 2^(10 + 36 + 16) and fits 64 bits. */
    NETWORK_MAX_BATCH = 65536,
};

/* What one unit of a sum is worth. A float has 24 bits, so that those of
 * 2^-13 and more are whole multiples of it, and only smaller ones lose a
 * little: less than one unit. */
#define NETWORK_UNIT 0x1p-36

struct network;

/* Weights are drawn from seed, the same on every rank. NULL: no memory. */
struct network *network_create(size_t hidden, uint64_t seed);
void network_destroy(struct network *net);               /* NULL is fine */

/* Numbers that a sum has: one for each weight, and the loss as the last. */
size_t network_sums(const struct network *net);

/* Add the gradient and the loss of one sample (64 pixels, 0..16) to sum, in
 * units. Fails, with sum as it was, if the label or a pixel is out of range
 * (MLB_ERR_BAD_INPUT), or if a value is beyond 2^10 or not a number: the
 * training has diverged (MLB_ERR_FAILED). */
int network_add(struct network *net, const float *pixels, int32_t label,
                int64_t *sum, struct mlb_error *err);

/* One step of SGD with momentum 0.9 on the mean over batch samples. */
void network_update(struct network *net, const int64_t *sum, uint64_t batch,
                    double rate);

/* The class that the network takes a sample for. */
int network_guess(struct network *net, const float *pixels);

/* The arrays that a checkpoint must hold; data points into net, so they
 * serve for saving and for loading. */
void network_tensors(struct network *net,
                     struct mlb_tensor tensors[NETWORK_TENSORS]);

/* FNV-1a over the bytes of all weights: equal numbers, equal checksum. */
uint64_t network_checksum(const struct network *net);

#endif
