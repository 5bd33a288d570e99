/* SPDX-License-Identifier: BSD-3-Clause */
/* Hash, statistics and label counts of a field. */
#include "config.h"

#include <math.h>
#include <string.h>

#include "store/version_measure.h"

static bool is_whole(enum mlb_dtype dtype)
{
    return dtype == MLB_BOOL || (dtype >= MLB_I64 && dtype <= MLB_U8);
}

static XXH3_state_t *new_state(void)
{
    XXH3_state_t *state = XXH3_createState();

    /* It wants an alignment that xmalloc does not give; that ends the
     * program as a failure of xmalloc does. */
    if (!state)
        state = xmalloc(SIZE_MAX / 2);
    XXH3_128bits_reset(state);
    return state;
}

void measure_init(struct measure *m, const struct version_field *field)
{
    bool is_numbers = !field->codec || strcmp(field->codec, "tokens") == 0;

    *m = (struct measure){ .dtype = field->dtype, .min = NAN, .max = NAN };
    m->bytes = new_state();
    if (field->ragged)
        m->lengths = new_state();
    m->has_stats = is_numbers && field->dtype != MLB_C64 &&
                   field->dtype != MLB_C128;
    m->has_counts = is_numbers && !field->ragged && field->rank == 0 &&
                    is_whole(field->dtype);
}

void measure_clear(struct measure *m)
{
    XXH3_freeState(m->bytes);
    XXH3_freeState(m->lengths);
    *m = (struct measure){ 0 };
}

static double from_f16(uint16_t v)
{
    uint32_t bits = (uint32_t)(v & 0x7fff) << 13;
    float f;

    memcpy(&f, &bits, sizeof(f));
    double x = (double)f * 0x1p112;       /* denormal ones, too */
    if ((v & 0x7c00) == 0x7c00)
        x = v & 0x3ff ? NAN : INFINITY;
    return v & 0x8000 ? -x : x;
}

static double from_bf16(uint16_t v)
{
    uint32_t bits = (uint32_t)v << 16;
    float f;

    memcpy(&f, &bits, sizeof(f));
    return (double)f;
}

static double from_e4m3(uint8_t v)
{
    int exponent = v >> 3 & 15, mantissa = v & 7;
    double x = exponent ? ldexp(8 + mantissa, exponent - 10)
                        : ldexp(mantissa, -9);

    if (exponent == 15 && mantissa == 7)
        x = NAN;
    return v & 0x80 ? -x : x;
}

static double from_e5m2(uint8_t v)
{
    return from_f16((uint16_t)(v << 8));
}

/* Elements of a C type into out. */
#define CONVERT(type, function)                                              \
    do {                                                                     \
        for (size_t i = 0; i < count; i++) {                                 \
            type v;                                                          \
            memcpy(&v, in + i * sizeof(v), sizeof(v));                       \
            out[i] = function(v);                                            \
        }                                                                    \
        return;                                                              \
    } while (0)

static void to_doubles(enum mlb_dtype dtype, const unsigned char *in,
                       size_t count, double *out)
{
    switch (dtype) {
    case MLB_F64:
        CONVERT(double, (double));
    case MLB_F32:
        CONVERT(float, (double));
    case MLB_F16:
        CONVERT(uint16_t, from_f16);
    case MLB_BF16:
        CONVERT(uint16_t, from_bf16);
    case MLB_I64:
        CONVERT(int64_t, (double));
    case MLB_I32:
        CONVERT(int32_t, (double));
    case MLB_I16:
        CONVERT(int16_t, (double));
    case MLB_I8:
        CONVERT(int8_t, (double));
    case MLB_U64:
        CONVERT(uint64_t, (double));
    case MLB_U32:
        CONVERT(uint32_t, (double));
    case MLB_U16:
        CONVERT(uint16_t, (double));
    case MLB_U8:
    case MLB_BOOL:
        CONVERT(uint8_t, (double));
    case MLB_E4M3:
        CONVERT(uint8_t, from_e4m3);
    case MLB_E5M2:
        CONVERT(uint8_t, from_e5m2);
    case MLB_C64:
    case MLB_C128:
        return;
    }
}

