/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading a container: commit record and index by pread, every number
 * checked before it is used; libhdf5 never sees a file that we read. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/container.h"
#include "store/crc.h"
#include "store/layout.h"
#include "store/place.h"
#include "store/reader.h"

static int out_of_memory(struct mlb_error *err)
{
    return mlb_error_set(err, MLB_ERR_IO, "out of memory");
}

/* Take the first sound one of the two commit records. */
static int read_record(struct container *c, struct mlb_error *err)
{
    struct layout_record two[2];
    const uint64_t at[2] = { 0, LAYOUT_SECOND };
    bool ours = false;

    for (int i = 0; i < 2; i++) {
        if (place_pread(c->fd, &two[i], sizeof(two[i]), at[i]) < 0) {
            if (errno != ENODATA)
                return mlb_error_errno(err, MLB_ERR_IO, "cannot read");
            return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                                 "not an mlbatch file, or truncated");
        }
        ours = ours || memcmp(two[i].magic, LAYOUT_MAGIC,
                              sizeof(two[i].magic)) == 0;
    }
    bool first = layout_record_is_sound(&two[0]);
    bool second = layout_record_is_sound(&two[1]);
    if (!first && !second)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                             ours ? "the commit record is damaged"
                                  : "not an mlbatch file, or not complete");
    c->record = two[first ? 0 : 1];
    c->record_damaged = memcmp(&two[0], &two[1], sizeof(two[0])) != 0;
    return 0;
}

/* Read one of the three arrays of ours into a new buffer. */
static int read_extent(struct container *c, const struct layout_extent *e,
                       const char *name, void **out, struct mlb_error *err)
{
    *out = malloc(e->bytes + 1);
    if (!*out)
        return out_of_memory(err);
    if (place_pread(c->fd, *out, e->bytes, e->offset) < 0)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot read %s", name);
    if (crc_update(0, *out, e->bytes) != e->crc)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s is damaged", name);
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    const struct container_info *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

/* The arrays as callers see them, and an order to find them by name. */
static int fill_infos(struct container *c, struct mlb_error *err)
{
    size_t count = c->record.arrays;

    c->infos = calloc(count + 1, sizeof(*c->infos));
    c->by_name = calloc(count + 1, sizeof(struct container_info *));
    if (!c->infos || !c->by_name)
        return out_of_memory(err);
    for (size_t i = 0; i < count; i++) {
        const struct layout_entry *e = &c->entries[i];
        c->infos[i] = (struct container_info){
            .name = c->names + e->name_at, .dtype = e->dtype,
            .rank = e->rank, .bytes = e->bytes, .offset = e->offset,
        };
        memcpy(c->infos[i].shape, e->shape, sizeof(e->shape));
        c->by_name[i] = &c->infos[i];
    }
    qsort(c->by_name, count, sizeof(struct container_info *), compare_names);
    for (size_t i = 1; i < count; i++)
        if (strcmp(c->by_name[i - 1]->name, c->by_name[i]->name) == 0)
            return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s is there twice",
                                 c->by_name[i]->name);
    return 0;
}

static int read_index(struct container *c, struct mlb_error *err)
{
    struct layout_table table = { .record = &c->record };
    struct layout_span *spans = NULL;
    size_t count;
    void *bytes = NULL;
    int rc = -1;

    if (read_extent(c, &c->record.index, "/index", &bytes, err) < 0)
        goto out;
    table.entries = c->entries = bytes;
    bytes = NULL;
    if (read_extent(c, &c->record.names, "/names", &bytes, err) < 0)
        goto out;
    table.names = c->names = bytes;
    bytes = NULL;
    if (layout_check_entries(&table, err) < 0 ||
        layout_spans(&table, &spans, &count, err) < 0)
        goto out;
    /* Last, as its length has now been found to fit the others. */
    if (read_extent(c, &c->record.blocks, "/blocks", &bytes, err) < 0)
        goto out;
    c->blocks = bytes;
    bytes = NULL;
    rc = fill_infos(c, err);
out:
    free(bytes);
    free(spans);
    return rc;
}

static int open_file(struct container *c, const char *path,
                     struct mlb_error *err)
{
    struct stat st;

    c->path = strdup(path);
    if (!c->path)
        return out_of_memory(err);
    /* Not blocking: path could be a pipe. */
    c->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (c->fd < 0 || fstat(c->fd, &st) < 0)
        return mlb_error_errno(err, errno == ENOENT ? MLB_ERR_NOT_FOUND
                                                    : MLB_ERR_IO,
                               "cannot open");
    if (!S_ISREG(st.st_mode))
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "not a regular file");
    if (read_record(c, err) < 0 ||
        layout_check_record(&c->record, (uint64_t)st.st_size, err) < 0)
        return -1;
    return 0;
}

struct container *container_open(const char *path, enum container_kind kind,
                                 struct mlb_error *err)
{
    static const char *const kinds[] = {
        [CONTAINER_DATASET] = "data set",
        [CONTAINER_CHECKPOINT] = "checkpoint",
        [CONTAINER_RECORD] = "record",
    };
    struct container *c = calloc(1, sizeof(*c));
    int rc;

    if (!c) {
        out_of_memory(err);
        return NULL;
    }
    c->fd = -1;
    rc = open_file(c, path, err);
    if (rc == 0 && kind && c->record.kind != kind)
        rc = mlb_error_set(err, MLB_ERR_BAD_INPUT, "not a %s", kinds[kind]);
    if (rc == 0)
        rc = read_index(c, err);
    if (rc < 0) {
        mlb_error_prefix(err, "%s", path);
        container_close(c);
        return NULL;
    }
    return c;
}

void container_close(struct container *c)
{
    if (!c)
        return;
    io_close(io_resume(c));
    if (c->fd >= 0)
        close(c->fd);
    free(c->path);
    free(c->entries);
    free(c->names);
    free(c->blocks);
    free(c->infos);
    free(c->by_name);
    free(c->block);
    free(c);
}

uint64_t container_file_size(const struct container *c)
{
    return c->record.file_size;
}

uint64_t container_created(const struct container *c)
{
    return c->record.created;
}

size_t container_count(const struct container *c)
{
    return c->record.arrays;
}

const struct container_info *container_get(const struct container *c,
                                           size_t i)
{
    return &c->infos[i];
}

const struct container_info *container_find(const struct container *c,
                                            const char *name)
{
    struct container_info wanted = { .name = name };
    const struct container_info *key = &wanted;
    const struct container_info **found;

    found = bsearch(&key, c->by_name, c->record.arrays,
                    sizeof(struct container_info *), compare_names);
    return found ? *found : NULL;
}
