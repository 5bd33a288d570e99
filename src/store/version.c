/* SPDX-License-Identifier: BSD-3-Clause */
/* Writing a version of a data set. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/files.h"
#include "base/json.h"
#include "base/text.h"
#include "store/crc.h"
#include "store/place.h"
#include "store/split.h"
#include "store/version.h"

#define PART (1u << 20)           /* bytes read from a source at once */

/* A field's bytes from one row on: the source of a shard. */
struct slice {
    const struct version_field *field;
    uint64_t first;               /* row */
    unsigned char *buffer;        /* for checksums: rows_at_once rows */
    uint64_t rows_at_once;
};

/* While a version is being written. */
struct writing {
    const struct version_request *r;
    struct split *splits;
    unsigned char *buffer;        /* of PART bytes */
    char version[MANIFEST_VERSION_LENGTH + 1];
    char temporary[PATH_MAX];
    json_t *shards;
};

static int hash_source(XXH3_state_t *state, const struct writing *w,
                       container_source *source, void *from, uint64_t bytes,
                       struct mlb_error *err)
{
    for (uint64_t at = 0; at < bytes; at += PART) {
        size_t n = bytes - at < PART ? (size_t)(bytes - at) : PART;
        if (source(from, at, w->buffer, n, err) < 0)
            return -1;
        XXH3_128bits_update(state, w->buffer, n);
    }
    return 0;
}

/* What the version is a hash of: a line for each field and each split, each
 * followed by its bytes. */
static int hash_content(XXH3_state_t *state, const struct writing *w,
                        struct mlb_error *err)
{
    const struct version_request *r = w->r;
    struct mlb_text line = MLB_TEXT_INIT;
    int rc = 0;

    XXH3_128bits_reset(state);
    text_addf(&line, "mlbatch-dataset 1\nrows %" PRIu64 "\n", r->rows);
    for (size_t i = 0; rc == 0 && i < r->field_count; i++) {
        const struct mlb_field *f = &r->fields[i].field;
        text_addf(&line, "field %s %s", f->name, mlb_dtype_name(f->dtype));
        for (int d = 0; d < f->rank; d++)
            text_addf(&line, " %" PRIu64, f->shape[d]);
        text_add(&line, "\n");
        XXH3_128bits_update(state, line.data, line.length);
        text_clear(&line);
        rc = hash_source(state, w, r->fields[i].source, r->fields[i].from,
                         f->row_bytes * r->rows, err);
    }
    for (size_t i = 0; rc == 0 && i < r->split_count; i++) {
        struct split *s = &w->splits[i];
        text_addf(&line, "split %s %" PRIu64 "\n", s->name, split_rows(s));
        XXH3_128bits_update(state, line.data, line.length);
        text_clear(&line);
        rc = hash_source(state, w, split_get_ids, s,
                         split_rows(s) * sizeof(uint64_t), err);
    }
    text_clear(&line);
    return rc;
}

static int find_version(struct writing *w, struct mlb_error *err)
{
    XXH3_state_t *state = XXH3_createState();
    int rc;

    if (!state)
        return mlb_error_set(err, MLB_ERR_IO, "out of memory");
    rc = hash_content(state, w, err);
    if (rc == 0)
        snprintf(w->version, sizeof(w->version), "%016" PRIx64,
                 (uint64_t)XXH3_128bits_digest(state).high64);
    XXH3_freeState(state);
    return rc;
}

