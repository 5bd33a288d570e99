/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes put aside in a file without a name. */
#include "config.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "store/place.h"
#include "store/version_spool.h"

#define BUFFER ((size_t)64 << 10)

void spool_init(struct spool *s, const char *directory)
{
    *s = (struct spool){ .directory = directory, .fd = -1 };
}

void spool_clear(struct spool *s)
{
    if (s->fd >= 0)
        close(s->fd);
    free(s->buffer);
    spool_init(s, NULL);
}

static int make_file(struct spool *s, struct mlb_error *err)
{
    s->fd = open(s->directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (s->fd < 0) {              /* not every file system can do that */
        char *path = xasprintf("%s/.mlb-rows-XXXXXX", s->directory);
        s->fd = mkostemp(path, O_CLOEXEC);
        if (s->fd >= 0)
            unlink(path);
        free(path);
    }
    if (s->fd < 0)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot make a file in %s",
                               s->directory);
    return 0;
}

static int put(struct spool *s, const void *bytes, size_t length,
               uint64_t at, struct mlb_error *err)
{
    if (s->fd < 0 && make_file(s, err) < 0)
        return -1;
    if (place_pwrite(s->fd, bytes, length, at) < 0)
        return mlb_error_errno(err, MLB_ERR_IO,
                               "cannot write temporary file in %s",
                               s->directory);
    return 0;
}

int spool_add(struct spool *s, const void *bytes, size_t length,
              struct mlb_error *err)
{
    if (length > BUFFER - s->used && s->used > 0) {
        if (put(s, s->buffer, s->used, s->bytes - s->used, err) < 0)
            return -1;
        s->used = 0;
    }
    if (length > BUFFER) {
        if (put(s, bytes, length, s->bytes, err) < 0)
            return -1;
    } else if (length > 0) {
        if (!s->buffer)
            s->buffer = xmalloc(BUFFER);
        memcpy(s->buffer + s->used, bytes, length);
        s->used += length;
    }
    s->bytes += length;
    return 0;
}

int spool_reset(struct spool *s, struct mlb_error *err)
{
    s->used = 0;
    s->bytes = 0;
    if (s->fd >= 0 && ftruncate(s->fd, 0) < 0)
        return mlb_error_errno(err, MLB_ERR_IO,
                               "cannot write temporary file in %s",
                               s->directory);
    return 0;
}

int spool_get(void *from, uint64_t offset, void *out, size_t length,
              struct mlb_error *err)
{
    const struct spool *s = from;
    uint64_t in_file = s->bytes - s->used;
    char *to = out;

    if (offset < in_file) {
        size_t n = length < in_file - offset ? length
                                             : (size_t)(in_file - offset);
        if (place_pread(s->fd, to, n, offset) < 0)
            return mlb_error_errno(err, MLB_ERR_IO,
                                   "cannot read temporary file in %s",
                                   s->directory);
        offset += n;
        to += n;
        length -= n;
    }
    if (length > 0)
        memcpy(to, s->buffer + (offset - in_file), length);
    return 0;
}
