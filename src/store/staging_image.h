/* SPDX-License-Identifier: BSD-3-Clause */
/* What libhdf5 made of a set of arrays, all but the arrays: kept, as making
 * it again for the next file takes longer than writing that. */
#ifndef STORE_STAGING_IMAGE_H
#define STORE_STAGING_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mlbatch/error.h"
#include "store/container.h"
#include "store/layout.h"
#include "store/structure.h"

/* Bytes of the file that are in no array. */
struct image_piece {
    uint64_t offset;
    size_t length, at;             /* at: in bytes, if they are not zero */
    bool zero;
};

struct image {
    unsigned users;                /* under the cache's lock */
    uint64_t hash;
    unsigned char *key;            /* the structure it is of */
    size_t key_length;
    size_t count;                  /* arrays, with those of the system */
    uint64_t *offsets;
    uint16_t *padding;             /* zeros in no array behind each */
    uint64_t file_size;
    uint32_t rest_crc;             /* as in the commit record */
    struct image_piece *pieces;
    size_t piece_count;
    unsigned char *bytes;
    size_t byte_count, byte_room;
};

/* What says which image is meant; the last WRITER_SYSTEM_ARRAYS of arrays
 * are ours. */
struct image_key {
    enum container_kind kind;
    const struct structure_array *arrays;
    size_t count;
};

/* The image of that structure, if it is kept here. */
struct image *image_find(const struct image_key *key);

/* Learn it from a file, whose arrays have offsets, and keep it for
 * image_find, if it is not too large. Of record only file_size is taken; but
 * if it is a complete one, rest_crc must be that of the file. NULL with
 * err. */
struct image *image_learn(int fd, const struct image_key *key,
                          const struct layout_record *record,
                          struct mlb_error *err);

/* Does a file have in no array what image_write would write over it? False
 * if it cannot be read, too. */
bool image_is_there(const struct image *image, int fd);

/* Write what is in no array; into a file that is all zero so far, or over
 * another one, with the zeros then (but the padding of arrays, which is
 * written with them). 0, or -1 with errno. */
int image_write(const struct image *image, int fd, bool over);

/* To be called for each that was found or learnt. NULL is fine. */
void image_release(struct image *image);

#endif
