/* SPDX-License-Identifier: BSD-3-Clause */
/* A data set with all kinds of fields, and checkpoints with all types, made
 * without the importer: what is on disk is what the formats' description
 * says. Failures end the program. */
#ifndef TESTS_STORE_SAMPLE_H
#define TESTS_STORE_SAMPLE_H

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <xxhash.h>

#include "base/files.h"
#include "base/text.h"
#include "mlbatch/checkpoint.h"
#include "store/container.h"
#include "store/crc.h"
#include "store/manifest.h"
#include "store/resolve.h"
#include "store/version.h"

#define SAMPLE_UNUSED __attribute__((unused))
#define SAMPLE_ROWS 5
#define SAMPLE_FIRST 3            /* rows in the first of two shards */

static const char *const sample_images[SAMPLE_ROWS] = { "one", "", "three",
                                                        "4", "fiver" };
static const char *const sample_paths[SAMPLE_ROWS] = {
    "a/1.jpg", "../../etc/2.jpg", "a/1.jpg", "", "x\ny/5.jpg"
};
static const int64_t sample_labels[SAMPLE_ROWS] = { 0, 1, 0, 1, 7 };
static const uint16_t sample_halves[SAMPLE_ROWS][2] = {
    { 0x3f80, 0x0000 }, { 0x4000, 0x3f80 }, { 0x4040, 0x4000 },
    { 0x4080, 0x4040 }, { 0x7fc0, 0xff80 },
};
static const uint64_t sample_train[] = { 0, 2, 3 };

static SAMPLE_UNUSED void sample_check(int rc, const struct mlb_error *err)
{
    if (rc < 0) {
        fprintf(stderr, "sample: %s\n", err->text);
        abort();
    }
}

static SAMPLE_UNUSED void sample_add(struct container_writer *w,
                                     const char *name, enum mlb_dtype dtype,
                                     uint64_t rows, uint64_t columns,
                                     const void *data)
{
    struct mlb_error err = { 0 };
    struct container_array a = { .name = name, .dtype = dtype,
                                 .rank = columns ? 2 : 1,
                                 .shape = { rows, columns }, .data = data };

    sample_check(container_add(w, &a, &err), &err);
}

/* A ragged field of strings in rows [first, end): data, offsets, crc. The
 * buffers live until the program ends. */
static SAMPLE_UNUSED uint64_t sample_add_ragged(struct container_writer *w,
                                                const char *field,
                                                const char *const *rows,
                                                size_t first, size_t end)
{
    char *data = xasprintf("/fields/%s/data", field);
    char *offsets = xasprintf("/fields/%s/offsets", field);
    char *crc = xasprintf("/crc/%s", field);
    static char bytes[4][4096];
    static uint64_t starts[4][64];
    static uint32_t sums[4][64];
    static unsigned turn;
    unsigned t = turn++ % 4;
    uint64_t at = 0;

    for (size_t i = first; i < end; i++) {
        size_t n = strlen(rows[i]);
        starts[t][i - first] = at;
        memcpy(bytes[t] + at, rows[i], n);
        sums[t][i - first] = crc_update(0, rows[i], n);
        at += n;
    }
    starts[t][end - first] = at;
    sample_add(w, data, MLB_U8, at, 0, bytes[t]);
    sample_add(w, offsets, MLB_U64, end - first + 1, 0, starts[t]);
    sample_add(w, crc, MLB_U32, end - first, 0, sums[t]);
    free(data);
    free(offsets);
    free(crc);
    return at;
}

static SAMPLE_UNUSED void sample_add_fixed(struct container_writer *w,
                                           const char *field,
                                           enum mlb_dtype dtype,
                                           uint64_t columns, const void *all,
                                           size_t first, size_t end)
{
    size_t size = mlb_dtype_size(dtype) * (columns ? columns : 1);
    char *name = xasprintf("/fields/%s", field);
    char *crc = xasprintf("/crc/%s", field);
    static uint32_t sums[4][64];
    static unsigned turn;
    unsigned t = turn++ % 4;

    for (size_t i = first; i < end; i++)
        sums[t][i - first] = crc_update(0, (const char *)all + i * size,
                                        size);
    sample_add(w, name, dtype, end - first, columns,
               (const char *)all + first * size);
    sample_add(w, crc, MLB_U32, end - first, 0, sums[t]);
    free(name);
    free(crc);
}

