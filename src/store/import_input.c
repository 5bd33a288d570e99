/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes of a source in order. The only file that opens archives; filters
 * that would run a program are left out. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include <archive.h>
#include <archive_entry.h>

#include "base/text.h"
#include "store/import_input.h"

#define BUFFER ((size_t)256 << 10)

int input_open(struct input *in, const char *path, struct mlb_error *err)
{
    *in = (struct input){ .path = xstrdup(path) };
    in->file = gzip_open(in->path, err);
    return in->file ? 0 : -1;
}

int input_archive_error(struct archive *archive, const char *path,
                        struct mlb_error *err)
{
    const char *text = archive_error_string(archive);

    return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s: damaged archive (%s)",
                         path, text ? text : "no reason given");
}

static struct archive *open_archive(struct archive *a, const char *path,
                                    struct mlb_error *err)
{
    if (a && archive_read_open_filename(a, path, BUFFER) == ARCHIVE_OK)
        return a;
    if (a)
        input_archive_error(a, path, err);
    else
        mlb_error_set(err, MLB_ERR_IO, "out of memory");
    archive_read_free(a);
    return NULL;
}

struct archive *input_open_tar(const char *path, struct mlb_error *err)
{
    struct archive *a = archive_read_new();

    if (a) {
        archive_read_support_format_tar(a);
        archive_read_support_filter_gzip(a);
        archive_read_support_filter_bzip2(a);
        archive_read_support_filter_xz(a);
        archive_read_support_filter_zstd(a);
        archive_read_support_filter_lz4(a);
    }
    return open_archive(a, path, err);
}

struct archive *input_open_zip(const char *path, struct mlb_error *err)
{
    struct archive *a = archive_read_new();

    if (a)
        archive_read_support_format_zip(a);
    return open_archive(a, path, err);
}

uint64_t input_archive_done(struct archive *archive)
{
    int64_t n = archive_filter_bytes(archive, -1);

    return n > 0 ? (uint64_t)n : 0;
}

int input_open_member(struct input *in, const char *path, const char *member,
                      struct mlb_error *err)
{
    struct archive_entry *entry;
    int rc;

    *in = (struct input){ .path = xasprintf("%s: %s", path, member) };
    in->archive = input_open_zip(path, err);
    if (!in->archive)
        return -1;
    while ((rc = archive_read_next_header(in->archive, &entry)) ==
           ARCHIVE_OK) {
        const char *name = archive_entry_pathname(entry);
        if (name && strcmp(name, member) == 0)
            return 0;
    }
    if (rc != ARCHIVE_EOF)
        return input_archive_error(in->archive, path, err);
    return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s has no member %s", path,
                         member);
}

void input_close(struct input *in)
{
    gzip_close(in->file);
    if (in->archive)
        archive_read_free(in->archive);
    free(in->path);
    *in = (struct input){ 0 };
}

static ssize_t read_archive(struct input *in, char *out, size_t length,
                            struct mlb_error *err)
{
    size_t done = 0;

    while (done < length) {
        ssize_t n = archive_read_data(in->archive, out + done,
                                      length - done);
        if (n == ARCHIVE_RETRY)
            continue;
        if (n < 0)
            return input_archive_error(in->archive, in->path, err);
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

ssize_t input_read(struct input *in, void *out, size_t length,
                   struct mlb_error *err)
{
    return in->archive ? read_archive(in, out, length, err)
                       : gzip_read(in->file, out, length, err);
}

int input_skip(struct input *in, uint64_t length, struct mlb_error *err)
{
    char part[16384];

    if (!in->archive)
        return gzip_skip(in->file, length, err);
    while (length > 0) {
        size_t n = length < sizeof(part) ? (size_t)length : sizeof(part);
        ssize_t got = input_read(in, part, n, err);
        if (got < 0)
            return -1;
        if ((size_t)got < n)
            return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                                 "%s ends too soon", in->path);
        length -= n;
    }
    return 0;
}

uint64_t input_done(const struct input *in)
{
    return in->archive ? input_archive_done(in->archive)
                       : gzip_done(in->file);
}
