/* SPDX-License-Identifier: BSD-3-Clause */
/* Importing CSV files: what comes out, and what is said of bad ones. */
#include "config.h"

#include "store_fixture.h"

#include <zlib.h>

#include "store/dataset.h"
#include "store/import.h"
#include "store/resolve.h"

/* The example data of the repository. */
static const char *digits(void)
{
    static char path[4096];
    const char *srcdir = getenv("srcdir");

    snprintf(path, sizeof(path), "%s/contrib/examples/digits/digits.csv.gz",
             srcdir ? srcdir : ".");
    return path;
}

static struct import_options options_for(void **state, const char *source)
{
    return (struct import_options){ .store = *state, .name = "d",
                                    .source = source };
}

/* Import, open what came out. */
static struct mlb_dataset *import(const struct import_options *o)
{
    struct mlb_problems problems = MLB_PROBLEMS_INIT;
    struct import_result result;
    struct mlb_error err = { 0 };

    if (import_run(o, &result, &problems, &err) < 0)
        fail_msg("%s: %s", err.text,
                 problems.lines.count ? problems.lines.items[0] : "");
    char *path = resolve_dataset(o->store, o->name, &err);
    assert_non_null(path);
    struct mlb_dataset *d = mlb_dataset_open(path, &err);
    if (!d)
        fail_msg("%s", err.text);
    assert_string_equal(mlb_dataset_version(d), result.version);
    free(path);
    return d;
}

/* The same from text. */
static struct mlb_dataset *import_text(void **state, const char *text,
                                       const char *label)
{
    struct import_options o = options_for(state, in(state, "t.csv"));

    o.label = label;
    write_file(o.source, text);
    return import(&o);
}

static void assert_row(struct mlb_dataset *d, uint64_t row, size_t count,
                       const float *wanted)
{
    struct mlb_error err = { 0 };
    float x[64];

    assert_int_equal(mlb_dataset_find(d, "x")->row_bytes, count * 4);
    assert_ok(mlb_dataset_read(d, "x", &row, 1, x, &err), err);
    assert_memory_equal(x, wanted, count * 4);
}

static int32_t label_of(struct mlb_dataset *d, uint64_t row)
{
    struct mlb_error err = { 0 };
    int32_t y;

    assert_int_equal(mlb_dataset_find(d, "y")->dtype, MLB_I32);
    assert_ok(mlb_dataset_read(d, "y", &row, 1, &y, &err), err);
    return y;
}

static void digits_come_in(void **state)
{
    static const struct version_split splits[] = { { "train", 0.8 },
                                                   { "test", 0.2 } };
    struct import_options o = options_for(state, digits());
    uint64_t counts[10] = { 0 };

    o.label = "last";
    o.shape = "8,8";
    o.splits = splits;
    o.split_count = 2;
    struct mlb_dataset *d = import(&o);
    const struct mlb_field *x = mlb_dataset_find(d, "x");
    assert_int_equal(mlb_dataset_rows(d), 1797);
    assert_int_equal(x->dtype, MLB_F32);
    assert_int_equal(x->rank, 2);
    assert_int_equal(x->shape[0] * 100 + x->shape[1], 808);
    assert_int_equal(mlb_dataset_split_rows(d, "train", NULL), 1438);
    assert_int_equal(mlb_dataset_split_rows(d, "test", NULL), 359);
    assert_int_equal(mlb_dataset_split_rows(d, "other", NULL), -1);
    for (uint64_t i = 0; i < 1797; i++)
        counts[label_of(d, i)]++;
    assert_int_equal(counts[0], 178);
    assert_int_equal(counts[8], 174);
    mlb_dataset_close(d);
}

static void the_version_is_the_content(void **state)
{
    struct mlb_problems problems = MLB_PROBLEMS_INIT;
    struct import_options o = options_for(state, in(state, "a.csv"));
    struct import_result first, again, other;
    struct mlb_error err = { 0 };

    o.label = "last";
    write_file(o.source, "1,2,3\n4,5,6\n");
    assert_ok(import_run(&o, &first, &problems, &err), err);
    assert_false(first.existed);
    /* The same numbers written in another way. */
    o.source = in(state, "b.csv");
    write_file(o.source, "\xef\xbb\xbf" "a,b,c\r\n1.0, 2,3\r\n\n4e0,5,6");
    assert_ok(import_run(&o, &again, &problems, &err), err);
    assert_true(again.existed);
    assert_string_equal(first.version, again.version);
    write_file(o.source, "1,2,3\n4,5.5,6\n");
    assert_ok(import_run(&o, &other, &problems, &err), err);
    assert_false(other.existed);
    assert_string_not_equal(first.version, other.version);
    /* One directory each, the tags, and nothing else. */
    assert_int_equal(count_files(in(state, "datasets/d")), 3);
}

