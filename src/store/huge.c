/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory on huge pages. */
#include "config.h"

#include <stdint.h>
#include <sys/mman.h>

#include "store/huge.h"

#define HUGE ((size_t)2 << 20)
#define PAGE 4096

static size_t whole(size_t bytes)
{
    return (bytes + HUGE - 1) / HUGE * HUGE;
}

unsigned char *huge_map(size_t bytes)
{
    size_t all = whole(bytes);
    /* A mapping of that size need not begin on a huge page. */
    unsigned char *map = mmap(NULL, all + HUGE, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (map == MAP_FAILED)
        return NULL;
    size_t before = (HUGE - (uintptr_t)map % HUGE) % HUGE;
    if (before > 0)
        munmap(map, before);
    map += before;
    if (HUGE - before > 0)
        munmap(map + all, HUGE - before);
    madvise(map, all, MADV_HUGEPAGE);
    madvise(map, all, MADV_DONTFORK);
    return map;
}

void huge_unmap(unsigned char *memory, size_t bytes)
{
    if (memory)
        munmap(memory, whole(bytes));
}

void huge_touch(unsigned char *memory, size_t from, size_t to)
{
    volatile unsigned char *p = memory;

    for (size_t i = from; i < to; i += PAGE)
        p[i] = 0;
}
