/* SPDX-License-Identifier: BSD-3-Clause */
/* The I/O engine: pieces in turn, what becomes of each, the first error. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/fault.h"
#include "store/io_parts.h"
#include "store/place.h"

#define MIB ((size_t)1 << 20)
#define FEWEST 4                       /* pieces, where they can be a MiB */

ssize_t io_transfer(const struct io *io, const struct io_slot *s)
{
    ssize_t n = io->writing
                    ? pwrite(s->fd, s->start, s->length, (off_t)s->offset)
                    : pread(s->fd, s->start, s->length, (off_t)s->offset);

    return n < 0 ? -errno : n;
}

static void plain_submit(struct io *io, struct io_slot *s)
{
    s->result = io_transfer(io, s);
    s->done = true;
}

static int plain_start(struct io *io)
{
    (void)io;
    return 0;
}

static void plain_wait(struct io *io, struct io_slot *s)
{
    (void)io;
    (void)s;
}

static void plain_stop(struct io *io)
{
    (void)io;
}

static const struct io_driver plain_driver = {
    .name = "pread and pwrite", .start = plain_start,
    .submit = plain_submit, .wait = plain_wait, .stop = plain_stop,
};

/* The same file once more, past the page cache. -1: cannot be. */
static int open_direct(int fd)
{
    char path[64];
    int mode = fcntl(fd, F_GETFL) & O_ACCMODE;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, mode | O_CLOEXEC | O_DIRECT);
}

/* Large pieces, as each costs the disk something, but of a small file still
 * several in flight. */
static void cut(struct io *io, uint64_t bytes)
{
    uint64_t each = bytes / FEWEST / MIB * MIB;

    io->piece = each < MIB ? MIB : each > IO_PIECE ? IO_PIECE : (size_t)each;
    uint64_t pieces = (bytes + io->piece - 1) / io->piece;
    io->depth = pieces < 1 ? 1 : pieces > IO_DEPTH ? IO_DEPTH
                                                   : (unsigned)pieces;
}

static int start_driver(struct io *io, enum io_engine engine)
{
    const struct io_driver *const drivers[] = {
        [IO_URING] = &io_uring_driver, [IO_THREADS] = &io_threads_driver,
        [IO_PLAIN] = &plain_driver,
    };

    for (enum io_engine e = IO_URING; e <= IO_PLAIN; e++) {
        /* Through the page cache io_uring only adds a detour. */
        if (engine == IO_BEST ? e == IO_URING && io->direct < 0
                              : e != engine)
            continue;
        if (drivers[e]->start(io) == 0) {
            io->driver = drivers[e];
            return 0;
        }
    }
    errno = ENOTSUP;
    return -1;
}

struct io *io_open(int fd, uint64_t bytes, const struct io_options *options)
{
    struct io_options none = { 0 };
    const struct io_options *o = options ? options : &none;
    long page = sysconf(_SC_PAGESIZE);

    /* Its buffers are wanted here. */
    io_close(io_resume(NULL));
    struct io *io = calloc(1, sizeof(*io));
    if (!io)
        return NULL;
    io->process = getpid();
    io->fd = fd;
    io->direct = o->buffered ? -1 : open_direct(fd);
    /* No page may be written both ways, so the larger of the two. */
    io->align = page > (long)IO_ALIGN ? (size_t)page : IO_ALIGN;
    cut(io, bytes);
    io->buffers = io_buffers_take(io->depth * io->piece);
    if (!io->buffers) {
        io_close(io);
        errno = ENOMEM;
        return NULL;
    }
    for (unsigned i = 0; i < io->depth; i++)
        io->slots[i].buffer = io->buffers + i * io->piece;
    if (start_driver(io, o->engine) < 0) {
        io_close(io);
        errno = ENOTSUP;
        return NULL;
    }
    return io;
}

size_t io_piece(const struct io *io)
{
    return io->piece;
}

static void note(struct io *io, int error)
{
    if (!io->error)
        io->error = error;
}

/* Hand a slot to the driver. */
void io_launch(struct io *io, struct io_slot *s)
{
    int fault = fault_check(io->writing ? FAULT_WRITE : FAULT_READ,
                            &s->length);

    s->busy = true;
    s->sent = fault == 0;
    s->done = !s->sent;
    s->result = -fault;
    if (s->sent)
        io->driver->submit(io, s);
}

void io_drop(struct io *io, struct io_slot *s)
{
    if (s->busy && s->sent)
        io->driver->wait(io, s);
    s->busy = false;
}

/* Wait for a slot and see to what is left of it: the page cache takes what
 * O_DIRECT refuses, and the rest of what was cut short, or says why not. */
