/* SPDX-License-Identifier: BSD-3-Clause */
/* Writing versions: the hash that names them, statistics, what is in the
 * shards, and what is left when it fails. */
#include "config.h"

#include "store_fixture.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <xxhash.h>

#include "store/version.h"
#include "store/version_measure.h"

static const struct version_split splits[] = { { "train", 0.5 },
                                               { "test", 0.5 } };

/* x: f32 [2], y: u8 with classes, text: ragged. */
struct table {
    struct mlb_strings classes;
    struct version_field fields[3];
    struct version_request request;
};

static void make_table(void **state, struct table *t, uint64_t shard_bytes)
{
    *t = (struct table){ .classes = MLB_STRINGS_INIT };
    strings_push(&t->classes, "ox");
    strings_push(&t->classes, "mouse");
    t->fields[0] = (struct version_field){ .name = "x", .dtype = MLB_F32,
                                           .rank = 1, .shape = { 2 } };
    t->fields[1] = (struct version_field){ .name = "y", .dtype = MLB_U8,
                                           .classes = &t->classes };
    t->fields[2] = (struct version_field){ .name = "text", .dtype = MLB_U8,
                                           .ragged = true, .codec = "utf8" };
    t->request = (struct version_request){
        .directory = *state, .name = "t", .fields = t->fields,
        .field_count = 3, .splits = splits, .split_count = 2, .seed = 3,
        .shard_bytes = shard_bytes,
    };
}

static void get_row(int i, float x[2], uint8_t *y, char text[8])
{
    x[0] = (float)i;
    x[1] = i % 10 == 0 ? NAN : (float)-i;
    *y = (uint8_t)(i % 3 == 0);
    snprintf(text, 8, "%.*s", i % 8, "abcdefg");
}

/* Its path, which the caller frees. */
static char *write_table(const struct table *t, int rows)
{
    struct mlb_error err = { 0 };
    struct version_writer *w = version_begin(&t->request, &err);
    char version[MANIFEST_VERSION_LENGTH + 1];
    json_t *origin = json_pack("{s:s}", "command", "by hand");
    bool existed;

    if (!w)
        fail_msg("%s", err.text);
    for (int i = 0; i < rows; i++) {
        float x[2];
        uint8_t y;
        char text[8];
        get_row(i, x, &y, text);
        const struct version_cell cells[] = { { x, sizeof(x) }, { &y, 1 },
                                              { text, strlen(text) } };
        assert_ok(version_append(w, cells, 1, &err), err);
    }
    assert_int_equal(version_rows(w), rows);
    assert_ok(version_finish(w, origin, version, &existed, &err), err);
    assert_false(existed);
    json_decref(origin);
    return xasprintf("%s/%s", t->request.directory, version);
}

static void add_text(XXH3_state_t *state, const char *text)
{
    XXH3_128bits_update(state, text, strlen(text));
}

static void add_digest(XXH3_state_t *state, XXH3_state_t *of)
{
    XXH128_canonical_t digest;

    XXH128_canonicalFromHash(&digest, XXH3_128bits_digest(of));
    XXH3_128bits_update(state, digest.digest, 16);
    XXH3_128bits_reset(of);
}

/* The ids of a split as they are in the first shard. */
static void add_ids(XXH3_state_t *state, struct container *shard,
                    const char *name)
{
    const struct container_info *a = container_find(shard, name);
    uint64_t ids[100];
    struct mlb_error err = { 0 };

    assert_non_null(a);
    assert_ok(container_read(shard, a, NULL, ids, &err), err);
    XXH3_128bits_update(state, ids, a->bytes);
}

