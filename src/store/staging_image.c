/* SPDX-License-Identifier: BSD-3-Clause */
/* Images of structures: learning, keeping and writing them. */
#include "config.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "store/crc.h"
#include "store/layout.h"
#include "store/place.h"
#include "store/staging_image.h"
#include "store/writer.h"

#define MOST_KEPT 4
#define MOST_BYTES ((size_t)32 << 20)      /* of one that is kept */
#define CHUNK ((size_t)64 << 10)

static struct {
    pthread_mutex_t lock;
    struct image *images[MOST_KEPT];       /* the last used first */
} kept = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void destroy(struct image *image)
{
    free(image->key);
    free(image->offsets);
    free(image->padding);
    free(image->pieces);
    free(image->bytes);
    free(image);
}

/* Under the lock. */
static void let_go(struct image *image)
{
    if (image && --image->users == 0)
        destroy(image);
}

void image_release(struct image *image)
{
    pthread_mutex_lock(&kept.lock);
    let_go(image);
    pthread_mutex_unlock(&kept.lock);
}

/* The structure in bytes: kind, and of each array type, shape and name. */
static int make_key(struct image *image, const struct image_key *key)
{
    size_t own = key->count - WRITER_SYSTEM_ARRAYS, room = 1;

    for (size_t i = 0; i < own; i++)
        room += sizeof(key->arrays[i].shape) + 3 + strlen(key->arrays[i].name);
    unsigned char *p = image->key = calloc(1, room);
    if (!p)
        return -1;
    *p++ = (unsigned char)key->kind;
    for (size_t i = 0; i < own; i++) {
        const struct structure_array *a = &key->arrays[i];
        size_t length = strlen(a->name) + 1;
        size_t shape = (size_t)a->rank * sizeof(a->shape[0]);
        *p++ = (unsigned char)a->dtype;
        *p++ = (unsigned char)a->rank;
        memcpy(p, a->shape, shape);
        memcpy(p + shape, a->name, length);
        p += shape + length;
    }
    image->key_length = (size_t)(p - image->key);
    image->hash = XXH3_64bits(image->key, image->key_length);
    return 0;
}

/* Make room in front for image, or for the one at place i, and put it
 * there. */
static void to_front(size_t i, struct image *image)
{
    memmove(kept.images + 1, kept.images, i * sizeof(image));
    kept.images[0] = image;
}

struct image *image_find(const struct image_key *key)
{
    struct image wanted = { 0 }, *found = NULL;

    if (make_key(&wanted, key) < 0)
        return NULL;
    pthread_mutex_lock(&kept.lock);
    for (size_t i = 0; i < MOST_KEPT && !found; i++) {
        struct image *image = kept.images[i];
        if (!image || image->hash != wanted.hash ||
            image->key_length != wanted.key_length ||
            memcmp(image->key, wanted.key, wanted.key_length) != 0)
            continue;
        found = image;
        found->users++;
        to_front(i, found);
    }
    pthread_mutex_unlock(&kept.lock);
    free(wanted.key);
    return found;
}

static void keep(struct image *image)
{
    pthread_mutex_lock(&kept.lock);
    let_go(kept.images[MOST_KEPT - 1]);
    image->users++;
    to_front(MOST_KEPT - 1, image);
    pthread_mutex_unlock(&kept.lock);
}

static bool is_zero(const unsigned char *p, size_t length)
{
    return length == 0 ||
           (p[0] == 0 && memcmp(p, p + 1, length - 1) == 0);
}

static int out_of_memory(struct mlb_error *err)
{
    return mlb_error_set(err, MLB_ERR_IO, "out of memory");
}

/* One more piece, unless it goes on with the last one. */
static int add_piece(struct image *image, const struct image_piece *piece)
{
    struct image_piece *last =
        image->piece_count > 0 ? &image->pieces[image->piece_count - 1]
                               : NULL;

    if (last && last->zero == piece->zero &&
        last->offset + last->length == piece->offset) {
        last->length += piece->length;
        return 0;
    }
    struct image_piece *more =
        realloc(image->pieces, (image->piece_count + 1) * sizeof(*more));
    if (!more)
        return -1;
    image->pieces = more;
    more[image->piece_count++] = *piece;
    return 0;
}

