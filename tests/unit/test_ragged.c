/* SPDX-License-Identifier: BSD-3-Clause */
/* Ragged fields and what a data set says of its values: what comes back,
 * damage of each kind, and files that contradict their manifest. */
#include "config.h"

#include <math.h>

#include "dataset_fixture.h"
#include "manifest_fixture.h"

#define ROWS 60

static void its_fields_are_told(void **state)
{
    char *path = make_mixed(state, "mixed", ROWS, 16);
    struct mlb_dataset *d = open_dataset(path);
    const struct mlb_field *t = mlb_dataset_find(d, "t");
    struct mlb_stats stats;

    assert_true(t->ragged);
    assert_string_equal(t->codec, "tokens");
    assert_int_equal(t->row_bytes, 4);
    assert_false(mlb_dataset_find(d, "x")->ragged);
    assert_string_equal(mlb_dataset_find(d, "x")->codec, "");
    assert_int_equal(mlb_dataset_stats(d, "x", &stats), 0);
    assert_true(stats.mean == 1.5 && stats.std == 0.5 && stats.min == -1);
    assert_true(isnan(stats.max));
    assert_int_equal(stats.count, 60);
    assert_int_equal(mlb_dataset_stats(d, "y", &stats), -1);
    assert_int_equal(mlb_dataset_stats(d, "z", &stats), -1);
    assert_string_equal(mlb_dataset_class(d, "y", 2), "ox");
    assert_null(mlb_dataset_class(d, "y", 3));
    assert_null(mlb_dataset_class(d, "x", 0));
    assert_null(mlb_dataset_class(d, "z", 0));
    assert_int_equal(mlb_dataset_splits(d), 2);
    assert_string_equal(mlb_dataset_split(d, 1), "one");
    assert_null(mlb_dataset_split(d, 2));
    assert_null(mlb_dataset_split(d, -1));
    const struct manifest_about *y = &d->m.about[1];
    assert_int_equal(y->count_count, 3);
    assert_int_equal(y->counts[2].value, 2);
    assert_int_equal(y->counts[2].rows, 20);
    mlb_dataset_close(d);
    free(path);
}

static void rows_of_all_lengths_come_back(void **state)
{
    static const uint64_t ids[] = { 59, 0, 7, 8, 9, 15, 16, 17, 31, 32, 32,
                                    14, 13, 1, 2, 3, 4, 5, 6 };
    const uint64_t n = sizeof(ids) / sizeof(ids[0]);
    char *path = make_mixed(state, "mixed", ROWS, 16);
    struct mlb_dataset *d = open_dataset(path);
    struct mlb_error err = { 0 };
    uint64_t offsets[32];
    unsigned char bytes[19 * 1000];

    assert_true(mlb_dataset_read_ragged(d, "t", ids, n, offsets, bytes,
                                        sizeof(bytes), &err) > 0);
    assert_ragged(ids, n, offsets, (const uint16_t *)(void *)bytes);
    int64_t size = mlb_dataset_read_ragged(d, "b", ids, n, offsets, NULL, 0,
                                           &err);
    assert_true(size > 0 && offsets[n] == (uint64_t)size);
    memset(bytes, 1, sizeof(bytes));
    assert_int_equal(mlb_dataset_read_ragged(d, "b", ids, n, offsets, bytes,
                                             (uint64_t)size - 1, &err), size);
    assert_int_equal(bytes[0], 1);
    assert_int_equal(mlb_dataset_read_ragged(d, "b", ids, n, offsets, bytes,
                                             (uint64_t)size, &err), size);
    assert_blobs(ids, n, offsets, bytes);
    assert_int_equal(bytes[size], 1);
    assert_int_equal(mlb_dataset_read_ragged(d, "t", ids, 0, offsets, NULL,
                                             0, &err), 0);
    assert_int_equal(offsets[0], 0);
    /* Row 7 is empty. */
    assert_int_equal(mlb_dataset_read_ragged(d, "t", ids + 2, 1, offsets,
                                             NULL, 0, &err), 0);
    mlb_dataset_close(d);
    free(path);
}

