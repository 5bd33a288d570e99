/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading the arrays of a container and comparing their checksums. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "store/crc.h"
#include "store/io.h"
#include "store/layout.h"
#include "store/place.h"
#include "store/reader.h"

#define NEAR LAYOUT_BLOCK              /* what follows begins within */
#define MOST_AHEAD (IO_DEPTH * IO_PIECE)

/* The part of an array that a range means; NULL means all. */
static int check_range(const struct container_info *a,
                       const struct container_range *range,
                       struct container_range *out, struct mlb_error *err)
{
    *out = range ? *range : (struct container_range){ 0, a->bytes };
    if (out->offset > a->bytes || out->length > a->bytes - out->offset)
        return mlb_error_set(err, MLB_ERR_USAGE,
                             "%s: bytes %" PRIu64 " and %" PRIu64
                             " more are not in an array of %" PRIu64,
                             a->name, out->offset, out->length, a->bytes);
    return 0;
}

int container_read_raw(struct container *c,
                       const struct container_info *array,
                       const struct container_range *range, void *out,
                       struct mlb_error *err)
{
    struct container_range part;

    if (check_range(array, range, &part, err) < 0)
        return -1;
    if (place_pread(c->fd, out, part.length, array->offset + part.offset) < 0)
        return mlb_error_errno(err, MLB_ERR_IO, "%s: cannot read %s",
                               c->path, array->name);
    return 0;
}

/* Compare the checksum of block number i, whose bytes have that one. */
static int check_block(struct container *c, const struct container_info *a,
                       uint64_t i, uint32_t crc, struct mlb_error *err)
{
    uint64_t at = i * LAYOUT_BLOCK;
    uint64_t n = a->bytes - at < LAYOUT_BLOCK ? a->bytes - at : LAYOUT_BLOCK;

    if (crc != c->blocks[c->entries[a - c->infos].first_block + i])
        return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                             "%s: %s is damaged in bytes %" PRIu64 " to %"
                             PRIu64, c->path, a->name, at, at + n - 1);
    return 0;
}

/* Reading whole blocks, of which only a part may be wanted. */
struct bulk {
    struct container *c;
    const struct container_info *array;
    uint64_t start, end;               /* in the array: the blocks */
    struct container_range wanted;     /* of them */
    char *out;                         /* for these; NULL: only compare */
    uint32_t crc;                      /* of the block so far */
    struct mlb_error *err;
};

enum { BULK_DAMAGED = 1 };

static uint64_t block_end(const struct container_info *a, uint64_t at)
{
    uint64_t start = at / LAYOUT_BLOCK * LAYOUT_BLOCK;

    return a->bytes - start < LAYOUT_BLOCK ? a->bytes : start + LAYOUT_BLOCK;
}

static bool is_wanted(const struct bulk *b, uint64_t at, size_t length)
{
    return b->out && at >= b->wanted.offset &&
           at + length <= b->wanted.offset + b->wanted.length;
}

/* Copy what is wanted of bytes, which are at that place in the array. */
static void copy_wanted(const struct bulk *b, uint64_t at, const char *bytes,
                        size_t length)
{
    uint64_t from = b->wanted.offset, end = from + b->wanted.length;
    uint64_t first = at > from ? at : from;
    uint64_t last = at + length < end ? at + length : end;

    if (b->out && first < last)
        memcpy(b->out + (first - from), bytes + (first - at), last - first);
}

/* Compare and copy bytes that follow those before. */
static int take_bytes(void *to, uint64_t at, const void *bytes, size_t length)
{
    struct bulk *b = to;
    const char *from = bytes;
    uint64_t place = b->start + at, end = place + length;

    while (place < end) {
        uint64_t stop = block_end(b->array, place);
        size_t n = (size_t)((stop < end ? stop : end) - place);
        if (is_wanted(b, place, n)) {
            io_copy(b->out + (place - b->wanted.offset), from, n, &b->crc);
        } else {
            b->crc = crc_update(b->crc, from, n);
            copy_wanted(b, place, from, n);
        }
        from += n;
        place += n;
        if (place < stop)
            continue;
        if (check_block(b->c, b->array, (stop - 1) / LAYOUT_BLOCK, b->crc,
                        b->err) < 0)
            return BULK_DAMAGED;
        b->crc = 0;
    }
    return 0;
}

/* Read the blocks one by one through the page cache. */
static int read_blocks(struct bulk *b)
{
    struct container *c = b->c;

    if (!c->block && !(c->block = malloc(LAYOUT_BLOCK)))
        return mlb_error_set(b->err, MLB_ERR_IO, "out of memory");
    for (uint64_t at = b->start, stop; at < b->end; at = stop) {
        stop = block_end(b->array, at);
        struct container_range block = { at, stop - at };
        bool whole = is_wanted(b, at, block.length);
        char *to = whole ? b->out + (at - b->wanted.offset) : c->block;
        if (container_read_raw(c, b->array, &block, to, b->err) < 0 ||
            check_block(c, b->array, at / LAYOUT_BLOCK,
                        crc_update(0, to, block.length), b->err) < 0)
            return -1;
        if (!whole)
            copy_wanted(b, at, to, block.length);
    }
    return 0;
}

/* Where in the file to read on to after a range of it: as much again as was
 * read in order before, but no more than there are buffers for. */