static void labels_and_headers(void **state)
{
    static const float plain[3] = { 1, 2, 3 }, two[2] = { 2, 3 };
    static const float outer[2] = { 1, 3 };
    struct mlb_dataset *d = import_text(state, "1,2,3\n", NULL);

    assert_int_equal(mlb_dataset_fields(d), 1);
    assert_row(d, 0, 3, plain);
    mlb_dataset_close(d);
    d = import_text(state, "1,2,3\n", "first");
    assert_row(d, 0, 2, two);
    assert_int_equal(label_of(d, 0), 1);
    mlb_dataset_close(d);
    d = import_text(state, "1,2,3\n", "2");
    assert_row(d, 0, 2, outer);
    assert_int_equal(label_of(d, 0), 2);
    mlb_dataset_close(d);
    d = import_text(state, "left,the label ,right\n1,2,3\n", "the label");
    assert_int_equal(mlb_dataset_rows(d), 1);
    assert_row(d, 0, 2, outer);
    assert_int_equal(label_of(d, 0), 2);
    mlb_dataset_close(d);
    d = import_text(state, "7\n8\n", "last");
    assert_null(mlb_dataset_find(d, "x"));
    assert_int_equal(label_of(d, 1), 8);
    mlb_dataset_close(d);
}

static void labels_take_the_type_that_fits(void **state)
{
    static const struct {
        const char *text;
        enum mlb_dtype dtype;
    } cases[] = {
        { "1,-2147483648\n1,2147483647\n", MLB_I32 },
        { "1,5\n1,2147483648\n", MLB_I64 },
        { "1,9223372036854775807\n", MLB_I64 },
        { "1,5\n1,2.5\n", MLB_F32 },
        { "1,9223372036854775808\n", MLB_F32 },
        { "1,nan\n", MLB_F32 },
    };
    struct mlb_error err = { 0 };
    uint64_t row = 1;
    float fraction;
    int64_t wide;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mlb_dataset *d = import_text(state, cases[i].text, "last");
        assert_int_equal(mlb_dataset_find(d, "y")->dtype, cases[i].dtype);
        if (i == 1) {
            assert_ok(mlb_dataset_read(d, "y", &row, 1, &wide, &err), err);
            assert_int_equal(wide, 2147483648);
        }
        if (i == 3) {
            assert_ok(mlb_dataset_read(d, "y", &row, 1, &fraction, &err),
                      err);
            assert_true(fraction == 2.5f);
        }
        mlb_dataset_close(d);
    }
}

/* What is wrong with a text: the lines of it, and nothing imported. */
static void assert_problems(void **state, const char *text, const char *label,
                            const char *const *wanted)
{
    struct mlb_problems problems = MLB_PROBLEMS_INIT;
    struct import_options o = options_for(state, in(state, "bad.csv"));
    struct import_result result;
    struct mlb_error err = { 0 };
    size_t i;

    o.label = label;
    write_file(o.source, text);
    assert_int_equal(import_run(&o, &result, &problems, &err), -1);
    assert_int_equal(err.code, MLB_ERR_BAD_INPUT);
    for (i = 0; wanted[i]; i++) {
        assert_true(i < problems.lines.count);
        assert_has(problems.lines.items[i], wanted[i]);
    }
    assert_int_equal(problems.lines.count, i);
    problems_clear(&problems);
    assert_int_equal(count_files(in(state, "datasets/d")), 0);
}

static void bad_rows_are_named_with_their_line(void **state)
{
    static const char *const rows[] = {
        "bad.csv:2: expected 3 columns, found 2",
        "bad.csv:4: column 2: expected a number, found \"x y\"",
        "bad.csv:5: column 3: expected a number, found \"\"",
        "bad.csv:6: expected 3 columns, found 4",
        "bad.csv:7: column 1: expected a number that fits f32, found \"1e99\"",
        "bad.csv:8: column 3: expected a number, found \"0 0\"",
        "bad.csv:9: column 3: expected a number that fits f32, found \"1e39\"",
        "bad.csv:10: column 3: expected a number that fits f32, found "
        "\"-1e999\"",
        NULL
    };
    static const char *const first[] = {
        "bad.csv:1: column 2: expected a number, found \"b\"", NULL
    };
    static const char *const nothing[] = { "bad.csv: no rows in it", NULL };
    static const char *const none[] = { NULL };

    assert_problems(state,
                    "1,2,3\n1,2\n1,2,3\n1, x y ,3\n1,2,\n1,2,3,4\n"
                    "1e99,2,3\n1,2,0 0\n1,2,1e39\n1,2,-1e999\n1,2,-inf\n",
                    "last", rows);
    assert_problems(state, "1,b\n2,3\n", NULL, first);
    assert_problems(state, "", NULL, nothing);
    assert_problems(state, "\n \na,b\n", NULL, nothing);
    assert_problems(state, "1,2\n", "3", none);
    assert_problems(state, "1,2\n", "0", none);
    assert_problems(state, "a,b\n1,2\n", "c", none);
}

