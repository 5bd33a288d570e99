/* SPDX-License-Identifier: BSD-3-Clause */
/* Rows of a data set: where each lies, what its checksum is, and copying
 * some of them through the page cache. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "store/crc.h"
#include "store/dataset.h"

#define CHUNK 16384           /* checksums read at once */
#define AT_ONCE 256           /* rows looked up at once */
#define RUN ((uint64_t)256 << 10)   /* bytes read at once: checked while the
                                     * processor's caches still have them */

static int out_of_memory(struct mlb_error *err)
{
    return mlb_error_set(err, MLB_ERR_IO, "out of memory");
}

/* The shard that row is in: binary search by first row. Those without rows
 * begin where the next one does and are never found. */
static size_t shard_of(const struct mlb_dataset *d, uint64_t row)
{
    size_t low = 0, high = d->m.shard_count;

    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (d->shards[middle].first <= row)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static int check_starts(const uint64_t *starts, uint64_t rows,
                        uint64_t elements)
{
    if (starts[0] != 0 || starts[rows] != elements)
        return -1;
    for (uint64_t i = 0; i < rows; i++)
        if (starts[i] > starts[i + 1])
            return -1;
    return 0;
}

/* Read the offsets of a ragged field in a shard. */
static int load_starts(const struct mlb_dataset *d, size_t shard, size_t f,
                       struct mlb_error *err)
{
    const struct dataset_shard *s = &d->shards[shard];
    struct dataset_column *c = &s->columns[f];
    uint64_t *starts = malloc(c->offsets->bytes);

    if (!starts)
        return out_of_memory(err);
    if (container_read(s->file, c->offsets, NULL, starts, err) < 0) {
        free(starts);
        return -1;
    }
    if (check_starts(starts, s->count, c->data->shape[0]) < 0) {
        free(starts);
        return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                             "%s/%s: %s are no offsets of rows", d->path,
                             d->m.shards[shard].file, c->offsets->name);
    }
    c->starts = starts;
    return 0;
}

int dataset_locate(struct mlb_dataset *dataset, size_t f, uint64_t row,
                   struct dataset_place *place, struct mlb_error *err)
{
    const struct mlb_field *field = &dataset->m.fields[f];
    size_t i = shard_of(dataset, row);
    const struct dataset_shard *s = &dataset->shards[i];
    const struct dataset_column *c = &s->columns[f];
    uint64_t at = row - s->first, length = 1;

    if (field->ragged) {
        if (!c->starts && load_starts(dataset, i, f, err) < 0)
            return mlb_error_prefix(err, "row %" PRIu64 " of field %s", row,
                                    field->name);
        length = c->starts[at + 1] - c->starts[at];
        at = c->starts[at];
    }
    /* Its checksum is asked for soon and likely to be far. */
    if (c->sums)
        __builtin_prefetch(&c->sums[row - s->first]);
    *place = (struct dataset_place){ i, c->data->offset +
                                            at * field->row_bytes,
                                     length * field->row_bytes };
    return 0;
}

/* Read the chunk of checksums that row number at of a shard is in. */
static int load_sums(const struct dataset_shard *s, struct dataset_column *c,
                     uint64_t at, struct mlb_error *err)
{
    uint64_t chunk = at / CHUNK, first = chunk * CHUNK;
    uint64_t n = s->count - first < CHUNK ? s->count - first : CHUNK;
    struct container_range range = { first * sizeof(*c->sums),
                                     n * sizeof(*c->sums) };

    if (!c->sums)
        c->sums = calloc(s->count, sizeof(*c->sums));
    if (!c->have)
        c->have = calloc(s->count / CHUNK + 1, 1);
    if (!c->sums || !c->have)
        return out_of_memory(err);
    if (container_read_raw(s->file, c->crc, &range, c->sums + first,
                           err) < 0)
        return -1;
    c->have[chunk] = 1;
    return 0;
}

int dataset_sum(struct mlb_dataset *dataset, size_t f, uint64_t row,
                uint32_t *crc, struct mlb_error *err)
{
    const struct dataset_shard *s = &dataset->shards[shard_of(dataset, row)];
    struct dataset_column *c = &s->columns[f];
    uint64_t at = row - s->first;

    if ((!c->have || !c->have[at / CHUNK]) && load_sums(s, c, at, err) < 0)
        return -1;
    *crc = c->sums[at];
    return 0;
}

void dataset_forget(struct mlb_dataset *dataset, size_t shard)
{
    struct dataset_column *columns = dataset->shards[shard].columns;

    for (size_t f = 0; columns && f < dataset->m.field_count; f++) {
        free(columns[f].starts);
        free(columns[f].sums);
        free(columns[f].have);
    }
}

int dataset_damaged(const struct mlb_dataset *dataset, size_t f, uint64_t row,
                    struct mlb_error *err)
{
    return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                         "%s: row %" PRIu64 " of field %s is damaged",
                         dataset->path, row, dataset->m.fields[f].name);
}

int dataset_check_ids(const struct mlb_dataset *dataset, const uint64_t *ids,
                      uint64_t count, struct mlb_error *err)
{
    for (uint64_t i = 0; i < count; i++)
        if (ids[i] >= dataset->m.rows)
            return mlb_error_set(err, MLB_ERR_USAGE,
                                 "%s: no row %" PRIu64 ", there are %" PRIu64,
                                 dataset->path, ids[i], dataset->m.rows);
    return 0;
}

