/* SPDX-License-Identifier: BSD-3-Clause */
/* Moving the bulk of a file: several large pieces in flight at once, past
 * the page cache where that works, from buffers that stay warm.
 *
 *     struct io *io = io_open(fd, bytes, NULL);
 *     void *buffer = io_next(io);         ... fill it ...
 *     io_write(io, length, offset);       ... and so on ...
 *     io_finish(io);
 *     io_close(io);
 *
 * The engine is chosen when a file is opened: io_uring with O_DIRECT, else
 * threads that call pread and pwrite, else these calls alone; where O_DIRECT
 * turns out to be refused the page cache is used. The first failure sticks:
 * all that follows on this struct io fails with the same errno. For the
 * library: nothing is printed. One handle belongs to one thread. */
#ifndef STORE_IO_H
#define STORE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mlbatch/error.h"

#define IO_LEAST ((size_t)1 << 20)      /* less than this gains nothing */
#define IO_DEPTH 8                      /* pieces in flight */
#define IO_PIECE ((size_t)4 << 20)      /* bytes of one, at most */

enum io_engine {
    IO_BEST,
    IO_URING,
    IO_THREADS,
    IO_PLAIN,
};

/* For tests and benchmarks; all zero is what everybody else wants. */
struct io_options {
    enum io_engine engine;       /* this one or none */
    bool buffered;               /* not O_DIRECT */
};

struct io;

struct io_range {
    uint64_t offset, length;
};

/* Prepare to move about so many bytes of a file, which is open for reading
 * or for both and stays the caller's. NULL with errno: no memory, or
 * ENOTSUP where options ask for what is not there. */
struct io *io_open(int fd, uint64_t bytes, const struct io_options *options);

/* Wait for what is in flight and give all back. NULL is fine. What was not
 * finished by io_finish may be written or not. */
void io_close(struct io *io);

/* Bytes that a buffer holds: a multiple of 1 MiB, at most IO_PIECE. */
size_t io_piece(const struct io *io);

/* A buffer of io_piece bytes to fill, waiting until one is free. NULL with
 * errno: an earlier write failed. */
void *io_next(struct io *io);

/* Where in the buffer what belongs at offset in the file has to begin, so
 * that pages of one are pages of the other. 0 for whole pages. */
size_t io_lead(const struct io *io, uint64_t offset);

/* Write length bytes of the buffer that io_next gave, from io_lead(offset)
 * on. It returns before they are written. Pieces must not overlap. What
 * does not fill a page goes through the page cache and touches no other
 * byte. 0, or -1 with errno. */
int io_write(struct io *io, size_t length, uint64_t offset);

/* How many of these bytes io_write_from can take at once: whole pages, 0 if
 * bytes and offset do not both begin one. */
size_t io_whole(const struct io *io, const void *bytes, size_t length,
                uint64_t offset);

/* Write from the caller's memory, which stays as it is until io_finish has
 * returned; length as io_whole said. */
int io_write_from(struct io *io, const void *bytes, size_t length,
                  uint64_t offset);

/* Wait until all is written (not yet on the disk: that takes fdatasync). 0,
 * or -1 with the errno of the first that failed. */
int io_finish(struct io *io);

/* Gets the next piece of a range, at bytes from its start; bytes belong to
 * the engine. Anything but 0 ends the reading. */
typedef int io_taker(void *to, uint64_t at, const void *bytes, size_t length);

/* Read a range and hand it to take, in pieces and in order, while the next
 * ones are being read. Where ahead, an offset in the file, is behind the
 * range, reading goes on up to there as far as buffers last, and a range
 * that begins there later finds it done. 0; -1 with errno, ENODATA past the
 * end; or what take returned. */
int io_read(struct io *io, const struct io_range *range, uint64_t ahead,
            io_taker *take, void *to);

/* Was the byte at offset read already, or is it being read? */
bool io_holds(const struct io *io, uint64_t offset);

/* Leave an engine open for its owner to go on with, until somebody opens
 * another one: so there is memory for one, however many files are open.
 * Safe from several threads. */
void io_park(struct io *io, const void *owner);

/* The engine that this owner (NULL: anybody) left, or NULL. */
struct io *io_resume(const void *owner);

/* Is a range in the page cache? A guess from its ends. */
bool io_is_cached(int fd, const struct io_range *range);

/* Copy bytes and continue their CRC32C, while they are in the cache. crc may
 * be NULL, so that what sums cost can be measured. */
void io_copy(void *to, const void *from, size_t length, uint32_t *crc);

/* "io_uring, O_DIRECT": what is in use. */
void io_describe(const struct io *io, char *out, size_t size);

/* Try a write in a directory and describe what did it. MLB_ERR_IO. */
int io_probe(const char *directory, char *out, size_t size,
             struct mlb_error *err);

#endif
