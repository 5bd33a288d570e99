/* SPDX-License-Identifier: BSD-3-Clause */
/* Writing over a file that nobody needs any more: its blocks are there, and
 * the disk takes them faster than new ones. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/fault.h"
#include "store/place.h"
#include "store/reader.h"
#include "store/staging_parts.h"

/* Are the file's arrays ours, and in our order? */
static bool same_arrays(const struct staging *s, const struct container *c)
{
    const struct layout_entry *mine = s->entries, *its = c->entries;
    size_t count = s->w->count;

    if (c->record.kind != s->w->kind || c->record.arrays != count ||
        c->record.names.bytes != s->places[count + 1].bytes ||
        memcmp(c->names, s->names, c->record.names.bytes) != 0)
        return false;
    for (size_t i = 0; i < count; i++)
        if (mine[i].name_at != its[i].name_at ||
            mine[i].dtype != its[i].dtype || mine[i].rank != its[i].rank ||
            memcmp(mine[i].shape, its[i].shape, sizeof(mine[i].shape)) != 0)
            return false;
    return true;
}

/* Does it lie as files of this structure do that are made here? */
static bool same_places(const struct image *image, const struct container *c)
{
    size_t count = c->record.arrays;

    if (image->file_size != c->record.file_size ||
        image->rest_crc != c->record.rest_crc ||
        image->offsets[count] != c->record.index.offset ||
        image->offsets[count + 1] != c->record.names.offset ||
        image->offsets[count + 2] != c->record.blocks.offset)
        return false;
    for (size_t i = 0; i < count; i++)
        if (image->offsets[i] != c->entries[i].offset)
            return false;
    return true;
}

/* Learn from the file how those of its structure are made, as long as what
 * libhdf5 wrote into it is still what it was. */
static struct image *learn(struct staging *s, const struct container *c)
{
    size_t count = s->w->count;
    struct image_key key = { s->w->kind, s->places,
                             count + WRITER_SYSTEM_ARRAYS };

    for (size_t i = 0; i < count; i++)
        s->places[i].offset = c->entries[i].offset;
    s->places[count].offset = c->record.index.offset;
    s->places[count + 1].offset = c->record.names.offset;
    s->places[count + 2].offset = c->record.blocks.offset;
    return image_learn(c->fd, &key, &c->record, NULL);
}

/* Is this all there is of the file: not another name somewhere, whose bytes
 * would change with ours, and no holes, which may not find space? */
static bool is_ours_alone(int fd, const struct container *c)
{
    struct stat st, read;

    return fstat(fd, &st) == 0 && fstat(c->fd, &read) == 0 &&
           st.st_ino == read.st_ino && st.st_dev == read.st_dev &&
           st.st_nlink == 1 &&
           (uint64_t)st.st_blocks * 512 >= c->record.file_size;
}

/* Open the file under its temporary name if it can be written over. */
static bool take(struct staging *s)
{
    struct container *c = container_open(s->temporary, s->w->kind, NULL);
    bool fits = c && !c->record_damaged && same_arrays(s, c);

    if (fits && !s->image)
        s->image = learn(s, c);
    fits = fits && s->image && same_places(s->image, c);
    if (fits) {
        s->fd = open(s->temporary, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        fits = s->fd >= 0 && is_ours_alone(s->fd, c);
    }
    container_close(c);
    return fits;
}

/* Nobody may find a sound record over the bytes that come now, and nobody
 * the file under its old name, whatever happens. */
static int invalidate(struct staging *s, const char *slot,
                      struct mlb_error *err)
{
    static const unsigned char none[LAYOUT_USER_BLOCK];

    if (place_sync_directory(slot, err) < 0)
        return -1;
    if (place_pwrite(s->fd, none, sizeof(none), 0) < 0)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot write %s",
                               s->w->path);
    if (place_sync(s->fd, true) < 0)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot sync %s", s->w->path);
    /* It is there already, if nothing has damaged it since; reading it is
     * cheaper than having the disk take it again. */
    if (!image_is_there(s->image, s->fd) &&
        image_write(s->image, s->fd, true) < 0)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot write %s",
                               s->w->path);
    return 0;
}

int staging_recycle(struct staging *s, const char *slot, bool *done,
                    struct mlb_error *err)
{
    *done = false;
    errno = fault_check(FAULT_RENAME, NULL);
    /* Gone, or on another file system: then a new one does as well. */
    if (errno || rename(slot, s->temporary) < 0) {
        unlink(slot);
        return 0;
    }
    if (take(s)) {
        *done = true;
        return invalidate(s, slot, err);
    }
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    if (unlink(s->temporary) < 0)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot remove %s",
                               s->temporary);
    return 0;
}
