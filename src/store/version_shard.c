/* SPDX-License-Identifier: BSD-3-Clause */
/* The shards of a version being written. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/version_parts.h"

/* An array of a container as a source of another one. */
struct piece {
    struct container *file;
    const struct container_info *array;
};

int version_hash_file(const char *path, char out[33], struct mlb_error *err)
{
    XXH3_state_t *state = XXH3_createState();
    unsigned char *part = xmalloc(VERSION_PART);
    ssize_t n = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd >= 0 && state) {
        XXH3_128bits_reset(state);
        while ((n = read(fd, part, VERSION_PART)) > 0 ||
               (n < 0 && errno == EINTR))
            if (n > 0)
                XXH3_128bits_update(state, part, (size_t)n);
    }
    if (n < 0)
        mlb_error_errno(err, MLB_ERR_IO, "cannot read %s", path);
    if (n == 0) {
        XXH128_hash_t hash = XXH3_128bits_digest(state);
        snprintf(out, 33, "%016" PRIx64 "%016" PRIx64, (uint64_t)hash.high64,
                 (uint64_t)hash.low64);
    }
    if (fd >= 0)
        close(fd);
    XXH3_freeState(state);
    free(part);
    return n == 0 ? 0 : -1;
}

char *shard_path(const struct version_writer *w, size_t i)
{
    char file[32];

    manifest_shard_file(i, file, sizeof(file));
    return xasprintf("%s/%s", w->temporary, file);
}

int shard_describe(struct version_writer *w, const char *path, uint64_t rows,
                   const uint64_t *elements, struct mlb_error *err)
{
    char hash[33];
    struct stat st;
    json_t *ragged = json_object();

    if (version_hash_file(path, hash, err) < 0 || stat(path, &st) < 0) {
        json_decref(ragged);
        return mlb_error_errno(err, MLB_ERR_IO, "cannot read %s", path);
    }
    for (size_t i = 0; i < w->column_count; i++)
        if (w->columns[i].field->ragged)
            json_object_set_new(ragged, w->columns[i].field->name,
                                json_integer((json_int_t)elements[i]));
    json_t *item = json_pack(
        "{s:s, s:I, s:I, s:s}", "file", strrchr(path, '/') + 1, "rows",
        (json_int_t)rows, "bytes", (json_int_t)st.st_size, "xxh3_128", hash);
    if (json_object_size(ragged) > 0)
        json_object_set(item, "elements", ragged);
    json_decref(ragged);
    return json_array_append_new(w->shards, item) < 0
               ? mlb_error_set(err, MLB_ERR_IO, "out of memory") : 0;
}

/* One of a column's arrays: "/fields/x", "/fields/x/data", ... */
static int add_spool(struct container_writer *file, const char *format,
                     struct column *c, struct container_array array,
                     struct mlb_error *err)
{
    char *name = xasprintf(format, c->field->name);

    array.name = name;
    array.source = spool_get;
    int rc = container_add(file, &array, err);
    free(name);
    return rc;
}

static int add_column(struct container_writer *file, struct column *c,
                      uint64_t rows, struct mlb_error *err)
{
    const struct version_field *f = c->field;
    const struct container_array crcs = { .dtype = MLB_U32, .rank = 1,
                                          .shape = { rows },
                                          .from = &c->crcs };
    const struct container_array offsets = { .dtype = MLB_U64, .rank = 1,
                                             .shape = { rows + 1 },
                                             .from = &c->offsets };
    struct container_array data = { .dtype = f->dtype, .rank = f->rank + 1,
                                    .shape = { f->ragged ? c->elements
                                                         : rows },
                                    .from = &c->data };

    memcpy(data.shape + 1, f->shape, (size_t)f->rank * sizeof(f->shape[0]));
    if (f->ragged && add_spool(file, "/fields/%s/offsets", c, offsets,
                               err) < 0)
        return -1;
    if (add_spool(file, f->ragged ? "/fields/%s/data" : "/fields/%s", c,
                  data, err) < 0)
        return -1;
    return add_spool(file, "/crc/%s", c, crcs, err);
}

/* A small array that lies in memory. */
static int add_bytes(struct container_writer *file, const char *format,
                     const char *part, struct container_array array,
                     struct mlb_error *err)
{
    char *name = xasprintf(format, part);

    array.name = name;
    int rc = container_add(file, &array, err);
    free(name);
    return rc;
}

static int add_splits(struct container_writer *file,
                      struct version_writer *w, struct mlb_error *err)
{
    for (size_t i = 0; i < w->r->split_count; i++) {
        struct split *s = &w->splits[i];
        struct container_array a = { .dtype = MLB_U64, .rank = 1,
                                     .shape = { split_rows(s) },
                                     .source = split_get_ids, .from = s };
        if (add_bytes(file, "/splits/%s", s->name, a, err) < 0)
            return -1;
    }
    return 0;
}

