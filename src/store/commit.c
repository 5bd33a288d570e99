/* SPDX-License-Identifier: BSD-3-Clause */
/* Writing a container: data and checksums past libhdf5, then the commit
 * record, then the name. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "store/crc.h"
#include "store/fault.h"
#include "store/io.h"
#include "store/layout.h"
#include "store/place.h"
#include "store/structure.h"
#include "store/writer.h"

/* While the file is being written. */
struct output {
    struct container_writer *w;
    int fd;
    struct layout_record record;
    struct structure_array *places;      /* count + WRITER_SYSTEM_ARRAYS */
    struct layout_entry *entries;
    char *names;
    uint32_t *blocks;
    unsigned char *buffer;               /* one block, for sources */
    struct io *io;                       /* for large arrays */
    unsigned char *open;                 /* a buffer of it, being filled */
    size_t filled;
    uint64_t open_at;                    /* where it belongs in the file */
};

static int out_of_memory(struct mlb_error *err)
{
    return mlb_error_set(err, MLB_ERR_IO, "out of memory");
}

/* Fill names, entries (all but offsets) and the table for libhdf5. */
static int plan_arrays(struct output *o, struct mlb_error *err)
{
    struct container_writer *w = o->w;
    uint64_t names = 0, blocks = 0;

    for (size_t i = 0; i < w->count; i++) {
        names += strlen(w->arrays[i].name) + 1;
        blocks += layout_blocks(w->bytes[i]);
    }
    o->places = calloc(w->count + WRITER_SYSTEM_ARRAYS, sizeof(*o->places));
    o->entries = calloc(w->count + 1, sizeof(*o->entries));
    o->names = calloc(1, names + 1);
    o->blocks = calloc(blocks + 1, sizeof(*o->blocks));
    o->buffer = malloc(LAYOUT_BLOCK);
    if (!o->places || !o->entries || !o->names || !o->blocks || !o->buffer)
        return out_of_memory(err);
    names = blocks = 0;
    for (size_t i = 0; i < w->count; i++) {
        const struct container_array *a = &w->arrays[i];
        struct layout_entry *e = &o->entries[i];
        size_t length = strlen(a->name);
        *e = (struct layout_entry){
            .name_at = (uint32_t)names, .name_length = (uint16_t)length,
            .dtype = (uint8_t)a->dtype, .rank = (uint8_t)a->rank,
            .bytes = w->bytes[i], .first_block = blocks,
        };
        memcpy(e->shape, a->shape, (size_t)a->rank * sizeof(a->shape[0]));
        memcpy(o->names + names, a->name, length + 1);
        names += length + 1;
        blocks += layout_blocks(w->bytes[i]);
        struct structure_array *p = &o->places[i];
        *p = (struct structure_array){ .name = a->name, .dtype = a->dtype,
                                       .rank = a->rank, .bytes = e->bytes };
        memcpy(p->shape, e->shape, sizeof(p->shape));
    }
    struct structure_array *system = o->places + w->count;
    system[0] = (struct structure_array){ "/index", 0, 1, { w->count },
                                          w->count * sizeof(*o->entries), 0 };
    system[1] = (struct structure_array){ "/names", MLB_U8, 1, { names },
                                          names, 0 };
    system[2] = (struct structure_array){ "/blocks", MLB_U32, 1, { blocks },
                                          blocks * sizeof(uint32_t), 0 };
    return 0;
}

/* A write over the limit of ulimit -f would kill the program by SIGXFSZ, so
 * ask before the first one. */
static int check_file_limit(const struct output *o, struct mlb_error *err)
{
    struct rlimit limit;
    uint64_t need = LAYOUT_USER_BLOCK;

    for (size_t i = 0; i < o->w->count + WRITER_SYSTEM_ARRAYS; i++)
        need += o->places[i].bytes + 2 * LAYOUT_ALIGN;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 &&
        limit.rlim_cur != RLIM_INFINITY && need > limit.rlim_cur)
        return mlb_error_set(err, MLB_ERR_IO,
                             "cannot write %s: about %" PRIu64 " bytes, over "
                             "the limit of file sizes, %" PRIu64
                             " (ulimit -f)", o->w->path, need,
                             (uint64_t)limit.rlim_cur);
    return 0;
}

/* Open the file that libhdf5 made and get all its space now: a full disk
 * shows before the first byte. Not posix_fallocate, which where the file
 * system cannot do it writes into every block instead. */
