/* SPDX-License-Identifier: BSD-3-Clause */
/* Between opening a container and reading its arrays. */
#ifndef STORE_READER_H
#define STORE_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "store/container.h"
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
    unsigned char *block;              /* one, made when first needed */
};

#endif
