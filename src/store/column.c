/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading a field of a data set in the order of rows. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "store/column.h"
#include "store/crc.h"

#define BATCH_BYTES (UINT64_C(4) << 20)
#define BATCH_ROWS 65536

const json_t *column_json(const struct manifest *m, size_t i)
{
    return json_array_get(json_object_get(m->json, "fields"), i);
}

bool column_is_ragged(const struct manifest *m, size_t i)
{
    return json_is_true(json_object_get(column_json(m, i), "ragged"));
}

const char *column_codec(const struct manifest *m, size_t i)
{
    const char *codec = json_string_value(json_object_get(column_json(m, i),
                                                          "codec"));
    return codec ? codec : "";
}

int column_find(const struct manifest *m, const char *name,
                struct mlb_error *err)
{
    const char **names = xcalloc(m->field_count, sizeof(*names));
    int found = -1;

    for (size_t i = 0; i < m->field_count; i++) {
        names[i] = m->fields[i].name;
        if (strcmp(name, names[i]) == 0)
            found = (int)i;
    }
    if (found < 0) {
        char *word = text_printable(name);
        const char *near = text_suggest(name, names, m->field_count);
        mlb_error_set(err, MLB_ERR_NOT_FOUND, "%s has no field %s%s%s%s",
                      m->name, word, near ? ", did you mean " : "",
                      near ? near : "", near ? "?" : "");
        free(word);
    }
    free(names);
    return found;
}

void column_init(struct column *c, const struct manifest *m,
                 const char *directory, size_t field)
{
    *c = (struct column){
        .m = m, .directory = directory, .index = field,
        .field = &m->fields[field], .ragged = column_is_ragged(m, field),
        .codec = column_codec(m, field),
    };
}

void column_clear(struct column *c)
{
    container_close(c->file);
    free(c->window);
    c->file = NULL;
    c->window = NULL;
    c->window_rows = 0;
}

char *column_shard_path(const char *directory, size_t i)
{
    char file[32];

    manifest_shard_file(i, file, sizeof(file));
    return xasprintf("%s/%s", directory, file);
}

/* The array PREFIX/FIELD SUFFIX, of that type and of so many of its first
 * dimension, with the rest of the field's shape if it is wanted. */
static const struct container_info *find_array(const struct column *c,
                                               const char *prefix,
                                               const char *suffix,
                                               enum mlb_dtype dtype,
                                               struct mlb_error *err)
{
    char *name = xasprintf("/%s/%s%s", prefix, c->field->name, suffix);
    const struct container_info *a = container_find(c->file, name);
    bool shaped = strcmp(prefix, "fields") == 0 &&
                  strcmp(suffix, "/offsets") != 0;
    int rank = shaped ? c->field->rank + 1 : 1;
    bool fits = a && a->dtype == dtype && a->rank == rank;

    for (int i = 1; fits && i < rank; i++)
        fits = a->shape[i] == c->field->shape[i - 1];
    if (!fits)
        mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s %s", name,
                      a ? "is not as the manifest says" : "is missing");
    free(name);
    return fits ? a : NULL;
}

static int find_arrays(struct column *c, struct mlb_error *err)
{
    c->data = find_array(c, "fields", c->ragged ? "/data" : "",
                         c->field->dtype, err);
    c->crc = c->data ? find_array(c, "crc", "", MLB_U32, err) : NULL;
    if (!c->crc)
        return -1;
    c->offsets = NULL;
    if (c->ragged &&
        !(c->offsets = find_array(c, "fields", "/offsets", MLB_U64, err)))
        return -1;
    if (c->crc->shape[0] != c->rows ||
        (c->ragged ? c->offsets->shape[0] != c->rows + 1
                   : c->data->shape[0] != c->rows))
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "field %s does not have "
                             "the %" PRIu64 " rows that the manifest says",
                             c->field->name, c->rows);
    return 0;
}

int column_open_shard(struct column *c, size_t i, struct mlb_error *err)
{
    char *path = column_shard_path(c->directory, i);
    int rc = -1;

    column_clear(c);
    c->shard = i;
    c->first = 0;
    for (size_t s = 0; s < i; s++)
        c->first += c->m->shards[s].rows;
    c->rows = c->m->shards[i].rows;
    c->file = container_open(path, CONTAINER_DATASET, err);
    if (c->file) {
        rc = find_arrays(c, err);
        if (rc < 0) {
            mlb_error_prefix(err, "%s", path);
            column_clear(c);
        }
    }
    free(path);
    return rc;
}

static int open_for_row(struct column *c, uint64_t row, struct mlb_error *err)
{
    uint64_t first = 0;
    size_t i = 0;

    if (c->file && row >= c->first && row - c->first < c->rows)
        return 0;
    while (i < c->m->shard_count && row - first >= c->m->shards[i].rows)
        first += c->m->shards[i++].rows;
    if (i == c->m->shard_count)
        return mlb_error_set(err, MLB_ERR_USAGE, "no row %" PRIu64
                             ", there are %" PRIu64, row, c->m->rows);
    return column_open_shard(c, i, err);
}

/* Where rows begin in the array of a ragged field, from row at on: elements
 * of its first dimension. Checked against hostile files. */
static int read_offsets(struct column *c, uint64_t at, uint64_t count,
                        uint64_t *out, struct mlb_error *err)
{
    struct container_range range = { at * sizeof(*out),
                                     (count + 1) * sizeof(*out) };
    uint64_t total = c->data->shape[0];

    if (container_read(c->file, c->offsets, &range, out, err) < 0)
        return -1;
    bool sound = (at > 0 || out[0] == 0) && out[count] <= total &&
                 (at + count < c->rows || out[count] == total);
    for (uint64_t i = 0; sound && i < count; i++)
        sound = out[i] <= out[i + 1];
    if (!sound)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s: the offsets of "
                             "field %s are damaged between rows %" PRIu64
                             " and %" PRIu64, c->m->shards[c->shard].file,
                             c->field->name, c->first + at,
                             c->first + at + count);
    return 0;
}