static void the_other_kind_is_refused(void **state)
{
    char *path = make_mixed(state, "mixed", ROWS, 16);
    struct mlb_dataset *d = open_dataset(path);
    struct mlb_error err = { 0 };
    uint64_t offsets[2], id = 1, none = ROWS;
    char out[64];

    assert_int_equal(mlb_dataset_read(d, "t", &id, 1, out, &err), -1);
    assert_int_equal(err.code, MLB_ERR_USAGE);
    assert_has(err.text, "ragged");
    assert_int_equal(mlb_dataset_read_ragged(d, "x", &id, 1, offsets, out,
                                             64, &err), -1);
    assert_int_equal(err.code, MLB_ERR_USAGE);
    assert_int_equal(mlb_dataset_read_ragged(d, "t", &none, 1, offsets, out,
                                             64, &err), -1);
    assert_int_equal(err.code, MLB_ERR_USAGE);
    assert_int_equal(mlb_dataset_read_ragged(d, "z", &id, 1, offsets, out,
                                             64, &err), -1);
    assert_int_equal(err.code, MLB_ERR_NOT_FOUND);
    mlb_dataset_close(d);
    free(path);
}

/* Where array name of the only shard begins. */
static uint64_t find_array(const char *shard, const char *name)
{
    struct mlb_error err = { 0 };
    struct container *c = container_open(shard, CONTAINER_DATASET, &err);

    assert_non_null(c);
    assert_non_null(container_find(c, name));
    uint64_t at = container_find(c, name)->offset;
    container_close(c);
    return at;
}

/* Read one row of field b of the data set opened anew. */
static int64_t read_row(const char *path, uint64_t row,
                        struct mlb_error *err)
{
    struct mlb_dataset *d = open_dataset(path);
    uint64_t offsets[2];
    char out[1000];
    int64_t n = mlb_dataset_read_ragged(d, "b", &row, 1, offsets, out,
                                        sizeof(out), err);

    mlb_dataset_close(d);
    return n;
}

static void damage_is_named(void **state)
{
    static const struct {
        const char *array;
        uint64_t at;                  /* byte of it */
    } cases[] = {
        { "/fields/b/data", 37 + 74 + 111 + 5 },     /* in row 4 */
        { "/crc/b", 4 * 4 + 1 },
        { "/fields/b/offsets", 4 * 8 },
        { "/fields/b/offsets", 5 * 8 + 7 },
    };
    char *path = make_mixed(state, "mixed", ROWS, ROWS);
    char *shard = xasprintf("%s/shard-00000.h5", path);
    struct mlb_error err = { 0 };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t at = find_array(shard, cases[i].array) + cases[i].at;
        flip_bit(shard, at);
        assert_int_equal(read_row(path, 4, &err), -1);
        assert_int_equal(err.code, MLB_ERR_BAD_INPUT);
        assert_has(err.text, "row 4 of field b");
        assert_has(err.text, "damaged");
        if (i < 2)
            assert_int_equal(read_row(path, 5, &err), 5 * 37);
        flip_bit(shard, at);
        assert_int_equal(read_row(path, 4, &err), 4 * 37);
    }
    free(shard);
    free(path);
}

/* A data set of 3 rows of one ragged field with these offsets. */
static char *make_offsets(void **state, const char *name,
                          const uint64_t offsets[4])
{
    static const unsigned char data[10];
    static const uint32_t crcs[3];
    char *path = xstrdup(in(state, name));
    char *shard = xasprintf("%s/shard-00000.h5", path), *text;
    struct mlb_error err = { 0 };

    assert_int_equal(mkdir(path, 0700), 0);
    struct container_writer *w = container_create(shard, CONTAINER_DATASET,
                                                  &err);
    add(w, "/fields/b/data", MLB_U8, 10, data);
    add(w, "/fields/b/offsets", MLB_U64, 4, offsets);
    add(w, "/crc/b", MLB_U32, 3, crcs);
    publish(w);
    text = xasprintf(
        "{\"format\": \"mlbatch-dataset\", \"format_version\": 1, \"name\":"
        " \"o\", \"version\": \"0123456789abcdef\", \"rows\": 3, \"fields\":"
        " [{\"name\": \"b\", \"dtype\": \"u8\", \"shape\": [], \"ragged\":"
        " true}], \"splits\": [], \"shards\": [{\"file\": \"shard-00000.h5\","
        " \"rows\": 3, \"bytes\": %llu, \"elements\": {\"b\": 10}}]}",
        (unsigned long long)size_of(shard));
    free(shard);
    shard = xasprintf("%s/manifest.json", path);
    write_file(shard, text);
    free(shard);
    free(text);
    return path;
}