/* Some rows of one field. */
struct wanted {
    struct mlb_dataset *d;
    size_t f;
    const uint64_t *ids;
    uint64_t count;
};

/* A few of them: what is known of each. */
struct known {
    uint64_t count;
    struct dataset_place places[AT_ONCE];
    uint32_t crcs[AT_ONCE];
};

/* Look up the next rows of w. */
static int look_up(const struct wanted *w, struct known *k,
                   struct mlb_error *err)
{
    k->count = w->count < AT_ONCE ? w->count : AT_ONCE;
    for (uint64_t i = 0; i < k->count; i++)
        if (dataset_locate(w->d, w->f, w->ids[i], &k->places[i], err) < 0)
            return -1;
    for (uint64_t i = 0; i < k->count; i++)
        if (dataset_sum(w->d, w->f, w->ids[i], &k->crcs[i], err) < 0)
            return -1;
    return 0;
}

/* How many of the known rows from number i on lie one behind the other, and
 * their bytes. */
static uint64_t find_run(const struct known *k, uint64_t i, uint64_t *bytes)
{
    const struct dataset_place *first = &k->places[i];
    uint64_t n = 1;

    *bytes = first->length;
    for (; i + n < k->count && *bytes < RUN; n++) {
        const struct dataset_place *next = first + n;
        if (next->shard != first->shard ||
            next->offset != first->offset + *bytes)
            break;
        *bytes += next->length;
    }
    return n;
}

/* Read the rows that are known to *out and behind, and move it there. */
static int read_known(const struct wanted *w, const struct known *k,
                      char **out, struct mlb_error *err)
{
    for (uint64_t i = 0, n, bytes; i < k->count; i += n) {
        n = find_run(k, i, &bytes);
        const struct dataset_shard *s = &w->d->shards[k->places[i].shard];
        const struct container_info *a = s->columns[w->f].data;
        struct container_range range = { k->places[i].offset - a->offset,
                                         bytes };
        if (container_read_raw(s->file, a, &range, *out, err) < 0)
            return -1;
        for (uint64_t j = i; j < i + n; j++) {
            if (crc_update(0, *out, k->places[j].length) != k->crcs[j])
                return dataset_damaged(w->d, w->f, w->ids[j], err);
            *out += k->places[j].length;
        }
    }
    return 0;
}

/* Read the rows to out, one behind the other. */
static int read_rows(const struct wanted *w, char *out, struct mlb_error *err)
{
    struct wanted left = *w;
    struct known k;

    while (left.count > 0) {
        if (look_up(&left, &k, err) < 0 ||
            read_known(&left, &k, &out, err) < 0)
            return -1;
        left.ids += k.count;
        left.count -= k.count;
    }
    return 0;
}

/* The field of that name if it is of that kind and all ids are rows. */
static const struct mlb_field *check_question(
    const struct mlb_dataset *d, const char *field, int ragged,
    const struct wanted *w, struct mlb_error *err)
{
    const struct mlb_field *f = mlb_dataset_find(d, field);

    if (!f)
        mlb_error_set(err, MLB_ERR_NOT_FOUND, "%s has no field %s", d->path,
                      field);
    else if (f->ragged != ragged)
        mlb_error_set(err, MLB_ERR_USAGE, "%s: field %s is %sragged",
                      d->path, field, ragged ? "not " : "");
    else if (dataset_check_ids(d, w->ids, w->count, err) == 0)
        return f;
    return NULL;
}

int mlb_dataset_read(struct mlb_dataset *dataset, const char *field,
                     const uint64_t *ids, uint64_t count, void *out,
                     struct mlb_error *err)
{
    struct wanted w = { .d = dataset, .ids = ids, .count = count };
    const struct mlb_field *f = check_question(dataset, field, 0, &w, err);

    if (!f)
        return -1;
    w.f = (size_t)(f - dataset->m.fields);
    return read_rows(&w, out, err);
}

int64_t mlb_dataset_read_ragged(struct mlb_dataset *dataset,
                                const char *field, const uint64_t *ids,
                                uint64_t count, uint64_t *offsets, void *out,
                                uint64_t size, struct mlb_error *err)
{
    struct wanted w = { .d = dataset, .ids = ids, .count = count };
    const struct mlb_field *f = check_question(dataset, field, 1, &w, err);
    struct dataset_place place;

    if (!f)
        return -1;
    w.f = (size_t)(f - dataset->m.fields);
    offsets[0] = 0;
    for (uint64_t i = 0; i < count; i++) {
        if (dataset_locate(dataset, w.f, ids[i], &place, err) < 0)
            return -1;
        if (place.length > INT64_MAX - offsets[i])
            return mlb_error_set(err, MLB_ERR_USAGE, "%s: so many rows of "
                                 "field %s have more than 2^63 bytes",
                                 dataset->path, field);
        offsets[i + 1] = offsets[i] + place.length;
    }
    if (offsets[count] <= size && read_rows(&w, out, err) < 0)
        return -1;
    return (int64_t)offsets[count];
}
