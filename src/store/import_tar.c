/* SPDX-License-Identifier: BSD-3-Clause */
/* Rows of WebDataset tar files. */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <archive.h>
#include <archive_entry.h>

#include "store/import_input.h"
#include "store/import_tar.h"

#define PART ((size_t)64 << 10)

void tar_problem(struct importer *im, const char *format, ...)
{
    struct tar_rows *r = im->state;
    char *where = xasprintf("%s: %s", r->path, r->row), *what = NULL;
    va_list args;

    va_start(args, format);
    if (vasprintf(&what, format, args) < 0)
        what = NULL;
    va_end(args);
    r->full = import_problem(im, where, "%s", what ? what : format) ||
              r->full;
    r->is_bad = true;
    free(where);
    free(what);
}

/* Key and field of a member's name: cut at the first dot behind the last
 * slash. False: there is none, or it is hidden. */
static bool cut_name(const char *name, char **key, char **field)
{
    const char *slash = strrchr(name, '/');
    const char *last = slash ? slash + 1 : name;
    const char *dot = strchr(last, '.');

    if (!dot || dot == last || !dot[1])
        return false;
    *key = xstrndup(name, (size_t)(dot - name));
    *field = xstrdup(dot + 1);
    return true;
}

static bool is_hidden(const char *name)
{
    const char *slash = strrchr(name, '/');

    return (slash ? slash[1] : name[0]) == '.';
}

/* Take note of a member that is a sample's; false: pass over it. */
static bool take_header(struct importer *im, struct archive_entry *entry)
{
    struct tar_rows *r = im->state;
    const char *name = archive_entry_pathname(entry);

    if (archive_entry_filetype(entry) == AE_IFDIR ||
        (name && is_hidden(name)))
        return false;
    int64_t size = archive_entry_size(entry);
    const char *what =
        !name || !import_is_utf8(name, strlen(name))
            ? "a member whose name is not UTF-8"
        : archive_entry_filetype(entry) != AE_IFREG ||
                archive_entry_hardlink(entry)
            ? "a member that is no regular file"
        : size < 0 || (uint64_t)size > IMPORT_MAX_ROW
            ? "a member of more than 1 GiB"
        : !cut_name(name, &r->key, &r->name)
            ? "a member without an ending that names its field" : NULL;
    if (!what) {
        r->size = (uint64_t)size;
        return true;
    }
    char *where = xasprintf("%s: %s", r->path, name ? name : "?");
    r->full = import_problem(im, where, "%s", what) || r->full;
    free(where);
    return false;
}

/* Go to the next member: 1, or 0 at the end of the file. */
static int advance(struct importer *im, struct mlb_error *err)
{
    struct tar_rows *r = im->state;
    struct archive_entry *entry;
    int rc = ARCHIVE_EOF;

    free(r->key);
    free(r->name);
    r->key = r->name = NULL;
    while (!r->full &&
           (rc = archive_read_next_header(r->archive, &entry)) == ARCHIVE_OK)
        if (take_header(im, entry))
            return 1;
    if (rc != ARCHIVE_EOF && rc != ARCHIVE_OK)
        return input_archive_error(r->archive, r->path, err);
    return 0;
}

/* Open files until one has a member: 1, or 0 if there are no more. */
static int open_next(struct importer *im, struct mlb_error *err)
{
    struct tar_rows *r = im->state;
    int rc = 0;

    while (rc == 0) {
        if (r->archive) {
            r->before += im->sources[r->next - 1].bytes;
            archive_read_free(r->archive);
            r->archive = NULL;
        }
        if (r->full || r->next == im->source_count)
            return 0;
        r->path = im->sources[r->next++].path;
        r->archive = input_open_tar(r->path, err);
        rc = r->archive ? advance(im, err) : -1;
    }
    return rc;
}

static enum tar_kind kind_of(const char *name)
{
    const char *dot = strrchr(name, '.');
    const char *ending = dot ? dot + 1 : name;

    if (strcasecmp(ending, "cls") == 0)
        return KIND_CLASS;
    if (strcasecmp(ending, "npy") == 0)
        return KIND_NPY;
    return strcmp(import_codec(name), "utf8") == 0 ? KIND_UTF8 : KIND_BYTES;
}

/* Where the bytes of the member go, or NULL with a problem. */
static struct tar_part *find_part(struct importer *im)
{
    struct tar_rows *r = im->state;

    for (size_t i = 0; i < r->count; i++)
        if (strcmp(r->parts[i].name, r->name) == 0) {
            if (!r->parts[i].is_given)
                return &r->parts[i];
            tar_problem(im, "field %s is there twice", r->name);
            return NULL;
        }
    if (r->is_known || r->count == VERSION_MAX_FIELDS) {
        tar_problem(im, "field %s is not in the first row: all rows must "
                    "have the same", r->name);
        return NULL;
    }
    r->parts = xrealloc(r->parts, (r->count + 1) * sizeof(*r->parts));
    r->parts[r->count] = (struct tar_part){ .name = xstrdup(r->name),
                                        .kind = kind_of(r->name),
                                        .bytes = MLB_TEXT_INIT };
    return &r->parts[r->count++];
}

static int read_member(struct importer *im, struct mlb_error *err)
{
    struct tar_rows *r = im->state;
    struct tar_part *p = find_part(im);
    char *buffer = xmalloc(PART);
    ssize_t n = 0;

    if (!p)
        goto out;
    p->is_given = true;
    text_clear(&p->bytes);
    while ((n = archive_read_data(r->archive, buffer, PART)) > 0 &&
           p->bytes.length + (size_t)n <= r->size)
        text_addn(&p->bytes, buffer, (size_t)n);
    if (n < 0)
        input_archive_error(r->archive, r->path, err);
    else if (p->bytes.length != r->size)
        tar_problem(im, "%s is not as long as its header tells", r->name);
out:
    free(buffer);
    return n < 0 ? -1 : 0;
}

/* All members of the next row: 1, or 0 at the end. */
int tar_read_row(struct importer *im, struct mlb_error *err)
{
    struct tar_rows *r = im->state;

    if (!r->key) {
        int rc = open_next(im, err);
        if (rc <= 0)
            return rc;
    }
    free(r->row);
    r->row = xstrdup(r->key);
    r->is_bad = false;
    for (size_t i = 0; i < r->count; i++)
        r->parts[i].is_given = false;
    while (r->key && strcmp(r->key, r->row) == 0)
        if (read_member(im, err) < 0 || advance(im, err) < 0)
            return -1;
    for (size_t i = 0; i < r->count; i++)
        if (!r->parts[i].is_given)
            tar_problem(im, "no %s, and the first row has one: all rows must "
                        "have the same", r->parts[i].name);
    return 1;
}

uint64_t tar_done(const struct tar_rows *r)
{
    return r->before + (r->archive ? input_archive_done(r->archive) : 0);
}

void tar_clear(struct tar_rows *r)
{
    if (r->archive)
        archive_read_free(r->archive);
    for (size_t i = 0; i < r->count; i++) {
        free(r->parts[i].name);
        text_clear(&r->parts[i].bytes);
    }
    free(r->parts);
    free(r->key);
    free(r->name);
    free(r->row);
}