static void many_problems_end_the_reading(void **state)
{
    struct mlb_problems problems = MLB_PROBLEMS_INIT;
    struct import_options o = options_for(state, in(state, "many.csv"));
    struct import_result result;
    struct mlb_error err = { 0 };
    struct mlb_text text = MLB_TEXT_INIT;

    text_add(&text, "1\n");
    for (int i = 0; i < 1000; i++)
        text_add(&text, "x\n");
    write_file(o.source, text.data);
    text_clear(&text);
    assert_int_equal(import_run(&o, &result, &problems, &err), -1);
    assert_int_equal(problems.lines.count, IMPORT_MAX_PROBLEMS + 1);
    assert_has(problems.lines.items[IMPORT_MAX_PROBLEMS], "stopped");
    problems_clear(&problems);
}

static void damaged_gzip_files_are_refused(void **state)
{
    struct mlb_problems problems = MLB_PROBLEMS_INIT;
    const char *path = in(state, "cut.gz");
    struct import_options o = options_for(state, path);
    struct import_result result;
    struct mlb_error err = { 0 };
    gzFile f = gzopen(path, "w");

    for (int i = 0; i < 5000; i++)
        gzprintf(f, "%d,%d\n", i, i * i % 1000);
    assert_int_equal(gzclose(f), Z_OK);
    assert_int_equal(truncate(path, (off_t)size_of(path) - 20), 0);
    assert_int_equal(import_run(&o, &result, &problems, &err), -1);
    assert_int_equal(err.code, MLB_ERR_BAD_INPUT);
    assert_has(err.text, "gzip");
    flip_bit(path, 2000);
    assert_int_equal(import_run(&o, &result, &problems, &err), -1);
    assert_int_equal(count_files(in(state, "datasets/d")), 0);
}

/* Two streams of rows, and what follows the first one changed. */
static int import_streams(void **state, const char *behind, size_t length,
                          struct mlb_error *err)
{
    struct mlb_problems problems = MLB_PROBLEMS_INIT;
    const char *path = in(state, "many.gz");
    struct import_options o = options_for(state, path);
    struct import_result result;
    int rows = -1;

    unlink(path);
    for (int i = 0; i < (behind ? 1 : 2); i++) {
        gzFile f = gzopen(path, "a");
        for (int k = 0; k < 3000; k++)
            gzprintf(f, "%d,%d\n", k, i);
        assert_int_equal(gzclose(f), Z_OK);
    }
    FILE *f = fopen(path, "a");
    assert_int_equal(fwrite(behind ? behind : "", 1, length, f), length);
    assert_int_equal(fclose(f), 0);
    if (import_run(&o, &result, &problems, err) == 0)
        rows = (int)result.rows;
    problems_clear(&problems);
    return rows;
}

static void nothing_behind_a_gzip_stream_is_lost(void **state)
{
    static const char zeros[700], later[3] = { 0, 0, 1 };
    struct mlb_error err = { 0 };

    assert_int_equal(import_streams(state, NULL, 0, &err), 6000);
    assert_int_equal(import_streams(state, zeros, sizeof(zeros), &err), 3000);
    assert_int_equal(import_streams(state, "\x1e\x8b\x08", 3, &err), -1);
    assert_int_equal(err.code, MLB_ERR_BAD_INPUT);
    assert_has(err.text, "damaged gzip file");
    assert_int_equal(import_streams(state, "\x1f", 1, &err), -1);
    assert_has(err.text, "ends too soon");
    assert_int_equal(import_streams(state, later, sizeof(later), &err), -1);
    assert_has(err.text, "behind its end");
}

static void wrong_calls_are_refused(void **state)
{
    static const char *const shapes[] = { "3", "2,2,2", "", "0,4", "-2,-2",
                                          "2,", "2;2", "4294967296,4" };
    struct mlb_problems problems = MLB_PROBLEMS_INIT;
    struct import_options o = options_for(state, in(state, "c.csv"));
    struct import_result result;
    struct mlb_error err = { 0 };

    assert_int_equal(import_run(&o, &result, &problems, &err), -1);
    assert_int_equal(err.code, MLB_ERR_NOT_FOUND);
    write_file(o.source, "1,2,3,4\n");
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        o.shape = shapes[i];
        assert_int_equal(import_run(&o, &result, &problems, &err), -1);
        assert_int_equal(err.code, MLB_ERR_USAGE);
    }
    o.shape = "2x2";
    assert_ok(import_run(&o, &result, &problems, &err), err);
    o.name = "../d";
    assert_int_equal(import_run(&o, &result, &problems, &err), -1);
    assert_int_equal(err.code, MLB_ERR_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(digits_come_in),
        IN_DIRECTORY(the_version_is_the_content),
        IN_DIRECTORY(labels_and_headers),
        IN_DIRECTORY(labels_take_the_type_that_fits),
        IN_DIRECTORY(bad_rows_are_named_with_their_line),
        IN_DIRECTORY(many_problems_end_the_reading),
        IN_DIRECTORY(damaged_gzip_files_are_refused),
        IN_DIRECTORY(nothing_behind_a_gzip_stream_is_lost),
        IN_DIRECTORY(wrong_calls_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