int version_hash_file(const char *path, char out[33], struct mlb_error *err)
{
    XXH3_state_t *state = XXH3_createState();
    unsigned char part[65536];
    ssize_t n = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd >= 0 && state) {
        XXH3_128bits_reset(state);
        while ((n = read(fd, part, sizeof(part))) > 0 ||
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
    return n == 0 ? 0 : -1;
}

static int get_rows(void *from, uint64_t offset, void *out, size_t length,
                    struct mlb_error *err)
{
    const struct slice *s = from;

    return s->field->source(s->field->from,
                            s->first * s->field->field.row_bytes + offset,
                            out, length, err);
}

/* The checksums of rows, u32 each. */
static int get_crcs(void *from, uint64_t offset, void *out, size_t length,
                    struct mlb_error *err)
{
    struct slice *s = from;
    uint64_t size = s->field->field.row_bytes;
    uint64_t row = offset / sizeof(uint32_t);
    uint32_t *to = out, *end = to + length / sizeof(*to);

    while (to < end) {
        uint64_t n = (uint64_t)(end - to);
        if (n > s->rows_at_once)
            n = s->rows_at_once;
        if (get_rows(s, row * size, s->buffer, n * size, err) < 0)
            return -1;
        for (uint64_t i = 0; i < n; i++)
            *to++ = crc_update(0, s->buffer + i * size, size);
        row += n;
    }
    return 0;
}

/* Add a field and the checksums of its rows. */
static int add_field(struct container_writer *file, struct slice *s,
                     uint64_t rows, struct mlb_error *err)
{
    const struct mlb_field *f = &s->field->field;
    char name[MANIFEST_MAX_NAME + 16];
    struct container_array a = { .name = name, .dtype = f->dtype,
                                 .rank = f->rank + 1, .shape = { rows },
                                 .source = get_rows, .from = s };

    s->rows_at_once = f->row_bytes > 0 && f->row_bytes < PART
                          ? PART / f->row_bytes : 1;
    s->buffer = xmalloc(s->rows_at_once * f->row_bytes);
    memcpy(a.shape + 1, f->shape, (size_t)f->rank * sizeof(a.shape[0]));
    snprintf(name, sizeof(name), "/fields/%s", f->name);
    if (container_add(file, &a, err) < 0)
        return -1;
    snprintf(name, sizeof(name), "/crc/%s", f->name);
    a = (struct container_array){ .name = name, .dtype = MLB_U32, .rank = 1,
                                  .shape = { rows }, .source = get_crcs,
                                  .from = s };
    return container_add(file, &a, err);
}

static int add_splits(struct container_writer *file, const struct writing *w,
                      struct mlb_error *err)
{
    for (size_t i = 0; i < w->r->split_count; i++) {
        char name[MANIFEST_MAX_NAME + 16];
        struct split *s = &w->splits[i];
        struct container_array a = { .name = name, .dtype = MLB_U64,
                                     .rank = 1, .shape = { split_rows(s) },
                                     .source = split_get_ids, .from = s };
        snprintf(name, sizeof(name), "/splits/%s", s->name);
        if (container_add(file, &a, err) < 0)
            return -1;
    }
    return 0;
}

/* What the manifest says of a shard that has just been written. */
static int describe_shard(struct writing *w, const char *path, uint64_t rows,
                          struct mlb_error *err)
{
    char hash[33];
    struct stat st;

    if (version_hash_file(path, hash, err) < 0)
        return -1;
    if (stat(path, &st) < 0)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot read %s", path);
    json_array_append_new(w->shards, json_pack(
        "{s:s, s:I, s:I, s:s}", "file", strrchr(path, '/') + 1, "rows",
        (json_int_t)rows, "bytes", (json_int_t)st.st_size, "xxh3_128", hash));
    return 0;
}

static int write_shard(struct writing *w, uint64_t first, uint64_t rows,
                       struct mlb_error *err)
{
    const struct version_request *r = w->r;
    struct slice *slices = xcalloc(r->field_count, sizeof(*slices));
    char file[32];
    manifest_shard_file(json_array_size(w->shards), file, sizeof(file));
    char *path = xasprintf("%s/%s", w->temporary, file);
    struct container_writer *out = container_create(path, CONTAINER_DATASET,
                                                    err);
    int rc = out ? 0 : -1;

    for (size_t i = 0; rc == 0 && i < r->field_count; i++) {
        slices[i].field = &r->fields[i];
        slices[i].first = first;
        rc = add_field(out, &slices[i], rows, err);
    }
    if (rc == 0 && first == 0)
        rc = add_splits(out, w, err);
    if (rc < 0)
        container_abandon(out);
    else
        rc = container_publish(out, false, err);
    if (rc == 0)
        rc = describe_shard(w, path, rows, err);
    for (size_t i = 0; i < r->field_count; i++)
        free(slices[i].buffer);
    free(slices);
    free(path);
    return rc;
}

static int write_shards(struct writing *w, struct mlb_error *err)
{
    uint64_t row_bytes = 0, at_once = w->r->rows;

    for (size_t i = 0; i < w->r->field_count; i++)
        row_bytes += w->r->fields[i].field.row_bytes;
    if (row_bytes > 0 && w->r->shard_bytes > 0)
        at_once = w->r->shard_bytes / row_bytes;
    if (at_once == 0)
        at_once = 1;
    for (uint64_t first = 0; first < w->r->rows; first += at_once) {
        uint64_t left = w->r->rows - first;
        if (write_shard(w, first, left < at_once ? left : at_once, err) < 0)
            return -1;
    }
    return 0;
}

static int write_manifest(const struct writing *w, struct mlb_error *err)
{
    const struct version_request *r = w->r;
    json_t *fields = json_array(), *splits = json_array();
    char *path = xasprintf("%s/" MANIFEST_FILE, w->temporary);

    for (size_t i = 0; i < r->field_count; i++) {
        const struct mlb_field *f = &r->fields[i].field;
        json_t *shape = json_array();
        for (int d = 0; d < f->rank; d++)
            json_array_append_new(shape,
                                  json_integer((json_int_t)f->shape[d]));
        json_array_append_new(fields, json_pack(
            "{s:s, s:s, s:o}", "name", f->name, "dtype",
            mlb_dtype_name(f->dtype), "shape", shape));
    }
    for (size_t i = 0; i < r->split_count; i++)
        json_array_append_new(splits, json_pack(
            "{s:s, s:I}", "name", w->splits[i].name, "rows",
            (json_int_t)split_rows(&w->splits[i])));
    json_t *all = json_pack(
        "{s:s, s:i, s:s, s:s, s:I, s:o, s:o, s:O, s:O}", "format",
        "mlbatch-dataset", "format_version", 1, "name", r->name, "version",
        w->version, "rows", (json_int_t)r->rows, "fields", fields, "splits",
        splits, "shards", w->shards, "provenance", r->provenance);
    char *text = all ? json_dumps(all, JSON_INDENT(2)) : NULL;
    int rc = text ? files_publish(path, text, strlen(text), 0644, err)
                  : mlb_error_set(err, MLB_ERR_IO, "out of memory");
    json_decref(all);
    free(text);
    free(path);
    return rc;
}

/* Remove what dead writers left in the directory of a data set. */
static void clean(const char *directory)
{
    struct mlb_strings names = MLB_STRINGS_INIT;

    files_list(directory, &names, NULL);
    for (size_t i = 0; i < names.count; i++) {
        char *path = xasprintf("%s/%s", directory, names.items[i]);
        if (place_is_dead(names.items[i]))
            files_remove_tree(path, NULL);
        free(path);
    }
    strings_clear(&names);
}

/* Write all into a temporary directory, then give it its name. */
static int write_version(struct writing *w, const char *path, bool *existed,
                         struct mlb_error *err)
{
    clean(w->r->directory);
    if (place_temporary(w->r->directory, w->temporary, sizeof(w->temporary),
                        err) < 0)
        return -1;
    if (mkdir(w->temporary, 0777) < 0)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot make directory %s",
                               w->temporary);
    int rc = write_shards(w, err);
    if (rc == 0)
        rc = write_manifest(w, err);
    if (rc == 0)
        rc = place_publish(w->temporary, path, false, err);
    if (rc < 0)
        files_remove_tree(w->temporary, NULL);
    /* Somebody else imported the same at the same time: as good. */
    if (rc < 0 && files_is_dir(path)) {
        *existed = true;
        rc = 0;
    }
    return rc;
}

