/* SPDX-License-Identifier: BSD-3-Clause */
/* Importing WebDataset tar files: what the members of a row are. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "store/import_arrays.h"
#include "store/import_tar.h"

#define KEY_FIELD "__key__"

struct reading {
    struct tar_rows rows;         /* first, see import_tar.h */
    bool is_waiting;              /* the first row, read to know the fields */
};

/* "3", with blanks around. */
static void set_class(struct importer *im, struct tar_part *p,
                      struct version_cell *cell)
{
    char *end;

    errno = 0;
    p->number = strtoll(p->bytes.data, &end, 10);
    end += strspn(end, " \t\r\n");
    if (errno || end == p->bytes.data ||
        end != p->bytes.data + p->bytes.length)
        tar_problem(im, "%s is not a whole number", p->name);
    *cell = (struct version_cell){ &p->number, sizeof(p->number) };
}

/* Is the array one of the field's? If its length alone is another one, the
 * field is ragged, and the rows before must be so, too. */
static bool fits(const struct version_field *f, const struct array *a,
                 bool *is_ragged)
{
    int first = f->ragged ? 1 : 0;
    size_t size = sizeof(a->shape[0]);

    *is_ragged = false;
    if (a->dtype != f->dtype || a->rank != f->rank + first)
        return false;
    if (memcmp(a->shape + first, f->shape, (size_t)f->rank * size) == 0)
        return true;
    *is_ragged = !f->ragged && f->rank > 0 &&
                 memcmp(a->shape + 1, f->shape + 1,
                        (size_t)(f->rank - 1) * size) == 0;
    return false;
}

/* An array's numbers into cell; IMPORT_AGAIN: see fits. */
static int set_array(struct importer *im, struct tar_part *p, size_t i)
{
    struct mlb_error why = { 0 };
    struct array a;
    size_t header = 0;
    uint64_t bytes = 0;
    bool is_ragged;

    if (npy_parse(p->bytes.data, p->bytes.length, &a, &header, &why) < 0 ||
        array_row_bytes(&a, false, &bytes, &why) < 0) {
        tar_problem(im, "%s: %s", p->name, why.text);
        return 0;
    }
    char *data = p->bytes.data + header;
    if (bytes != p->bytes.length - header ||
        array_bad_bool(a.dtype, data, bytes)) {
        tar_problem(im, "%s: data that does not fit its header", p->name);
    } else if (!fits(&im->fields[i], &a, &is_ragged)) {
        if (is_ragged && im->problems->lines.count == 0) {
            strings_push(im->hints, p->name);
            return IMPORT_AGAIN;
        }
        if (!is_ragged)
            tar_problem(im, "%s has another type or shape than in the first "
                        "row", p->name);
    } else if (a.swap) {
        array_swap(a.dtype, data, bytes);
    }
    im->cells[i] = (struct version_cell){ data, bytes };
    return 0;
}

static int set_cells(struct importer *im)
{
    struct tar_rows *r = im->state;
    int rc = 0;

    for (size_t i = 0; rc == 0 && !r->is_bad && i < r->count; i++) {
        struct tar_part *p = &r->parts[i];
        struct version_cell *c = &im->cells[i];
        *c = (struct version_cell){ p->bytes.data, p->bytes.length };
        if (p->kind == KIND_UTF8 &&
            !import_is_utf8(p->bytes.data, p->bytes.length))
            tar_problem(im, "%s is not valid UTF-8", p->name);
        else if (p->kind == KIND_CLASS)
            set_class(im, p, c);
        else if (p->kind == KIND_NPY)
            rc = set_array(im, p, i);
    }
    im->cells[r->count] = (struct version_cell){ r->row, strlen(r->row) };
    return rc;
}

static void set_type(struct importer *im, struct tar_part *p)
{
    struct version_field *f = import_add_field(im, p->name);
    struct mlb_error why = { 0 };
    struct array a = { .dtype = MLB_U8 };
    size_t header;

    if (p->kind == KIND_CLASS) {
        f->dtype = MLB_I64;
        return;
    }
    if (p->kind == KIND_NPY &&
        npy_parse(p->bytes.data, p->bytes.length, &a, &header, &why) < 0) {
        tar_problem(im, "%s: %s", p->name, why.text);
    }
    f->ragged = p->kind != KIND_NPY || strings_have(im->hints, p->name) ||
                (a.rank > 0 && a.shape[0] == 0);
    int first = f->ragged && a.rank > 0 ? 1 : 0;
    f->dtype = a.dtype;
    f->rank = a.rank - first;
    memcpy(f->shape, a.shape + first, (size_t)f->rank * sizeof(f->shape[0]));
    if (p->kind != KIND_NPY)
        f->codec = import_codec(p->name);
}

static int by_name(const void *a, const void *b)
{
    const struct tar_part *x = a, *y = b;

    return strcmp(x->name, y->name);
}

/* The fields are those of the first row. */
static int set_fields(struct importer *im, struct mlb_error *err)
{
    struct tar_rows *r = im->state;
    int rc = tar_read_row(im, err);

    if (rc <= 0) {
        if (rc == 0 && im->problems->lines.count == 0)
            import_problem(im, im->o->source, "no rows in it");
        return rc;
    }
    qsort(r->parts, r->count, sizeof(*r->parts), by_name);
    for (size_t i = 0; i < r->count; i++)
        set_type(im, &r->parts[i]);
    struct version_field *key = import_add_field(im, KEY_FIELD);
    key->dtype = MLB_U8;
    key->ragged = true;
    key->codec = "utf8";
    r->is_known = true;
    ((struct reading *)im->state)->is_waiting = true;
    return 0;
}

static bool is_tar(const char *path)
{
    return strstr(path, ".tar") || strstr(path, ".tgz");
}

static int add_sources(struct importer *im, const char *path,
                       struct mlb_error *err)
{
    struct mlb_strings files = MLB_STRINGS_INIT;
    int rc = 0;

    if (!files_is_dir(path))
        return import_add_source(im, path, err);
    rc = import_list_files(im, path, &files, err);
    for (size_t i = 0; rc == 0 && i < files.count; i++)
        if (is_tar(files.items[i]))
            rc = import_add_source(im, files.items[i], err);
    strings_clear(&files);
    return rc;
}

static int tar_open(struct importer *im, struct mlb_error *err)
{
    const struct import_options *o = im->o;

    im->state = xcalloc(1, sizeof(struct reading));
    if (add_sources(im, o->source, err) < 0)
        return -1;
    for (size_t i = 0; o->more && o->more[i]; i++)
        if (add_sources(im, o->more[i], err) < 0)
            return -1;
    return set_fields(im, err);
}

static int64_t tar_next(struct importer *im, struct mlb_error *err)
{
    struct reading *reading = im->state;
    struct tar_rows *r = &reading->rows;

    while (!r->full) {
        int rc = reading->is_waiting ? 1 : tar_read_row(im, err);
        reading->is_waiting = false;
        im->done = tar_done(r);
        if (rc <= 0)
            return rc;
        rc = r->is_bad ? 0 : set_cells(im);
        if (rc != 0 || !r->is_bad)
            return rc ? rc : 1;
    }
    return IMPORT_END;
}

static void tar_close(struct importer *im)
{
    if (im->state)
        tar_clear(im->state);
    free(im->state);
}

const struct import_format import_webdataset = {
    .name = "webdataset", .many = true, .folder = true, .open = tar_open,
    .next = tar_next, .close = tar_close,
};