/* The name is made as the description of the format says. */
static void the_name_is_a_hash_of_the_content(void **state)
{
    struct table t;
    XXH3_state_t *all = XXH3_createState(), *part = XXH3_createState();
    char name[17], text[8];
    float x[2];
    uint8_t y;

    make_table(state, &t, 0);
    char *path = write_table(&t, 100);
    char *file = xasprintf("%s/shard-00000.h5", path);
    struct container *shard = container_open(file, CONTAINER_DATASET, NULL);
    assert_non_null(shard);
    XXH3_128bits_reset(all);
    XXH3_128bits_reset(part);
    add_text(all, "mlbatch-dataset 2\nrows 100\nfield x f32 2\n");
    for (int i = 0; i < 100; i++) {
        get_row(i, x, &y, text);
        XXH3_128bits_update(part, x, sizeof(x));
    }
    add_digest(all, part);
    add_text(all, "field y u8\n");
    for (int i = 0; i < 100; i++) {
        get_row(i, x, &y, text);
        XXH3_128bits_update(part, &y, 1);
    }
    add_digest(all, part);
    add_text(all, "field text u8 ragged codec utf8\n");
    for (int i = 0; i < 100; i++) {
        get_row(i, x, &y, text);
        add_text(part, text);
    }
    add_digest(all, part);
    for (int i = 0; i < 100; i++) {
        uint64_t length = (uint64_t)i % 8;
        XXH3_128bits_update(part, &length, sizeof(length));
    }
    add_digest(all, part);
    add_text(all, "split train 50\n");
    add_ids(part, shard, "/splits/train");
    add_digest(all, part);
    add_text(all, "split test 50\n");
    add_ids(part, shard, "/splits/test");
    add_digest(all, part);
    add_text(all, "classes y\n");
    XXH3_128bits_update(part, "ox\0mouse", 9);
    add_digest(all, part);
    snprintf(name, sizeof(name), "%016" PRIx64,
             (uint64_t)XXH3_128bits_digest(all).high64);
    assert_string_equal(strrchr(path, '/') + 1, name);
    container_close(shard);
    XXH3_freeState(all);
    XXH3_freeState(part);
    strings_clear(&t.classes);
    free(file);
    free(path);
}

static void shard_size_does_not_change_the_name(void **state)
{
    struct table t;
    struct mlb_error err = { 0 };
    char version[17];
    bool existed;

    make_table(state, &t, 0);
    char *path = write_table(&t, 100);
    for (uint64_t bytes = 1; bytes < 3000; bytes = bytes * 3 + 1) {
        t.request.shard_bytes = bytes;
        struct version_writer *w = version_begin(&t.request, &err);
        json_t *origin = json_object();
        for (int i = 0; i < 100; i++) {
            float x[2];
            uint8_t y;
            char text[8];
            get_row(i, x, &y, text);
            const struct version_cell cells[] = {
                { x, sizeof(x) }, { &y, 1 }, { text, strlen(text) } };
            assert_ok(version_append(w, cells, 1, &err), err);
        }
        assert_ok(version_finish(w, origin, version, &existed, &err), err);
        assert_true(existed);
        assert_string_equal(strrchr(path, '/') + 1, version);
        json_decref(origin);
    }
    assert_int_equal(count_files(*state), 1);
    strings_clear(&t.classes);
    free(path);
}

static void what_cannot_be_opened_is_not_published(void **state)
{
    struct table t;
    struct mlb_error err = { 0 };
    char version[17];
    bool existed;
    const float x[2] = { 1, 2 };
    const uint8_t y = 1;

    make_table(state, &t, 0);
    for (size_t i = t.classes.count; i <= MANIFEST_MAX_ITEMS; i++)
        strings_push(&t.classes, "c");
    struct version_writer *w = version_begin(&t.request, &err);
    json_t *origin = json_object();
    const struct version_cell cells[] = { { x, sizeof(x) }, { &y, 1 },
                                          { "", 0 } };
    assert_ok(version_append(w, cells, 1, &err), err);
    assert_int_equal(version_finish(w, origin, version, &existed, &err), -1);
    assert_int_equal(err.code, MLB_ERR_BAD_INPUT);
    assert_has(err.text, "list of classes");
    assert_int_equal(count_files(*state), 0);
    json_decref(origin);
    strings_clear(&t.classes);
}

static uint64_t shape_of(struct container *c, const char *name)
{
    const struct container_info *a = container_find(c, name);

    assert_non_null(a);
    return a->shape[0];
}