/* The block's mean and squares by two passes, then both joined with those
 * of all before: T. F. Chan, G. H. Golub and R. J. LeVeque, "Updating
 * formulae and a pairwise algorithm for computing sample variances", 1979. */
static void sum_block(struct measure *m)
{
    double sum = 0, squares = 0;
    size_t n = 0;

    for (size_t i = 0; i < m->used; i++)
        if (!isnan(m->block[i])) {
            double x = m->block[n++] = m->block[i];
            sum += x;
            m->min = x >= m->min ? m->min : x;
            m->max = x <= m->max ? m->max : x;
        }
    m->used = 0;
    if (n == 0)
        return;
    double mean = sum / (double)n, all = (double)(m->count + n);
    for (size_t i = 0; i < n; i++)
        squares += (m->block[i] - mean) * (m->block[i] - mean);
    double apart = mean - m->mean;
    m->squares += squares +
                  apart * apart * ((double)m->count * (double)n / all);
    m->mean += apart * ((double)n / all);
    m->count += n;
}

static void add_stats(struct measure *m, const unsigned char *bytes,
                      size_t count)
{
    size_t size = mlb_dtype_size(m->dtype);

    while (count > 0) {
        size_t n = MEASURE_BLOCK - m->used;
        if (n > count)
            n = count;
        to_doubles(m->dtype, bytes, n, m->block + m->used);
        m->used += n;
        bytes += n * size;
        count -= n;
        if (m->used == MEASURE_BLOCK)
            sum_block(m);
    }
}

static int64_t to_label(enum mlb_dtype dtype, const unsigned char *bytes)
{
    union {
        int64_t i64;
        int32_t i32;
        int16_t i16;
        int8_t i8;
        uint32_t u32;
        uint16_t u16;
        uint8_t u8;
    } v;

    memcpy(&v, bytes, mlb_dtype_size(dtype));
    switch (dtype) {
    case MLB_I32:
        return v.i32;
    case MLB_I16:
        return v.i16;
    case MLB_I8:
        return v.i8;
    case MLB_U32:
        return v.u32;
    case MLB_U16:
        return v.u16;
    case MLB_U8:
    case MLB_BOOL:
        return v.u8;
    default:
        return v.i64;
    }
}

static void count_label(struct measure *m, int64_t label)
{
    size_t low = 0, high = m->labels;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (m->label[middle] < label)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == m->labels || m->label[low] != label) {
        if (m->labels == MEASURE_LABELS) {
            m->has_counts = false;
            return;
        }
        size_t n = m->labels++ - low;
        memmove(m->label + low + 1, m->label + low, n * sizeof(*m->label));
        memmove(m->label_rows + low + 1, m->label_rows + low,
                n * sizeof(*m->label_rows));
        m->label[low] = label;
        m->label_rows[low] = 0;
    }
    m->label_rows[low]++;
}

void measure_add(struct measure *m, const void *bytes, size_t length)
{
    const unsigned char *p = bytes;
    size_t size = mlb_dtype_size(m->dtype);

    if (length == 0)
        return;
    XXH3_128bits_update(m->bytes, p, length);
    if (m->has_stats)
        add_stats(m, p, length / size);
    for (; m->has_counts && length > 0; p += size, length -= size) {
        int64_t label = to_label(m->dtype, p);
        /* Over 2^63 - 1 it would look negative. */
        if (m->dtype == MLB_U64 && label < 0)
            m->has_counts = false;
        else
            count_label(m, label);
    }
}

void measure_add_lengths(struct measure *m, const uint64_t *lengths,
                         size_t count)
{
    XXH3_128bits_update(m->lengths, lengths, count * sizeof(*lengths));
}

void measure_stats(struct measure *m, double out[5])
{
    if (m->has_stats)
        sum_block(m);
    out[0] = m->count ? m->mean : NAN;
    out[1] = m->count ? sqrt(m->squares / (double)m->count) : NAN;
    out[2] = m->min;
    out[3] = m->max;
    out[4] = (double)m->count;
}