static int add_bytes(struct image *image, uint64_t offset,
                     const unsigned char *bytes, size_t length)
{
    const struct image_piece piece = { offset, length, image->byte_count,
                                       false };
    size_t needed = image->byte_count + length;

    if (needed > image->byte_room) {
        size_t room = needed * 2;
        unsigned char *more = realloc(image->bytes, room);
        if (!more)
            return -1;
        image->bytes = more;
        image->byte_room = room;
    }
    memcpy(image->bytes + image->byte_count, bytes, length);
    if (add_piece(image, &piece) < 0)
        return -1;
    image->byte_count = needed;
    return 0;
}

/* Bytes between two arrays. */
struct gap {
    uint64_t start, end;
    bool padding;                /* less than a page, behind a caller's */
    bool zero;                   /* found to be */
};

/* Learn the bytes of a gap. */
static int learn_gap(struct image *image, int fd, struct gap *gap,
                     struct mlb_error *err)
{
    static const size_t page = LAYOUT_ALIGN;
    unsigned char part[CHUNK];

    gap->zero = true;
    for (uint64_t at = gap->start; at < gap->end;) {
        /* Chunks end with pages, which then are wholly zero or not. */
        size_t n = sizeof(part) - at % page;
        if (n > gap->end - at)
            n = (size_t)(gap->end - at);
        if (place_pread(fd, part, n, at) < 0)
            return mlb_error_errno(err, MLB_ERR_IO, "cannot read");
        image->rest_crc = crc_update(image->rest_crc, part, n);
        const struct image_piece nothing = { at, n, 0, true };
        bool zero = is_zero(part, n);
        int rc = 0;
        gap->zero = gap->zero && zero;
        if (zero && !gap->padding)
            rc = add_piece(image, &nothing);
        if (!zero && image->byte_count <= MOST_BYTES)
            rc = add_bytes(image, at, part, n);
        if (rc < 0)
            return out_of_memory(err);
        at += n;
    }
    return 0;
}

/* Is it the place of one of our own arrays? */
static bool is_system(const struct image *image, uint64_t offset)
{
    for (size_t i = 1; i <= WRITER_SYSTEM_ARRAYS; i++)
        if (image->offsets[image->count - i] == offset)
            return true;
    return false;
}

static int by_start(const void *a, const void *b)
{
    const struct layout_span *x = a, *y = b;

    return (x->start > y->start) - (x->start < y->start);
}

/* All spans of the file but arrays; then which arrays are followed by
 * zeros only. */
static int learn_rest(struct image *image, int fd,
                      const struct layout_span *spans, size_t count,
                      struct mlb_error *err)
{
    uint16_t *padding = calloc(count, sizeof(*padding));
    int rc = padding ? 0 : out_of_memory(err);

    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct gap gap = { spans[i].end, i + 1 < count ? spans[i + 1].start
                                                       : image->file_size,
                           false, false };
        gap.padding = i > 0 && gap.end - gap.start < LAYOUT_ALIGN &&
                      !is_system(image, spans[i].start);
        rc = learn_gap(image, fd, &gap, err);
        if (rc == 0 && gap.zero && gap.end - gap.start < LAYOUT_ALIGN)
            padding[i] = (uint16_t)(gap.end - gap.start);
    }
    for (size_t i = 0; rc == 0 && i < image->count; i++) {
        struct layout_span wanted = { .start = image->offsets[i] };
        const struct layout_span *found =
            wanted.start == 0 ? NULL : bsearch(&wanted, spans, count,
                                               sizeof(wanted), by_start);
        image->padding[i] = found ? padding[found - spans] : 0;
    }
    free(padding);
    return rc;
}