static void read_array(struct container *c, const char *name, void *out)
{
    struct mlb_error err = { 0 };

    assert_non_null(container_find(c, name));
    assert_ok(container_read(c, container_find(c, name), NULL, out, &err),
              err);
}

static void check_shard(struct container *c, int *row)
{
    uint64_t offsets[101], rows = shape_of(c, "/fields/y");
    float all[200], x[2];
    char bytes[800], text[8];
    uint8_t y;

    assert_int_equal(shape_of(c, "/fields/text/offsets"), rows + 1);
    assert_int_equal(shape_of(c, "/crc/text"), rows);
    read_array(c, "/fields/text/offsets", offsets);
    assert_int_equal(offsets[0], 0);
    assert_int_equal(shape_of(c, "/fields/text/data"), offsets[rows]);
    read_array(c, "/fields/text/data", bytes);
    read_array(c, "/fields/x", all);
    for (uint64_t i = 0; i < rows; i++, ++*row) {
        get_row(*row, x, &y, text);
        assert_memory_equal(all + 2 * i, x, sizeof(x));
        assert_int_equal(offsets[i + 1] - offsets[i], strlen(text));
        assert_memory_equal(bytes + offsets[i], text, strlen(text));
    }
}

static void shards_hold_the_rows(void **state)
{
    struct table t;
    char classes[2][5];
    double stats[5];
    int row = 0;

    make_table(state, &t, 300);
    char *path = write_table(&t, 100);
    size_t count = count_files(path) - 1;
    assert_true(count > 5);
    for (size_t i = 0; i < count; i++) {
        char *file = xasprintf("%s/shard-%05zu.h5", path, i);
        struct container *c = container_open(file, CONTAINER_DATASET, NULL);
        assert_non_null(c);
        check_shard(c, &row);
        assert_int_equal(container_find(c, "/splits/train") != NULL, i == 0);
        assert_int_equal(container_find(c, "/provenance") != NULL, i == 0);
        if (i == 0) {
            read_array(c, "/classes/y", classes);
            assert_memory_equal(classes[0], "ox\0\0\0", 5);
            assert_memory_equal(classes[1], "mouse", 5);
            read_array(c, "/stats/x", stats);
            assert_true(stats[4] == 190);     /* ten are NaN */
            assert_true(stats[2] == -99 && stats[3] == 99);
            assert_null(container_find(c, "/stats/text"));
        }
        container_close(c);
        free(file);
    }
    assert_int_equal(row, 100);
    strings_clear(&t.classes);
    free(path);
}

static void measure_numbers(enum mlb_dtype dtype, const void *bytes,
                            size_t length, size_t piece, double out[5])
{
    const struct version_field f = { .name = "f", .dtype = dtype };
    struct measure m;
    const char *p = bytes;

    measure_init(&m, &f);
    for (size_t at = 0; at < length; at += piece)
        measure_add(&m, p + at, length - at < piece ? length - at : piece);
    measure_stats(&m, out);
    measure_clear(&m);
}

static void statistics_are_stable(void **state)
{
    static double far[10000];
    double one[5], other[5];

    (void)state;
    /* A sum of squares would lose all digits of the deviation here. */
    for (size_t i = 0; i < 10000; i++)
        far[i] = 1e9 + (double)(i % 2);
    measure_numbers(MLB_F64, far, sizeof(far), sizeof(far), one);
    assert_true(fabs(one[0] - (1e9 + 0.5)) < 1e-6);
    assert_true(fabs(one[1] - 0.5) < 1e-9);
    assert_true(one[2] == 1e9 && one[3] == 1e9 + 1 && one[4] == 10000);
    /* Pieces change nothing, not even a bit. */
    for (size_t piece = 8; piece < 20000; piece = piece * 5 + 8) {
        measure_numbers(MLB_F64, far, sizeof(far), piece, other);
        assert_memory_equal(one, other, sizeof(one));
    }
}

