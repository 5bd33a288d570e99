/* SPDX-License-Identifier: BSD-3-Clause */
/* store/sealed: what is written comes back, or is refused with words. */
#include "config.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/files.h"
#include "store/sealed.h"

#define ROWS 5
#define COLUMNS 5000

static int setup(void **state)
{
    *state = strdup("/tmp/mlb-sealed-XXXXXX");
    return *state && mkdtemp(*state) ? 0 : -1;
}

static int teardown(void **state)
{
    int rc = files_remove_tree(*state, NULL);

    free(*state);
    return rc;
}

static void fill(int64_t *values, int64_t row)
{
    for (int64_t i = 0; i < COLUMNS; i++)
        values[i] = row * 1000000 + i * i;
}

static int write_file(const char *path, const char *copy_from,
                      struct mlb_error *err)
{
    static int64_t values[COLUMNS];
    struct sealed_array series = { "/series/1/x", SEALED_I64, 0, 2,
                                   { ROWS, COLUMNS } };
    struct sealed_array words = { "/words", SEALED_TEXT, 6, 1, { 2 } };
    struct sealed_array reals = { "/a/b", SEALED_F64, 0, 1, { 3 } };
    struct sealed_rows two = { 0, 2 }, one = { 1, 1 };
    struct sealed_writer *w = sealed_create(path, err);
    double real = 0.5;
    int rc = w ? 0 : -1;

    if (rc == 0 && copy_from) {
        struct sealed *s = sealed_open(copy_from, err);
        rc = s ? sealed_copy(w, s, "/series/1", err) : -1;
        sealed_close(s);
    } else if (rc == 0) {
        rc = sealed_add(w, &series, err);
        for (uint64_t i = 0; rc == 0 && i < ROWS; i += 2) {
            struct sealed_rows row = { i, 1 };
            fill(values, (int64_t)i);
            rc = sealed_write(w, series.name, &row, values, err);
        }
        if (rc == 0)
            rc = sealed_attribute(w, series.name, "unit", "ns\n2", err);
    }
    if (rc == 0 && sealed_add(w, &words, err) == 0 &&
        sealed_write(w, "/words", &two, "abcdefgh\0\0\0\0", err) == 0 &&
        sealed_add(w, &reals, err) == 0 &&
        sealed_write(w, "/a/b", &one, &real, err) == 0)
        return sealed_publish(w, err);
    sealed_abandon(w);
    return -1;
}

static void check_file(const char *path)
{
    static int64_t values[COLUMNS], expected[COLUMNS];
    struct mlb_error err = { 0 };
    struct mlb_strings names = MLB_STRINGS_INIT;
    struct sealed_array a;
    char text[16];
    double reals[3];
    struct sealed *s = sealed_open(path, &err);

    if (!s)
        fail_msg("%s", err.text);
    assert_true(sealed_find(s, "/series/1/x", &a));
    assert_int_equal(a.type, SEALED_I64);
    assert_int_equal(a.shape[1], COLUMNS);
    for (uint64_t i = 0; i < ROWS; i++) {
        struct sealed_rows row = { i, 1 };
        assert_int_equal(sealed_read(s, "/series/1/x", &row, values, NULL),
                         0);
        fill(expected, (int64_t)i);
        if (i % 2)
            assert_true(values[7] == INT64_MIN);
        else
            assert_memory_equal(values, expected, sizeof(values));
    }
    struct sealed_rows past = { ROWS, 1 }, all = { 0, 3 };
    assert_int_equal(sealed_read(s, "/series/1/x", &past, values, &err), -1);
    assert_int_equal(sealed_read(s, "/a/b", &all, reals, NULL), 0);
    assert_true(isnan(reals[0]) && reals[1] == 0.5 && isnan(reals[2]));
    assert_true(sealed_get_attribute(s, "/series/1/x", "unit", text, 16));
    assert_string_equal(text, "ns\n2");
    assert_false(sealed_get_attribute(s, "/a/b", "unit", text, 16));
    assert_false(sealed_find(s, "/none", &a));
    sealed_list(s, "/", &names);
    assert_int_equal(names.count, 3);
    assert_string_equal(names.items[0], "a");
    strings_clear(&names);
    sealed_close(s);
}

static void test_round(void **state)
{
    char *path = xasprintf("%s/x", (char *)*state);
    char *copy = xasprintf("%s/y", (char *)*state);
    struct mlb_strings names = MLB_STRINGS_INIT;
    struct stat st;

    assert_int_equal(write_file(path, NULL, NULL), 0);
    check_file(path);
    assert_int_equal(write_file(path, NULL, NULL), 0);   /* replaced */
    assert_int_equal(write_file(copy, path, NULL), 0);
    check_file(copy);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size < ROWS * COLUMNS * 8 / 2);
    assert_int_equal(files_list(*state, &names, NULL), 0);
    assert_int_equal(names.count, 2);
    strings_clear(&names);
    free(copy);
    free(path);
}

/* Any byte, and any end. */
static void test_damaged(void **state)
{
    char *path = xasprintf("%s/x", (char *)*state);
    struct mlb_error err;
    struct stat st;
    char byte;

    assert_int_equal(write_file(path, NULL, NULL), 0);
    assert_int_equal(stat(path, &st), 0);
    int fd = open(path, O_RDWR);
    for (off_t at = 0; at < st.st_size; at += at < 600 ? 1 : 97) {
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= (char)(1 << (at % 8));
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        err = (struct mlb_error){ 0 };
        if (sealed_open(path, &err))
            fail_msg("byte %lld is believed", (long long)at);
        assert_true(err.code == MLB_ERR_BAD_INPUT && err.text[0]);
        byte ^= (char)(1 << (at % 8));
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
    check_file(path);
    for (off_t size = st.st_size - 1; size > 0; size = size * 3 / 4) {
        assert_int_equal(ftruncate(fd, size), 0);
        assert_null(sealed_open(path, &err));
        assert_int_equal(err.code, MLB_ERR_BAD_INPUT);
    }
    close(fd);
    assert_null(sealed_open("/dev/null", &err));
    assert_int_equal(err.code, MLB_ERR_BAD_INPUT);
    assert_null(sealed_open("/none/such", &err));
    assert_int_equal(err.code, MLB_ERR_NOT_FOUND);
    free(path);
}

static void test_full_disk(void **state)
{
    char *path = xasprintf("%s/x", (char *)*state);
    struct mlb_strings names = MLB_STRINGS_INIT;
    struct rlimit old, limit;
    struct mlb_error err = { 0 };
    int rc = 0;

    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    for (rlim_t size = 0; size < 30000; size += 1500) {
        limit = (struct rlimit){ size, old.rlim_max };
        setrlimit(RLIMIT_FSIZE, &limit);
        rc = write_file(path, NULL, &err);
        setrlimit(RLIMIT_FSIZE, &old);
        if (rc == 0)
            break;
        assert_int_equal(err.code, MLB_ERR_IO);
        assert_int_equal(files_list(*state, &names, NULL), 0);
        assert_int_equal(names.count, 0);
    }
    assert_int_equal(write_file(path, NULL, NULL), 0);
    check_file(path);
    strings_clear(&names);
    free(path);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_round),
        TEST(test_damaged),
        TEST(test_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
