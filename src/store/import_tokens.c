/* SPDX-License-Identifier: BSD-3-Clause */
/* Importing a flat file of token ids as field tokens: rows of one length, or
 * rows that end in a separator. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "store/import_arrays.h"

struct reading {
    struct input in;
    struct array array;           /* rank 1; shape[0]: as told, of npy */
    bool is_npy;
    size_t size;                  /* bytes of a token */
    uint64_t tokens;              /* read so far */
    uint64_t row_bytes;           /* of one length; else 0 */
    unsigned char separator[8];
    unsigned char *buffer;
    size_t buffer_size, start, searched, end;   /* unread: [start, end) */
    bool at_end;
};

static bool is_whole(enum mlb_dtype dtype)
{
    return dtype >= MLB_I64 && dtype <= MLB_U8;
}

/* The id as it stands in the file. */
static int set_separator(struct reading *r, const char *text,
                         struct mlb_error *err)
{
    char *end;

    errno = 0;
    unsigned long long id = strtoull(text, &end, 10);
    if (errno || end == text || *end || *text == '-' ||
        (r->size < 8 && id >> (8 * r->size) != 0))
        return mlb_error_set(err, MLB_ERR_USAGE, "not an id of type %s: "
                             "\"%s\"", mlb_dtype_name(r->array.dtype), text);
    memcpy(r->separator, &id, sizeof(id));
    return 0;
}

/* Is it an npy file? Whatever its name: a header must not become tokens. */
static int look_at(struct reading *r, const char *path, struct mlb_error *err)
{
    char first[NPY_MAGIC_BYTES] = "";

    if (input_open(&r->in, path, err) < 0 ||
        input_read(&r->in, first, sizeof(first), err) < 0)
        return -1;
    r->is_npy = memcmp(first, NPY_MAGIC, sizeof(first)) == 0;
    input_close(&r->in);
    return input_open(&r->in, path, err);
}

static int set_type(struct importer *im, struct reading *r,
                    struct mlb_error *err)
{
    const struct import_options *o = im->o;

    if (look_at(r, o->source, err) < 0)
        return -1;
    if (r->is_npy) {
        if (npy_read_header(&r->in, &r->array, err) < 0)
            return -1;
        if (r->array.rank != 1 || !is_whole(r->array.dtype))
            return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s: token ids are "
                                 "one axis of whole numbers", o->source);
        if (o->dtype && o->dtype != r->array.dtype)
            return mlb_error_set(err, MLB_ERR_USAGE, "the tokens in %s are "
                                 "%s, not %s", o->source,
                                 mlb_dtype_name(r->array.dtype),
                                 mlb_dtype_name(o->dtype));
    } else if (o->dtype != MLB_U16 && o->dtype != MLB_U32) {
        return mlb_error_set(err, MLB_ERR_USAGE, "say by --dtype=u16 or "
                             "--dtype=u32 what the tokens in %s are",
                             o->source);
    } else {
        r->array.dtype = o->dtype;
    }
    r->size = mlb_dtype_size(r->array.dtype);
    return 0;
}

static int tokens_open(struct importer *im, struct mlb_error *err)
{
    const struct import_options *o = im->o;
    struct reading *r = xcalloc(1, sizeof(*r));

    im->state = r;
    if (!o->length == !o->separator)
        return mlb_error_set(err, MLB_ERR_USAGE, "how are tokens cut into "
                             "rows: say --length=N or --separator=ID%s",
                             o->length ? ", not both" : "");
    if (import_add_source(im, o->source, err) < 0 ||
        set_type(im, r, err) < 0)
        return -1;
    struct version_field *f = import_add_field(im, "tokens");
    f->dtype = r->array.dtype;
    f->codec = "tokens";
    if (o->separator) {
        f->ragged = true;
        r->buffer_size = 2 * IMPORT_BATCH;
        r->buffer = xmalloc(r->buffer_size);
        return set_separator(r, o->separator, err);
    }
    if (o->length > IMPORT_MAX_ROW / r->size)
        return mlb_error_set(err, MLB_ERR_USAGE, "rows of more than 1 GiB");
    f->rank = 1;
    f->shape[0] = o->length;
    r->row_bytes = o->length * r->size;
    r->buffer_size = r->row_bytes < IMPORT_BATCH
                         ? IMPORT_BATCH / r->row_bytes * r->row_bytes
                         : r->row_bytes;
    r->buffer = xmalloc(r->buffer_size);
    return 0;
}

