/* SPDX-License-Identifier: BSD-3-Clause */
/* Names and sizes of the element types. */
#include "config.h"

#include <string.h>

#include "mlbatch/dtype.h"

static const struct {
    const char *name;
    size_t size;
} types[] = {
    [MLB_F64] = { "f64", 8 },   [MLB_F32] = { "f32", 4 },
    [MLB_F16] = { "f16", 2 },   [MLB_BF16] = { "bf16", 2 },
    [MLB_I64] = { "i64", 8 },   [MLB_I32] = { "i32", 4 },
    [MLB_I16] = { "i16", 2 },   [MLB_I8] = { "i8", 1 },
    [MLB_U64] = { "u64", 8 },   [MLB_U32] = { "u32", 4 },
    [MLB_U16] = { "u16", 2 },   [MLB_U8] = { "u8", 1 },
    [MLB_BOOL] = { "bool", 1 },
    [MLB_E4M3] = { "e4m3", 1 }, [MLB_E5M2] = { "e5m2", 1 },
    [MLB_C64] = { "c64", 8 },   [MLB_C128] = { "c128", 16 },
};
#define TYPES (sizeof(types) / sizeof(types[0]))

size_t mlb_dtype_size(enum mlb_dtype dtype)
{
    /* The cast sends what is below the first number above the last one. */
    return (size_t)dtype < TYPES ? types[dtype].size : 0;
}

const char *mlb_dtype_name(enum mlb_dtype dtype)
{
    return (size_t)dtype < TYPES ? types[dtype].name : NULL;
}

enum mlb_dtype mlb_dtype_find(const char *name)
{
    for (size_t i = MLB_F64; name && i < TYPES; i++)
        if (strcmp(types[i].name, name) == 0)
            return (enum mlb_dtype)i;
    return (enum mlb_dtype)0;
}