static int claim(struct output *o, const char *path, struct mlb_error *err)
{
    struct stat st;

    o->fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (o->fd < 0 || fstat(o->fd, &st) < 0)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot open %s", path);
    o->record.file_size = (uint64_t)st.st_size;
    while ((errno = fault_check(FAULT_ALLOCATE, NULL)) ||
           fallocate(o->fd, 0, 0, st.st_size) < 0)
        if (errno == EOPNOTSUPP || errno == ENOSYS)
            break;
        else if (errno != EINTR)
            return mlb_error_errno(err, MLB_ERR_IO,
                                   "cannot get %" PRIu64 " bytes for %s",
                                   o->record.file_size, o->w->path);
    return 0;
}

static int write_at(const struct output *o, const void *bytes, size_t length,
                    uint64_t offset, struct mlb_error *err)
{
    if (place_pwrite(o->fd, bytes, length, offset) < 0)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot write %s",
                               o->w->path);
    return 0;
}

static int open_io(struct output *o, struct mlb_error *err)
{
    const struct container_writer *w = o->w;
    uint64_t bytes = 0;

    for (size_t i = 0; i < w->count; i++)
        bytes += w->bytes[i] >= IO_LEAST ? w->bytes[i] : 0;
    if (bytes == 0)
        return 0;
    o->io = io_open(o->fd, bytes, &w->io);
    if (!o->io)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot prepare to write %s",
                               w->path);
    return 0;
}

/* Copy a piece of an array into a buffer and take its checksums. */
static int fill_piece(const struct container_array *a,
                      const struct io_range *piece, unsigned char *buffer,
                      uint32_t *crcs, struct mlb_error *err)
{
    for (uint64_t at = 0; at < piece->length; at += LAYOUT_BLOCK) {
        uint64_t left = piece->length - at;
        size_t n = left < LAYOUT_BLOCK ? (size_t)left : LAYOUT_BLOCK;
        uint64_t from = piece->offset + at;
        uint32_t crc = 0;
        if (a->data)
            io_copy(buffer + at, (const char *)a->data + from, n, &crc);
        else if (a->source(a->from, from, buffer + at, n, err) < 0)
            return mlb_error_prefix(err, "%s", a->name);
        else
            crc = crc_update(0, buffer + at, n);
        *crcs++ = crc;
    }
    return 0;
}

/* Hand the buffer that is being filled to the engine. */
static int flush_open(struct output *o, struct mlb_error *err)
{
    size_t filled = o->filled;

    o->filled = 0;
    if (filled > 0 && io_write(o->io, filled, o->open_at) < 0)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot write %s",
                               o->w->path);
    return 0;
}

/* Have room in a buffer for what belongs at offset in the file: arrays that
 * lie one behind the other share one, as few large writes are faster. */
static int need_room(struct output *o, uint64_t offset, struct mlb_error *err)
{
    if (o->filled > 0 && (offset != o->open_at + o->filled ||
                          io_piece(o->io) - o->filled < LAYOUT_BLOCK) &&
        flush_open(o, err) < 0)
        return -1;
    if (o->filled > 0)
        return 0;
    o->open = io_next(o->io);
    o->open_at = offset;
    if (!o->open)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot write %s",
                               o->w->path);
    return 0;
}

static int write_large(struct output *o, size_t i, struct mlb_error *err)
{
    const struct layout_entry *e = &o->entries[i];
    uint32_t *crcs = o->blocks + e->first_block;

    for (uint64_t at = 0; at < e->bytes;) {
        if (need_room(o, e->offset + at, err) < 0)
            return -1;
        /* Whole blocks, so that none is summed in two parts. */
        uint64_t room = (io_piece(o->io) - o->filled) / LAYOUT_BLOCK *
                        LAYOUT_BLOCK;
        uint64_t left = e->bytes - at;
        struct io_range piece = { at, left < room ? left : room };
        if (fill_piece(&o->w->arrays[i], &piece, o->open + o->filled,
                       crcs + at / LAYOUT_BLOCK, err) < 0)
            return -1;
        o->filled += piece.length;
        at += piece.length;
    }
    return 0;
}

static int write_small(const struct output *o, size_t i,
                       struct mlb_error *err)
{
    const struct container_array *a = &o->w->arrays[i];
    const struct layout_entry *e = &o->entries[i];
    uint32_t *crc = o->blocks + e->first_block;

