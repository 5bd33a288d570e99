/* SPDX-License-Identifier: BSD-3-Clause */
/* Opening a version of a data set, and what is in it. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/dataset.h"

static int out_of_memory(struct mlb_error *err)
{
    return mlb_error_set(err, MLB_ERR_IO, "out of memory");
}

/* Find array name: that type, rows, and the shape of a row of like. */
static const struct container_info *find_array(
    const struct container *file, const char *name,
    const struct mlb_field *like, uint64_t rows, struct mlb_error *err)
{
    const struct container_info *a = container_find(file, name);
    bool fits = a && a->dtype == like->dtype && a->rank == like->rank + 1 &&
                a->shape[0] == rows;

    for (int i = 0; fits && i < like->rank; i++)
        fits = a->shape[i + 1] == like->shape[i];
    if (fits)
        return a;
    mlb_error_set(err, MLB_ERR_BAD_INPUT, a ? "%s is not as the manifest says"
                                            : "%s is missing", name);
    return NULL;
}

/* /PREFIX/NAME in one of the buffers that a name fits in. */
static const char *name_of(char out[MANIFEST_MAX_NAME + 32],
                           const char *prefix, const char *name,
                           const char *suffix)
{
    snprintf(out, MANIFEST_MAX_NAME + 32, "/%s/%s%s", prefix, name, suffix);
    return out;
}

static int find_column(const struct mlb_dataset *d, size_t i, size_t f,
                       struct mlb_error *err)
{
    static const struct mlb_field u32 = { .dtype = MLB_U32 };
    static const struct mlb_field u64 = { .dtype = MLB_U64 };
    const struct mlb_field *field = &d->m.fields[f];
    const struct dataset_shard *s = &d->shards[i];
    struct dataset_column *c = &s->columns[f];
    char name[MANIFEST_MAX_NAME + 32];
    const char *data = field->ragged ? "/data" : "";
    uint64_t rows = field->ragged ? d->m.shards[i].elements[f] : s->count;

    c->data = find_array(s->file, name_of(name, "fields", field->name, data),
                         field, rows, err);
    c->crc = find_array(s->file, name_of(name, "crc", field->name, ""), &u32,
                        s->count, err);
    if (field->ragged)
        c->offsets = find_array(s->file, name_of(name, "fields", field->name,
                                                 "/offsets"),
                                &u64, s->count + 1, err);
    return c->data && c->crc && (c->offsets || !field->ragged) ? 0 : -1;
}

static int open_shard(struct mlb_dataset *d, size_t i, struct mlb_error *err)
{
    const struct manifest_shard *said = &d->m.shards[i];
    struct dataset_shard *s = &d->shards[i];
    char path[PATH_MAX];
    int n = snprintf(path, sizeof(path), "%s/%s", d->path, said->file);

    if (n < 0 || (size_t)n >= sizeof(path))
        return mlb_error_set(err, MLB_ERR_USAGE, "path too long: %s",
                             d->path);
    s->first = i == 0 ? 0 : d->shards[i - 1].first + d->shards[i - 1].count;
    s->count = said->rows;
    s->columns = calloc(d->m.field_count, sizeof(*s->columns));
    if (!s->columns)
        return out_of_memory(err);
    s->file = container_open(path, CONTAINER_DATASET, err);
    if (!s->file)
        return -1;
    if (container_file_size(s->file) != said->bytes)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s: %" PRIu64
                             " bytes long, the manifest says %" PRIu64, path,
                             container_file_size(s->file), said->bytes);
    for (size_t f = 0; f < d->m.field_count; f++)
        if (find_column(d, i, f, err) < 0)
            return mlb_error_prefix(err, "%s", path);
    return 0;
}

/* What the first shard says of the values of a field. */
static int check_about(const struct mlb_dataset *d, size_t f,
                       struct mlb_error *err)
{
    static const struct mlb_field f64 = { .dtype = MLB_F64 };
    const struct manifest_about *about = &d->m.about[f];
    const struct container *file = d->shards[0].file;
    char name[MANIFEST_MAX_NAME + 32];
    const char *field = d->m.fields[f].name;

    if (about->has_stats &&
        !find_array(file, name_of(name, "stats", field, ""), &f64, 5, err))
        return -1;
    if (!about->classes)
        return 0;
    const struct container_info *a =
        container_find(file, name_of(name, "classes", field, ""));
    if (!a || a->dtype != MLB_U8 || a->rank != 2 ||
        a->shape[0] != about->class_count)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                             "%s is not as the manifest says", name);
    return 0;
}

/* Splits are kept in the first shard. */
static const struct container_info *find_split(const struct mlb_dataset *d,
                                               const struct manifest_split *s,
                                               struct mlb_error *err)
{
    static const struct mlb_field u64 = { .dtype = MLB_U64 };
    char name[MANIFEST_MAX_NAME + 32];

    return find_array(d->shards[0].file, name_of(name, "splits", s->name, ""),
                      &u64, s->rows, err);
}

static int open_all(struct mlb_dataset *d, struct mlb_error *err)
{
    if (manifest_read(&d->m, d->path, err) < 0)
        return -1;
    d->shards = calloc(d->m.shard_count, sizeof(*d->shards));
    if (!d->shards)
        return out_of_memory(err);
    for (size_t i = 0; i < d->m.shard_count; i++)
        if (open_shard(d, i, err) < 0)
            return -1;
    for (size_t f = 0; f < d->m.field_count; f++)
        if (check_about(d, f, err) < 0)
            return mlb_error_prefix(err, "%s", d->path);
    for (size_t i = 0; i < d->m.split_count; i++)
        if (!find_split(d, &d->m.splits[i], err))
            return mlb_error_prefix(err, "%s", d->path);
    return 0;
}

