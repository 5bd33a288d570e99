/* SPDX-License-Identifier: BSD-3-Clause */
/* The buffers of the I/O engine. */
#include "config.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "store/io_parts.h"

#define HUGE ((size_t)2 << 20)
#define BYTES (IO_DEPTH * IO_PIECE)

static struct {
    pthread_mutex_t lock;
    pid_t owner;
    unsigned char *spare;
    size_t touched;            /* of it */
} kept = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Memory that begins on a huge page, of which a mapping of that size need
 * not. */
static unsigned char *map_buffers(void)
{
    unsigned char *map = mmap(NULL, BYTES + HUGE, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (map == MAP_FAILED)
        return NULL;
    size_t before = (HUGE - (uintptr_t)map % HUGE) % HUGE;
    if (before > 0)
        munmap(map, before);
    map += before;
    if (HUGE - before > 0)
        munmap(map + BYTES, HUGE - before);
    madvise(map, BYTES, MADV_HUGEPAGE);
    /* The kernel may be reading these pages when another thread forks; a
     * copy made on the next write would then go to the wrong side. */
    madvise(map, BYTES, MADV_DONTFORK);
    return map;
}

static void touch_pages(unsigned char *buffers, size_t from, size_t to)
{
    volatile unsigned char *p = buffers;

    for (size_t i = from; i < to; i += IO_ALIGN)
        p[i] = 0;
}

unsigned char *io_buffers_take(size_t touch)
{
    unsigned char *found = NULL;
    size_t touched = 0;

    pthread_mutex_lock(&kept.lock);
    /* A child does not have its parent's, see above. */
    if (kept.spare && kept.owner == getpid()) {
        found = kept.spare;
        touched = kept.touched;
    }
    kept.spare = NULL;
    kept.touched = touch > touched ? touch : touched;
    pthread_mutex_unlock(&kept.lock);
    if (!found)
        found = map_buffers();
    if (found)
        touch_pages(found, touched, touch);
    return found;
}

void io_buffers_give(unsigned char *buffers, bool reusable)
{
    if (!buffers)
        return;
    pthread_mutex_lock(&kept.lock);
    if (reusable && !kept.spare) {
        kept.spare = buffers;
        kept.owner = getpid();
        buffers = NULL;
    }
    pthread_mutex_unlock(&kept.lock);
    if (buffers)
        munmap(buffers, BYTES);
}
