/* SPDX-License-Identifier: BSD-3-Clause */
/* Importing numpy's files: an npy file as field x with another one as field
 * y, and the members of an npz file by their names. */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <archive.h>
#include <archive_entry.h>

#include "base/files.h"
#include "store/import_arrays.h"

#define MAX_HEADER ((size_t)1 << 20)

/* A header's text, while it is looked through. */
struct header {
    const char *at, *end;
};

static const struct {
    const char *descr;            /* without the sign of byte order */
    enum mlb_dtype dtype;
} types[] = {
    { "f8", MLB_F64 },  { "f4", MLB_F32 },  { "f2", MLB_F16 },
    { "i8", MLB_I64 },  { "i4", MLB_I32 },  { "i2", MLB_I16 },
    { "i1", MLB_I8 },   { "u8", MLB_U64 },  { "u4", MLB_U32 },
    { "u2", MLB_U16 },  { "u1", MLB_U8 },   { "b1", MLB_BOOL },
    { "c8", MLB_C64 },  { "c16", MLB_C128 },
};

static int bad(struct mlb_error *err, const char *what)
{
    return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s", what);
}

static bool accept(struct header *h, char c)
{
    while (h->at < h->end && isspace((unsigned char)*h->at))
        h->at++;
    if (h->at == h->end || *h->at != c)
        return false;
    h->at++;
    return true;
}

/* A string in either kind of quotes, without escapes. */
static int read_string(struct header *h, char *out, size_t size)
{
    char quote = accept(h, '\'') ? '\'' : accept(h, '"') ? '"' : '\0';
    size_t n = 0;

    if (!quote)
        return -1;
    for (; h->at < h->end && *h->at != quote; h->at++) {
        if (n + 1 == size || *h->at == '\\')
            return -1;
        out[n++] = *h->at;
    }
    out[n] = '\0';
    return accept(h, quote) ? 0 : -1;
}

static int read_bool(struct header *h, bool *out)
{
    const char *const words[] = { "False", "True" };

    for (int i = 0; i < 2; i++) {
        size_t n = strlen(words[i]);
        accept(h, '\0');                  /* past blanks */
        if ((size_t)(h->end - h->at) >= n &&
            memcmp(h->at, words[i], n) == 0) {
            h->at += n;
            *out = i == 1;
            return 0;
        }
    }
    return -1;
}

static int read_shape(struct header *h, struct array *out,
                      struct mlb_error *err)
{
    if (!accept(h, '('))
        return bad(err, "a damaged header (no shape)");
    for (out->rank = 0; !accept(h, ')');) {
        uint64_t n = 0;
        const char *start = h->at;
        for (; h->at < h->end && isdigit((unsigned char)*h->at); h->at++) {
            if (n > UINT64_MAX / 16)
                return bad(err, "a shape that no array has");
            n = n * 10 + (uint64_t)(*h->at - '0');
        }
        if (h->at == start)
            return bad(err, "a damaged header (no shape)");
        if (out->rank == MLB_MAX_RANK)
            return bad(err, "more than 8 dimensions");
        out->shape[out->rank++] = n;
        if (!accept(h, ',') && (h->at == h->end || *h->at != ')'))
            return bad(err, "a damaged header (no shape)");
        while (h->at < h->end && *h->at == ' ')
            h->at++;
    }
    return 0;
}

static int set_type(struct array *out, const char *descr,
                    struct mlb_error *err)
{
    out->swap = descr[0] == '>';
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (descr[0] && strchr("<>|=", descr[0]) &&
            strcmp(descr + 1, types[i].descr) == 0) {
            out->dtype = types[i].dtype;
            return 0;
        }
    return mlb_error_set(err, MLB_ERR_BAD_INPUT, "elements of type \"%s\": "
                         "only numbers can be imported, save them by "
                         "astype()", descr);
}

/* {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } */
static int parse_header(struct header h, struct array *out,
                        struct mlb_error *err)
{
    char key[32], descr[64] = "";
    bool fortran = false, has_shape = false;

    *out = (struct array){ .rank = 0 };
    if (!accept(&h, '{'))
        return bad(err, "a damaged header (no dictionary)");
    while (!accept(&h, '}')) {
        if (read_string(&h, key, sizeof(key)) < 0 || !accept(&h, ':'))
            return bad(err, "a damaged header (no key)");
        if (strcmp(key, "descr") == 0) {
            if (read_string(&h, descr, sizeof(descr)) < 0)
                return bad(err, "elements that are records: save each of "
                                "their parts as an array");
        } else if (strcmp(key, "fortran_order") == 0) {
            if (read_bool(&h, &fortran) < 0)
                return bad(err, "a damaged header (no order)");
        } else if (strcmp(key, "shape") == 0) {
            if (read_shape(&h, out, err) < 0)
                return -1;
            has_shape = true;
        } else {
            return bad(err, "a damaged header (unknown key)");
        }
        accept(&h, ',');
    }
    if (!has_shape || !*descr)
        return bad(err, "a damaged header (no shape or type)");
    if (fortran && out->rank > 1)
        return bad(err, "saved in Fortran order: save it by "
                        "numpy.ascontiguousarray(x)");
    return set_type(out, descr, err);
}

/* The length of what stands before the text and of the text itself. */
static int header_size(const unsigned char *p, size_t *start, size_t *length,
                       struct mlb_error *err)
{
    if (memcmp(p, NPY_MAGIC, NPY_MAGIC_BYTES) != 0)
        return bad(err, "not an npy file");
    if (p[6] < 1 || p[6] > 3)
        return mlb_error_set(err, MLB_ERR_UNSUPPORTED, "version %d of the "
                             "npy format, known are 1 to 3", p[6]);
    *start = p[6] == 1 ? 10 : 12;
    *length = (size_t)p[8] | (size_t)p[9] << 8;
    if (p[6] > 1)
        *length |= (size_t)p[10] << 16 | (size_t)p[11] << 24;
    if (*length > MAX_HEADER)
        return bad(err, "a header of more than 1 MiB");
    return 0;
}