/* A version of that name is there: is it sound? */
static int check_existing(const char *path, struct mlb_error *err)
{
    struct mlb_dataset *d = mlb_dataset_open(path, err);

    if (!d)
        return mlb_error_prefix(err, "the same content was imported before "
                                "but cannot be opened, remove %s", path);
    mlb_dataset_close(d);
    return 0;
}

int version_publish(const struct version_request *request,
                    char version[MANIFEST_VERSION_LENGTH + 1], bool *existed,
                    struct mlb_error *err)
{
    struct writing w = { .r = request, .shards = json_array() };
    char *path = NULL;
    int rc = -1;

    *existed = false;
    w.buffer = xmalloc(PART);
    w.splits = xcalloc(request->split_count, sizeof(*w.splits));
    for (size_t i = 0; i < request->field_count; i++)
        if (manifest_row_bytes(&request->fields[i].field, err) < 0)
            goto out;
    if (split_cut(w.splits, request->splits, request->split_count,
                  request->rows, request->seed, err) < 0 ||
        find_version(&w, err) < 0)
        goto out;
    path = xasprintf("%s/%s", request->directory, w.version);
    *existed = files_is_dir(path);
    rc = *existed ? check_existing(path, err)
                  : write_version(&w, path, existed, err);
    memcpy(version, w.version, sizeof(w.version));
out:
    json_decref(w.shards);
    free(w.splits);
    free(w.buffer);
    free(path);
    return rc;
}
