/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading manifest.json and believing nothing in it. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/layout.h"
#include "store/manifest_parts.h"

#define MAX_BYTES (64 << 20)              /* of the file */

void manifest_shard_file(size_t i, char *out, size_t size)
{
    snprintf(out, size, "shard-%05zu.h5", i);
}

static int bad(struct mlb_error *err, const char *what)
{
    return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s", what);
}

int manifest_get_count(const json_t *object, const char *key, uint64_t *out)
{
    const json_t *value = json_object_get(object, key);
    json_int_t n = json_integer_value(value);

    if (!json_is_integer(value) || n < 0 || (uint64_t)n > LAYOUT_MAX_BYTES)
        return -1;
    *out = (uint64_t)n;
    return 0;
}

const json_t *manifest_get_list(const json_t *object, const char *key,
                                size_t size, void **out, size_t *count)
{
    const json_t *list = json_object_get(object, key);

    if (!json_is_array(list) || json_array_size(list) > MANIFEST_MAX_ITEMS)
        return NULL;
    *out = calloc(json_array_size(list) + 1, size);
    *count = *out ? json_array_size(list) : 0;
    return *out ? list : NULL;
}

static int read_splits(struct manifest *m, struct mlb_error *err)
{
    void *items = NULL;
    const json_t *list = manifest_get_list(m->json, "splits",
                                           sizeof(*m->splits), &items,
                                           &m->split_count);

    m->splits = items;
    if (!list || m->split_count > MANIFEST_MAX_NAMED)
        return bad(err, "no possible list of splits");
    for (size_t i = 0; i < m->split_count; i++) {
        const json_t *item = json_array_get(list, i);
        struct manifest_split *s = &m->splits[i];
        s->name = json_string_value(json_object_get(item, "name"));
        if (!s->name || !manifest_name_ok(s->name) ||
            manifest_get_count(item, "rows", &s->rows) < 0 || s->rows > m->rows)
            return bad(err, "a split without a possible name and count");
        for (size_t j = 0; j < i; j++)
            if (strcmp(s->name, m->splits[j].name) == 0)
                return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                                     "split %s is there twice", s->name);
    }
    return 0;
}

/* How many elements each ragged field has in a shard. */
static int read_elements(const struct manifest *m, const json_t *item,
                         struct manifest_shard *s, struct mlb_error *err)
{
    const json_t *elements = json_object_get(item, "elements");

    s->elements = calloc(m->field_count, sizeof(*s->elements));
    if (!s->elements)
        return mlb_error_set(err, MLB_ERR_IO, "out of memory");
    for (size_t i = 0; i < m->field_count; i++) {
        const struct mlb_field *f = &m->fields[i];
        if (f->ragged &&
            (manifest_get_count(elements, f->name, &s->elements[i]) < 0 ||
             s->elements[i] > LAYOUT_MAX_BYTES / (f->row_bytes + 1)))
            return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                                 "%s has no possible number of elements of "
                                 "field %s", s->file, f->name);
    }
    return 0;
}

static int read_shards(struct manifest *m, struct mlb_error *err)
{
    void *items = NULL;
    const json_t *list = manifest_get_list(m->json, "shards",
                                           sizeof(*m->shards), &items,
                                           &m->shard_count);
    uint64_t rows = 0;

    m->shards = items;
    if (!list || m->shard_count == 0)
        return bad(err, "no list of shards");
    for (size_t i = 0; i < m->shard_count; i++) {
        const json_t *item = json_array_get(list, i);
        const char *file = json_string_value(json_object_get(item, "file"));
        struct manifest_shard *s = &m->shards[i];
        /* The name is known, so no path of somebody else's gets in. */
        manifest_shard_file(i, s->file, sizeof(s->file));
        if (!file || strcmp(file, s->file) != 0 ||
            manifest_get_count(item, "rows", &s->rows) < 0 ||
            manifest_get_count(item, "bytes", &s->bytes) < 0 ||
            s->rows > m->rows - rows)
            return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                                 "shard %zu has no possible file, rows and "
                                 "bytes", i);
        if (read_elements(m, item, s, err) < 0)
            return -1;
        rows += s->rows;
    }
    return rows == m->rows ? 0 : bad(err, "the rows of the shards do not sum "
                                          "up to those of the data set");
}

static int is_version(const char *s)
{
    return s && strlen(s) == MANIFEST_VERSION_LENGTH &&
           strspn(s, "0123456789abcdef") == MANIFEST_VERSION_LENGTH;
}

static int read_all(struct manifest *m, struct mlb_error *err)
{
    const char *format =
        json_string_value(json_object_get(m->json, "format"));
    uint64_t version;

    if (!format || strcmp(format, "mlbatch-dataset") != 0 ||
        manifest_get_count(m->json, "format_version", &version) < 0)
        return bad(err, "not the manifest of a data set");
    if (version != 1)
        return mlb_error_set(err, MLB_ERR_UNSUPPORTED,
                             "made by a newer mlbatch (format %llu)",
                             (unsigned long long)version);
    m->name = json_string_value(json_object_get(m->json, "name"));
    m->version = json_string_value(json_object_get(m->json, "version"));
    if (!m->name || !is_version(m->version) ||
        manifest_get_count(m->json, "rows", &m->rows) < 0)
        return bad(err, "no name, version and number of rows");
    if (manifest_read_fields(m, err) < 0 || read_splits(m, err) < 0 ||
        read_shards(m, err) < 0)
        return -1;
    return 0;
}

static int load(struct manifest *m, const char *path, struct mlb_error *err)
{
    struct stat st;
    json_error_t problem;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return mlb_error_set(err, MLB_ERR_NOT_FOUND, "no such file: the "
                             "directory of a version has one (\"mlbatch "
                             "dataset show\" tells where that is)");
    if (fd < 0)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot open");
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
        st.st_size > MAX_BYTES) {
        close(fd);
        return bad(err, "not a regular file of up to 64 MiB");
    }
    m->json = json_loadfd(fd, JSON_REJECT_DUPLICATES, &problem);
    close(fd);
    if (!m->json)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "line %d: %s",
                             problem.line, problem.text);
    return 0;
}

int manifest_read(struct manifest *m, const char *directory,
                  struct mlb_error *err)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof(path), "%s/" MANIFEST_FILE, directory);

    *m = (struct manifest){ 0 };
    if (n < 0 || (size_t)n >= sizeof(path))
        return mlb_error_set(err, MLB_ERR_USAGE, "path too long: %s",
                             directory);
    if (load(m, path, err) < 0 || read_all(m, err) < 0) {
        manifest_clear(m);
        return mlb_error_prefix(err, "%s", path);
    }
    return 0;
}

void manifest_clear(struct manifest *m)
{
    json_decref(m->json);
    manifest_clear_fields(m);
    for (size_t i = 0; m->shards && i < m->shard_count; i++)
        free(m->shards[i].elements);
    free(m->splits);
    free(m->shards);
    *m = (struct manifest){ 0 };
}
