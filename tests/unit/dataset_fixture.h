/* SPDX-License-Identifier: BSD-3-Clause */
/* A data set with all there is, written as mlbatch-store(5) says and not
 * by the importer: fixed and ragged fields, classes, statistics, splits. */
#ifndef TESTS_DATASET_FIXTURE_H
#define TESTS_DATASET_FIXTURE_H

#include "store_fixture.h"

#include <jansson.h>

#include "store/crc.h"
#include "store/dataset.h"

/* Row i of it: x is i and i / 2, y is i % 3, t is i % 7 tokens of 2 u16
 * each, and b is (i * 37) % 997 bytes. */
#define MIXED_TOKENS(row) ((row) % 7)
#define MIXED_BYTES(row) ((row) * 37 % 997)

struct mixed {
    uint64_t first, rows;
    float *x;
    int32_t *y;
    uint16_t *t;
    unsigned char *b;
    uint64_t *t_offsets, *b_offsets;
    uint32_t *crcs[4];
};

static UNUSED void mixed_token(uint64_t row, uint64_t k, uint16_t *out)
{
    out[0] = (uint16_t)(row * 11 + k);
    out[1] = (uint16_t)(row ^ k);
}

static UNUSED unsigned char mixed_byte(uint64_t row, uint64_t k)
{
    return (unsigned char)(row * 5 + k * 3 + k / 256);
}

static UNUSED void *room(uint64_t count, size_t size)
{
    void *p = calloc(count + 1, size);

    assert_non_null(p);
    return p;
}

static UNUSED void mixed_fill(struct mixed *m, uint64_t first, uint64_t rows)
{
    *m = (struct mixed){
        .first = first, .rows = rows, .x = room(rows, 8), .y = room(rows, 4),
        .t = room(rows * 7, 4), .b = room(rows * 997, 1),
        .t_offsets = room(rows, 8), .b_offsets = room(rows, 8),
    };
    for (int i = 0; i < 4; i++)
        m->crcs[i] = room(rows, 4);
    for (uint64_t i = 0, row = first; i < rows; i++, row++) {
        uint64_t t = m->t_offsets[i], b = m->b_offsets[i];
        m->x[2 * i] = (float)row;
        m->x[2 * i + 1] = (float)row / 2;
        m->y[i] = (int32_t)(row % 3);
        for (uint64_t k = 0; k < MIXED_TOKENS(row); k++)
            mixed_token(row, k, m->t + 2 * (t + k));
        for (uint64_t k = 0; k < MIXED_BYTES(row); k++)
            m->b[b + k] = mixed_byte(row, k);
        m->t_offsets[i + 1] = t + MIXED_TOKENS(row);
        m->b_offsets[i + 1] = b + MIXED_BYTES(row);
        m->crcs[0][i] = crc_update(0, m->x + 2 * i, 8);
        m->crcs[1][i] = crc_update(0, m->y + i, 4);
        m->crcs[2][i] = crc_update(0, m->t + 2 * t, 4 * MIXED_TOKENS(row));
        m->crcs[3][i] = crc_update(0, m->b + b, MIXED_BYTES(row));
    }
}

static UNUSED void mixed_free(struct mixed *m)
{
    free(m->x);
    free(m->y);
    free(m->t);
    free(m->b);
    free(m->t_offsets);
    free(m->b_offsets);
    for (int i = 0; i < 4; i++)
        free(m->crcs[i]);
}

static UNUSED void add_matrix(struct container_writer *w, const char *name,
                              enum mlb_dtype dtype, const uint64_t shape[2],
                              const void *data)
{
    struct container_array a = { .name = name, .dtype = dtype, .rank = 2,
                                 .shape = { shape[0], shape[1] },
                                 .data = data };
    struct mlb_error err = { 0 };

    assert_ok(container_add(w, &a, &err), err);
}

/* Splits: "even" the rows that are, "one" the last. */
static UNUSED void add_first(struct container_writer *w, uint64_t rows,
                             uint64_t **even)
{
    static const unsigned char classes[3][4] = { "cat", "dog", "ox" };
    static const double stats[5] = { 1.5, 0.5, -1, 3, 60 };
    static uint64_t last;

    last = rows - 1;
    *even = room(rows, 8);
    for (uint64_t i = 0; i < (rows + 1) / 2; i++)
        (*even)[i] = 2 * i;
    add(w, "/splits/even", MLB_U64, (rows + 1) / 2, *even);
    add(w, "/splits/one", MLB_U64, 1, &last);
    add_matrix(w, "/classes/y", MLB_U8, (const uint64_t[]){ 3, 4 }, classes);
    add(w, "/stats/x", MLB_F64, 5, stats);
}