/* Read into the buffer behind what is unread. */
static int fill(struct reading *r, struct mlb_error *err)
{
    size_t room = r->buffer_size - r->end;
    ssize_t n = input_read(&r->in, r->buffer + r->end, room, err);

    if (n < 0)
        return -1;
    if ((size_t)n % r->size != 0)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s ends in the middle "
                             "of a token of type %s", r->in.path,
                             mlb_dtype_name(r->array.dtype));
    if (r->array.swap)
        array_swap(r->array.dtype, r->buffer + r->end, (size_t)n);
    r->end += (size_t)n;
    r->tokens += (size_t)n / r->size;
    r->at_end = (size_t)n < room;
    if (r->is_npy && (r->tokens > r->array.shape[0] ||
                      (r->at_end && r->tokens != r->array.shape[0])))
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s: its header tells "
                             "of %" PRIu64 " tokens, there are %s",
                             r->in.path, r->array.shape[0],
                             r->tokens > r->array.shape[0] ? "more"
                                                           : "fewer");
    return 0;
}

static int64_t next_fixed(struct importer *im, struct mlb_error *err)
{
    struct reading *r = im->state;

    r->end = 0;
    if (r->at_end)
        return IMPORT_END;
    if (fill(r, err) < 0)
        return IMPORT_FAILED;
    size_t rest = r->end % r->row_bytes;
    if (rest > 0)
        import_tell(im, "%zu tokens at the end do not fill a row of %" PRIu64
                    ": left out", rest / r->size, im->o->length);
    im->cells[0] = (struct version_cell){ r->buffer, r->end - rest };
    return (int64_t)(r->end / r->row_bytes);
}

/* Make room behind what is unread. */
static int make_room(struct reading *r, struct mlb_error *err)
{
    memmove(r->buffer, r->buffer + r->start, r->end - r->start);
    r->end -= r->start;
    r->searched -= r->start;
    r->start = 0;
    if (r->end < r->buffer_size / 2)
        return 0;
    if (r->buffer_size > IMPORT_MAX_ROW)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s: more than 1 GiB "
                             "without the separator", r->in.path);
    r->buffer_size *= 2;
    r->buffer = xrealloc(r->buffer, r->buffer_size);
    return 0;
}

static bool find_separator(struct reading *r)
{
    for (; r->searched < r->end; r->searched += r->size)
        if (memcmp(r->buffer + r->searched, r->separator, r->size) == 0) {
            r->searched += r->size;
            return true;
        }
    return false;
}

static int64_t next_ragged(struct importer *im, struct mlb_error *err)
{
    struct reading *r = im->state;

    r->start = r->searched;
    while (!find_separator(r) && !r->at_end)
        if (make_room(r, err) < 0 || fill(r, err) < 0)
            return IMPORT_FAILED;
    im->cells[0] = (struct version_cell){ r->buffer + r->start,
                                          r->searched - r->start };
    return r->searched > r->start ? 1 : IMPORT_END;
}

static int64_t tokens_next(struct importer *im, struct mlb_error *err)
{
    struct reading *r = im->state;
    int64_t n = r->row_bytes ? next_fixed(im, err) : next_ragged(im, err);

    im->done = input_done(&r->in);
    return n;
}

static int tokens_skip(struct importer *im, uint64_t rows,
                       struct mlb_error *err)
{
    struct reading *r = im->state;

    r->tokens += rows * im->o->length;
    if (r->row_bytes)
        return input_skip(&r->in, rows * r->row_bytes, err);
    for (; rows > 0; rows--)
        if (next_ragged(im, err) < 0)
            return -1;
    return 0;
}

static void tokens_close(struct importer *im)
{
    struct reading *r = im->state;

    if (!r)
        return;
    input_close(&r->in);
    free(r->buffer);
    free(r);
}

const struct import_format import_tokens = {
    .name = "tokens",
    .options = IMPORT_DTYPE | IMPORT_LENGTH | IMPORT_SEPARATOR,
    .open = tokens_open, .next = tokens_next, .skip = tokens_skip,
    .close = tokens_close,
};
