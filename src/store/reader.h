/* SPDX-License-Identifier: BSD-3-Clause */
/* Between opening a container and reading its arrays. */
#ifndef STORE_READER_H
#define STORE_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "store/container.h"
#include "store/io.h"
#include "store/layout.h"

struct container {
    int fd;
    char *path;
    bool record_damaged;               /* one copy of two */
    struct layout_record record;
    struct layout_entry *entries;
    char *names;
    uint32_t *blocks;
    struct container_info *infos;
    const struct container_info **by_name;
    char *block;                       /* one, made when first needed */
    uint64_t in_order, last_end;       /* bytes read as they lie in the */
                                       /* file, and where that ended */
    struct io_range cached;            /* by the kernel, when last asked */
    bool engine_left;                  /* to go on with: io_park */
};

#endif