static void small_floats_are_read_right(void **state)
{
    static const struct {
        enum mlb_dtype dtype;
        uint16_t bits;
        double value;
    } cases[] = {
        { MLB_F16, 0x3c00, 1 },          { MLB_F16, 0xc500, -5 },
        { MLB_F16, 0x0001, 0x1p-24 },    { MLB_F16, 0x7bff, 65504 },
        { MLB_F16, 0x7c00, INFINITY },   { MLB_BF16, 0x3f80, 1 },
        { MLB_BF16, 0xc0a0, -5 },        { MLB_E4M3, 0x38, 1 },
        { MLB_E4M3, 0x7e, 448 },         { MLB_E4M3, 0x01, 0x1p-9 },
        { MLB_E4M3, 0xb8, -1 },          { MLB_E5M2, 0x3c, 1 },
        { MLB_E5M2, 0x7b, 57344 },       { MLB_E5M2, 0x01, 0x1p-16 },
    };
    double out[5];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        measure_numbers(cases[i].dtype, &cases[i].bits,
                        mlb_dtype_size(cases[i].dtype), 2, out);
        assert_true(out[2] == cases[i].value && out[4] == 1);
    }
    uint16_t none = 0x7f7f;
    measure_numbers(MLB_E4M3, &none, 2, 1, out);
    assert_true(out[4] == 0 && isnan(out[0]) && isnan(out[2]));
}

static void labels_are_counted_up_to_256(void **state)
{
    struct measure m;
    struct version_field f = { .name = "y", .dtype = MLB_I16 };

    (void)state;
    measure_init(&m, &f);
    for (int round = 0; round < 3; round++)
        for (int16_t i = -128; i < 128; i++)
            measure_add(&m, &i, sizeof(i));
    assert_true(m.has_counts);
    assert_int_equal(m.labels, 256);
    assert_int_equal(m.label[0], -128);
    assert_int_equal(m.label_rows[255], 3);
    int16_t more = 500;
    measure_add(&m, &more, sizeof(more));
    assert_false(m.has_counts);
    measure_clear(&m);
    f.dtype = MLB_U64;
    uint64_t wide = UINT64_MAX;
    measure_init(&m, &f);
    measure_add(&m, &wide, sizeof(wide));
    assert_false(m.has_counts);
    measure_clear(&m);
}

static void bad_fields_are_refused(void **state)
{
    struct table t;
    struct mlb_error err = { 0 };

    make_table(state, &t, 0);
    t.fields[1].name = "x";
    assert_null(version_begin(&t.request, &err));
    assert_has(err.text, "twice");
    t.fields[1].name = "a/b";
    assert_null(version_begin(&t.request, &err));
    assert_has(err.text, "not a name");
    t.fields[1].name = "y";
    t.fields[0].shape[0] = 0;
    assert_null(version_begin(&t.request, &err));
    assert_has(err.text, "holds nothing");
    t.fields[0].shape[0] = UINT64_MAX;
    assert_null(version_begin(&t.request, &err));
    t.request.field_count = 0;
    assert_null(version_begin(&t.request, &err));
    assert_int_equal(count_files(*state), 0);
    strings_clear(&t.classes);
}

static void abandoned_versions_leave_nothing(void **state)
{
    struct table t;
    struct mlb_error err = { 0 };
    const float x[2] = { 1, 2 };
    const struct version_cell cells[] = { { x, sizeof(x) }, { "", 1 },
                                          { "abc", 3 } };

    make_table(state, &t, 1);
    struct version_writer *w = version_begin(&t.request, &err);
    for (int i = 0; i < 5; i++)
        assert_ok(version_append(w, cells, 1, &err), err);
    assert_int_equal(count_files(*state), 1);
    version_abandon(w);
    version_abandon(NULL);
    assert_int_equal(count_files(*state), 0);
    strings_clear(&t.classes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(the_name_is_a_hash_of_the_content),
        IN_DIRECTORY(shard_size_does_not_change_the_name),
        IN_DIRECTORY(what_cannot_be_opened_is_not_published),
        IN_DIRECTORY(shards_hold_the_rows),
        cmocka_unit_test(statistics_are_stable),
        cmocka_unit_test(small_floats_are_read_right),
        cmocka_unit_test(labels_are_counted_up_to_256),
        IN_DIRECTORY(bad_fields_are_refused),
        IN_DIRECTORY(abandoned_versions_leave_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
