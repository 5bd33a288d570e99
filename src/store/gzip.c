/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading files that may be gzip. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>

#include "base/text.h"
#include "store/gzip.h"

#define BUFFER ((size_t)256 << 10)
#define MOST ((size_t)1 << 30)    /* zlib counts by unsigned int */
#define GZIP_ONLY (15 + 16)       /* the largest window, and no zlib format */

struct gzip {
    const char *path;             /* for messages */
    int fd;
    unsigned char *buffer;
    z_stream z;                   /* next_in, avail_in: what is unread */
    uint64_t at;                  /* bytes of the file read so far */
    bool packed;
    bool between;                 /* two streams: the next has not begun */
    bool padded;                  /* zeros were found behind a stream */
    bool at_end;                  /* of the file */
};

static int damaged(const struct gzip *g, const char *why,
                   struct mlb_error *err)
{
    return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                         "%s: damaged gzip file (%s)", g->path, why);
}

/* Read more if nothing is left. */
static int fill(struct gzip *g, struct mlb_error *err)
{
    ssize_t n;

    if (g->z.avail_in > 0 || g->at_end)
        return 0;
    do
        n = read(g->fd, g->buffer, BUFFER);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot read %s", g->path);
    g->at_end = n == 0;
    g->at += (uint64_t)n;
    g->z.next_in = g->buffer;
    g->z.avail_in = (unsigned)n;
    return 0;
}

struct gzip *gzip_open(const char *path, struct mlb_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct gzip *g;

    if (fd < 0) {
        mlb_error_errno(err, errno == ENOENT ? MLB_ERR_NOT_FOUND
                                             : MLB_ERR_IO,
                        "cannot read %s", path);
        return NULL;
    }
    g = xcalloc(1, sizeof(*g));
    g->path = path;
    g->fd = fd;
    g->buffer = xmalloc(BUFFER);
    if (fill(g, err) < 0)
        goto failed;
    if (g->z.avail_in >= 2 && memcmp(g->buffer, "\x1f\x8b", 2) == 0) {
        if (inflateInit2(&g->z, GZIP_ONLY) != Z_OK) {
            mlb_error_set(err, MLB_ERR_IO, "out of memory");
            goto failed;
        }
        g->packed = true;
    }
    return g;
failed:
    gzip_close(g);
    return NULL;
}

void gzip_close(struct gzip *g)
{
    if (!g)
        return;
    if (g->packed)
        inflateEnd(&g->z);
    close(g->fd);
    free(g->buffer);
    free(g);
}

/* What follows a stream: another one, or zeros up to the end, as tapes and
 * some file systems leave them. */
static int begin_stream(struct gzip *g, struct mlb_error *err)
{
    while (g->z.avail_in > 0 && *g->z.next_in == 0) {
        g->padded = true;
        g->z.next_in++;
        g->z.avail_in--;
    }
    if (g->z.avail_in == 0)
        return 0;
    if (g->padded)
        return damaged(g, "something behind its end", err);
    inflateReset(&g->z);
    g->between = false;
    return 0;
}

static int unpack(struct gzip *g, char *out, size_t length, size_t *done,
                  struct mlb_error *err)
{
    unsigned room = (unsigned)(length < MOST ? length : MOST);

    if (g->between)
        return begin_stream(g, err);
    g->z.next_out = (unsigned char *)out;
    g->z.avail_out = room;
    int rc = inflate(&g->z, Z_NO_FLUSH);
    *done = room - g->z.avail_out;
    g->between = rc == Z_STREAM_END;
    if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
        return damaged(g, g->z.msg ? g->z.msg : "not unpacked", err);
    return 0;
}

ssize_t gzip_read(struct gzip *g, void *out, size_t length,
                  struct mlb_error *err)
{
    char *to = out;
    size_t left = length;

    while (left > 0) {
        size_t n = 0;
        if (fill(g, err) < 0)
            return -1;
        if (g->at_end && g->packed && !g->between)
            return damaged(g, "it ends too soon", err);
        if (g->at_end)
            break;
        if (g->packed) {
            if (unpack(g, to, left, &n, err) < 0)
                return -1;
        } else {
            n = left < g->z.avail_in ? left : g->z.avail_in;
            memcpy(to, g->z.next_in, n);
            g->z.next_in += n;
            g->z.avail_in -= (unsigned)n;
        }
        to += n;
        left -= n;
    }
    return (ssize_t)(length - left);
}

static int skip_plain(struct gzip *g, uint64_t length, struct mlb_error *err)
{
    unsigned n = length < g->z.avail_in ? (unsigned)length : g->z.avail_in;

    g->z.next_in += n;
    g->z.avail_in -= n;
    length -= n;
    if (length > INT64_MAX ||
        (length > 0 && lseek(g->fd, (off_t)length, SEEK_CUR) < 0))
        return mlb_error_set(err, MLB_ERR_IO, "cannot seek in %s", g->path);
    g->at += length;
    return 0;
}

int gzip_skip(struct gzip *g, uint64_t length, struct mlb_error *err)
{
    char part[16384];

    if (!g->packed)
        return skip_plain(g, length, err);
    while (length > 0) {
        size_t n = length < sizeof(part) ? (size_t)length : sizeof(part);
        ssize_t got = gzip_read(g, part, n, err);
        if (got < 0)
            return -1;
        if ((size_t)got < n)
            return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                                 "%s ends too soon", g->path);
        length -= n;
    }
    return 0;
}

uint64_t gzip_done(const struct gzip *g)
{
    return g->at - g->z.avail_in;
}
