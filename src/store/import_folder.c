/* SPDX-License-Identifier: BSD-3-Clause */
/* Importing a folder that holds a folder for each class: field x the bytes
 * of a file, y its class, path where it was. */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/files.h"
#include "store/import_parts.h"

struct reading {
    struct mlb_strings classes;
    int32_t *class_of;            /* of each source */
    size_t size;
    size_t next;                  /* source */
    size_t root;                  /* bytes of the path before "CLASS/..." */
    struct mlb_text bytes;
};

/* The files of one class. */
static int add_class(struct importer *im, struct reading *r,
                     const char *folder, struct mlb_error *err)
{
    struct mlb_strings files = MLB_STRINGS_INIT;
    int rc = import_list_files(im, folder, &files, err);

    if (rc == 0 && files.count == 0 && im->problems->lines.count == 0)
        import_problem(im, folder, "a class without a file: remove it");
    for (size_t i = 0; rc == 0 && i < files.count; i++) {
        if (im->source_count == r->size) {
            r->size = r->size ? r->size * 2 : 64;
            r->class_of = xrealloc(r->class_of,
                                   r->size * sizeof(*r->class_of));
        }
        r->class_of[im->source_count] = (int32_t)r->classes.count - 1;
        rc = import_add_source(im, files.items[i], err);
    }
    strings_clear(&files);
    return rc;
}

static bool is_link(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

static int add_classes(struct importer *im, struct reading *r,
                       struct mlb_error *err)
{
    struct mlb_strings names = MLB_STRINGS_INIT;
    const char *source = im->o->source;
    int rc = files_list(source, &names, err);
    bool full = false;

    for (size_t i = 0; rc == 0 && !full && i < names.count; i++) {
        const char *name = names.items[i];
        char *path = xasprintf("%s/%s", source, name);
        if (name[0] == '.') {
            /* Left there by other programs. */
        } else if (!files_is_dir(path) || is_link(path)) {
            full = import_problem(im, path, "neither a folder of a class nor "
                                  "in one: move it");
        } else if (!text_is_printable(name)) {
            full = import_problem(im, path, "not a name for a class: "
                                  "rename it");
        } else {
            strings_push(&r->classes, name);
            rc = add_class(im, r, path, err);
        }
        free(path);
    }
    strings_clear(&names);
    return rc;
}

/* What all files are, or "bytes". */
static const char *common_codec(const struct importer *im)
{
    const char *codec = im->source_count
                            ? import_codec(im->sources[0].path) : "bytes";

    for (size_t i = 1; i < im->source_count; i++)
        if (strcmp(codec, import_codec(im->sources[i].path)) != 0)
            return "bytes";
    return codec;
}

static int folder_open(struct importer *im, struct mlb_error *err)
{
    struct reading *r = xcalloc(1, sizeof(*r));

    im->state = r;
    r->classes = (struct mlb_strings)MLB_STRINGS_INIT;
    r->bytes = (struct mlb_text)MLB_TEXT_INIT;
    r->root = strlen(im->o->source) + 1;
    if (!files_is_dir(im->o->source))
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s is not a directory",
                             im->o->source);
    if (add_classes(im, r, err) < 0)
        return -1;
    if (im->source_count == 0 && im->problems->lines.count == 0)
        import_problem(im, im->o->source, "no folder of a class in it");
    struct version_field *f = import_add_field(im, "x");
    f->dtype = MLB_U8;
    f->ragged = true;
    f->codec = common_codec(im);
    f = import_add_field(im, "y");
    f->dtype = MLB_I32;
    f->classes = &r->classes;
    f = import_add_field(im, "path");
    f->dtype = MLB_U8;
    f->ragged = true;
    f->codec = "utf8";
    return 0;
}

static int64_t folder_next(struct importer *im, struct mlb_error *err)
{
    struct reading *r = im->state;

    while (r->next < im->source_count) {
        const struct import_source *s = &im->sources[r->next];
        const char *name = s->path + r->root;
        text_clear(&r->bytes);
        if (import_read_file(s->path, &r->bytes, err) < 0)
            return IMPORT_FAILED;
        im->cells[0] = (struct version_cell){ r->bytes.data,
                                              r->bytes.length };
        im->cells[1] = (struct version_cell){ &r->class_of[r->next],
                                              sizeof(*r->class_of) };
        im->cells[2] = (struct version_cell){ name, strlen(name) };
        im->done += s->bytes;
        r->next++;
        if (import_is_utf8(name, strlen(name)))
            return 1;
        if (import_problem(im, s->path, "a name that is not UTF-8: rename "
                           "it"))
            break;
    }
    return IMPORT_END;
}

/* The order of the files is that of the rows. */
static int folder_skip(struct importer *im, uint64_t rows,
                       struct mlb_error *err)
{
    struct reading *r = im->state;

    (void)err;
    for (; rows > 0 && r->next < im->source_count; rows--)
        im->done += im->sources[r->next++].bytes;
    return 0;
}

static void folder_close(struct importer *im)
{
    struct reading *r = im->state;

    if (!r)
        return;
    strings_clear(&r->classes);
    text_clear(&r->bytes);
    free(r->class_of);
    free(r);
}

const struct import_format import_folder = {
    .name = "folder", .folder = true, .open = folder_open,
    .next = folder_next, .skip = folder_skip, .close = folder_close,
};