int npy_parse(const void *bytes, size_t length, struct array *out,
              size_t *header, struct mlb_error *err)
{
    size_t start, text;

    if (length < 12)
        return bad(err, "not an npy file");
    if (header_size(bytes, &start, &text, err) < 0)
        return -1;
    if (text > length - start)
        return bad(err, "the file ends in its header");
    const char *at = (const char *)bytes + start;
    *header = start + text;
    return parse_header((struct header){ at, at + text }, out, err);
}

int npy_read_header(struct input *in, struct array *out,
                    struct mlb_error *err)
{
    unsigned char front[12];
    size_t start = 0, length = 0;
    char *text = NULL;
    ssize_t n = input_read(in, front, 10, err);
    int rc = -1;

    if (n < 0)
        return -1;
    if (n < 10 || memcmp(front, NPY_MAGIC, NPY_MAGIC_BYTES) != 0) {
        bad(err, "not an npy file");
        goto out;
    }
    if (front[6] > 1 && (n = input_read(in, front + 10, 2, err)) < 2) {
        if (n >= 0)
            bad(err, "the file ends in its header");
        goto out;
    }
    if (header_size(front, &start, &length, err) < 0)
        goto out;
    text = xmalloc(length + 1);
    n = input_read(in, text, length, err);
    if (n >= 0 && (size_t)n < length)
        bad(err, "the file ends in its header");
    if (n >= 0 && (size_t)n == length)
        rc = parse_header((struct header){ text, text + length }, out, err);
out:
    free(text);
    return rc < 0 ? mlb_error_prefix(err, "%s", in->path) : 0;
}

static int add_npy(struct importer *im, const char *path,
                   struct mlb_error *err)
{
    struct stream *x = streams_add(im->state);

    if (import_add_source(im, path, err) < 0 ||
        input_open(&x->in, path, err) < 0)
        return -1;
    return npy_read_header(&x->in, &x->array, err);
}

static int npy_open(struct importer *im, struct mlb_error *err)
{
    static const char *const names[] = { "x", "y" };
    struct streams *s = xcalloc(1, sizeof(*s));

    im->state = s;
    s->ends = true;
    if (add_npy(im, im->o->source, err) < 0 ||
        (im->o->label && add_npy(im, im->o->label, err) < 0))
        return -1;
    return streams_begin(im, names, err);
}

const struct import_format import_npy = {
    .name = "npy", .options = IMPORT_LABEL,
    .open = npy_open, .next = streams_next,
    .skip = streams_skip, .close = streams_close,
};

/* The members of a zip file; all must be npy files. */
static int list_members(struct importer *im, struct mlb_strings *members,
                        struct mlb_error *err)
{
    const char *path = im->o->source;
    struct archive *a = input_open_zip(path, err);
    struct archive_entry *entry;
    int rc = ARCHIVE_FATAL;

    while (a && (rc = archive_read_next_header(a, &entry)) == ARCHIVE_OK) {
        const char *name = archive_entry_pathname(entry);
        size_t n = name ? strlen(name) : 0;
        if (n > 4 && strcmp(name + n - 4, ".npy") == 0)
            strings_push(members, name);
        else if (import_problem(im, path, "member \"%s\" is not an npy file: "
                                "is this an npz file?", name ? name : ""))
            break;
        if (members->count > VERSION_MAX_FIELDS) {
            mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s has more than %d "
                          "members", path, VERSION_MAX_FIELDS);
            archive_read_free(a);
            return -1;
        }
    }
    if (a && rc != ARCHIVE_EOF && rc != ARCHIVE_OK)
        input_archive_error(a, path, err);
    if (a)
        archive_read_free(a);
    return rc == ARCHIVE_EOF || rc == ARCHIVE_OK ? 0 : -1;
}

static int open_members(struct importer *im,
                        const struct mlb_strings *members,
                        struct mlb_error *err)
{
    struct mlb_strings names = MLB_STRINGS_INIT;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < members->count; i++) {
        struct stream *x = streams_add(im->state);
        const char *member = members->items[i];
        char *name = xstrndup(member, strlen(member) - 4);
        strings_push(&names, name);
        rc = input_open_member(&x->in, im->o->source, member, err);
        if (rc == 0)
            rc = npy_read_header(&x->in, &x->array, err);
        free(name);
    }
    if (rc == 0)
        rc = streams_begin(im, (const char *const *)names.items, err);
    strings_clear(&names);
    return rc;
}

static int npz_open(struct importer *im, struct mlb_error *err)
{
    struct mlb_strings members = MLB_STRINGS_INIT;
    struct streams *s = xcalloc(1, sizeof(*s));

    im->state = s;
    s->ends = true;
    int rc = import_add_source(im, im->o->source, err);
    if (rc == 0)
        rc = list_members(im, &members, err);
    if (rc == 0 && members.count == 0 && im->problems->lines.count == 0)
        import_problem(im, im->o->source, "no arrays in it");
    if (rc == 0 && im->problems->lines.count == 0)
        rc = open_members(im, &members, err);
    strings_clear(&members);
    /* Each member is read past those before it. */
    im->total *= s->count ? s->count : 1;
    return rc;
}

const struct import_format import_npz = {
    .name = "npz", .open = npz_open, .next = streams_next,
    .skip = streams_skip, .close = streams_close,
};
