#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# A stand-in for training: 20 steps down the curve x^2 from 1, by the learning
# rate and the momentum given; prints where it came to.
exec awk -v lr="$1" -v momentum="$2" 'BEGIN {
    x = 1
    for (i = 0; i < 20; i++) {
        v = momentum * v - lr * 2 * x
        x += v
    }
    printf "%s loss %.6f lr %s momentum %s\n", ENVIRON["MLB_RUN"], x * x, lr,
        momentum
}'
