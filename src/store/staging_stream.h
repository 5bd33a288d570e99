/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes on their way into a file: what lies one behind the other there is
 * gathered into few large writes, whatever it came from. */
#ifndef STORE_STAGING_STREAM_H
#define STORE_STAGING_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "store/io.h"
#include "store/layout.h"

struct stream {
    int fd;
    struct io *io;               /* NULL where little is written */
    unsigned char *own;          /* the buffer then */
    size_t room;                 /* of a buffer */
    unsigned char *open;         /* the one being filled */
    size_t filled;               /* of it, from lead on */
    size_t lead;
    uint64_t open_at;            /* where its first byte belongs */
    const unsigned char *direct; /* the caller's bytes, not yet written */
    size_t direct_length;
    uint64_t direct_at;
};

/* Checksums of the blocks of an array, as they are made. */
struct stream_sums {
    uint32_t *crc;               /* of the block being read; 0 to begin */
    uint64_t at;                 /* bytes of the array before that */
};

/* Begin to write about so many bytes; fd, open for both, stays the
 * caller's. All return 0, or -1 with errno, after which only stream_close
 * makes sense. */
int stream_open(struct stream *s, int fd, uint64_t bytes,
                const struct io_options *options);

/* Take bytes that belong at offset and continue their checksums. They are
 * copied or written from where they are, and therefore must not change
 * before stream_finish. */
int stream_put(struct stream *s, const void *bytes, size_t length,
               uint64_t offset, struct stream_sums *sums);

/* So many zeros, less than a page, behind what was put last, if that saves a
 * write of its own. */
void stream_pad(struct stream *s, size_t length);

/* Where to fill in length bytes (LAYOUT_BLOCK at most) for offset; NULL with
 * errno. They count when stream_filled is called, which returns their
 * checksum. */
void *stream_reserve(struct stream *s, size_t length, uint64_t offset);
uint32_t stream_filled(struct stream *s, size_t length);

/* Write what is left and wait for all. Not yet on the disk. */
int stream_finish(struct stream *s);
void stream_close(struct stream *s);

#endif
