/* SPDX-License-Identifier: BSD-3-Clause */
/* Fields that each come from a file of their own. */
#include "config.h"

#include <byteswap.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "store/import_arrays.h"
#include "store/layout.h"

struct stream *streams_add(struct streams *s)
{
    s->items = xrealloc(s->items, (s->count + 1) * sizeof(*s->items));
    s->items[s->count] = (struct stream){ .buffer = NULL };
    return &s->items[s->count++];
}

int array_row_bytes(const struct array *a, bool has_rows, uint64_t *bytes,
                    struct mlb_error *err)
{
    int first = has_rows ? 1 : 0;

    if (layout_array_bytes(a->dtype, a->rank - first, a->shape + first, bytes,
                           err) < 0)
        return -1;
    if (*bytes > IMPORT_MAX_ROW)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "a row of %" PRIu64
                             " bytes, more than 1 GiB", *bytes);
    return 0;
}

void array_swap(enum mlb_dtype dtype, void *bytes, size_t length)
{
    size_t size = mlb_dtype_size(dtype);
    unsigned char *p = bytes, *end = p + length;

    if (dtype == MLB_C64 || dtype == MLB_C128)
        size /= 2;
    for (; p < end; p += size) {
        uint16_t two;
        uint32_t four;
        uint64_t eight;
        if (size == sizeof(two)) {
            memcpy(&two, p, sizeof(two));
            two = bswap_16(two);
            memcpy(p, &two, sizeof(two));
        } else if (size == sizeof(four)) {
            memcpy(&four, p, sizeof(four));
            four = bswap_32(four);
            memcpy(p, &four, sizeof(four));
        } else if (size == sizeof(eight)) {
            memcpy(&eight, p, sizeof(eight));
            eight = bswap_64(eight);
            memcpy(p, &eight, sizeof(eight));
        }
    }
}

const unsigned char *array_bad_bool(enum mlb_dtype dtype, const void *bytes,
                                    size_t length)
{
    const unsigned char *p = bytes;

    if (dtype == MLB_BOOL)
        for (size_t i = 0; i < length; i++)
            if (p[i] > 1)
                return p + i;
    return NULL;
}

int streams_begin(struct importer *im, const char *const *names,
                  struct mlb_error *err)
{
    struct streams *s = im->state;
    uint64_t widest = 1;

    for (size_t i = 0; i < s->count; i++) {
        struct stream *x = &s->items[i];
        struct array *a = &x->array;
        if (a->rank == 0)
            return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s: a single "
                                 "number, not an array with rows",
                                 x->in.path);
        if (array_row_bytes(a, true, &x->row_bytes, err) < 0)
            return mlb_error_prefix(err, "%s", x->in.path);
        if (i == 0)
            s->rows = a->shape[0];
        if (a->shape[0] != s->rows)
            return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s has %" PRIu64
                                 " rows and %s %" PRIu64 ": the first axis "
                                 "must be the same", x->in.path, a->shape[0],
                                 s->items[0].in.path, s->rows);
        struct version_field *f = import_add_field(im, names[i]);
        f->dtype = a->dtype;
        f->rank = a->rank - 1;
        memcpy(f->shape, a->shape + 1,
               (size_t)f->rank * sizeof(f->shape[0]));
        if (x->row_bytes > widest)
            widest = x->row_bytes;
    }
    s->most = widest < IMPORT_BATCH ? IMPORT_BATCH / widest : 1;
    return 0;
}

/* The last row was given: the file must end here, too. */
static int check_end(const struct streams *s, struct mlb_error *err)
{
    char byte;

    for (size_t i = 0; s->ends && i < s->count; i++) {
        ssize_t n = input_read(&s->items[i].in, &byte, 1, err);
        if (n < 0)
            return -1;
        if (n > 0)
            return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s goes on after "
                                 "the %" PRIu64 " rows that its header "
                                 "tells", s->items[i].in.path, s->rows);
    }
    return 0;
}

/*
 * Fill the buffer with that many bytes, fewer only at the end of the file.
 * It grows with what was read: a header of a few bytes may tell of rows of a
 * gigabyte that the file does not have.
 */
static ssize_t fill(struct stream *x, uint64_t bytes, struct mlb_error *err)
{
    uint64_t have = 0;

    while (have < bytes || !x->buffer) {
        uint64_t end = have ? 2 * have : IMPORT_BATCH;
        if (end > bytes)
            end = bytes;
        if (end > x->buffer_bytes || !x->buffer) {
            x->buffer = xrealloc(x->buffer, end + 1);
            x->buffer_bytes = end;
        }
        ssize_t got = input_read(&x->in, x->buffer + have, end - have, err);
        if (got < 0)
            return -1;
        have += (uint64_t)got;
        if (have < end)
            break;
    }
    return (ssize_t)have;
}

static int read_rows(struct importer *im, struct stream *x, uint64_t n,
                     struct mlb_error *err)
{
    const struct streams *s = im->state;
    uint64_t bytes = n * x->row_bytes;
    ssize_t got = fill(x, bytes, err);

    if (got < 0)
        return -1;
    if ((uint64_t)got < bytes)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s ends in row %" PRIu64
                             ", and its header tells of %" PRIu64 " rows",
                             x->in.path,
                             s->given + (uint64_t)got / x->row_bytes,
                             s->rows);
    if (x->array.swap)
        array_swap(x->array.dtype, x->buffer, bytes);
    const unsigned char *bad = array_bad_bool(x->array.dtype, x->buffer,
                                              bytes);
    if (bad)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s: row %" PRIu64
                             " holds %d where only 0 and 1 may be",
                             x->in.path, s->given +
                             (uint64_t)(bad - x->buffer) / x->row_bytes,
                             *bad);
    return 0;
}

int64_t streams_next(struct importer *im, struct mlb_error *err)
{
    struct streams *s = im->state;
    uint64_t n = s->rows - s->given < s->most ? s->rows - s->given : s->most;

    if (n == 0)
        return check_end(s, err);
    im->done = 0;
    for (size_t i = 0; i < s->count; i++) {
        struct stream *x = &s->items[i];
        if (read_rows(im, x, n, err) < 0)
            return IMPORT_FAILED;
        im->cells[i] = (struct version_cell){ x->buffer, n * x->row_bytes };
        im->done += input_done(&x->in);
    }
    s->given += n;
    return (int64_t)n;
}

int streams_skip(struct importer *im, uint64_t rows, struct mlb_error *err)
{
    struct streams *s = im->state;

    for (size_t i = 0; i < s->count; i++)
        if (input_skip(&s->items[i].in, rows * s->items[i].row_bytes,
                       err) < 0)
            return -1;
    s->given = rows;
    return 0;
}

void streams_close(struct importer *im)
{
    struct streams *s = im->state;

    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++) {
        input_close(&s->items[i].in);
        free(s->items[i].buffer);
    }
    free(s->items);
    free(s);
}