/* One shard; its entry in the manifest. */
static SAMPLE_UNUSED json_t *sample_shard(const char *directory, size_t i)
{
    size_t first = i ? SAMPLE_FIRST : 0;
    size_t end = i ? SAMPLE_ROWS : SAMPLE_FIRST;
    struct mlb_error err = { 0 };
    char file[32], hash[33];

    manifest_shard_file(i, file, sizeof(file));
    char *path = xasprintf("%s/%s", directory, file);
    struct container_writer *w = container_create(path, CONTAINER_DATASET,
                                                  &err);
    uint64_t images = sample_add_ragged(w, "image", sample_images, first,
                                        end);
    uint64_t paths = sample_add_ragged(w, "path", sample_paths, first, end);
    sample_add_fixed(w, "y", MLB_I64, 0, sample_labels, first, end);
    sample_add_fixed(w, "w", MLB_BF16, 2, sample_halves, first, end);
    if (i == 0)
        sample_add(w, "/splits/train", MLB_U64, 3, 0, sample_train);
    sample_check(container_publish(w, false, &err), &err);
    sample_check(version_hash_file(path, hash, &err), &err);
    struct container *c = container_open(path, CONTAINER_DATASET, &err);
    json_t *entry = json_pack(
        "{s:s, s:I, s:I, s:s, s:{s:I, s:I}}", "file", file, "rows",
        (json_int_t)(end - first), "bytes",
        (json_int_t)container_file_size(c), "xxh3_128", hash, "elements",
        "image", (json_int_t)images, "path", (json_int_t)paths);
    container_close(c);
    free(path);
    return entry;
}

static SAMPLE_UNUSED void sample_digest(XXH3_state_t *to, const void *bytes,
                                        size_t length)
{
    XXH128_canonical_t digest;

    XXH128_canonicalFromHash(&digest, XXH3_128bits(bytes, length));
    XXH3_128bits_update(to, &digest, sizeof(digest));
}

static SAMPLE_UNUSED void sample_line(XXH3_state_t *to, const char *line)
{
    XXH3_128bits_update(to, line, strlen(line));
}

static SAMPLE_UNUSED void sample_hash_ragged(XXH3_state_t *to,
                                             const char *const *rows)
{
    struct mlb_text all = MLB_TEXT_INIT;
    uint64_t lengths[SAMPLE_ROWS];

    for (size_t i = 0; i < SAMPLE_ROWS; i++) {
        text_add(&all, rows[i]);
        lengths[i] = strlen(rows[i]);
    }
    sample_digest(to, all.data, all.length);
    sample_digest(to, lengths, sizeof(lengths));
    text_clear(&all);
}

/* The version: the hash of the content, format 2. */
static SAMPLE_UNUSED void sample_version(char *out)
{
    XXH3_state_t *to = XXH3_createState();

    XXH3_128bits_reset(to);
    sample_line(to, "mlbatch-dataset 2\nrows 5\n");
    sample_line(to, "field image u8 ragged codec jpeg\n");
    sample_hash_ragged(to, sample_images);
    sample_line(to, "field path u8 ragged codec utf8\n");
    sample_hash_ragged(to, sample_paths);
    sample_line(to, "field y i64\n");
    sample_digest(to, sample_labels, sizeof(sample_labels));
    sample_line(to, "field w bf16 2\n");
    sample_digest(to, sample_halves, sizeof(sample_halves));
    sample_line(to, "split train 3\n");
    sample_digest(to, sample_train, sizeof(sample_train));
    sample_line(to, "classes y\n");
    sample_digest(to, "cat\0d/g", 8);
    snprintf(out, MANIFEST_VERSION_LENGTH + 1, "%016llx",
             (unsigned long long)XXH3_128bits_digest(to).high64);
    XXH3_freeState(to);
}

/* Data set "pictures" in a store; the path of its version, which the caller
 * frees. */