static UNUSED json_t *mixed_shard(const char *directory, size_t number,
                                  const struct mixed *m, uint64_t all)
{
    char file[32], path[4096];
    struct mlb_error err = { 0 };
    uint64_t *even = NULL, n = m->rows;

    snprintf(file, sizeof(file), "shard-%05zu.h5", number);
    snprintf(path, sizeof(path), "%s/%s", directory, file);
    struct container_writer *w = container_create(path, CONTAINER_DATASET,
                                                  &err);
    assert_non_null(w);
    add_matrix(w, "/fields/x", MLB_F32, (const uint64_t[]){ n, 2 }, m->x);
    add(w, "/fields/y", MLB_I32, n, m->y);
    add_matrix(w, "/fields/t/data", MLB_U16,
               (const uint64_t[]){ m->t_offsets[n], 2 }, m->t);
    add(w, "/fields/t/offsets", MLB_U64, n + 1, m->t_offsets);
    add(w, "/fields/b/data", MLB_U8, m->b_offsets[n], m->b);
    add(w, "/fields/b/offsets", MLB_U64, n + 1, m->b_offsets);
    add(w, "/crc/x", MLB_U32, n, m->crcs[0]);
    add(w, "/crc/y", MLB_U32, n, m->crcs[1]);
    add(w, "/crc/t", MLB_U32, n, m->crcs[2]);
    add(w, "/crc/b", MLB_U32, n, m->crcs[3]);
    if (number == 0)
        add_first(w, all, &even);
    publish(w);
    free(even);
    return json_pack("{s:s, s:I, s:I, s:s, s:{s:I, s:I}}", "file", file,
                     "rows", (json_int_t)n, "bytes",
                     (json_int_t)size_of(path), "xxh3_128",
                     "00000000000000000000000000000000", "elements", "t",
                     (json_int_t)m->t_offsets[n], "b",
                     (json_int_t)m->b_offsets[n]);
}

/* Write rows rows, so many a shard, to directory NAME of the test. Returns
 * its path, which the caller frees. */
static UNUSED char *make_mixed(void **state, const char *name, uint64_t rows,
                               uint64_t each)
{
    static const char manifest[] =
        "{\"format\": \"mlbatch-dataset\", \"format_version\": 1,"
        " \"name\": \"mixed\", \"version\": \"0123456789abcdef\","
        " \"fields\": [{\"name\": \"x\", \"dtype\": \"f32\", \"shape\": [2],"
        "   \"stats\": {\"mean\": 1.5, \"std\": 0.5, \"min\": -1, \"max\":"
        "               null, \"count\": 60}},"
        "  {\"name\": \"y\", \"dtype\": \"i32\", \"shape\": [],"
        "   \"classes\": [\"cat\", \"dog\", \"ox\"]},"
        "  {\"name\": \"t\", \"dtype\": \"u16\", \"shape\": [2],"
        "   \"ragged\": true, \"codec\": \"tokens\"},"
        "  {\"name\": \"b\", \"dtype\": \"u8\", \"shape\": [],"
        "   \"ragged\": true, \"codec\": \"png\"}], \"provenance\": {}}";
    char *path = xstrdup(in(state, name));
    json_t *all = json_loads(manifest, 0, NULL), *shards = json_array();
    json_t *counts = json_array();
    size_t number = 0;

    assert_non_null(all);
    assert_int_equal(mkdir(path, 0700), 0);
    for (uint64_t first = 0; first < rows; first += each, number++) {
        struct mixed m;
        mixed_fill(&m, first, rows - first < each ? rows - first : each);
        json_array_append_new(shards, mixed_shard(path, number, &m, rows));
        mixed_free(&m);
    }
    for (uint64_t v = 0; v < 3; v++)
        json_array_append_new(counts, json_pack("[I, I]", (json_int_t)v,
                                  (json_int_t)((rows + 2 - v) / 3)));
    json_object_set_new(json_array_get(json_object_get(all, "fields"), 1),
                        "counts", counts);
    json_object_set_new(all, "rows", json_integer((json_int_t)rows));
    json_object_set_new(all, "shards", shards);
    json_object_set_new(all, "splits", json_pack(
        "[{s:s, s:I}, {s:s, s:i}]", "name", "even", "rows",
        (json_int_t)((rows + 1) / 2), "name", "one", "rows", 1));
    char *file = xasprintf("%s/manifest.json", path);
    assert_int_equal(json_dump_file(all, file, 0), 0);
    free(file);
    json_decref(all);
    return path;
}

/* Are bytes those of so many rows, one behind the other at offsets? */
static UNUSED void assert_ragged(const uint64_t *ids, uint64_t count,
                                 const uint64_t *offsets,
                                 const uint16_t *tokens)
{
    for (uint64_t i = 0; i < count; i++) {
        assert_int_equal(offsets[i + 1] - offsets[i],
                         4 * MIXED_TOKENS(ids[i]));
        for (uint64_t k = 0; k < MIXED_TOKENS(ids[i]); k++) {
            uint16_t pair[2];
            mixed_token(ids[i], k, pair);
            assert_memory_equal(tokens + offsets[i] / 2 + 2 * k, pair, 4);
        }
    }
}

static UNUSED void assert_blobs(const uint64_t *ids, uint64_t count,
                                const uint64_t *offsets,
                                const unsigned char *bytes)
{
    for (uint64_t i = 0; i < count; i++) {
        assert_int_equal(offsets[i + 1] - offsets[i], MIXED_BYTES(ids[i]));
        for (uint64_t k = 0; k < MIXED_BYTES(ids[i]); k++)
            assert_int_equal(bytes[offsets[i] + k], mixed_byte(ids[i], k));
    }
}

static UNUSED struct mlb_dataset *open_dataset(const char *path)
{
    struct mlb_error err = { 0 };
    struct mlb_dataset *d = mlb_dataset_open(path, &err);

    if (!d)
        fail_msg("%s", err.text);
    return d;
}

#endif