struct mlb_dataset *mlb_dataset_open(const char *path, struct mlb_error *err)
{
    struct mlb_dataset *d;

    if (!path || !*path) {
        mlb_error_set(err, MLB_ERR_USAGE, "no path of a data set");
        return NULL;
    }
    d = calloc(1, sizeof(*d));
    if (!d || !(d->path = strdup(path))) {
        free(d);
        out_of_memory(err);
        return NULL;
    }
    if (open_all(d, err) < 0) {
        mlb_dataset_close(d);
        return NULL;
    }
    return d;
}

void mlb_dataset_close(struct mlb_dataset *dataset)
{
    if (!dataset)
        return;
    for (size_t i = 0; dataset->shards && i < dataset->m.shard_count; i++) {
        container_close(dataset->shards[i].file);
        dataset_forget(dataset, i);
        free(dataset->shards[i].columns);
    }
    free(dataset->shards);
    manifest_clear(&dataset->m);
    free(dataset->path);
    free(dataset);
}

uint64_t mlb_dataset_rows(const struct mlb_dataset *dataset)
{
    return dataset->m.rows;
}

const char *mlb_dataset_version(const struct mlb_dataset *dataset)
{
    return dataset->m.version;
}

int mlb_dataset_fields(const struct mlb_dataset *dataset)
{
    return (int)dataset->m.field_count;
}

const struct mlb_field *mlb_dataset_field(const struct mlb_dataset *dataset,
                                          int i)
{
    return i >= 0 && (size_t)i < dataset->m.field_count
               ? &dataset->m.fields[i] : NULL;
}

const struct mlb_field *mlb_dataset_find(const struct mlb_dataset *dataset,
                                         const char *name)
{
    for (size_t i = 0; i < dataset->m.field_count; i++)
        if (strcmp(dataset->m.fields[i].name, name) == 0)
            return &dataset->m.fields[i];
    return NULL;
}

static const struct manifest_split *get_split(const struct mlb_dataset *d,
                                              const char *split,
                                              struct mlb_error *err)
{
    for (size_t i = 0; i < d->m.split_count; i++)
        if (strcmp(d->m.splits[i].name, split) == 0)
            return &d->m.splits[i];
    mlb_error_set(err, MLB_ERR_NOT_FOUND, "%s has no split %s", d->path,
                  split);
    return NULL;
}

int64_t mlb_dataset_split_rows(const struct mlb_dataset *dataset,
                               const char *split, struct mlb_error *err)
{
    const struct manifest_split *s;

    if (!split)
        return (int64_t)dataset->m.rows;
    s = get_split(dataset, split, err);
    return s ? (int64_t)s->rows : -1;
}

int mlb_dataset_splits(const struct mlb_dataset *dataset)
{
    return (int)dataset->m.split_count;
}

const char *mlb_dataset_split(const struct mlb_dataset *dataset, int i)
{
    return i >= 0 && (size_t)i < dataset->m.split_count
               ? dataset->m.splits[i].name : NULL;
}

/* What is known of a field's values; NULL: no such field. */
static const struct manifest_about *get_about(
    const struct mlb_dataset *dataset, const char *field)
{
    const struct mlb_field *f = mlb_dataset_find(dataset, field);

    return f ? &dataset->m.about[f - dataset->m.fields] : NULL;
}

int mlb_dataset_stats(const struct mlb_dataset *dataset, const char *field,
                      struct mlb_stats *stats)
{
    const struct manifest_about *about = get_about(dataset, field);

    if (!about || !about->has_stats)
        return -1;
    *stats = about->stats;
    return 0;
}

const char *mlb_dataset_class(const struct mlb_dataset *dataset,
                              const char *field, uint64_t i)
{
    const struct manifest_about *about = get_about(dataset, field);

    return about && i < about->class_count ? about->classes[i] : NULL;
}

uint64_t dataset_field_bytes(const struct mlb_dataset *dataset, size_t f)
{
    uint64_t sum = 0;

    /* Each is at most 2^62; more than can be is enough, too. */
    for (size_t i = 0; i < dataset->m.shard_count; i++) {
        uint64_t bytes = dataset->shards[i].columns[f].data->bytes;
        sum = sum > UINT64_MAX - bytes ? UINT64_MAX : sum + bytes;
    }
    return sum;
}

int dataset_split_ids(struct mlb_dataset *dataset, const char *split,
                      uint64_t **ids, struct mlb_error *err)
{
    const struct manifest_split *s = get_split(dataset, split, err);
    const struct container_info *a = s ? find_split(dataset, s, err) : NULL;
    uint64_t *list;

    if (!a)
        return -1;
    list = malloc(a->bytes + 1);
    if (!list)
        return out_of_memory(err);
    if (container_read(dataset->shards[0].file, a, NULL, list, err) < 0) {
        free(list);
        return -1;
    }
    for (uint64_t i = 0; i < s->rows; i++)
        if (list[i] >= dataset->m.rows || (i > 0 && list[i] <= list[i - 1])) {
            free(list);
            return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s: split %s holds "
                                 "rows that cannot be", dataset->path, split);
        }
    *ids = list;
    return 0;
}
