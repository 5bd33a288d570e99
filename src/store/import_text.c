/* SPDX-License-Identifier: BSD-3-Clause */
/* Importing text as field text: a line a row, or a file a row. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "store/csv.h"
#include "store/import_parts.h"

struct reading {
    struct csv csv;               /* of the file being read */
    bool is_open;
    size_t next;                  /* file, of the importer's sources */
    uint64_t before;              /* bytes of the files before it */
    struct mlb_text whole;        /* a file */
    bool full;                    /* of problems */
};

static int add_files(struct importer *im, const char *path,
                     struct mlb_error *err)
{
    struct mlb_strings files = MLB_STRINGS_INIT;
    int rc = 0;

    if (files_is_dir(path))
        rc = import_list_files(im, path, &files, err);
    else
        strings_push(&files, path);
    for (size_t i = 0; rc == 0 && i < files.count; i++)
        rc = import_add_source(im, files.items[i], err);
    strings_clear(&files);
    return rc;
}

static void add_field(struct importer *im, const char *name)
{
    struct version_field *f = import_add_field(im, name);

    f->dtype = MLB_U8;
    f->ragged = true;
    f->codec = "utf8";
}

static int text_open(struct importer *im, struct mlb_error *err)
{
    const struct import_options *o = im->o;
    struct reading *r = xcalloc(1, sizeof(*r));

    im->state = r;
    r->whole = (struct mlb_text)MLB_TEXT_INIT;
    if (add_files(im, o->source, err) < 0)
        return -1;
    for (size_t i = 0; o->more && o->more[i]; i++)
        if (add_files(im, o->more[i], err) < 0)
            return -1;
    if (im->source_count == 0 && im->problems->lines.count == 0)
        import_problem(im, o->source, "no files in it");
    add_field(im, "text");
    if (o->whole_files)
        add_field(im, "path");
    return 0;
}

static void not_utf8(struct importer *im, const char *path, uint64_t line)
{
    struct reading *r = im->state;
    char *where = line ? xasprintf("%s:%" PRIu64, path, line)
                       : xstrdup(path);

    r->full = import_problem(im, where, "not valid UTF-8: convert it, as by "
                             "iconv -f latin1 -t utf8");
    free(where);
}

/* A line of the open file; IMPORT_END at its end. */
static int64_t next_line(struct importer *im, struct mlb_error *err)
{
    struct reading *r = im->state;
    char *line;
    size_t length;
    int rc;

    while ((rc = csv_next(&r->csv, &line, &length, err)) > 0) {
        im->cells[0] = (struct version_cell){ line, length };
        if (import_is_utf8(line, length))
            return 1;
        not_utf8(im, r->csv.path, r->csv.line);
        if (r->full)
            return IMPORT_END;
    }
    return rc;
}

static int64_t next_of_lines(struct importer *im, struct mlb_error *err)
{
    struct reading *r = im->state;

    for (;;) {
        int64_t n = r->is_open ? next_line(im, err) : IMPORT_END;
        if (r->is_open)
            im->done = r->before + csv_done(&r->csv);
        if (n != IMPORT_END || r->full)
            return n;
        if (r->is_open) {
            r->before += r->csv.size;
            csv_close(&r->csv);
        }
        r->is_open = r->next < im->source_count;
        if (!r->is_open)
            return IMPORT_END;
        if (csv_open(&r->csv, im->sources[r->next++].path, err) < 0)
            return IMPORT_FAILED;
    }
}

/* A path as seen from the folder that was named. */
static const char *from_source(const struct importer *im, const char *path)
{
    size_t n = strlen(im->o->source);
    const char *slash = strrchr(path, '/');

    if (strncmp(path, im->o->source, n) == 0 && path[n] == '/')
        return path + n + strspn(path + n, "/");
    return slash ? slash + 1 : path;
}

static int64_t next_file(struct importer *im, struct mlb_error *err)
{
    struct reading *r = im->state;

    while (r->next < im->source_count && !r->full) {
        const char *path = im->sources[r->next].path;
        const char *name = from_source(im, path);
        text_clear(&r->whole);
        if (import_read_file(path, &r->whole, err) < 0)
            return IMPORT_FAILED;
        im->done += im->sources[r->next++].bytes;
        im->cells[0] = (struct version_cell){ r->whole.data,
                                              r->whole.length };
        im->cells[1] = (struct version_cell){ name, strlen(name) };
        if (import_is_utf8(r->whole.data, r->whole.length) &&
            import_is_utf8(name, strlen(name)))
            return 1;
        not_utf8(im, path, 0);
    }
    return IMPORT_END;
}

static int64_t text_next(struct importer *im, struct mlb_error *err)
{
    return im->o->whole_files ? next_file(im, err) : next_of_lines(im, err);
}

static void text_close(struct importer *im)
{
    struct reading *r = im->state;

    if (!r)
        return;
    csv_close(&r->csv);
    text_clear(&r->whole);
    free(r);
}

const struct import_format import_text = {
    .name = "text", .many = true, .folder = true, .options = IMPORT_WHOLE_FILES,
    .open = text_open, .next = text_next, .close = text_close,
};
