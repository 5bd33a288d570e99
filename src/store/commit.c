/* SPDX-License-Identifier: BSD-3-Clause */
/* Writing the arrays of a container, past libhdf5: parts of them by many
 * writers, or all by one. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "store/place.h"
#include "store/staging_parts.h"
#include "store/staging_stream.h"

uint64_t staging_sums(const struct staging_part *part)
{
    uint64_t first = part->offset / LAYOUT_BLOCK;

    return part->length == 0
               ? 0
               : layout_blocks(part->offset + part->length) - first;
}

/* A part and the place for its sums. */
struct task {
    const struct staging_part *part;
    uint32_t *crcs;
};

static int by_offset(const void *a, const void *b)
{
    const struct task *x = a, *y = b;

    return (x->part->file_offset > y->part->file_offset) -
           (x->part->file_offset < y->part->file_offset);
}

/* The parts of one writer, in the order of the file, so that neighbours
 * meet. */
static struct task *order_parts(const struct staging_part *parts,
                                size_t count, uint32_t *crcs)
{
    struct task *tasks = calloc(count + 1, sizeof(*tasks));

    if (!tasks)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        uint64_t sums = staging_sums(&parts[i]);
        tasks[i] = (struct task){ &parts[i], crcs };
        for (uint64_t k = 0; k < sums; k++)
            *crcs++ = 0;
    }
    qsort(tasks, count, sizeof(*tasks), by_offset);
    return tasks;
}

static int put_parts(struct stream *stream, const struct task *tasks,
                     size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct staging_part *p = tasks[i].part;
        struct stream_sums sums = { tasks[i].crcs, p->offset };
        if (stream_put(stream, p->data, p->length, p->file_offset,
                       &sums) < 0)
            return -1;
        if (p->padding > 0)
            stream_pad(stream, p->padding);
    }
    return 0;
}

/* The leader has looked at its own limit (ulimit -f), other writers may have
 * less: a write over it would kill them by SIGXFSZ. */
static int check_file_limit(const struct staging_part *parts, size_t count)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_FSIZE, &limit) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (parts[i].file_offset + parts[i].length + parts[i].padding >
            limit.rlim_cur) {
            errno = EFBIG;
            return -1;
        }
    return 0;
}

int staging_write(const char *path, const struct staging_part *parts,
                  size_t count, uint32_t *crcs, struct mlb_error *err)
{
    struct stream stream = { .fd = -1 };
    struct task *tasks = order_parts(parts, count, crcs);
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    uint64_t bytes = 0;
    int rc = -1;

    for (size_t i = 0; i < count; i++)
        bytes += parts[i].length;
    if (!tasks)
        mlb_error_set(err, MLB_ERR_IO, "out of memory");
    else if (fd < 0 || check_file_limit(parts, count) < 0 ||
             stream_open(&stream, fd, bytes, NULL) < 0 ||
             put_parts(&stream, tasks, count) < 0 ||
             stream_finish(&stream) < 0)
        mlb_error_errno(err, MLB_ERR_IO, "cannot write %s", path);
    else if (place_sync(fd, true) < 0)
        mlb_error_errno(err, MLB_ERR_IO, "cannot sync %s", path);
    else
        rc = 0;
    stream_close(&stream);
    if (fd >= 0 && close(fd) < 0 && rc == 0)
        rc = mlb_error_errno(err, MLB_ERR_IO, "cannot close %s", path);
    free(tasks);
    return rc;
}

static int cannot_write(const struct staging *s, struct mlb_error *err)
{
    return mlb_error_errno(err, MLB_ERR_IO, "cannot write %s", s->w->path);
}

/* An array whose bytes a function gives, block by block. */
static int put_source(const struct staging *s, size_t i,
                      struct stream *stream, struct mlb_error *err)
{
    const struct container_array *a = &s->w->arrays[i];
    const struct layout_entry *e = &s->entries[i];
    uint32_t *crc = s->blocks + e->first_block;

    for (uint64_t at = 0; at < e->bytes; at += LAYOUT_BLOCK) {
        size_t n = e->bytes - at < LAYOUT_BLOCK ? (size_t)(e->bytes - at)
                                                : LAYOUT_BLOCK;
        void *to = stream_reserve(stream, n, e->offset + at);
        if (!to)
            return cannot_write(s, err);
        if (a->source(a->from, at, to, n, err) < 0)
            return mlb_error_prefix(err, "%s", a->name);
        *crc++ = stream_filled(stream, n);
    }
    stream_pad(stream, s->image->padding[i]);
    return 0;
}

/* All arrays whose data is there, in the order of the file. */
static int put_data(const struct staging *s, struct stream *stream,
                    struct mlb_error *err)
{
    struct staging_part *parts = calloc(s->w->count + 1, sizeof(*parts));
    struct task *tasks = calloc(s->w->count + 1, sizeof(*tasks));
    size_t count = 0;
    int rc = -1;

    for (size_t i = 0; parts && tasks && i < s->w->count; i++) {
        const struct layout_entry *e = &s->entries[i];
        if (!s->w->arrays[i].data)
            continue;
        parts[count] = (struct staging_part){
            .array = i, .length = e->bytes, .file_offset = e->offset,
            .data = s->w->arrays[i].data, .padding = s->image->padding[i],
        };
        tasks[count] = (struct task){ &parts[count],
                                      s->blocks + e->first_block };
        count++;
    }
    if (!parts || !tasks) {
        mlb_error_set(err, MLB_ERR_IO, "out of memory");
        goto out;
    }
    qsort(tasks, count, sizeof(*tasks), by_offset);
    rc = put_parts(stream, tasks, count);
    if (rc < 0)
        cannot_write(s, err);
out:
    free(parts);
    free(tasks);
    return rc;
}

static int put_arrays(struct staging *s, struct stream *stream,
                      struct mlb_error *err)
{
    if (put_data(s, stream, err) < 0)
        return -1;
    for (size_t i = 0; i < s->w->count; i++) {
        if (!s->w->arrays[i].data && put_source(s, i, stream, err) < 0)
            return -1;
        s->entered[i] = s->entries[i].bytes;
    }
    return stream_finish(stream) < 0 ? cannot_write(s, err) : 0;
}

static int write_arrays(struct staging *s, struct mlb_error *err)
{
    struct stream stream;
    uint64_t bytes = 0;
    int rc = -1;

    for (size_t i = 0; i < s->w->count; i++)
        bytes += s->w->bytes[i];
    if (stream_open(&stream, s->fd, bytes, &s->w->io) < 0)
        mlb_error_errno(err, MLB_ERR_IO, "cannot prepare to write %s",
                        s->w->path);
    else
        rc = put_arrays(s, &stream, err);
    stream_close(&stream);
    return rc;
}

int container_publish(struct container_writer *w, bool replace,
                      struct mlb_error *err)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->bytes[i] > 0 && !w->arrays[i].data && !w->arrays[i].source) {
            mlb_error_set(err, MLB_ERR_USAGE, "%s: no data",
                          w->arrays[i].name);
            container_abandon(w);
            return -1;
        }
    struct staging *s = staging_create(w, NULL, err);
    if (!s)
        return -1;
    if (write_arrays(s, err) < 0) {
        staging_abandon(s);
        return -1;
    }
    return staging_publish(s, replace, err);
}
