/* SPDX-License-Identifier: BSD-3-Clause */
/* Opening a version of a data set and reading rows, each one checked. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/container.h"
#include "store/crc.h"
#include "store/dataset.h"

#define RUN 1024              /* rows read at once, at most */

/* The arrays of a field in one shard. */
struct columns {
    const struct container_info *rows, *crc;
};

struct shard {
    struct container *file;
    uint64_t first, count;        /* rows of the data set */
    struct columns *columns;      /* one a field */
};

struct mlb_dataset {
    char *path;
    struct manifest m;
    struct shard *shards;
};

static int out_of_memory(struct mlb_error *err)
{
    return mlb_error_set(err, MLB_ERR_IO, "out of memory");
}

/* Find /PREFIX/NAME with that type, rows and shape of a row (rank, shape).*/
static const struct container_info *find_array(
    const struct container *file, const char *prefix,
    const struct mlb_field *like, uint64_t rows, struct mlb_error *err)
{
    char name[MANIFEST_MAX_NAME + 16];
    const struct container_info *a;

    snprintf(name, sizeof(name), "/%s/%s", prefix, like->name);
    a = container_find(file, name);
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

static int open_shard(struct mlb_dataset *d, size_t i, struct mlb_error *err)
{
    const struct manifest_shard *said = &d->m.shards[i];
    struct shard *s = &d->shards[i];
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
    for (size_t f = 0; f < d->m.field_count; f++) {
        const struct mlb_field *field = &d->m.fields[f];
        const struct mlb_field crc = { .name = field->name,
                                       .dtype = MLB_U32 };
        s->columns[f].rows = find_array(s->file, "fields", field, s->count,
                                        err);
        if (!s->columns[f].rows ||
            !(s->columns[f].crc = find_array(s->file, "crc", &crc, s->count,
                                             err)))
            return mlb_error_prefix(err, "%s", path);
    }
    return 0;
}

/* Splits are kept in the first shard. */
static const struct container_info *find_split(const struct mlb_dataset *d,
                                               const struct manifest_split *s,
                                               struct mlb_error *err)
{
    const struct mlb_field ids = { .name = s->name, .dtype = MLB_U64 };

    return find_array(d->shards[0].file, "splits", &ids, s->rows, err);
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

/* The shard that row is in: binary search by first row. */
static const struct shard *shard_of(const struct mlb_dataset *d, uint64_t row)
{
    size_t low = 0, high = d->m.shard_count;

    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (d->shards[middle].first <= row)
            low = middle;
        else
            high = middle;
    }
    return &d->shards[low];
}

/* Read count rows from first on, all in one shard, and check each. */
static int read_run(const struct mlb_dataset *d, size_t f, uint64_t first,
                    uint64_t count, void *out, struct mlb_error *err)
{
    const struct shard *s = shard_of(d, first);
    const struct mlb_field *field = &d->m.fields[f];
    uint64_t row = first - s->first;
    uint32_t crc[RUN];
    struct container_range bytes = { row * field->row_bytes,
                                     count * field->row_bytes };
    struct container_range sums = { row * sizeof(*crc),
                                    count * sizeof(*crc) };

    if (container_read_raw(s->file, s->columns[f].rows, &bytes, out,
                           err) < 0 ||
        container_read_raw(s->file, s->columns[f].crc, &sums, crc, err) < 0)
        return -1;
    for (uint64_t i = 0; i < count; i++)
        if (crc_update(0, (char *)out + i * field->row_bytes,
                       field->row_bytes) != crc[i])
            return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                                 "%s: row %" PRIu64 " of field %s is damaged",
                                 d->path, first + i, field->name);
    return 0;
}

/* How many of ids follow one another within a shard. */
static uint64_t run_length(const struct mlb_dataset *d, const uint64_t *ids,
                           uint64_t count)
{
    const struct shard *s = shard_of(d, ids[0]);
    uint64_t left = s->first + s->count - ids[0], n = 1;

    while (n < count && n < left && n < RUN && ids[n] == ids[0] + n)
        n++;
    return n;
}

int mlb_dataset_read(struct mlb_dataset *dataset, const char *field,
                     const uint64_t *ids, uint64_t count, void *out,
                     struct mlb_error *err)
{
    const struct mlb_field *f = mlb_dataset_find(dataset, field);

    if (!f)
        return mlb_error_set(err, MLB_ERR_NOT_FOUND, "%s has no field %s",
                             dataset->path, field);
    for (uint64_t i = 0; i < count; i++)
        if (ids[i] >= dataset->m.rows)
            return mlb_error_set(err, MLB_ERR_USAGE,
                                 "%s: no row %" PRIu64 ", there are %" PRIu64,
                                 dataset->path, ids[i], dataset->m.rows);
    for (uint64_t i = 0; i < count;) {
        uint64_t n = run_length(dataset, ids + i, count - i);
        if (read_run(dataset, (size_t)(f - dataset->m.fields), ids[i], n,
                     (char *)out + i * f->row_bytes, err) < 0)
            return -1;
        i += n;
    }
    return 0;
}

const struct manifest *dataset_manifest(const struct mlb_dataset *dataset)
{
    return &dataset->m;
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
