/* SPDX-License-Identifier: BSD-3-Clause */
/* Between the files of the I/O engine. */
#ifndef STORE_IO_PARTS_H
#define STORE_IO_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "store/io.h"

#define IO_ALIGN ((size_t)4096)         /* what O_DIRECT wants at most */

/* A piece and its buffer. */
struct io_slot {
    unsigned char *buffer;
    unsigned char *start;      /* in the buffer */
    size_t length;             /* asked for; a multiple of IO_ALIGN if direct */
    size_t needed;             /* of it: a read may go past what is wanted */
    uint64_t offset;
    int fd;
    bool busy;                 /* not yet settled */
    bool sent;                 /* the driver has it, or had it */
    bool done;                 /* the driver's: result is there */
    ssize_t result;            /* as of pwrite, or the negative errno */
};

/* Submit never fails: what goes wrong is a result. */
struct io_driver {
    const char *name;
    int (*start)(struct io *io);        /* -1: not here */
    void (*submit)(struct io *io, struct io_slot *slot);
    void (*wait)(struct io *io, struct io_slot *slot);
    void (*stop)(struct io *io);        /* nothing is in flight */
};

struct io {
    int fd;                    /* through the page cache */
    int direct;                /* -1: none */
    bool refused;              /* direct was there, but does not work */
    bool writing;              /* what is in flight is written */
    bool lost;                 /* nobody knows what is still in flight */
    int error;                 /* the first errno */
    unsigned depth, next;
    unsigned first, held;      /* slots with what was read, or is being */
    pid_t process;             /* that opened it */
    size_t piece, align;
    unsigned char *buffers;
    struct io_slot slots[IO_DEPTH];
    const struct io_driver *driver;
    void *state;               /* the driver's */
};

extern const struct io_driver io_uring_driver, io_threads_driver;

/* Warm memory of IO_DEPTH * IO_PIECE bytes, 2 MiB aligned, of which the
 * first so many have been touched. One is kept for the next caller; it costs
 * more to make than to fill. NULL: no memory. */
unsigned char *io_buffers_take(size_t touch);
void io_buffers_give(unsigned char *buffers, bool reusable);

/* Hand a slot to the driver; wait until it is done, and then see to what is
 * left of it, or leave it at that. */
void io_launch(struct io *io, struct io_slot *slot);
void io_settle(struct io *io, struct io_slot *slot);
void io_drop(struct io *io, struct io_slot *slot);

/* From here on what is in flight is written, or read. */
void io_turn(struct io *io, bool writing);

/* 0, or -1 with the first errno. */
int io_outcome(const struct io *io);

/* One pread or pwrite: bytes done or the negative errno. */
ssize_t io_transfer(const struct io *io, const struct io_slot *slot);

#endif
