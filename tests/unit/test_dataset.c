/* SPDX-License-Identifier: BSD-3-Clause */
/* Data sets: rows over shards, damage, manifests that lie, names. */
#include "config.h"

#include "manifest_fixture.h"

#include "store/dataset.h"

static struct mlb_dataset *open_rows(const char *path)
{
    struct mlb_error err = { 0 };
    struct mlb_dataset *d = mlb_dataset_open(path, &err);

    if (!d)
        fail_msg("%s", err.text);
    return d;
}

static void assert_rows(struct mlb_dataset *d, const uint64_t *ids,
                        uint64_t count)
{
    struct mlb_error err = { 0 };
    float *x = calloc(count, 2 * sizeof(*x));
    int32_t *y = calloc(count, sizeof(*y));

    assert_ok(mlb_dataset_read(d, "x", ids, count, x, &err), err);
    assert_ok(mlb_dataset_read(d, "y", ids, count, y, &err), err);
    for (uint64_t i = 0; i < count; i++) {
        assert_int_equal(y[i], ids[i]);
        assert_true(x[2 * i] == (float)ids[i]);
        assert_true(x[2 * i + 1] == (float)ids[i] / 2);
    }
    free(x);
    free(y);
}

static void rows_come_back_over_shards(void **state)
{
    static const uint64_t mixed[] = { 29, 0, 3, 4, 5, 7, 8, 8, 28, 29, 1 };
    uint64_t all[30];

    for (uint64_t i = 0; i < 30; i++)
        all[i] = i;
    for (int shards = 0; shards < 2; shards++) {
        char *path = make_rows(state, 30, shards);
        struct mlb_dataset *d = open_rows(path);
        /* 8 shards of 4 rows and the manifest, or one and it. */
        if (shards == 0)
            assert_int_equal(count_files(path), 2);
        assert_int_equal(mlb_dataset_rows(d), 30);
        assert_int_equal(mlb_dataset_fields(d), 2);
        assert_string_equal(mlb_dataset_field(d, 1)->name, "y");
        assert_null(mlb_dataset_field(d, 2));
        assert_null(mlb_dataset_field(d, -1));
        assert_rows(d, all, 30);
        assert_rows(d, mixed, sizeof(mixed) / sizeof(mixed[0]));
        assert_rows(d, NULL, 0);
        mlb_dataset_close(d);
        assert_int_equal(files_remove_tree(in(state, "datasets"), NULL), 0);
        free(path);
    }
    char *path = make_rows(state, 30, true);
    assert_int_equal(count_files(path), 9);
    free(path);
}

static void bad_questions_are_answered(void **state)
{
    char *path = make_rows(state, 10, true);
    struct mlb_dataset *d = open_rows(path);
    struct mlb_error err = { 0 };
    uint64_t ids[] = { 0, 10 };
    float x[4];

    assert_int_equal(mlb_dataset_read(d, "x", ids, 2, x, &err), -1);
    assert_int_equal(err.code, MLB_ERR_USAGE);
    assert_int_equal(mlb_dataset_read(d, "z", ids, 1, x, &err), -1);
    assert_int_equal(err.code, MLB_ERR_NOT_FOUND);
    assert_int_equal(mlb_dataset_split_rows(d, "train", &err), 8);
    assert_int_equal(mlb_dataset_split_rows(d, NULL, &err), 10);
    assert_int_equal(mlb_dataset_split_rows(d, "valid", &err), -1);
    assert_int_equal(err.code, MLB_ERR_NOT_FOUND);
    mlb_dataset_close(d);
    mlb_dataset_close(NULL);
    assert_null(mlb_dataset_open(in(state, "nowhere"), &err));
    assert_int_equal(err.code, MLB_ERR_NOT_FOUND);
    assert_null(mlb_dataset_open(NULL, &err));
    assert_int_equal(err.code, MLB_ERR_USAGE);
    free(path);
}

static void a_damaged_row_is_named(void **state)
{
    char *path = make_rows(state, 100, false);
    char *shard = xasprintf("%s/shard-00000.h5", path);
    struct mlb_error err = { 0 };
    struct container *c = container_open(shard, CONTAINER_DATASET, &err);
    uint64_t x_at = container_find(c, "/fields/x")->offset;
    uint64_t crc_at = container_find(c, "/crc/x")->offset;
    struct mlb_dataset *d = open_rows(path);
    float x[2];

    container_close(c);
    for (uint64_t row = 0; row < 100; row += 33) {
        char name[64];
        uint64_t other = row + 1 < 100 ? row + 1 : 0;
        snprintf(name, sizeof(name), "row %d of field x", (int)row);
        flip_bit(shard, x_at + row * 8 + 5);
        assert_int_equal(mlb_dataset_read(d, "x", &row, 1, x, &err), -1);
        assert_int_equal(err.code, MLB_ERR_BAD_INPUT);
        assert_has(err.text, name);
        assert_ok(mlb_dataset_read(d, "x", &other, 1, x, &err), err);
        flip_bit(shard, x_at + row * 8 + 5);
        flip_bit(shard, crc_at + row * 4);
        /* Checksums are kept: another handle sees the damage. */
        struct mlb_dataset *again = open_rows(path);
        assert_int_equal(mlb_dataset_read(again, "x", &row, 1, x, &err), -1);
        mlb_dataset_close(again);
        flip_bit(shard, crc_at + row * 4);
        assert_ok(mlb_dataset_read(d, "x", &row, 1, x, &err), err);
    }
    mlb_dataset_close(d);
    assert_int_equal(truncate(shard, (off_t)size_of(shard) - 1), 0);
    assert_null(mlb_dataset_open(path, &err));
    assert_int_equal(unlink(shard), 0);
    assert_null(mlb_dataset_open(path, &err));
    assert_int_equal(err.code, MLB_ERR_NOT_FOUND);
    free(shard);
    free(path);
}