static void offsets_that_lie_are_refused(void **state)
{
    static const uint64_t lies[][4] = {
        { 1, 2, 3, 10 },               { 0, 2, 3, 9 },
        { 0, 2, 3, 11 },               { 0, 5, 4, 10 },
        { 0, UINT64_MAX, 4, 10 },      { 0, 11, 11, 10 },
        { 0, 1, UINT64_MAX - 3, 10 },
    };
    struct mlb_error err = { 0 };
    char name[] = "a";

    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++, name[0]++) {
        char *path = make_offsets(state, name, lies[i]);
        assert_int_equal(read_row(path, 1, &err), -1);
        assert_int_equal(err.code, MLB_ERR_BAD_INPUT);
        assert_has(err.text, "offsets");
        free(path);
    }
    char *path = make_offsets(state, name, (const uint64_t[]){ 0, 0, 0, 10 });
    assert_int_equal(read_row(path, 1, &err), 0);
    free(path);
}

static void manifests_that_lie_are_refused(void **state)
{
    static const struct {
        const char *where, *value;
    } lies[] = {
        { "fields.2.ragged", "1" },      { "fields.2.ragged", "false" },
        { "fields.2.ragged", NULL },     { "fields.0.ragged", "true" },
        { "fields.2.codec", "7" },       { "fields.2.codec", "\"../x\"" },
        { "fields.2.shape", "[3]" },     { "fields.2.dtype", "\"u8\"" },
        { "fields.2.shape", "[4611686018427387904]" },
        { "shards.0.elements", NULL },   { "shards.0.elements", "[1]" },
        { "shards.1.elements.t", "1" },  { "shards.1.elements.t", "-1" },
        { "shards.1.elements.t", NULL }, { "shards.0.elements.b", "1.5" },
        { "shards.0.elements.t", "4611686018427387904" },
        { "fields.1.classes", "3" },     { "fields.1.classes", "[1, 2, 3]" },
        { "fields.1.classes", "[\"a\", \"b\"]" },
        { "fields.0.classes", "[\"a\"]" },
        { "fields.0.stats", "[]" },      { "fields.1.stats", "{}" },
        { "fields.0.stats.mean", "\"1\"" }, { "fields.0.stats.std", NULL },
        { "fields.0.stats.count", "-1" }, { "fields.0.stats.count", "null" },
        { "fields.1.counts", "{}" },     { "fields.1.counts", "[[1]]" },
        { "fields.1.counts", "[[1, 30], [1, 30]]" },
        { "fields.1.counts", "[[1, 30], [2, 29]]" },
        { "fields.1.counts", "[[1, 30], [2, 31]]" },
        { "fields.1.counts", "[[1, -1], [2, 61]]" },
        { "fields.1.counts", "[[1.5, 60]]" },
        { "fields.0.counts", "[[1, 60]]" },
        { "fields.3.counts", "[[1, 60]]" },
    };
    char *path = make_mixed(state, "mixed", ROWS, 16);

    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
        assert_int_equal(refusal_of_lie(path, lies[i].where, lies[i].value),
                         MLB_ERR_BAD_INPUT);
    /* One that says what is so, of a field that it says nothing of. */
    mlb_dataset_close(open_dataset(path));
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(its_fields_are_told),
        IN_DIRECTORY(rows_of_all_lengths_come_back),
        IN_DIRECTORY(the_other_kind_is_refused),
        IN_DIRECTORY(damage_is_named),
        IN_DIRECTORY(offsets_that_lie_are_refused),
        IN_DIRECTORY(manifests_that_lie_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
