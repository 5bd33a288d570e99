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

struct container {
    int fd;
    char *path;
    bool record_damaged;               /* one copy of two */
    struct layout_record record;
    struct layout_entry *entries;
    char *names;
    uint32_t *blocks;
    struct container_info *infos;
    const struct container_info **by_name;
    unsigned char *block;              /* one, made when first needed */
};

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

enum container_kind container_get_kind(const struct container *c)
{
    return c->record.kind;
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

/* The part of an array that a range means; NULL means all. */
static int check_range(const struct container_info *a,
                       const struct container_range *range,
                       struct container_range *out, struct mlb_error *err)
{
    *out = range ? *range : (struct container_range){ 0, a->bytes };
    if (out->offset > a->bytes || out->length > a->bytes - out->offset)
        return mlb_error_set(err, MLB_ERR_USAGE,
                             "%s: bytes %" PRIu64 " and %" PRIu64
                             " more are not in an array of %" PRIu64,
                             a->name, out->offset, out->length, a->bytes);
    return 0;
}

int container_read_raw(struct container *c,
                       const struct container_info *array,
                       const struct container_range *range, void *out,
                       struct mlb_error *err)
{
    struct container_range part;

    if (check_range(array, range, &part, err) < 0)
        return -1;
    if (place_pread(c->fd, out, part.length, array->offset + part.offset) < 0)
        return mlb_error_errno(err, MLB_ERR_IO, "%s: cannot read %s",
                               c->path, array->name);
    return 0;
}

/* Read block number i of an array into out and compare its checksum. */
static int read_block(struct container *c, const struct container_info *a,
                      uint64_t i, void *out, struct mlb_error *err)
{
    uint64_t at = i * LAYOUT_BLOCK;
    uint64_t n = a->bytes - at < LAYOUT_BLOCK ? a->bytes - at : LAYOUT_BLOCK;
    const struct layout_entry *e = &c->entries[a - c->infos];
    struct container_range whole = { at, n };

    if (container_read_raw(c, a, &whole, out, err) < 0)
        return -1;
    if (crc_update(0, out, n) != c->blocks[e->first_block + i])
        return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                             "%s: %s is damaged in bytes %" PRIu64 " to %"
                             PRIu64, c->path, a->name, at, at + n - 1);
    return 0;
}

static int need_block(struct container *c, struct mlb_error *err)
{
    if (!c->block)
        c->block = malloc(LAYOUT_BLOCK);
    return c->block ? 0 : out_of_memory(err);
}

int container_read(struct container *c, const struct container_info *array,
                   const struct container_range *range, void *out,
                   struct mlb_error *err)
{
    struct container_range part;

    if (check_range(array, range, &part, err) < 0 || need_block(c, err) < 0)
        return -1;
    uint64_t at = part.offset, end = part.offset + part.length;
    while (at < end) {
        uint64_t start = at / LAYOUT_BLOCK * LAYOUT_BLOCK;
        uint64_t stop = array->bytes - start < LAYOUT_BLOCK
                            ? array->bytes : start + LAYOUT_BLOCK;
        char *to = (char *)out + (at - part.offset);
        if (at == start && stop <= end) {
            if (read_block(c, array, start / LAYOUT_BLOCK, to, err) < 0)
                return -1;
        } else {
            if (read_block(c, array, start / LAYOUT_BLOCK, c->block,
                           err) < 0)
                return -1;
            memcpy(to, c->block + (at - start),
                   (stop < end ? stop : end) - at);
        }
        at = stop;
    }
    return 0;
}

int container_check(struct container *c, const struct container_info *array,
                    struct mlb_error *err)
{
    if (need_block(c, err) < 0)
        return -1;
    for (uint64_t i = 0; i < layout_blocks(array->bytes); i++)
        if (read_block(c, array, i, c->block, err) < 0)
            return -1;
    return 0;
}

int container_check_all(struct container *c, struct mlb_error *err)
{
    for (size_t i = 0; i < c->record.arrays; i++)
        if (container_check(c, &c->infos[i], err) < 0)
            return -1;
    return 0;
}

/* Besides the two records the user block is zero. */
static bool user_block_is_clean(struct container *c)
{
    unsigned char block[LAYOUT_USER_BLOCK];

    if (place_pread(c->fd, block, sizeof(block), 0) < 0)
        return false;
    memset(block, 0, sizeof(c->record));
    memset(block + LAYOUT_SECOND, 0, sizeof(c->record));
    for (size_t i = 0; i < sizeof(block); i++)
        if (block[i])
            return false;
    return true;
}

int container_verify(struct container *c, struct mlb_error *err)
{
    struct layout_table table = { &c->record, c->entries, c->names };
    uint32_t rest;

    if (container_check_all(c, err) < 0)
        return -1;
    if (c->record_damaged)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s: a copy of the "
                             "commit record is damaged", c->path);
    if (!user_block_is_clean(c))
        return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                             "%s: the user block is damaged", c->path);
    if (layout_rest_crc(c->fd, &table, &rest, err) < 0)
        return mlb_error_prefix(err, "%s", c->path);
    if (rest != c->record.rest_crc)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                             "%s: the HDF5 metadata is damaged", c->path);
    return 0;
}
