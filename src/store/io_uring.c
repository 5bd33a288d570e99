/* SPDX-License-Identifier: BSD-3-Clause */
/* The I/O engine on io_uring. */
#include "config.h"

#ifdef HAVE_LIBURING

#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>

#include <liburing.h>

#include "store/fault.h"
#include "store/io_parts.h"

struct ring {
    struct io_uring uring;
    bool registered;           /* the kernel holds the buffers' pages */
};

static int ring_start(struct io *io)
{
    struct ring *ring = calloc(1, sizeof(*ring));
    struct iovec parts[IO_DEPTH];

    if (!ring)
        return -1;
    if (io_uring_queue_init(IO_DEPTH, &ring->uring, 0) < 0) {
        free(ring);
        return -1;
    }
    for (unsigned i = 0; i < io->depth; i++)
        parts[i] = (struct iovec){ io->slots[i].buffer, io->piece };
    /* Users who may lock only little memory do without. */
    ring->registered = io_uring_register_buffers(&ring->uring, parts,
                                                 io->depth) == 0;
    io->state = ring;
    return 0;
}

static void prepare(const struct io *io, const struct io_slot *s,
                    struct io_uring_sqe *sqe)
{
    const struct ring *ring = io->state;
    unsigned length = (unsigned)s->length;
    int number = (int)(s - io->slots);
    bool fixed = ring->registered && s->start >= s->buffer &&
                 s->start < s->buffer + io->piece;

    if (fixed && io->writing)
        io_uring_prep_write_fixed(sqe, s->fd, s->start, length, s->offset,
                                  number);
    else if (fixed)
        io_uring_prep_read_fixed(sqe, s->fd, s->start, length, s->offset,
                                 number);
    else if (io->writing)
        io_uring_prep_write(sqe, s->fd, s->start, length, s->offset);
    else
        io_uring_prep_read(sqe, s->fd, s->start, length, s->offset);
}

/* The ring does not do what it should. What it was given may still be on
 * its way, so nobody may touch these buffers again. */
static void give_up(struct io *io, struct io_slot *s)
{
    s->result = -EIO;
    s->done = true;
    io->lost = true;
}

static void ring_submit(struct io *io, struct io_slot *s)
{
    struct ring *ring = io->state;
    struct io_uring_sqe *sqe = io->lost ? NULL
                                        : io_uring_get_sqe(&ring->uring);
    int rc;

    if (!sqe) {
        give_up(io, s);
        return;
    }
    prepare(io, s, sqe);
    /* Passing on megabytes can take as long as copying them, which is what
     * this thread is to do meanwhile. */
    io_uring_sqe_set_flags(sqe, IOSQE_ASYNC);
    io_uring_sqe_set_data(sqe, s);
    do
        rc = io_uring_submit(&ring->uring);
    while (rc == -EINTR || rc == -EAGAIN);
    if (rc < 1)
        give_up(io, s);
}

static void ring_wait(struct io *io, struct io_slot *s)
{
    struct ring *ring = io->state;
    struct io_uring_cqe *cqe;

    while (!s->done) {
        int rc = io_uring_wait_cqe(&ring->uring, &cqe);
        if (rc == -EINTR || rc == -EAGAIN)
            continue;
        if (rc < 0 || io->lost) {
            give_up(io, s);
            return;
        }
        struct io_slot *other = io_uring_cqe_get_data(cqe);
        other->result = cqe->res;
        other->done = true;
        if (io->writing && cqe->res > 0)
            fault_wrote(other->fd, other->start, (size_t)cqe->res,
                        other->offset);
        io_uring_cqe_seen(&ring->uring, cqe);
    }
}

static void ring_stop(struct io *io)
{
    struct ring *ring = io->state;

    io_uring_queue_exit(&ring->uring);
    free(ring);
}

const struct io_driver io_uring_driver = {
    .name = "io_uring", .start = ring_start, .submit = ring_submit,
    .wait = ring_wait, .stop = ring_stop,
};

#else

#include "store/io_parts.h"

static int no_start(struct io *io)
{
    (void)io;
    return -1;
}

const struct io_driver io_uring_driver = {
    .name = "io_uring", .start = no_start,
};

#endif
