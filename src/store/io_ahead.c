/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading with the I/O engine: a window that moves over the file, ahead of
 * who takes what is in it. */
#include "config.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "store/io_parts.h"

#define FEWEST 4                       /* pieces, where they are not short */
#define SHORTEST ((size_t)256 << 10)

static struct io_slot *held_slot(struct io *io, unsigned i)
{
    return &io->slots[(io->first + i) % io->depth];
}

static uint64_t slot_end(const struct io_slot *s)
{
    return s->offset + s->needed;
}

static void start_read(struct io *io, struct io_slot *s, uint64_t offset,
                       size_t length)
{
    bool direct = io->direct >= 0 && !io->refused;

    s->start = s->buffer;
    s->length = s->needed = length;
    if (direct)
        s->length = (length + IO_ALIGN - 1) / IO_ALIGN * IO_ALIGN;
    s->offset = offset;
    s->fd = direct ? io->direct : io->fd;
    io_launch(io, s);
}

/* Of so many bytes that are wanted soon, what one piece is to have: several
 * are in flight even if this is little. */
static size_t cut(const struct io *io, uint64_t bytes)
{
    uint64_t each = bytes / FEWEST / SHORTEST * SHORTEST;

    if (each < SHORTEST)
        return SHORTEST;
    return each < io->piece ? (size_t)each : io->piece;
}

/* Forget what lies before offset; if the window does not have that, then
 * all of it. What is in flight is waited for when its slot is needed. */
static void move_to(struct io *io, uint64_t offset)
{
    while (io->held > 0 && (held_slot(io, 0)->offset > offset ||
                            slot_end(held_slot(io, 0)) <= offset)) {
        io->first = (io->first + 1) % io->depth;
        io->held--;
    }
}

/* Have the window reach from at, which is needed up to end, to ahead. */
static void fill(struct io *io, uint64_t at, uint64_t end, uint64_t ahead)
{
    uint64_t next = at / IO_ALIGN * IO_ALIGN;

    if (io->held > 0)
        next = slot_end(held_slot(io, io->held - 1));
    if (ahead < end)
        ahead = end;
    while (io->held < io->depth && next < ahead) {
        size_t n = cut(io, ahead - at);
        if (n > ahead - next) {
            if (next >= end)
                return;
            n = (size_t)(ahead - next);
        }
        struct io_slot *s = held_slot(io, io->held);
        io_drop(io, s);
        start_read(io, s, next, n);
        io->held++;
        next += n;
    }
}

int io_read(struct io *io, const struct io_range *range, uint64_t ahead,
            io_taker *take, void *to)
{
    uint64_t at = range->offset, end = at + range->length;
    int rc = 0;

    io_turn(io, false);
    while (at < end && rc == 0) {
        move_to(io, at);
        fill(io, at, end, ahead);
        struct io_slot *s = held_slot(io, 0);
        io_settle(io, s);
        rc = io_outcome(io);
        if (rc < 0)
            break;
        uint64_t stop = slot_end(s) < end ? slot_end(s) : end;
        rc = take(to, at - range->offset, s->start + (at - s->offset),
                  (size_t)(stop - at));
        at = stop;
    }
    return rc;
}

bool io_holds(const struct io *io, uint64_t offset)
{
    for (unsigned i = 0; i < io->held; i++) {
        const struct io_slot *s = &io->slots[(io->first + i) % io->depth];
        if (offset >= s->offset && offset < slot_end(s))
            return true;
    }
    return false;
}

static struct {
    pthread_mutex_t lock;
    struct io *io;
    const void *owner;
} parked = { .lock = PTHREAD_MUTEX_INITIALIZER };

void io_park(struct io *io, const void *owner)
{
    pthread_mutex_lock(&parked.lock);
    struct io *other = parked.io;
    parked.io = io;
    parked.owner = owner;
    pthread_mutex_unlock(&parked.lock);
    io_close(other);
}

struct io *io_resume(const void *owner)
{
    struct io *io = NULL;

    pthread_mutex_lock(&parked.lock);
    if (parked.io && (!owner || parked.owner == owner)) {
        io = parked.io;
        parked.io = NULL;
    }
    pthread_mutex_unlock(&parked.lock);
    /* What the parent of this process left is no use here. */
    if (io && owner && io->process != getpid()) {
        io_close(io);
        io = NULL;
    }
    return io;
}

static bool is_page_cached(int fd, uint64_t offset)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char there = 0;
    void *map = mmap(NULL, page, PROT_READ, MAP_SHARED, fd,
                     (off_t)(offset / page * page));

    if (map == MAP_FAILED)
        return false;
    bool known = mincore(map, page, &there) == 0;
    munmap(map, page);
    return known && (there & 1);
}

bool io_is_cached(int fd, const struct io_range *range)
{
    return range->length > 0 && is_page_cached(fd, range->offset) &&
           is_page_cached(fd, range->offset + range->length - 1);
}
