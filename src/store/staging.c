/* SPDX-License-Identifier: BSD-3-Clause */
/* A container being written, from its making to its name. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "store/crc.h"
#include "store/fault.h"
#include "store/place.h"
#include "store/staging_parts.h"

/* A write over the limit of ulimit -f would kill the program by SIGXFSZ, so
 * ask before the first one. */
static int check_file_limit(const struct staging *s, struct mlb_error *err)
{
    struct rlimit limit;
    uint64_t need = LAYOUT_USER_BLOCK;

    for (size_t i = 0; i < s->w->count + WRITER_SYSTEM_ARRAYS; i++)
        need += s->places[i].bytes + 2 * LAYOUT_ALIGN;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 &&
        limit.rlim_cur != RLIM_INFINITY && need > limit.rlim_cur)
        return mlb_error_set(err, MLB_ERR_IO,
                             "cannot write %s: about %" PRIu64 " bytes, over "
                             "the limit of file sizes, %" PRIu64
                             " (ulimit -f)", s->w->path, need,
                             (uint64_t)limit.rlim_cur);
    return 0;
}

/* Get all space of the file now: a full disk shows before the first byte.
 * Not posix_fallocate, which where the file system cannot do it writes into
 * every block instead. */
static int claim(const struct staging *s, uint64_t bytes,
                 struct mlb_error *err)
{
    while ((errno = fault_check(FAULT_ALLOCATE, NULL)) ||
           fallocate(s->fd, 0, 0, (off_t)bytes) < 0)
        if (errno == EOPNOTSUPP || errno == ENOSYS)
            break;
        else if (errno != EINTR)
            return mlb_error_errno(err, MLB_ERR_IO,
                                   "cannot get %" PRIu64 " bytes for %s",
                                   bytes, s->w->path);
    return 0;
}

static int cannot_write(const struct staging *s, struct mlb_error *err)
{
    return mlb_error_errno(err, MLB_ERR_IO, "cannot write %s", s->w->path);
}

/* Let libhdf5 make the file, and learn from it how it makes such files. */
static int make_first(struct staging *s, const struct image_key *key,
                      struct mlb_error *err)
{
    struct stat st;

    if (structure_create(s->temporary, key->kind, s->places, key->count,
                         err) < 0)
        return -1;
    s->fd = open(s->temporary, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (s->fd < 0 || fstat(s->fd, &st) < 0)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot open %s",
                               s->temporary);
    s->record.file_size = (uint64_t)st.st_size;
    if (claim(s, s->record.file_size, err) < 0)
        return -1;
    s->image = image_learn(s->fd, key, &s->record, err);
    return s->image ? 0 : mlb_error_prefix(err, "%s", s->w->path);
}

/* Make the file as libhdf5 made the one before. */
static int make_again(struct staging *s, struct mlb_error *err)
{
    uint64_t bytes = s->image->file_size;

    s->fd = open(s->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (s->fd < 0)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot create %s",
                               s->temporary);
    if (claim(s, bytes, err) < 0)
        return -1;
    if (ftruncate(s->fd, (off_t)bytes) < 0 ||
        image_write(s->image, s->fd, false) < 0)
        return cannot_write(s, err);
    return 0;
}

/* Where all lies, from the image. */
static void take_offsets(struct staging *s)
{
    const uint64_t *offsets = s->image->offsets;
    size_t count = s->w->count;
    struct layout_extent *extents[] = { &s->record.index, &s->record.names,
                                        &s->record.blocks };

    for (size_t i = 0; i < count; i++)
        s->entries[i].offset = offsets[i];
    for (size_t i = 0; i < WRITER_SYSTEM_ARRAYS; i++)
        *extents[i] = (struct layout_extent){
            .offset = offsets[count + i], .bytes = s->places[count + i].bytes,
        };
    s->record.file_size = s->image->file_size;
    s->record.rest_crc = s->image->rest_crc;
}

static int make_file(struct staging *s, const char *slot,
                     struct mlb_error *err)
{
    struct image_key key = { s->w->kind, s->places,
                             s->w->count + WRITER_SYSTEM_ARRAYS };
    char directory[PATH_MAX];
    bool done = false;

    if (place_directory(s->w->path, directory, sizeof(directory), err) < 0 ||
        place_temporary(directory, s->temporary, sizeof(s->temporary),
                        err) < 0)
        return -1;
    s->image = image_find(&key);
    if (slot && staging_recycle(s, slot, &done, err) < 0)
        return -1;
    if (!done && (s->image ? make_again(s, err)
                           : make_first(s, &key, err)) < 0)
        return -1;
    take_offsets(s);
    return 0;
}

struct staging *staging_create(struct container_writer *w, const char *slot,
                               struct mlb_error *err)
{
    struct staging *s = calloc(1, sizeof(*s));

    if (!s) {
        container_abandon(w);
        mlb_error_set(err, MLB_ERR_IO, "out of memory");
        return NULL;
    }
    s->w = w;
    s->fd = -1;
    if (staging_plan(s, err) < 0 || check_file_limit(s, err) < 0 ||
        make_file(s, slot, err) < 0) {
        staging_abandon(s);
        return NULL;
    }
    return s;
}

const char *staging_path(const struct staging *s)
{
    return s->temporary;
}

