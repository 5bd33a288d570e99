/* SPDX-License-Identifier: BSD-3-Clause */
/* A directory for a test of src/store, and ways to damage files in it. */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/files.h"
#include "base/text.h"
#include "mlbatch/error.h"
#include "store/container.h"
#include "store/import.h"
#include "store/resolve.h"

#define UNUSED __attribute__((unused))
#define MIB (1u << 20)

/* A cmocka setup: *state is the path of a new directory. */
static UNUSED int make_directory(void **state)
{
    const char *base = getenv("TMPDIR");
    char *path = xasprintf("%s/mlb-test-XXXXXX", base ? base : "/tmp");

    *state = mkdtemp(path);
    return *state ? 0 : -1;
}

static UNUSED int remove_directory(void **state)
{
    int rc = files_remove_tree(*state, NULL);

    free(*state);
    return rc;
}

/* DIRECTORY/NAME in one of four buffers used in turn. */
static UNUSED const char *in(void **state, const char *name)
{
    static char paths[4][4096];
    static unsigned turn;
    char *path = paths[turn++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", (const char *)*state, name);
    return path;
}

static UNUSED uint64_t size_of(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return (uint64_t)st.st_size;
}

static UNUSED void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* Read or write bytes of a file in place. */
static UNUSED void get_bytes(const char *path, uint64_t at, void *out,
                             size_t length)
{
    FILE *f = fopen(path, "r");

    assert_non_null(f);
    assert_int_equal(fseek(f, (long)at, SEEK_SET), 0);
    assert_int_equal(fread(out, 1, length, f), length);
    fclose(f);
}

static UNUSED void put_bytes(const char *path, uint64_t at, const void *bytes,
                             size_t length)
{
    FILE *f = fopen(path, "r+");

    assert_non_null(f);
    assert_int_equal(fseek(f, (long)at, SEEK_SET), 0);
    assert_int_equal(fwrite(bytes, 1, length, f), length);
    assert_int_equal(fclose(f), 0);
}

/* Turn one bit of a file; twice is as before. */
static UNUSED void flip_bit(const char *path, uint64_t at)
{
    unsigned char byte;

    get_bytes(path, at, &byte, 1);
    byte ^= 0x10;
    put_bytes(path, at, &byte, 1);
}

/* How many entries a directory has, hidden ones too. */
static UNUSED size_t count_files(const char *directory)
{
    struct mlb_strings names = MLB_STRINGS_INIT;

    assert_int_equal(files_list(directory, &names, NULL), 0);
    size_t count = names.count;
    strings_clear(&names);
    return count;
}

#define assert_has(text, part)                                               \
    do {                                                                     \
        if (!strstr(text, part))                                             \
            fail_msg("\"%s\" is not in \"%s\"", part, text);                 \
    } while (0)

#define assert_ok(call, err)                                                 \
    do {                                                                     \
        if ((call) != 0)                                                     \
            fail_msg("%s: %s", #call, (err).text);                           \
    } while (0)

#define IN_DIRECTORY(f)                                                      \
    cmocka_unit_test_setup_teardown(f, make_directory, remove_directory)

/* Writing and opening containers, where that is not what is tested. */

static UNUSED struct container_writer *begin(const char *path)
{
    struct mlb_error err = { 0 };
    struct container_writer *w = container_create(path, CONTAINER_RECORD,
                                                  &err);

    assert_non_null(w);
    return w;
}

static UNUSED void add(struct container_writer *w, const char *name,
                       enum mlb_dtype dtype, uint64_t count, const void *data)
{
    struct mlb_error err = { 0 };
    struct container_array a = { .name = name, .dtype = dtype, .rank = 1,
                                 .shape = { count }, .data = data };

    assert_ok(container_add(w, &a, &err), err);
}

static UNUSED void publish(struct container_writer *w)
{
    struct mlb_error err = { 0 };

    assert_ok(container_publish(w, false, &err), err);
}

static UNUSED struct container *open_it(const char *path)
{
    struct mlb_error err = { 0 };
    struct container *c = container_open(path, CONTAINER_RECORD, &err);

    if (!c)
        fail_msg("%s", err.text);
    return c;
}

/* A sample: three MiB and a bit, and a small array, in a group. */
static unsigned char big[3 * MIB + 77];
static const int32_t small[5] = { 1, -2, 3, -4, 5 };

static UNUSED void make_sample(const char *path)
{
    struct container_writer *w = begin(path);

    for (size_t i = 0; i < sizeof(big); i++)
        big[i] = (unsigned char)(i * 7 + i / 251);
    add(w, "/data/big", MLB_U8, sizeof(big), big);
    add(w, "/data/small", MLB_I32, 5, small);
    publish(w);
}

/* Import data set "rows": x is [row, row / 2], y is row; 4 rows a shard if
 * shards is set; splits train (3/4) and test. The path of its version, which
 * the caller frees. */
static UNUSED char *make_rows(void **state, int rows, bool shards)
{
    static const struct version_split splits[] = { { "train", 0.75 },
                                                   { "test", 0.25 } };
    struct mlb_problems problems = MLB_PROBLEMS_INIT;
    struct import_options o = {
        .store = *state, .name = "rows", .source = in(state, "rows.csv"),
        .label = "last", .splits = splits, .split_count = 2,
        .shard_bytes = shards ? 4 * 12 : 0,
    };
    struct import_result result;
    struct mlb_error err = { 0 };
    FILE *f = fopen(o.source, "w");

    assert_non_null(f);
    for (int i = 0; i < rows; i++)
        fprintf(f, "%d,%g,%d\n", i, i / 2.0, i);
    assert_int_equal(fclose(f), 0);
    assert_ok(import_run(&o, &result, &problems, &err), err);
    char *path = resolve_dataset(*state, "rows", &err);
    assert_non_null(path);
    return path;
}

#endif