/* The spans of the arrays and of the user block in the order of the file. */
static struct layout_span *make_spans(const struct image_key *key,
                                      size_t *count)
{
    struct layout_span *spans = calloc(key->count + 1, sizeof(*spans));
    size_t n = 0;

    if (!spans)
        return NULL;
    spans[n++] = (struct layout_span){ 0, LAYOUT_USER_BLOCK };
    for (size_t i = 0; i < key->count; i++) {
        const struct structure_array *a = &key->arrays[i];
        if (a->bytes > 0)
            spans[n++] = (struct layout_span){ a->offset,
                                               a->offset + a->bytes };
    }
    qsort(spans, n, sizeof(*spans), by_start);
    *count = n;
    return spans;
}

struct image *image_learn(int fd, const struct image_key *key,
                          const struct layout_record *record,
                          struct mlb_error *err)
{
    struct image *image = calloc(1, sizeof(*image));
    struct layout_span *spans = NULL;
    size_t count = 0;
    int rc = -1;

    if (!image) {
        out_of_memory(err);
        return NULL;
    }
    image->users = 1;
    image->count = key->count;
    image->file_size = record->file_size;
    image->offsets = calloc(key->count, sizeof(*image->offsets));
    image->padding = calloc(key->count, sizeof(*image->padding));
    spans = make_spans(key, &count);
    if (!image->offsets || !image->padding || !spans ||
        make_key(image, key) < 0) {
        out_of_memory(err);
        goto out;
    }
    for (size_t i = 0; i < key->count; i++)
        image->offsets[i] = key->arrays[i].offset;
    for (size_t i = 1; i < count; i++)
        if (spans[i].start < spans[i - 1].end) {
            mlb_error_set(err, MLB_ERR_IO, "two arrays overlap");
            goto out;
        }
    rc = learn_rest(image, fd, spans, count, err);
    if (rc == 0 && (record->flags & LAYOUT_COMPLETE) &&
        record->rest_crc != image->rest_crc)
        rc = mlb_error_set(err, MLB_ERR_BAD_INPUT,
                           "the HDF5 metadata is damaged");
    if (rc == 0 && image->byte_count > 0 &&
        image->byte_count <= MOST_BYTES) {
        /* It may stay for long; add_piece took more than it needed. */
        unsigned char *fitting = realloc(image->bytes, image->byte_count);
        if (fitting)
            image->bytes = fitting;
        image->byte_room = image->byte_count;
        keep(image);
    }
out:
    free(spans);
    if (rc < 0) {
        destroy(image);
        image = NULL;
    }
    return image;
}

static int write_zeros(int fd, uint64_t offset, uint64_t length)
{
    static const unsigned char zeros[CHUNK];

    while (length > 0) {
        size_t n = length < sizeof(zeros) ? (size_t)length : sizeof(zeros);
        if (place_pwrite(fd, zeros, n, offset) < 0)
            return -1;
        offset += n;
        length -= n;
    }
    return 0;
}

static bool is_piece_there(const struct image *image, int fd,
                           const struct image_piece *p)
{
    unsigned char part[CHUNK];

    for (uint64_t at = 0; at < p->length;) {
        size_t n = p->length - at < sizeof(part) ? (size_t)(p->length - at)
                                                 : sizeof(part);
        if (place_pread(fd, part, n, p->offset + at) < 0 ||
            (p->zero ? !is_zero(part, n)
                     : memcmp(part, image->bytes + p->at + at, n) != 0))
            return false;
        at += n;
    }
    return true;
}

bool image_is_there(const struct image *image, int fd)
{
    for (size_t i = 0; i < image->piece_count; i++)
        if (!is_piece_there(image, fd, &image->pieces[i]))
            return false;
    return true;
}

int image_write(const struct image *image, int fd, bool over)
{
    for (size_t i = 0; i < image->piece_count; i++) {
        const struct image_piece *p = &image->pieces[i];
        int rc = 0;
        if (p->zero && over)
            rc = write_zeros(fd, p->offset, p->length);
        else if (!p->zero)
            rc = place_pwrite(fd, image->bytes + p->at, p->length,
                              p->offset);
        if (rc < 0)
            return -1;
    }
    return 0;
}