static uint64_t look_ahead(struct container *c, const struct io_range *range)
{
    uint64_t end = range->offset + range->length;
    uint64_t left = c->record.file_size - end;
    bool follows = range->offset + LAYOUT_BLOCK >= c->last_end &&
                   range->offset <= c->last_end + NEAR;

    /* Small arrays lie apart from the large ones that they come between. */
    if (!follows && range->length < IO_LEAST)
        return end;
    if (!follows)
        c->in_order = 0;
    uint64_t ahead = c->in_order < MOST_AHEAD ? c->in_order : MOST_AHEAD;
    c->in_order += range->length;
    c->last_end = end;
    return end + (ahead < left ? ahead : left);
}

static bool is_within(const struct io_range *a, const struct io_range *b)
{
    return a->offset >= b->offset &&
           a->offset + a->length <= b->offset + b->length;
}

/* Does the page cache have a range, and what is next up to ahead? Asking
 * costs as much as reading a small array. */
static bool is_cached(struct container *c, const struct io_range *range,
                      uint64_t ahead)
{
    struct io_range all = { range->offset, ahead - range->offset };

    if (is_within(range, &c->cached))
        return true;
    if (!io_is_cached(c->fd, &all))
        return false;
    c->cached = all;
    return true;
}

/* For the next time, unless another file is read before. */
static void leave_engine(struct container *c, struct io *io)
{
    io_park(io, c);
    c->engine_left = true;
}

/* The engine to read a range with, and what is next to *ahead; or NULL if
 * the page cache has that or it is too short for an engine to gain
 * anything. */
static struct io *find_engine(struct container *c,
                              const struct io_range *range, uint64_t *ahead)
{
    struct io *io = io_resume(c);

    if (io && io_holds(io, range->offset))
        return io;
    /* With files read in turn, each would lose what it has read ahead. */
    if (!io && c->engine_left) {
        c->in_order = 0;
        *ahead = range->offset + range->length;
    }
    c->engine_left = false;
    bool plain = *ahead - range->offset < IO_LEAST ||
                 is_cached(c, range, *ahead);
    if (!plain && !io)
        return io_open(c->fd, c->record.file_size - range->offset, NULL);
    if (plain && io) {
        leave_engine(c, io);
        io = NULL;
    }
    return io;
}

static int read_span(struct bulk *b)
{
    struct io_range range = { b->array->offset + b->start,
                              b->end - b->start };

    if (range.length == 0)
        return 0;
    uint64_t ahead = look_ahead(b->c, &range);
    struct io *io = find_engine(b->c, &range, &ahead);
    int rc = io ? io_read(io, &range, ahead, take_bytes, b) : -1;
    if (rc >= 0) {
        leave_engine(b->c, io);
        return rc ? -1 : 0;
    }
    /* What the engine could not read may have been what follows; a block at
     * a time tells, and goes without memory for buffers, too. */
    io_close(io);
    return read_blocks(b);
}

int container_read(struct container *c, const struct container_info *array,
                   const struct container_range *range, void *out,
                   struct mlb_error *err)
{
    struct bulk b = { .c = c, .array = array, .out = out, .err = err };

    if (check_range(array, range, &b.wanted, err) < 0)
        return -1;
    if (b.wanted.length == 0)
        return 0;
    b.start = b.wanted.offset / LAYOUT_BLOCK * LAYOUT_BLOCK;
    b.end = block_end(array, b.wanted.offset + b.wanted.length - 1);
    return read_span(&b);
}

int container_check(struct container *c, const struct container_info *array,
                    struct mlb_error *err)
{
    struct bulk b = { .c = c, .array = array, .end = array->bytes,
                      .err = err };

    return read_span(&b);
}

static int compare_places(const void *a, const void *b)
{
    const struct container_info *const *x = a, *const *y = b;

    return ((*x)->offset > (*y)->offset) - ((*x)->offset < (*y)->offset);
}

int container_check_all(struct container *c, struct mlb_error *err)
{
    size_t count = c->record.arrays;
    const struct container_info **all = calloc(count + 1, sizeof(*all));
    int rc = 0;

    if (!all)
        return mlb_error_set(err, MLB_ERR_IO, "out of memory");
    for (size_t i = 0; i < count; i++)
        all[i] = &c->infos[i];
    qsort(all, count, sizeof(*all), compare_places);
    for (size_t i = 0; i < count && rc == 0; i++) {
        /* That all are read in order is known here before the first. */
        c->in_order = MOST_AHEAD;
        c->last_end = all[i]->offset;
        rc = container_check(c, all[i], err);
    }
    free(all);
    return rc;
}

/* Besides the two records the user block is zero. */
static bool user_block_is_clean(struct container *c)
{
    unsigned char block[LAYOUT_USER_BLOCK];

    if (place_pread(c->fd, block, sizeof(block), 0) < 0)
        return false;
    memset(block, 0, sizeof(c->record));
    memset(block + LAYOUT_SECOND, 0, sizeof(c->record));
    for (size_t i = 0; i < sizeof(block); i++)
        if (block[i])
            return false;
    return true;
}

int container_verify(struct container *c, struct mlb_error *err)
{
    struct layout_table table = { &c->record, c->entries, c->names };
    uint32_t rest;

    if (container_check_all(c, err) < 0)
        return -1;
    if (c->record_damaged)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s: a copy of the "
                             "commit record is damaged", c->path);
    if (!user_block_is_clean(c))
        return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                             "%s: the user block is damaged", c->path);
    if (layout_rest_crc(c->fd, &table, &rest, err) < 0)
        return mlb_error_prefix(err, "%s", c->path);
    if (rest != c->record.rest_crc)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                             "%s: the HDF5 metadata is damaged", c->path);
    return 0;
}
