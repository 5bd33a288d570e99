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

/* Read block number i of an array into out and compare its checksum. */
static int read_block(struct container *c, const struct container_info *a,
                      uint64_t i, void *out, struct mlb_error *err)
{
    uint64_t at = i * LAYOUT_BLOCK;
    uint64_t n = a->bytes - at < LAYOUT_BLOCK ? a->bytes - at : LAYOUT_BLOCK;
    struct container_range whole = { at, n };

    if (container_read_raw(c, a, &whole, out, err) < 0)
        return -1;
    return check_block(c, a, i, crc_update(0, out, n), err);
}

/* Many blocks at once. */
struct bulk {
    struct container *c;
    const struct container_info *array;
    uint64_t start;                    /* in the array: a block's */
    char *out;                         /* NULL: only compare */
    struct mlb_error *err;
};

enum { BULK_DAMAGED = 1 };

static int take_blocks(void *to, uint64_t at, const void *bytes,
                       size_t length)
{
    const struct bulk *b = to;

    for (size_t i = 0; i < length; i += LAYOUT_BLOCK) {
        size_t n = length - i < LAYOUT_BLOCK ? length - i : LAYOUT_BLOCK;
        const char *from = (const char *)bytes + i;
        uint32_t crc = 0;
        if (b->out)
            io_copy(b->out + at + i, from, n, &crc);
        else
            crc = crc_update(0, from, n);
        if (check_block(b->c, b->array, (b->start + at + i) / LAYOUT_BLOCK,
                        crc, b->err) < 0)
            return BULK_DAMAGED;
    }
    return 0;
}

/* Read blocks from start to end, which is a block's or the array's, if they
 * are enough to be worth it and the page cache does not have them. *done
 * says whether they were. */
static int read_bulk(struct bulk *b, uint64_t end, bool *done)
{
    const struct container_info *a = b->array;
    struct io_range range = { a->offset + b->start, end - b->start };

    *done = range.length >= IO_LEAST && !io_is_cached(b->c->fd, &range);
    struct io *io = *done ? io_open(b->c->fd, range.length, NULL) : NULL;
    if (!io) {
        /* Without memory for buffers a block at a time still goes. */
        *done = false;
        return 0;
    }
    int rc = io_read(io, &range, take_blocks, b);
    if (rc < 0)
        mlb_error_errno(b->err, MLB_ERR_IO, "%s: cannot read %s",
                        b->c->path, a->name);
    io_close(io);
    return rc ? -1 : 0;
}

static int need_block(struct container *c, struct mlb_error *err)
{
    if (!c->block)
        c->block = malloc(LAYOUT_BLOCK);
    return c->block ? 0 : mlb_error_set(err, MLB_ERR_IO, "out of memory");
}

/* Read the bytes of one block from at to end, or all blocks that begin at at
 * and end there or before. Where it got to, or 0 with err. */
static uint64_t read_next(struct bulk *b, uint64_t at, uint64_t end)
{
    const struct container_info *a = b->array;
    uint64_t start = at / LAYOUT_BLOCK * LAYOUT_BLOCK;
    uint64_t stop = a->bytes - start < LAYOUT_BLOCK ? a->bytes
                                                    : start + LAYOUT_BLOCK;
    uint64_t last = end == a->bytes ? end : end / LAYOUT_BLOCK * LAYOUT_BLOCK;
    bool done = false;

    b->start = start;
    if (at == start && stop <= last && read_bulk(b, last, &done) < 0)
        return 0;
    if (done)
        return last;
    bool whole = at == start && stop <= end;
    void *to = whole && b->out ? (void *)b->out : b->c->block;
    if (read_block(b->c, a, start / LAYOUT_BLOCK, to, b->err) < 0)
        return 0;
    if (stop > end)
        stop = end;
    if (!whole)
        memcpy(b->out, b->c->block + (at - start), stop - at);
    return stop;
}

int container_read(struct container *c, const struct container_info *array,
                   const struct container_range *range, void *out,
                   struct mlb_error *err)
{
    struct bulk b = { .c = c, .array = array, .err = err };
    struct container_range part;

    if (check_range(array, range, &part, err) < 0 || need_block(c, err) < 0)
        return -1;
    uint64_t at = part.offset, end = part.offset + part.length;
    while (at < end) {
        b.out = (char *)out + (at - part.offset);
        at = read_next(&b, at, end);
        if (at == 0)
            return -1;
    }
    return 0;
}

int container_check(struct container *c, const struct container_info *array,
                    struct mlb_error *err)
{
    struct bulk b = { .c = c, .array = array, .err = err };
    uint64_t at = 0;

    if (need_block(c, err) < 0)
        return -1;
    while (at < array->bytes) {
        at = read_next(&b, at, array->bytes);
        if (at == 0)
            return -1;
    }
    return 0;
}

int container_check_all(struct container *c, struct mlb_error *err)
{
    for (size_t i = 0; i < c->record.arrays; i++)
        if (container_check(c, &c->infos[i], err) < 0)
            return -1;
    return 0;
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