uint64_t staging_offset(const struct staging *s, size_t array)
{
    return s->image->offsets[array];
}

size_t staging_padding(const struct staging *s, size_t array)
{
    return s->image->padding[array];
}

int staging_sum(struct staging *s, const struct staging_part *part,
                const uint32_t *crcs, struct mlb_error *err)
{
    if (part->array >= s->w->count)
        return mlb_error_set(err, MLB_ERR_USAGE, "%s: no array number %zu",
                             s->w->path, part->array);
    const struct layout_entry *e = &s->entries[part->array];
    if (part->offset != s->entered[part->array] ||
        part->length > e->bytes - part->offset)
        return mlb_error_set(err, MLB_ERR_USAGE, "%s: %s: checksums of %"
                             PRIu64 " bytes at %" PRIu64 ", not at %" PRIu64,
                             s->w->path, s->w->arrays[part->array].name,
                             part->length, part->offset,
                             s->entered[part->array]);
    uint64_t at = part->offset, end = part->offset + part->length;
    while (at < end) {
        uint32_t *to = s->blocks + e->first_block + at / LAYOUT_BLOCK;
        uint64_t n = LAYOUT_BLOCK - at % LAYOUT_BLOCK;
        n = n < end - at ? n : end - at;
        *to = at % LAYOUT_BLOCK ? crc_combine(*to, *crcs, n) : *crcs;
        crcs++;
        at += n;
    }
    s->entered[part->array] = end;
    return 0;
}

static int write_system(struct staging *s, struct mlb_error *err)
{
    const void *bytes[] = { s->entries, s->names, s->blocks };
    struct layout_extent *extents[] = { &s->record.index, &s->record.names,
                                        &s->record.blocks };

    for (size_t i = 0; i < WRITER_SYSTEM_ARRAYS; i++) {
        struct layout_extent *e = extents[i];
        e->crc = crc_update(0, bytes[i], e->bytes);
        if (place_pwrite(s->fd, bytes[i], e->bytes, e->offset) < 0)
            return cannot_write(s, err);
    }
    return 0;
}

static void fill_uuid(uint8_t *uuid)
{
    if (getrandom(uuid, 16, 0) != 16)
        memset(uuid, 0, 16);
    uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x40);      /* RFC 9562: random */
    uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
}

/* The last thing written: from here on the file counts. */
static int write_record(struct staging *s, struct mlb_error *err)
{
    struct layout_record *r = &s->record;
    struct layout_table table = { r, s->entries, s->names };
    unsigned char block[LAYOUT_USER_BLOCK] = { 0 };
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    memcpy(r->magic, LAYOUT_MAGIC, sizeof(r->magic));
    r->version = LAYOUT_VERSION;
    r->kind = s->w->kind;
    r->flags = LAYOUT_COMPLETE;
    r->created = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    r->arrays = s->w->count;
    fill_uuid(r->uuid);
    /* The same checks as a reader's, so that nothing is published that
     * nobody would open. */
    if (layout_check_record(r, r->file_size, err) < 0 ||
        layout_check_entries(&table, err) < 0)
        return mlb_error_prefix(err, "%s", s->w->path);
    layout_record_seal(r);
    memcpy(block, r, sizeof(*r));
    memcpy(block + LAYOUT_SECOND, r, sizeof(*r));
    if (place_pwrite(s->fd, block, sizeof(block), 0) < 0)
        return cannot_write(s, err);
    return 0;
}

static int sync_file(const struct staging *s, bool data_only,
                     struct mlb_error *err)
{
    if (place_sync(s->fd, data_only) < 0)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot sync %s", s->w->path);
    return 0;
}

static int check_entered(const struct staging *s, struct mlb_error *err)
{
    for (size_t i = 0; i < s->w->count; i++)
        if (s->entered[i] != s->entries[i].bytes)
            return mlb_error_set(err, MLB_ERR_USAGE,
                                 "%s: %s: only %" PRIu64 " of %" PRIu64
                                 " bytes were written", s->w->path,
                                 s->w->arrays[i].name, s->entered[i],
                                 s->entries[i].bytes);
    return 0;
}

int staging_publish(struct staging *s, bool replace, struct mlb_error *err)
{
    int rc = -1;

    /* Data and index are on the disk before the record says so. */
    if (check_entered(s, err) < 0 || write_system(s, err) < 0 ||
        sync_file(s, true, err) < 0 || write_record(s, err) < 0 ||
        sync_file(s, false, err) < 0)
        goto out;
    int fd = s->fd;
    s->fd = -1;
    if (close(fd) < 0)
        mlb_error_errno(err, MLB_ERR_IO, "cannot close %s", s->w->path);
    else
        rc = place_publish(s->temporary, s->w->path, replace, err);
out:
    /* On failure what is there under the temporary name goes; after the
     * rename there is nothing of it any more. */
    if (rc == 0)
        s->temporary[0] = '\0';
    staging_abandon(s);
    return rc;
}

void staging_abandon(struct staging *s)
{
    if (!s)
        return;
    if (s->fd >= 0)
        close(s->fd);
    if (s->temporary[0])
        unlink(s->temporary);
    image_release(s->image);
    free(s->places);
    free(s->entries);
    free(s->names);
    free(s->blocks);
    free(s->entered);
    container_abandon(s->w);
    free(s);
}