static SAMPLE_UNUSED char *sample_dataset(const char *store)
{
    char version[MANIFEST_VERSION_LENGTH + 1];
    struct mlb_error err = { 0 };

    sample_version(version);
    char *path = xasprintf("%s/datasets/pictures/%s", store, version);
    sample_check(files_mkdirs(path, &err), &err);
    json_t *m = json_pack(
        "{s:s, s:i, s:s, s:s, s:i,"
        " s:[{s:s, s:s, s:[], s:b, s:s}, {s:s, s:s, s:[], s:b, s:s},"
        "    {s:s, s:s, s:[], s:[s, s], s:[[i, i], [i, i], [i, i]],"
        "     s:{s:f, s:f, s:f, s:f, s:i}},"
        "    {s:s, s:s, s:[i]}],"
        " s:[{s:s, s:i}], s:[o, o], s:{s:s}}",
        "format", "mlbatch-dataset", "format_version", 1, "name", "pictures",
        "version", version, "rows", SAMPLE_ROWS, "fields",
        "name", "image", "dtype", "u8", "shape", "ragged", 1, "codec",
        "jpeg", "name", "path", "dtype", "u8", "shape", "ragged", 1, "codec",
        "utf8", "name", "y", "dtype", "i64", "shape", "classes", "cat",
        "d/g", "counts", 0, 2, 1, 2, 7, 1, "stats", "mean", 1.8, "std",
        2.638, "min", 0.0, "max", 7.0, "count", 5, "name", "w", "dtype",
        "bf16", "shape", 2, "splits", "name", "train", "rows", 3, "shards",
        sample_shard(path, 0), sample_shard(path, 1), "provenance",
        "command", "made by a test");
    assert(m);
    char *file = xasprintf("%s/" MANIFEST_FILE, path);
    char *text = json_dumps(m, JSON_INDENT(2));
    sample_check(files_publish(file, text, strlen(text), 0644, &err), &err);
    sample_check(resolve_set_tag(store, "pictures", RESOLVE_LATEST, version,
                                 &err), &err);
    json_decref(m);
    free(text);
    free(file);
    return path;
}

/* A checkpoint with a tensor of each type, t/TYPE [2, 3], whose element i is
 * i + shift, byte by byte where that is no integer type; a large one "big"
 * f32 [1500, 1000] of i * 0.5; a scalar; an empty one; a state; a metric.
 * Odd steps are one file, even ones a directory. */
static SAMPLE_UNUSED void sample_checkpoint(const char *directory,
                                            uint64_t step, int shift)
{
    struct mlb_saver_options o;
    struct mlb_error err = { 0 };
    float *numbers = xmalloc(1500 * 1000 * sizeof(*numbers));
    unsigned char bytes[MLB_C128 + 1][96];
    char names[MLB_C128 + 1][16];
    double scalar = 2.5;

    mlb_saver_options_init(&o);
    o.directory = directory;
    o.retention = (struct mlb_retention){ 0 };
    o.layout = step % 2 ? MLB_LAYOUT_SHARED : MLB_LAYOUT_NODES;
    struct mlb_saver *s = mlb_saver_open(&o, &err);
    sample_check(s ? 0 : -1, &err);
    struct mlb_checkpoint *c = mlb_checkpoint_create(s, step, &err);
    sample_check(c ? 0 : -1, &err);
    for (int type = MLB_F64; type <= MLB_C128; type++) {
        size_t size = mlb_dtype_size((enum mlb_dtype)type);
        memset(bytes[type], 0, sizeof(bytes[type]));
        for (size_t i = 0; i < 6; i++)
            bytes[type][i * size] = type == MLB_BOOL
                                        ? i % 2
                                        : (unsigned char)(i + (size_t)shift);
        snprintf(names[type], sizeof(names[type]), "t/%s",
                 mlb_dtype_name((enum mlb_dtype)type));
        struct mlb_tensor t = { names[type], (enum mlb_dtype)type, 2,
                                { 2, 3 }, bytes[type] };
        sample_check(mlb_checkpoint_add(c, &t, NULL, &err), &err);
    }
    for (size_t i = 0; i < 1500 * 1000; i++)
        numbers[i] = (float)i * 0.5f;
    numbers[1234567] += (float)shift;
    struct mlb_tensor rest[] = {
        { "big", MLB_F32, 2, { 1500, 1000 }, numbers },
        { "scalar", MLB_F64, 0, { 0 }, &scalar },
        { "größe", MLB_I32, 2, { 0, 3 }, NULL },
    };
    for (size_t i = 0; i < 3; i++)
        sample_check(mlb_checkpoint_add(c, &rest[i], NULL, &err), &err);
    sample_check(mlb_checkpoint_add_state(c, "rng", "abcd", 4, &err), &err);
    sample_check(mlb_checkpoint_add_metric(c, "loss", 10.0 - (double)step,
                                           &err), &err);
    sample_check(mlb_checkpoint_publish(c, &err), &err);
    mlb_saver_close(s);
    free(numbers);
}

#endif