/* What only the first shard has. */
static int add_rest(struct container_writer *file, struct version_writer *w,
                    struct mlb_error *err)
{
    if (add_splits(file, w, err) < 0)
        return -1;
    for (size_t i = 0; i < w->column_count; i++) {
        struct column *c = &w->columns[i];
        const struct container_array classes = {
            .dtype = MLB_U8, .rank = 2, .data = c->classes,
            .shape = { c->classes ? c->field->classes->count : 0,
                       c->class_width },
        };
        const struct container_array stats = { .dtype = MLB_F64, .rank = 1,
                                               .shape = { 5 },
                                               .data = c->stats };
        if (c->classes && add_bytes(file, "/classes/%s", c->field->name,
                                    classes, err) < 0)
            return -1;
        if (c->measure.has_stats && add_bytes(file, "/stats/%s",
                                              c->field->name, stats,
                                              err) < 0)
            return -1;
    }
    const struct container_array origin = {
        .dtype = MLB_U8, .rank = 1, .shape = { strlen(w->provenance) },
        .data = w->provenance,
    };
    return add_bytes(file, "/%s", "provenance", origin, err);
}

int shard_close(struct version_writer *w, bool is_whole,
                struct mlb_error *err)
{
    if (json_array_size(w->shards) == MANIFEST_MAX_ITEMS)
        return mlb_error_set(err, MLB_ERR_USAGE, "more than %d shards: "
                             "choose a larger size for them",
                             MANIFEST_MAX_ITEMS);
    char *path = shard_path(w, json_array_size(w->shards));
    uint64_t *elements = xcalloc(w->column_count, sizeof(*elements));
    struct container_writer *file = container_create(path, CONTAINER_DATASET,
                                                     err);
    int rc = file ? 0 : -1;

    for (size_t i = 0; rc == 0 && i < w->column_count; i++) {
        elements[i] = w->columns[i].elements;
        rc = add_column(file, &w->columns[i], w->open_rows, err);
    }
    if (rc == 0 && is_whole)
        rc = add_rest(file, w, err);
    if (rc < 0)
        container_abandon(file);
    else
        rc = container_publish(file, false, err);
    if (rc == 0)
        rc = shard_describe(w, path, w->open_rows, elements, err);
    for (size_t i = 0; rc == 0 && i < w->column_count; i++) {
        struct column *c = &w->columns[i];
        c->elements = 0;
        if (spool_reset(&c->data, err) < 0 ||
            spool_reset(&c->offsets, err) < 0 ||
            spool_reset(&c->crcs, err) < 0)
            rc = -1;
    }
    w->open_rows = 0;
    w->open_bytes = 0;
    free(elements);
    free(path);
    return rc;
}

static int get_piece(void *from, uint64_t offset, void *out, size_t length,
                     struct mlb_error *err)
{
    struct piece *p = from;
    const struct container_range range = { offset, length };

    return container_read(p->file, p->array, &range, out, err);
}

/* Does an array belong to the rows, and not to what comes at the end? */
static bool is_of_rows(const char *name)
{
    return strncmp(name, "/fields/", 8) == 0 || strncmp(name, "/crc/", 5) == 0;
}

/* Write what old holds, and the rest, in its place. */
static int write_again(struct version_writer *w, const char *path,
                       struct container *old, struct mlb_error *err)
{
    size_t count = container_count(old);
    struct piece *pieces = xcalloc(count, sizeof(*pieces));
    struct container_writer *file = container_create(path, CONTAINER_DATASET,
                                                     err);
    int rc = file ? 0 : -1;

    for (size_t i = 0; rc == 0 && i < count; i++) {
        const struct container_info *a = container_get(old, i);
        struct container_array array = { .name = a->name, .dtype = a->dtype,
                                         .rank = a->rank,
                                         .source = get_piece,
                                         .from = &pieces[i] };
        pieces[i] = (struct piece){ old, a };
        memcpy(array.shape, a->shape, sizeof(array.shape));
        if (is_of_rows(a->name))
            rc = container_add(file, &array, err);
    }
    if (rc == 0)
        rc = add_rest(file, w, err);
    if (rc < 0)
        container_abandon(file);
    else
        rc = container_publish(file, true, err);
    free(pieces);
    return rc;
}

int shard_complete_first(struct version_writer *w, struct mlb_error *err)
{
    char *path = shard_path(w, 0);
    json_t *shards = w->shards, *first = json_array_get(shards, 0);
    json_t *counts = json_object_get(first, "elements");
    uint64_t *elements = xcalloc(w->column_count, sizeof(*elements));
    struct container *old = container_open(path, CONTAINER_DATASET, err);
    int rc = old ? write_again(w, path, old, err) : -1;

    container_close(old);
    for (size_t i = 0; i < w->column_count; i++)
        elements[i] = (uint64_t)json_integer_value(
            json_object_get(counts, w->columns[i].field->name));
    /* The first entry is made anew. */
    w->shards = json_array();
    if (rc == 0)
        rc = shard_describe(w, path, (uint64_t)json_integer_value(
                                json_object_get(first, "rows")),
                            elements, err);
    json_array_remove(shards, 0);
    json_array_extend(w->shards, shards);
    json_decref(shards);
    free(elements);
    free(path);
    return rc;
}
