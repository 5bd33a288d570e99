/* SPDX-License-Identifier: BSD-3-Clause */
/* Elements of all types as numbers. */
#include "config.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/value.h"

int value_parts(enum mlb_dtype dtype)
{
    return dtype == MLB_C64 || dtype == MLB_C128 ? 2 : 1;
}

enum mlb_dtype value_part_type(enum mlb_dtype dtype)
{
    return dtype == MLB_C64 ? MLB_F32 : dtype == MLB_C128 ? MLB_F64 : dtype;
}

bool value_is_integer(enum mlb_dtype dtype)
{
    return (dtype >= MLB_I64 && dtype <= MLB_U8) || dtype == MLB_BOOL;
}

/* A float of exponent bits, mantissa bits and IEEE's rules; all of ones
 * (finite only: with all mantissa bits, too) is no finite number. */
static double small_float(unsigned bits, int exponent_bits,
                          int mantissa_bits, bool finite_only)
{
    unsigned most = (1u << exponent_bits) - 1;
    unsigned all = (1u << mantissa_bits) - 1;
    unsigned exponent = bits >> mantissa_bits & most, mantissa = bits & all;
    int bias = (int)(most >> 1);
    double sign = bits >> (exponent_bits + mantissa_bits) & 1 ? -1 : 1;

    if (finite_only && exponent == most && mantissa == all)
        return NAN;
    if (!finite_only && exponent == most)
        return mantissa ? NAN : sign * INFINITY;
    if (exponent == 0)
        return sign * ldexp(mantissa, 1 - bias - mantissa_bits);
    return sign * ldexp(mantissa + all + 1, (int)exponent - bias -
                                                mantissa_bits);
}

static float get_f32(const void *bytes)
{
    float value;

    memcpy(&value, bytes, sizeof(value));
    return value;
}

static double get_f64(const void *bytes)
{
    double value;

    memcpy(&value, bytes, sizeof(value));
    return value;
}

static uint64_t get_bits(const void *bytes, size_t size)
{
    uint64_t bits = 0;

    memcpy(&bits, bytes, size);              /* files are little-endian */
    return bits;
}

int64_t value_get_integer(enum mlb_dtype part, const void *bytes)
{
    size_t size = mlb_dtype_size(part);
    uint64_t bits = get_bits(bytes, size);
    bool is_signed = part >= MLB_I64 && part <= MLB_I8;
    uint64_t top = UINT64_C(1) << (8 * size - 1);

    /* The sign goes on through the upper bits. */
    if (is_signed && bits & top)
        bits |= ~(top - 1);
    return (int64_t)bits;
}

double value_get(enum mlb_dtype part, const void *bytes)
{
    switch (part) {
    case MLB_F64:
        return get_f64(bytes);
    case MLB_F32:
        return (double)get_f32(bytes);
    case MLB_F16:
        return small_float((unsigned)get_bits(bytes, 2), 5, 10, false);
    case MLB_BF16:
        return small_float((unsigned)get_bits(bytes, 2), 8, 7, false);
    case MLB_E4M3:
        return small_float((unsigned)get_bits(bytes, 1), 4, 3, true);
    case MLB_E5M2:
        return small_float((unsigned)get_bits(bytes, 1), 5, 2, false);
    case MLB_U64:
        return (double)get_bits(bytes, 8);
    default:
        return (double)value_get_integer(part, bytes);
    }
}

void value_add_text(struct mlb_text *out, enum mlb_dtype part,
                    const void *bytes)
{
    char text[40];

    if (part == MLB_U64) {
        text_addf(out, "%" PRIu64, get_bits(bytes, 8));
        return;
    }
    if (value_is_integer(part)) {
        text_addf(out, "%" PRId64, value_get_integer(part, bytes));
        return;
    }
    double value = value_get(part, bytes);
    int digits = part == MLB_F64 ? 15 : part == MLB_F32 ? 6 : 2;
    /* 17 digits tell any double from its neighbours, and a zero's sign, too.
     * The values of narrow types are few, so that any digits that lead back
     * to the same double lead back to the same value. */
    for (; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (isnan(value) ||
            (part == MLB_F32 ? strtof(text, NULL) == (float)value
                             : strtod(text, NULL) == value))
            break;
    }
    text_add(out, isnan(value) ? "nan" : text);
}

static double difference(double a, double b)
{
    if (a == b || (isnan(a) && isnan(b)))
        return 0;
    if (!isfinite(a) || !isfinite(b))
        return INFINITY;
    return fabs(a - b);
}

/* Integers of 64 bits are more than a double holds. */
static double integer_difference(enum mlb_dtype dtype, const void *a,
                                 const void *b)
{
    int64_t x = value_get_integer(dtype, a), y = value_get_integer(dtype, b);
    bool less = dtype == MLB_U64 ? (uint64_t)x < (uint64_t)y : x < y;

    return (double)(less ? (uint64_t)y - (uint64_t)x
                         : (uint64_t)x - (uint64_t)y);
}

static double element_difference(enum mlb_dtype dtype, const char *a,
                                 const char *b)
{
    enum mlb_dtype part = value_part_type(dtype);
    size_t size = mlb_dtype_size(part);

    if (value_is_integer(dtype))
        return integer_difference(dtype, a, b);
    double d = difference(value_get(part, a), value_get(part, b));
    if (value_parts(dtype) == 1)
        return d;
    return hypot(d, difference(value_get(part, a + size),
                               value_get(part, b + size)));
}

uint64_t value_compare(enum mlb_dtype dtype, const void *a, const void *b,
                       uint64_t count, double *most)
{
    size_t size = mlb_dtype_size(dtype);
    const char *x = a, *y = b;
    uint64_t differing = 0;

    if (memcmp(x, y, count * size) == 0)
        return 0;
    for (uint64_t i = 0; i < count; i++, x += size, y += size) {
        if (memcmp(x, y, size) == 0)
            continue;
        double d = element_difference(dtype, x, y);
        if (d == 0)
            continue;
        differing++;
        *most = d > *most ? d : *most;
    }
    return differing;
}
