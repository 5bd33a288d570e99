/* SPDX-License-Identifier: BSD-3-Clause */
/* Between the files that write a container. */
#ifndef STORE_STAGING_PARTS_H
#define STORE_STAGING_PARTS_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/layout.h"
#include "store/staging.h"
#include "store/staging_image.h"
#include "store/structure.h"
#include "store/writer.h"

struct staging {
    struct container_writer *w;
    int fd;
    char temporary[PATH_MAX];            /* "": nothing is there yet */
    struct layout_record record;
    struct structure_array *places;      /* count + WRITER_SYSTEM_ARRAYS */
    struct layout_entry *entries;
    char *names;
    uint32_t *blocks;
    uint64_t *entered;                   /* bytes summed of each array */
    struct image *image;
};

/* Fill places, entries (all but offsets) and names. */
int staging_plan(struct staging *s, struct mlb_error *err);

/* Make slot this file, if it is of the same structure, and the offsets
 * known. *done: was it? What cannot be used is removed. */
int staging_recycle(struct staging *s, const char *slot, bool *done,
                    struct mlb_error *err);

#endif
