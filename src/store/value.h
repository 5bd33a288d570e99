/* SPDX-License-Identifier: BSD-3-Clause */
/* Elements of all types as numbers and as text. For the tools. */
#ifndef STORE_VALUE_H
#define STORE_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"
#include "mlbatch/dtype.h"

/* Parts of an element: 2 of a complex number, else 1; and the part's type. */
int value_parts(enum mlb_dtype dtype);
enum mlb_dtype value_part_type(enum mlb_dtype dtype);

bool value_is_integer(enum mlb_dtype dtype);     /* bool too */

/* One part as a number: exact but for 64-bit integers over 2^53. */
double value_get(enum mlb_dtype part, const void *bytes);
/* An integer part; u64 over 2^63 comes out negative. */
int64_t value_get_integer(enum mlb_dtype part, const void *bytes);

/* The fewest digits that read back as the same number; "nan", "inf". */
void value_add_text(struct mlb_text *out, enum mlb_dtype part,
                    const void *bytes);

/* Compare count elements as numbers: 0 equals -0, and NaN equals NaN. How
 * many differ; *most, where greater, becomes the greatest absolute
 * difference (of complex numbers: the absolute value of the difference),
 * infinity where one is NaN or infinite and the other is not. */
uint64_t value_compare(enum mlb_dtype dtype, const void *a, const void *b,
                       uint64_t count, double *most);

#endif