void io_settle(struct io *io, struct io_slot *s)
{
    if (!s->busy)
        return;
    io_drop(io, s);
    ssize_t n = s->result;
    bool refused = (n == -EINVAL || n == -EOPNOTSUPP) && s->fd != io->fd;
    if (refused)
        io->refused = true;
    if (refused || n == -EINTR || n == -EAGAIN)
        n = 0;
    if (n < 0) {
        note(io, (int)-n);
        return;
    }
    size_t done = (size_t)n;
    if (done >= s->needed)
        return;
    int rc = io->writing ? place_pwrite(io->fd, s->start + done,
                                        s->needed - done, s->offset + done)
                         : place_pread(io->fd, s->start + done,
                                       s->needed - done, s->offset + done);
    if (rc < 0)
        note(io, errno);
}

void io_turn(struct io *io, bool writing)
{
    if (io->writing == writing)
        return;
    for (unsigned i = 0; i < io->depth; i++)
        if (io->writing)
            io_settle(io, &io->slots[i]);
        else
            io_drop(io, &io->slots[i]);
    io->writing = writing;
    io->held = 0;
}

int io_outcome(const struct io *io)
{
    errno = io->error;
    return io->error ? -1 : 0;
}

void *io_next(struct io *io)
{
    struct io_slot *s = &io->slots[io->next];

    io_turn(io, true);
    io_settle(io, s);
    return io_outcome(io) < 0 ? NULL : s->buffer;
}

/* What goes through the page cache, at once. */
static void put(struct io *io, const void *bytes, size_t length,
                uint64_t offset)
{
    if (length > 0 && place_pwrite(io->fd, bytes, length, offset) < 0)
        note(io, errno);
}

size_t io_lead(const struct io *io, uint64_t offset)
{
    return (size_t)(offset % io->align);
}

/* Hand the next slot, which is free, to the driver. */
static void send(struct io *io, unsigned char *start, size_t length,
                 uint64_t offset)
{
    struct io_slot *s = &io->slots[io->next];
    bool direct = io->direct >= 0 && !io->refused;

    s->start = start;
    s->length = s->needed = length;
    s->offset = offset;
    s->fd = direct ? io->direct : io->fd;
    io_launch(io, s);
    io->next = (io->next + 1) % io->depth;
}

int io_write(struct io *io, size_t length, uint64_t offset)
{
    unsigned char *start = io->slots[io->next].buffer + io_lead(io, offset);
    size_t head = 0, body = length;

    if (io->error)
        return io_outcome(io);
    if (io->direct >= 0 && !io->refused) {
        head = (size_t)((io->align - offset % io->align) % io->align);
        if (head > length)
            head = length;
        body = (length - head) / io->align * io->align;
    }
    put(io, start, head, offset);
    put(io, start + head + body, length - head - body, offset + head + body);
    if (body > 0 && !io->error)
        send(io, start + head, body, offset + head);
    return io_outcome(io);
}

size_t io_whole(const struct io *io, const void *bytes, size_t length,
                uint64_t offset)
{
    if (offset % io->align != 0 || (uintptr_t)bytes % io->align != 0)
        return 0;
    return length < io->piece ? length / io->align * io->align : io->piece;
}

int io_write_from(struct io *io, const void *bytes, size_t length,
                  uint64_t offset)
{
    io_turn(io, true);
    io_settle(io, &io->slots[io->next]);
    /* Only read from: the pointer is shared with reading into buffers. */
    if (!io->error)
        send(io, (unsigned char *)(uintptr_t)bytes, length, offset);
    return io_outcome(io);
}

int io_finish(struct io *io)
{
    for (unsigned i = 0; i < io->depth; i++)
        io_settle(io, &io->slots[i]);
    return io_outcome(io);
}

void io_close(struct io *io)
{
    if (!io)
        return;
    /* A child has neither its parent's buffers nor its threads. */
    if (io->process == getpid()) {
        for (unsigned i = 0; i < io->depth; i++)
            io_drop(io, &io->slots[i]);
        if (io->driver)
            io->driver->stop(io);
        io_buffers_give(io->buffers, !io->lost);
    }
    if (io->direct >= 0)
        close(io->direct);
    free(io);
}

void io_describe(const struct io *io, char *out, size_t size)
{
    bool direct = io->direct >= 0 && !io->refused;

    snprintf(out, size, "%s, %s", io->driver->name,
             direct ? "O_DIRECT" : "page cache");
}

static int probe_file(int fd, char *out, size_t size)
{
    struct io *io = io_open(fd, MIB, NULL);
    void *buffer = io ? io_next(io) : NULL;

    if (!buffer) {
        io_close(io);
        return -1;
    }
    memset(buffer, 0, MIB);
    int rc = io_write(io, MIB, 0) < 0 ? -1 : io_finish(io);
    io_describe(io, out, size);
    io_close(io);
    return rc;
}

int io_probe(const char *directory, char *out, size_t size,
             struct mlb_error *err)
{
    char path[PATH_MAX];

    if (place_temporary(directory, path, sizeof(path), err) < 0)
        return -1;
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int rc = fd < 0 ? -1 : probe_file(fd, out, size);
    if (rc < 0)
        mlb_error_errno(err, MLB_ERR_IO, "cannot write in %s", directory);
    if (fd >= 0) {
        unlink(path);
        close(fd);
    }
    return rc;
}
