/* SPDX-License-Identifier: BSD-3-Clause */
/* base/error: filled, extended, cut between characters, errno kept. */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/text.h"
#include "mlbatch/error.h"

#define EURO "\xe2\x82\xac"
#define SIZE sizeof(((struct mlb_error *)0)->text)

static void test_set(void **unused)
{
    struct mlb_error err = { 0 };

    (void)unused;
    assert_int_equal(mlb_error_set(&err, MLB_ERR_IO, "cannot open %s", "x"),
                     -1);
    assert_int_equal(err.code, MLB_ERR_IO);
    assert_string_equal(err.text, "cannot open x");
    assert_int_equal(mlb_error_set(&err, MLB_ERR_USAGE, "%s", ""), -1);
    assert_int_equal(err.code, MLB_ERR_USAGE);
    assert_string_equal(err.text, "");
}

static void test_prefix(void **unused)
{
    struct mlb_error err = { 0 };

    (void)unused;
    mlb_error_set(&err, MLB_ERR_NOT_FOUND, "no step %d", 3);
    assert_int_equal(mlb_error_prefix(&err, "%s.%d", "run", 1), -1);
    assert_int_equal(mlb_error_prefix(&err, "outer"), -1);
    assert_int_equal(err.code, MLB_ERR_NOT_FOUND);
    assert_string_equal(err.text, "outer: run.1: no step 3");
    /* Its own text may be an argument. */
    mlb_error_prefix(&err, "%.5s", err.text);
    assert_string_equal(err.text, "outer: outer: run.1: no step 3");
}

static void test_errno(void **unused)
{
    struct mlb_error err = { 0 };

    (void)unused;
    errno = ENOENT;
    assert_int_equal(mlb_error_errno(&err, MLB_ERR_IO, "open %d", 1), -1);
    char *want = xasprintf("open 1: %s", strerror(ENOENT));
    assert_string_equal(err.text, want);
    free(want);
}

/* Whoever looks at errno after one of these finds what was there. */
static void test_errno_kept(void **unused)
{
    struct mlb_error err = { 0 };
    struct mlb_error *const receivers[] = { &err, NULL };

    (void)unused;
    for (size_t i = 0; i < 2; i++) {
        errno = E2BIG;
        assert_int_equal(mlb_error_set(receivers[i], MLB_ERR_IO, "a"), -1);
        assert_int_equal(errno, E2BIG);
        assert_int_equal(mlb_error_errno(receivers[i], MLB_ERR_IO, "a"), -1);
        assert_int_equal(errno, E2BIG);
        assert_int_equal(mlb_error_prefix(receivers[i], "a"), -1);
        assert_int_equal(errno, E2BIG);
    }
}

/* Text of n bytes, the last of them whole characters of three. */
static void fill(char *text, size_t n, size_t characters)
{
    memset(text, 'a', n);
    for (size_t i = 0; i < characters; i++)
        memcpy(text + n - 3 * (i + 1), EURO, 3);
    text[n] = '\0';
}

/* Whatever is cut, it is whole characters, and no more of them than need
 * be: at most the one over the border and the one before it. */
static void test_cut(void **unused)
{
    char text[3 * SIZE];

    (void)unused;
    for (size_t n = SIZE - 8; n < SIZE + 8; n++) {
        struct mlb_error set = { 0 }, system = { 0 }, prefixed = { 0 };
        fill(text, n, 20);
        errno = 0;
        mlb_error_set(&set, MLB_ERR_IO, "%s", text);
        mlb_error_errno(&system, MLB_ERR_IO, "%s", text);
        mlb_error_set(&prefixed, MLB_ERR_IO, "%s", text);
        mlb_error_prefix(&prefixed, EURO EURO);
        const struct mlb_error *const all[] = { &set, &system, &prefixed };
        for (size_t i = 0; i < 3; i++) {
            assert_true(strlen(all[i]->text) < SIZE);
            assert_true(text_is_printable(all[i]->text));
        }
        if (n < SIZE)
            assert_string_equal(set.text, text);
        else
            assert_true(strlen(set.text) > SIZE - 1 - 6);
        assert_int_equal(strncmp(set.text, text, strlen(set.text)), 0);
        assert_int_equal(strncmp(prefixed.text, EURO EURO ": aaa", 11), 0);
    }
}

/* Bytes that are no characters at all must not run off the front. */
static void test_cut_rubbish(void **unused)
{
    struct mlb_error err;
    char text[2 * SIZE];

    (void)unused;
    memset(text, 0x80, sizeof(text));
    text[sizeof(text) - 1] = '\0';
    mlb_error_set(&err, MLB_ERR_IO, "%s", text);
    assert_true(strlen(err.text) < SIZE);
    memset(text, 0xff, sizeof(text) - 1);
    mlb_error_set(&err, MLB_ERR_IO, "%s", text);
    assert_true(strlen(err.text) >= SIZE - 2 && strlen(err.text) < SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_prefix),
        cmocka_unit_test(test_errno),
        cmocka_unit_test(test_errno_kept),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_cut_rubbish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
