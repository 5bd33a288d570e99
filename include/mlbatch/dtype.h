/* SPDX-License-Identifier: BSD-3-Clause */
/* The element types of stored arrays. */
#ifndef MLBATCH_DTYPE_H
#define MLBATCH_DTYPE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The numbers are part of the file format and never change. All are stored
 * little-endian. */
enum mlb_dtype {
    MLB_F64 = 1,
    MLB_F32 = 2,
    MLB_F16 = 3,       /* IEEE 754 binary16 */
    MLB_BF16 = 4,      /* the upper half of an F32 */
    MLB_I64 = 5,
    MLB_I32 = 6,
    MLB_I16 = 7,
    MLB_I8 = 8,
    MLB_U64 = 9,
    MLB_U32 = 10,
    MLB_U16 = 11,
    MLB_U8 = 12,
    MLB_BOOL = 13,     /* one byte, 0 or 1 */
    MLB_E4M3 = 14,     /* 8 bits: 4 of exponent (bias 7), 3 of mantissa; no
                        * infinities; NaN is 0x7f and 0xff ("e4m3fn") */
    MLB_E5M2 = 15,     /* 8 bits: 5 of exponent (bias 15), 2 of mantissa */
    MLB_C64 = 16,      /* two F32: real, imaginary */
    MLB_C128 = 17,     /* two F64 */
};

/* Bytes of one element; 0 if dtype is none of the above. */
size_t mlb_dtype_size(enum mlb_dtype dtype);

/* "f32", "u8", ...; NULL if dtype is none of the above. */
const char *mlb_dtype_name(enum mlb_dtype dtype);

/* The type of that name, or 0. */
enum mlb_dtype mlb_dtype_find(const char *name);

#ifdef __cplusplus
}
#endif

#endif
