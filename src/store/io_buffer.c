/* SPDX-License-Identifier: BSD-3-Clause */
/* The buffers of the I/O engine. */
#include "config.h"

#include <pthread.h>
#include <unistd.h>

#include "store/huge.h"
#include "store/io_parts.h"

#define BYTES (IO_DEPTH * IO_PIECE)

static struct {
    pthread_mutex_t lock;
    pid_t owner;
    unsigned char *spare;
    size_t touched;            /* of it */
} kept = { .lock = PTHREAD_MUTEX_INITIALIZER };

unsigned char *io_buffers_take(size_t touch)
{
    unsigned char *found = NULL;
    size_t touched = 0;

    pthread_mutex_lock(&kept.lock);
    /* A child does not have its parent's. */
    if (kept.spare && kept.owner == getpid()) {
        found = kept.spare;
        touched = kept.touched;
    }
    kept.spare = NULL;
    kept.touched = touch > touched ? touch : touched;
    pthread_mutex_unlock(&kept.lock);
    if (!found)
        found = huge_map(BYTES);
    if (found)
        huge_touch(found, touched, touch);
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
    huge_unmap(buffers, BYTES);
}