static void manifests_that_lie_are_refused(void **state)
{
    static const struct {
        const char *where, *value;
    } lies[] = {
        { "format", "\"other\"" },      { "format", NULL },
        { "format_version", "2" },      { "format_version", "\"1\"" },
        { "version", "\"0123\"" },      { "version", NULL },
        { "rows", "31" },               { "rows", "-1" },
        { "rows", "4611686018427387904" }, { "rows", "9223372036854775807" },
        { "fields", "[]" },             { "fields", "7" },
        { "fields.0.name", "\"../x\"" }, { "fields.0.name", "\"y\"" },
        { "fields.0.name", "\"z\"" },   { "fields.0.dtype", "\"f64\"" },
        { "fields.0.dtype", "\"f7\"" }, { "fields.0.shape", "[3]" },
        { "fields.0.shape", "[-2]" },   { "fields.0.shape", "\"2\"" },
        { "fields.0.shape", "[1,1,1,1,1,1,1,1,2]" },
        { "fields.0.shape", "[9223372036854775807,9223372036854775807]" },
        { "fields.0.shape.0", "9223372036854775807" },
        { "splits.0.rows", "5" },       { "splits.0.rows", "31" },
        { "splits.0.name", "\"no\"" },  { "splits.1.name", "\"train\"" },
        { "splits", NULL },             { "shards", "[]" },
        { "shards.0.file", "\"../../x.h5\"" },
        { "shards.0.rows", "5" },       { "shards.0.bytes", "1" },
        { "shards.1.rows", "9223372036854775807" },
    };
    char *path = make_rows(state, 30, true);
    char *manifest = xasprintf("%s/manifest.json", path);
    struct mlb_error err = { 0 };

    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        enum mlb_errcode code = refusal_of_lie(path, lies[i].where,
                                               lies[i].value);
        assert_true(code == MLB_ERR_BAD_INPUT ||
                    code == MLB_ERR_UNSUPPORTED);
    }
    mlb_dataset_close(open_rows(path));
    write_file(manifest, "{ \"format\": ");
    assert_null(mlb_dataset_open(path, &err));
    assert_has(err.text, "line 1");
    write_file(manifest, "[1]");
    assert_null(mlb_dataset_open(path, &err));
    free(manifest);
    free(path);
}

static void assert_resolves(void **state, const char *reference,
                            const char *wanted)
{
    struct mlb_error err = { 0 };
    char *path = resolve_dataset(*state, reference, &err);

    if (!path)
        fail_msg("%s: %s", reference, err.text);
    assert_string_equal(path, wanted);
    free(path);
}

static void names_resolve(void **state)
{
    static const char *const unknown[] = { "row", "rows:none",
                                           "rows:0123456789abcdef" };
    static const char *const wrong[] = { "", ":", "rows:", "../rows", "a/b",
                                         "rows:../x", ".", "-x", "rows:a:b" };
    char *old = make_rows(state, 10, false), *new = make_rows(state, 11, false);
    const char *version = strrchr(old, '/') + 1;
    char *by_version = xasprintf("rows:%s", version);
    struct mlb_strings names = MLB_STRINGS_INIT, versions = MLB_STRINGS_INIT;
    struct mlb_fields tags = MLB_FIELDS_INIT;
    struct mlb_error err = { 0 };

    assert_ok(resolve_set_tag(*state, "rows", "paper", version, &err), err);
    assert_resolves(state, "rows", new);
    assert_resolves(state, "rows:latest", new);
    assert_resolves(state, "rows:paper", old);
    assert_resolves(state, by_version, old);
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        assert_null(resolve_dataset(*state, unknown[i], &err));
        assert_int_equal(err.code, MLB_ERR_NOT_FOUND);
        if (i == 0)
            assert_has(err.text, "did you mean rows?");
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_null(resolve_dataset(*state, wrong[i], &err));
        assert_int_equal(err.code, MLB_ERR_USAGE);
    }
    assert_ok(resolve_names(*state, &names, &err), err);
    assert_int_equal(names.count, 1);
    assert_ok(resolve_versions(*state, "rows", &versions, &err), err);
    assert_int_equal(versions.count, 2);
    assert_ok(resolve_tags(*state, "rows", &tags, &err), err);
    assert_string_equal(fields_get(&tags, "paper"), version);
    fields_clear(&tags);
    strings_clear(&names);
    strings_clear(&versions);
    free(by_version);
    free(old);
    free(new);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(rows_come_back_over_shards),
        IN_DIRECTORY(bad_questions_are_answered),
        IN_DIRECTORY(a_damaged_row_is_named),
        IN_DIRECTORY(manifests_that_lie_are_refused),
        IN_DIRECTORY(names_resolve),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
