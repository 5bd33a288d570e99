/* SPDX-License-Identifier: BSD-3-Clause */
/* Between collecting the arrays of a container and writing them. */
#ifndef STORE_WRITER_H
#define STORE_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "store/container.h"
#include "store/io.h"

#define WRITER_SYSTEM_ARRAYS 3   /* /index, /names, /blocks */

struct container_writer {
    char *path;
    enum container_kind kind;
    struct container_array *arrays;      /* their names are in names */
    uint64_t *bytes;                     /* of each */
    size_t count, size;
    struct io_options io;                /* zero but in tests */
    struct writer_name **names;          /* a hash table of chains */
    size_t name_count, buckets;          /* buckets: 0 or a power of 2 */
};

#endif
