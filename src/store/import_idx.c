/* SPDX-License-Identifier: BSD-3-Clause */
/* Importing IDX files, the format of MNIST: pictures as field x, labels as
 * field y, plain or gzip. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "store/import_arrays.h"

/* By the third byte. */
static const enum mlb_dtype types[] = {
    [0x08] = MLB_U8,  [0x09] = MLB_I8,  [0x0b] = MLB_I16,
    [0x0c] = MLB_I32, [0x0d] = MLB_F32, [0x0e] = MLB_F64,
};

static int read_header(struct input *in, struct array *out,
                       struct mlb_error *err)
{
    unsigned char p[4 * MLB_MAX_RANK];
    ssize_t n = input_read(in, p, 4, err);

    if (n < 0)
        return -1;
    if (n < 4 || p[0] || p[1] || p[2] >= sizeof(types) / sizeof(types[0]) ||
        !types[p[2]])
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s: not an IDX file "
                             "(two zeros, a type and a rank)", in->path);
    if (p[3] < 1 || p[3] > MLB_MAX_RANK)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s: %d dimensions, "
                             "from 1 to %d are possible", in->path, p[3],
                             MLB_MAX_RANK);
    *out = (struct array){ .dtype = types[p[2]], .rank = p[3],
                           .swap = true };
    n = input_read(in, p, 4 * (size_t)out->rank, err);
    if (n < 0)
        return -1;
    if (n < 4 * out->rank)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                             "%s ends in its header", in->path);
    for (int i = 0; i < out->rank; i++)
        out->shape[i] = (uint64_t)p[4 * i] << 24 |
                        (uint64_t)p[4 * i + 1] << 16 |
                        (uint64_t)p[4 * i + 2] << 8 | p[4 * i + 3];
    return 0;
}

static int add_file(struct importer *im, const char *path,
                    struct mlb_error *err)
{
    struct stream *x = streams_add(im->state);

    if (import_add_source(im, path, err) < 0 ||
        input_open(&x->in, path, err) < 0)
        return -1;
    return read_header(&x->in, &x->array, err);
}

/* The one file of a folder in whose name all words are; caller frees. */
static char *find_file(const char *folder, const struct mlb_strings *names,
                       const char *word, struct mlb_error *err)
{
    const char *found = NULL;

    for (size_t i = 0; i < names->count; i++) {
        if (!strstr(names->items[i], word) ||
            !strstr(names->items[i], "ubyte"))
            continue;
        if (found) {
            mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s holds %s and %s: name "
                          "one file, and the other by --label", folder,
                          found, names->items[i]);
            return NULL;
        }
        found = names->items[i];
    }
    if (found)
        return xasprintf("%s/%s", folder, found);
    mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s holds no file with \"%s\" and "
                  "\"ubyte\" in its name", folder, word);
    return NULL;
}

static int add_folder(struct importer *im, const char *folder,
                      struct mlb_error *err)
{
    struct mlb_strings names = MLB_STRINGS_INIT;
    char *images = NULL, *labels = NULL;
    int rc = files_list(folder, &names, err);

    if (rc == 0 && (!(images = find_file(folder, &names, "images", err)) ||
                    !(labels = find_file(folder, &names, "labels", err))))
        rc = -1;
    if (rc == 0)
        rc = add_file(im, images, err);
    if (rc == 0)
        rc = add_file(im, labels, err);
    free(images);
    free(labels);
    strings_clear(&names);
    return rc;
}

static int idx_open(struct importer *im, struct mlb_error *err)
{
    static const char *const names[] = { "x", "y" };
    const struct import_options *o = im->o;
    struct streams *s = xcalloc(1, sizeof(*s));

    im->state = s;
    s->ends = true;
    if (files_is_dir(o->source)) {
        if (o->label)
            return mlb_error_set(err, MLB_ERR_USAGE, "the labels of a folder "
                                 "are in it: name a file of pictures, or "
                                 "leave --label out");
        if (add_folder(im, o->source, err) < 0)
            return -1;
    } else if (add_file(im, o->source, err) < 0 ||
               (o->label && add_file(im, o->label, err) < 0)) {
        return -1;
    }
    return streams_begin(im, names, err);
}

const struct import_format import_idx = {
    .name = "idx", .folder = true, .options = IMPORT_LABEL,
    .open = idx_open, .next = streams_next,
    .skip = streams_skip, .close = streams_close,
};