    for (uint64_t at = 0; at < e->bytes; at += LAYOUT_BLOCK) {
        size_t n = e->bytes - at < LAYOUT_BLOCK ? (size_t)(e->bytes - at)
                                                : LAYOUT_BLOCK;
        const void *bytes = o->buffer;
        if (a->data)
            bytes = (const char *)a->data + at;
        else if (a->source(a->from, at, o->buffer, n, err) < 0)
            return mlb_error_prefix(err, "%s", a->name);
        *crc++ = crc_update(0, bytes, n);
        if (write_at(o, bytes, n, e->offset + at, err) < 0)
            return -1;
    }
    return 0;
}

static int write_system(struct output *o, struct mlb_error *err)
{
    const struct structure_array *system = o->places + o->w->count;
    const void *bytes[] = { o->entries, o->names, o->blocks };
    struct layout_extent *extents[] = { &o->record.index, &o->record.names,
                                        &o->record.blocks };

    for (size_t i = 0; i < WRITER_SYSTEM_ARRAYS; i++) {
        *extents[i] = (struct layout_extent){
            .offset = system[i].offset, .bytes = system[i].bytes,
            .crc = crc_update(0, bytes[i], system[i].bytes),
        };
        if (write_at(o, bytes[i], system[i].bytes, system[i].offset,
                     err) < 0)
            return -1;
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
static int write_record(struct output *o, struct mlb_error *err)
{
    struct layout_record *r = &o->record;
    struct layout_table table = { r, o->entries, o->names };
    unsigned char block[LAYOUT_USER_BLOCK] = { 0 };
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    memcpy(r->magic, LAYOUT_MAGIC, sizeof(r->magic));
    r->version = LAYOUT_VERSION;
    r->kind = o->w->kind;
    r->flags = LAYOUT_COMPLETE;
    r->created = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    r->arrays = o->w->count;
    fill_uuid(r->uuid);
    /* The same checks as a reader's, so that nothing is published that
     * nobody would open. */
    if (layout_check_record(r, r->file_size, err) < 0 ||
        layout_check_entries(&table, err) < 0 ||
        layout_rest_crc(o->fd, &table, &r->rest_crc, err) < 0)
        return mlb_error_prefix(err, "%s", o->w->path);
    layout_record_seal(r);
    memcpy(block, r, sizeof(*r));
    memcpy(block + LAYOUT_SECOND, r, sizeof(*r));
    return write_at(o, block, sizeof(block), 0, err);
}

static int sync_output(const struct output *o, bool data_only,
                       struct mlb_error *err)
{
    if (place_sync(o->fd, data_only) < 0)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot sync %s", o->w->path);
    return 0;
}

static int write_all(struct output *o, const char *path,
                     struct mlb_error *err)
{
    struct container_writer *w = o->w;

    if (plan_arrays(o, err) < 0 || check_file_limit(o, err) < 0 ||
        structure_create(path, w->kind, o->places,
                         w->count + WRITER_SYSTEM_ARRAYS, err) < 0 ||
        claim(o, path, err) < 0 || open_io(o, err) < 0)
        return -1;
    for (size_t i = 0; i < w->count; i++) {
        o->entries[i].offset = o->places[i].offset;
        bool large = w->bytes[i] >= IO_LEAST;
        if ((large ? write_large(o, i, err) : write_small(o, i, err)) < 0)
            return -1;
    }
    if (flush_open(o, err) < 0)
        return -1;
    if (o->io && io_finish(o->io) < 0)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot write %s", w->path);
    /* Data and index are on the disk before the record says so. */
    if (write_system(o, err) < 0 || sync_output(o, true, err) < 0 ||
        write_record(o, err) < 0 || sync_output(o, false, err) < 0)
        return -1;
    return 0;
}

int container_publish(struct container_writer *w, bool replace,
                      struct mlb_error *err)
{
    struct output o = { .w = w, .fd = -1 };
    char directory[PATH_MAX], temporary[PATH_MAX] = "";
    int rc = -1;

    if (place_directory(w->path, directory, sizeof(directory), err) < 0 ||
        place_temporary(directory, temporary, sizeof(temporary), err) < 0)
        goto out;
    rc = write_all(&o, temporary, err);
    io_close(o.io);
    if (o.fd >= 0 && close(o.fd) < 0 && rc == 0)
        rc = mlb_error_errno(err, MLB_ERR_IO, "cannot close %s", w->path);
    if (rc == 0)
        rc = place_publish(temporary, w->path, replace, err);
out:
    /* After a rename there is nothing of that name any more. */
    if (rc < 0 && temporary[0])
        unlink(temporary);
    free(o.places);
    free(o.entries);
    free(o.names);
    free(o.blocks);
    free(o.buffer);
    container_abandon(w);
    return rc;
}