/* The same, kept: of the rows of a split there are but a few at once, and
 * reading an array compares the checksum of a whole block. */
static const uint64_t *get_offsets(struct column *c, uint64_t at,
                                   uint64_t count, struct mlb_error *err)
{
    uint64_t left = c->rows - at;

    if (!c->window || at < c->window_at ||
        at + count > c->window_at + c->window_rows) {
        if (!c->window)
            c->window = xmalloc((BATCH_ROWS + 1) * sizeof(*c->window));
        c->window_at = at;
        c->window_rows = left < BATCH_ROWS ? left : BATCH_ROWS;
        if (read_offsets(c, at, c->window_rows, c->window, err) < 0) {
            c->window_rows = 0;
            return NULL;
        }
    }
    return c->window + (at - c->window_at);
}

/* Where the rows of a batch end, and how many of them it shall hold. */
static int plan_rows(struct column *c, uint64_t at, struct column_batch *b,
                     uint64_t *start, struct mlb_error *err)
{
    uint64_t size = c->field->row_bytes, n = b->rows;

    if (!c->ragged) {
        if (size > 0 && n > BATCH_BYTES / size)
            n = BATCH_BYTES / size > 0 ? BATCH_BYTES / size : 1;
        for (uint64_t i = 0; i < n; i++)
            b->ends[i] = (i + 1) * size;
        b->rows = n;
        *start = at * size;
        return 0;
    }
    const uint64_t *offsets = get_offsets(c, at, n, err);
    if (!offsets)
        return -1;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t end = (offsets[i + 1] - offsets[0]) * size;
        if (i > 0 && end > BATCH_BYTES)
            n = i;
        else
            b->ends[i] = end;
    }
    b->rows = n;
    *start = offsets[0] * size;
    return 0;
}

int column_fetch(struct column *c, uint64_t row, uint64_t most,
                 struct column_batch *batch, struct mlb_error *err)
{
    struct column_batch *b = batch;
    uint64_t start;

    if (open_for_row(c, row, err) < 0)
        return -1;
    uint64_t at = row - c->first, left = c->rows - at;
    if (!b->ends) {
        b->ends = xmalloc(BATCH_ROWS * sizeof(*b->ends));
        b->crcs = xmalloc(BATCH_ROWS * sizeof(*b->crcs));
    }
    b->first = row;
    b->rows = most < left ? most : left;
    if (b->rows > BATCH_ROWS)
        b->rows = BATCH_ROWS;
    if (plan_rows(c, at, b, &start, err) < 0)
        return -1;
    uint64_t bytes = b->rows ? b->ends[b->rows - 1] : 0;
    if (bytes > b->size || !b->bytes) {
        free(b->bytes);
        b->size = bytes > BATCH_BYTES ? bytes : BATCH_BYTES;
        b->bytes = xmalloc(b->size);
    }
    struct container_range data = { start, bytes };
    struct container_range sums = { at * sizeof(*b->crcs),
                                    b->rows * sizeof(*b->crcs) };
    if (container_read_raw(c->file, c->data, &data, b->bytes, err) < 0 ||
        container_read_raw(c->file, c->crc, &sums, b->crcs, err) < 0)
        return -1;
    return 0;
}

bool column_is_sound(const struct column_batch *batch, uint64_t i)
{
    uint64_t start = column_start(batch, i);

    return crc_update(0, batch->bytes + start, batch->ends[i] - start) ==
           batch->crcs[i];
}

int column_read(struct column *c, uint64_t row, uint64_t most,
                struct column_batch *batch, struct mlb_error *err)
{
    if (column_fetch(c, row, most, batch, err) < 0)
        return -1;
    for (uint64_t i = 0; i < batch->rows; i++)
        if (!column_is_sound(batch, i))
            return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                                 "%s: row %" PRIu64 " of field %s is damaged",
                                 c->m->shards[c->shard].file, row + i,
                                 c->field->name);
    return 0;
}

void column_batch_clear(struct column_batch *batch)
{
    free(batch->ends);
    free(batch->crcs);
    free(batch->bytes);
    *batch = (struct column_batch){ 0 };
}

int column_split_ids(const struct manifest *m, const char *directory,
                     size_t i, uint64_t **ids, struct mlb_error *err)
{
    const struct manifest_split *s = &m->splits[i];
    char *path = column_shard_path(directory, 0);
    char *name = xasprintf("/splits/%s", s->name);
    struct container *file = container_open(path, CONTAINER_DATASET, err);
    const struct container_info *a = file ? container_find(file, name) : NULL;
    uint64_t *list = NULL;
    int rc = -1;

    if (!file)
        goto out;
    if (!a || a->dtype != MLB_U64 || a->rank != 1 || a->shape[0] != s->rows) {
        mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s: %s %s", path, name,
                      a ? "is not as the manifest says" : "is missing");
        goto out;
    }
    list = xmalloc(a->bytes + 1);
    rc = container_read(file, a, NULL, list, err);
    for (uint64_t k = 0; rc == 0 && k < s->rows; k++)
        if (list[k] >= m->rows || (k > 0 && list[k] <= list[k - 1]))
            rc = mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s: split %s holds "
                               "rows that cannot be", path, s->name);
out:
    if (rc == 0)
        *ids = list;
    else
        free(list);
    container_close(file);
    free(name);
    free(path);
    return rc;
}
