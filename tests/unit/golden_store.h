/* SPDX-License-Identifier: BSD-3-Clause */
/* What is in the golden files of tests/golden/store: their generator and
 * their test fill the same buffers by the same formula. Element number i of
 * an array is i % 8, negative where i is odd and the type has a sign; a
 * complex number has the opposite as its second part. Each type has these
 * numbers exactly. */
#ifndef TESTS_GOLDEN_STORE_H
#define TESTS_GOLDEN_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "mlbatch/dtype.h"

#define GOLDEN_STEP 7
#define GOLDEN_ROWS 20          /* of the data set; row r has r % 4 tokens */
#define GOLDEN_MOST 40000       /* bytes of the largest array */
#define GOLDEN_STATE "{\"epoch\": 3, \"name\": \"gr\xc3\xbc\xc3\x9f""e\"}"

/* Tensors of the checkpoint besides one of each type, [4, 8]. */
static const struct golden_tensor {
    const char *name;
    enum mlb_dtype dtype;
    int rank;
    uint64_t shape[3];
} golden_odd[] = {
    { "/tensors/odd/empty", MLB_F32, 3, { 4, 0, 7 } },
    { "/tensors/odd/scalar", MLB_F64, 0, { 0 } },
    { "/tensors/odd/page", MLB_F32, 2, { 33, 33 } },
};
#define GOLDEN_ODD (sizeof(golden_odd) / sizeof(golden_odd[0]))

static inline uint64_t golden_length(const struct golden_tensor *t)
{
    uint64_t n = 1;

    for (int i = 0; i < t->rank; i++)
        n *= t->shape[i];
    return n;
}

/* A small whole number as a float of so many bits of exponent and mantissa
 * below a sign. */
static inline uint64_t golden_float(int value, int exponent, int mantissa)
{
    uint64_t sign = value < 0, size = (uint64_t)(value < 0 ? -value : value);
    uint64_t bias = (UINT64_C(1) << (exponent - 1)) - 1, bits = 0, power = 0;

    while (size >> (power + 1))
        power++;
    if (size > 0)
        bits = (bias + power) << mantissa |
               (size - (UINT64_C(1) << power)) << mantissa >> power;
    return sign << (exponent + mantissa) | bits;
}

static inline uint64_t golden_bits(enum mlb_dtype dtype, int value)
{
    static const struct {
        int exponent, mantissa;
    } floats[] = {
        [MLB_F64] = { 11, 52 }, [MLB_F32] = { 8, 23 }, [MLB_F16] = { 5, 10 },
        [MLB_BF16] = { 8, 7 }, [MLB_E4M3] = { 4, 3 }, [MLB_E5M2] = { 5, 2 },
        [MLB_C64] = { 8, 23 }, [MLB_C128] = { 11, 52 },
    };

    if (floats[dtype].exponent)
        return golden_float(value, floats[dtype].exponent,
                            floats[dtype].mantissa);
    return (uint64_t)(int64_t)value;
}

static inline int golden_value(enum mlb_dtype dtype, uint64_t i)
{
    bool no_sign = dtype >= MLB_U64 && dtype <= MLB_BOOL;
    int value = (int)(i % (dtype == MLB_BOOL ? 2 : 8));

    return i % 2 && !no_sign ? -value : value;
}

/* count elements from number first on, little-endian. */
static inline void golden_fill(enum mlb_dtype dtype, uint64_t first,
                               uint64_t count, void *out)
{
    bool complex = dtype == MLB_C64 || dtype == MLB_C128;
    size_t size = mlb_dtype_size(dtype) / (complex ? 2 : 1);
    unsigned char *to = out;

    for (uint64_t i = first; i < first + count; i++) {
        int value = golden_value(dtype, i);
        for (int part = 0; part <= complex; part++) {
            uint64_t bits = golden_bits(dtype, part ? -value : value);
            memcpy(to, &bits, size);
            to += size;
        }
    }
}

/* The names of the file of names: the longest, the deepest, and odd ones.
 * buffer has 400 bytes. NULL: no more. */
static inline const char *golden_name(int i, char *buffer)
{
    static const char *const names[] = {
        "/a", "/a.b c", "/...", "/with space/ ", "/gr\xc3\xb6\xc3\x9f""e/\xe2"
        "\x82\xac", "/\"quoted\"/\\", "/index.1", "/indexes/blocks",
        "/\xf0\x9f\x8c\x8a",
    };
    const int plain = sizeof(names) / sizeof(names[0]);

    if (i < plain)
        return names[i];
    for (int k = 0; k < 320; k += 2)
        memcpy(buffer + k, i == plain ? "nn" : "/d", 2);
    buffer[0] = '/';
    buffer[320] = '\0';
    return i <= plain + 1 ? buffer : NULL;
}

#endif
