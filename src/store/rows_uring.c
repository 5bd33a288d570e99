/* SPDX-License-Identifier: BSD-3-Clause */
/* The engine for rows on io_uring. */
#include "config.h"

#ifdef HAVE_LIBURING

#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>

#include <liburing.h>

#include "store/fault.h"
#include "store/rows_parts.h"

#define AT_ONCE 32            /* results waited for in one call, at most */

struct ring {
    struct io_uring uring;
    bool registered;          /* the kernel holds the buffers' pages */
};

static int ring_start(struct rows *r)
{
    struct ring *ring = calloc(1, sizeof(*ring));

    if (!ring)
        return -1;
    if (io_uring_queue_init(ROWS_DEPTH, &ring->uring, 0) < 0) {
        free(ring);
        return -1;
    }
    r->state = ring;
    return 0;
}

static void ring_set_buffers(struct rows *r,
                             const struct rows_buffer *buffers, size_t count)
{
    struct ring *ring = r->state;
    struct iovec *parts = calloc(count, sizeof(*parts));

    if (ring->registered)
        io_uring_unregister_buffers(&ring->uring);
    for (size_t i = 0; parts && i < count; i++)
        parts[i] = (struct iovec){ buffers[i].bytes, buffers[i].size };
    /* Users who may lock only little memory do without. */
    ring->registered = parts && io_uring_register_buffers(
                                    &ring->uring, parts,
                                    (unsigned)count) == 0;
    free(parts);
}

/* Pass on what has been prepared. A ring that does not take it any more may
 * still be writing to the buffers. */
static void submit(struct rows *r, unsigned wait)
{
    struct ring *ring = r->state;
    int rc;

    do
        rc = io_uring_submit_and_wait(&ring->uring, wait);
    while (rc == -EINTR || rc == -EAGAIN || rc == -EBUSY);
    if (rc < 0)
        r->lost = true;
}

static void ring_send(struct rows *r)
{
    struct ring *ring = r->state;
    bool sent = false;

    while (r->first && r->in_flight < ROWS_DEPTH && !r->lost) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);
        if (!sqe)
            break;
        struct rows_read *read = rows_next(r);
        size_t length = read->length;
        int fd = rows_fd(r, read), fault = fault_check(FAULT_READ, &length);
        if (fault && fault != EINTR)     /* as if the disk had said so */
            read->group->error = fault;
        if (fault)
            io_uring_prep_nop(sqe);
        else if (ring->registered)
            io_uring_prep_read_fixed(sqe, fd, read->to, (unsigned)length,
                                     read->offset,
                                     (int)read->group->buffer);
        else
            io_uring_prep_read(sqe, fd, read->to, (unsigned)length,
                               read->offset);
        io_uring_sqe_set_data(sqe, read);
        sent = true;
    }
    if (sent)
        submit(r, 0);
}

static void ring_collect(struct rows *r, const struct rows_group *group)
{
    struct ring *ring = r->state;
    struct io_uring_cqe *cqe;
    size_t left = group ? group->count - group->done : r->in_flight;
    unsigned head, seen = 0;

    /* Several at once, as each call costs, but not so many that the queue
     * would run dry meanwhile. */
    if (left > r->in_flight / 4)
        left = r->in_flight / 4;
    submit(r, left < 1 ? 1 : left > AT_ONCE ? AT_ONCE : (unsigned)left);
    if (r->lost)
        return;
    io_uring_for_each_cqe(&ring->uring, head, cqe) {
        rows_settle(r, io_uring_cqe_get_data(cqe), cqe->res);
        seen++;
    }
    io_uring_cq_advance(&ring->uring, seen);
}

static void ring_stop(struct rows *r)
{
    struct ring *ring = r->state;

    io_uring_queue_exit(&ring->uring);
    free(ring);
}

const struct rows_driver rows_uring_driver = {
    .name = "io_uring", .start = ring_start,
    .set_buffers = ring_set_buffers, .send = ring_send,
    .collect = ring_collect, .stop = ring_stop,
};

#else

#include "store/rows_parts.h"

static int no_start(struct rows *r)
{
    (void)r;
    return -1;
}

const struct rows_driver rows_uring_driver = {
    .name = "io_uring", .start = no_start,
};

#endif
