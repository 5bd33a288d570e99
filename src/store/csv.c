/* SPDX-License-Identifier: BSD-3-Clause */
/* Lines of a text file, plain or gzip. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "store/csv.h"

#define FIRST_SIZE (256u << 10)
#define MAX_LINE (64u << 20)

int csv_open(struct csv *c, const char *path, struct mlb_error *err)
{
    struct stat st;

    *c = (struct csv){ .path = path };
    if (stat(path, &st) < 0)
        return mlb_error_errno(err, errno == ENOENT ? MLB_ERR_NOT_FOUND
                                                    : MLB_ERR_IO,
                               "cannot read %s", path);
    if (S_ISDIR(st.st_mode))
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s is a directory",
                             path);
    c->size = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
    c->file = gzip_open(path, err);
    if (!c->file)
        return -1;
    c->buffer_size = FIRST_SIZE;
    c->buffer = xmalloc(c->buffer_size);
    return 0;
}

void csv_close(struct csv *c)
{
    gzip_close(c->file);
    free(c->buffer);
    *c = (struct csv){ 0 };
}

/* Read more behind what is unread; one byte stays free for a NUL. */
static int fill(struct csv *c, struct mlb_error *err)
{
    if (c->start > 0) {
        memmove(c->buffer, c->buffer + c->start, c->end - c->start);
        c->end -= c->start;
        c->start = 0;
    }
    if (c->end + 1 == c->buffer_size) {
        if (c->buffer_size > MAX_LINE)
            return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s:%llu: a line of "
                                 "more than 64 MiB", c->path,
                                 (unsigned long long)c->line + 1);
        c->buffer_size *= 2;
        c->buffer = xrealloc(c->buffer, c->buffer_size);
    }
    ssize_t n = gzip_read(c->file, c->buffer + c->end,
                          c->buffer_size - 1 - c->end, err);
    if (n < 0)
        return -1;
    c->at_end = n == 0;
    c->end += (size_t)n;
    return 0;
}

int csv_next(struct csv *c, char **line, size_t *length,
             struct mlb_error *err)
{
    char *end = NULL;
    size_t searched = 0;

    for (;;) {
        char *from = c->buffer + c->start;
        end = memchr(from + searched, '\n', c->end - c->start - searched);
        if (end || c->at_end)
            break;
        searched = c->end - c->start;
        if (fill(c, err) < 0)
            return -1;
    }
    char *begin = c->buffer + c->start;
    if (!end && c->start == c->end)
        return 0;
    size_t n = end ? (size_t)(end - begin) : c->end - c->start;
    c->start += n + (end != NULL);
    if (n > 0 && begin[n - 1] == '\r')
        n--;
    begin[n] = '\0';
    if (c->line++ == 0 && n >= 3 && memcmp(begin, "\xef\xbb\xbf", 3) == 0) {
        begin += 3;
        n -= 3;
    }
    *line = begin;
    *length = n;
    return 1;
}

uint64_t csv_done(const struct csv *c)
{
    return gzip_done(c->file);
}
