/* SPDX-License-Identifier: BSD-3-Clause */
/* Which format a source has. */
#include "config.h"

#include <string.h>

#include "store/import_parts.h"

const struct import_format *import_find_format(const struct import_options *o,
                                               struct mlb_error *err)
{
    if (!o->format || strcmp(o->format, import_csv.name) == 0)
        return &import_csv;
    mlb_error_set(err, MLB_ERR_USAGE, "no format \"%s\" (%s)", o->format,
                  import_csv.name);
    return NULL;
}
