/* SPDX-License-Identifier: BSD-3-Clause */
/* Gathering bytes into large writes. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "store/crc.h"
#include "store/place.h"
#include "store/staging_stream.h"

#define LEAST_DIRECT ((size_t)2 << 20)   /* shorter ones are copied */

int stream_open(struct stream *s, int fd, uint64_t bytes,
                const struct io_options *options)
{
    *s = (struct stream){ .fd = fd };
    if (bytes >= IO_LEAST) {
        s->io = io_open(fd, bytes, options);
        s->room = s->io ? io_piece(s->io) : 0;
        return s->io ? 0 : -1;
    }
    s->room = LAYOUT_BLOCK;
    s->own = malloc(s->room);
    return s->own ? 0 : -1;
}

static int flush_direct(struct stream *s)
{
    size_t length = s->direct_length;

    s->direct_length = 0;
    if (length == 0)
        return 0;
    return io_write_from(s->io, s->direct, length, s->direct_at);
}

/* Write what was gathered, which is either a buffer or the caller's. */
static int flush(struct stream *s)
{
    size_t filled = s->filled;

    s->filled = 0;
    if (filled == 0)
        return flush_direct(s);
    return s->io ? io_write(s->io, filled, s->open_at)
                 : place_pwrite(s->fd, s->open, filled, s->open_at);
}

static size_t left(const struct stream *s)
{
    return s->room - s->lead - s->filled;
}

/* Have a buffer with room for at least so many bytes that belong at
 * offset. */
static int need_room(struct stream *s, size_t length, uint64_t offset)
{
    if (s->filled > 0 && offset == s->open_at + s->filled &&
        left(s) >= length)
        return 0;
    if (flush(s) < 0)
        return -1;
    s->open = s->io ? io_next(s->io) : s->own;
    s->open_at = offset;
    s->lead = s->io ? io_lead(s->io, offset) : 0;
    return s->open ? 0 : -1;
}

/* Bytes to the end of the block that is being summed. */
static size_t block_left(const struct stream_sums *sums, size_t length)
{
    uint64_t n = LAYOUT_BLOCK - sums->at % LAYOUT_BLOCK;

    return n < length ? (size_t)n : length;
}

/* Continue the sums over bytes, which are copied to to, if that is there,
 * on the way. */
static void add_sums(struct stream_sums *sums, unsigned char *to,
                     const unsigned char *from, size_t length)
{
    while (length > 0) {
        size_t n = block_left(sums, length);
        if (to)
            io_copy(to, from, n, sums->crc);
        else
            *sums->crc = crc_update(*sums->crc, from, n);
        sums->at += n;
        sums->crc += sums->at % LAYOUT_BLOCK == 0;
        to = to ? to + n : NULL;
        from += n;
        length -= n;
    }
}

/* Do bytes follow those that wait, in memory and in the file? */
static bool follows(const struct stream *s, const unsigned char *from,
                    uint64_t offset)
{
    return s->direct_length > 0 && from == s->direct + s->direct_length &&
           offset == s->direct_at + s->direct_length;
}

/* How many of the bytes to write from where they are: whole pages, if there
 * are enough to be worth a write. */
static size_t to_write(const struct stream *s, const unsigned char *from,
                       size_t length, uint64_t offset)
{
    if (!s->io || (length < LEAST_DIRECT && !follows(s, from, offset)))
        return 0;
    size_t n = io_whole(s->io, from, length, offset);
    size_t left = s->room - s->direct_length;
    return n > left && follows(s, from, offset) ? left : n;
}

/* Copying so many bytes makes what follows begin a page, if anything does
 * that. */
static size_t to_copy(const struct stream *s, const unsigned char *from,
                      size_t length, uint64_t offset)
{
    size_t before = (size_t)(LAYOUT_ALIGN - offset % LAYOUT_ALIGN);
    size_t n = left(s) < length ? left(s) : length;

    if (before < n && to_write(s, from + before, length - before,
                               offset + before) > 0)
        return before;
    return n;
}

/* Have bytes written from where they are, with what is next to them. */
static int put_direct(struct stream *s, const unsigned char *from,
                      size_t length, uint64_t offset)
{
    if (!follows(s, from, offset)) {
        if (flush(s) < 0)
            return -1;
        s->direct = from;
        s->direct_at = offset;
    }
    s->direct_length += length;
    return s->direct_length < s->room ? 0 : flush_direct(s);
}

int stream_put(struct stream *s, const void *bytes, size_t length,
               uint64_t offset, struct stream_sums *sums)
{
    const unsigned char *from = bytes;

    while (length > 0) {
        size_t n = to_write(s, from, length, offset);
        if (n > 0) {
            add_sums(sums, NULL, from, n);
            if (put_direct(s, from, n, offset) < 0)
                return -1;
        } else {
            if (need_room(s, 1, offset) < 0)
                return -1;
            n = to_copy(s, from, length, offset);
            add_sums(sums, s->open + s->lead + s->filled, from, n);
            s->filled += n;
        }
        from += n;
        offset += n;
        length -= n;
    }
    return 0;
}

void stream_pad(struct stream *s, size_t length)
{
    if (s->filled == 0 || left(s) < length)
        return;
    memset(s->open + s->lead + s->filled, 0, length);
    s->filled += length;
}

void *stream_reserve(struct stream *s, size_t length, uint64_t offset)
{
    if (need_room(s, length, offset) < 0)
        return NULL;
    return s->open + s->lead + s->filled;
}

uint32_t stream_filled(struct stream *s, size_t length)
{
    const unsigned char *bytes = s->open + s->lead + s->filled;

    s->filled += length;
    return crc_update(0, bytes, length);
}

int stream_finish(struct stream *s)
{
    int rc = flush(s);

    if (s->io && io_finish(s->io) < 0)
        rc = -1;
    return rc;
}

void stream_close(struct stream *s)
{
    io_close(s->io);
    free(s->own);
    *s = (struct stream){ .fd = -1 };
}
