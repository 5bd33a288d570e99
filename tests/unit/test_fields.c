/* SPDX-License-Identifier: BSD-3-Clause */
/* base/fields: pairs byte for byte, in memory, as bytes and in files. */
#include "config.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "base/fields.h"
#include "base/files.h"

static int setup(void **state)
{
    *state = strdup("/tmp/mlb-fields-XXXXXX");
    return *state && mkdtemp(*state) ? 0 : -1;
}

static int teardown(void **state)
{
    int rc = files_remove_tree(*state, NULL);

    free(*state);
    return rc;
}

static void test_get(void **state)
{
    struct mlb_fields f = MLB_FIELDS_INIT;
    struct mlb_strings all = MLB_STRINGS_INIT;

    (void)state;
    assert_null(fields_get(&f, "a"));
    fields_add(&f, "a", "1");
    fields_add(&f, "ab", "=x=");
    fields_add(&f, "a", "");
    fields_addf(&f, "n", "%d", -7);
    assert_string_equal(fields_get(&f, "a"), "1");
    assert_string_equal(fields_get(&f, "ab"), "=x=");
    assert_null(fields_get(&f, "A"));
    assert_null(fields_get(&f, ""));
    fields_get_all(&f, "a", &all);
    assert_int_equal(all.count, 2);
    assert_string_equal(all.items[1], "");
    assert_int_equal(fields_get_long(&f, "n", 5), -7);
    assert_int_equal(fields_get_long(&f, "ab", 5), 5);
    assert_int_equal(fields_get_long(&f, "none", LONG_MIN), LONG_MIN);
    strings_clear(&all);
    fields_clear(&f);
    fields_clear(&f);
}

static void test_set(void **state)
{
    struct mlb_fields f = MLB_FIELDS_INIT;

    (void)state;
    fields_set(&f, "a", "1");
    fields_add(&f, "b", "2");
    fields_add(&f, "a", "3");
    fields_set(&f, "a", "4");
    assert_int_equal(f.pairs.count, 2);
    assert_string_equal(fields_get(&f, "a"), "4");
    assert_string_equal(fields_get(&f, "b"), "2");
    fields_clear(&f);
}

/* Every byte but NUL may be in a value. */
static void test_bytes(void **state)
{
    char value[256];
    struct mlb_fields f = MLB_FIELDS_INIT, g = MLB_FIELDS_INIT;
    struct mlb_text t = MLB_TEXT_INIT;

    (void)state;
    for (int i = 0; i < 255; i++)
        value[i] = (char)(i + 1);
    value[255] = '\0';
    fields_add(&f, "all", value);
    fields_add(&f, "empty", "");
    fields_format(&f, &t);
    assert_int_equal(t.length, 4 + 255 + 1 + 6 + 1);
    assert_int_equal(fields_parse(&g, t.data, t.length, NULL), 0);
    assert_string_equal(fields_get(&g, "all"), value);
    assert_string_equal(fields_get(&g, "empty"), "");
    text_clear(&t);
    fields_clear(&f);
    fields_clear(&g);
}

static void test_bad_bytes(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
    } bad[] = { { "a=1", 3 }, { "a", 2 }, { "a=1\0b", 5 }, { "", 1 } };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct mlb_fields f = MLB_FIELDS_INIT;
        struct mlb_error err = { 0 };
        assert_int_equal(fields_parse(&f, bad[i].bytes, bad[i].length, &err),
                         -1);
        assert_int_equal(err.code, MLB_ERR_BAD_INPUT);
        fields_clear(&f);
    }
}

static void test_file(void **state)
{
    struct mlb_fields f = MLB_FIELDS_INIT, g = MLB_FIELDS_INIT;
    struct mlb_error err = { 0 };
    struct stat st;
    char *path = xasprintf("%s/f", (char *)*state);

    assert_int_equal(fields_read(&g, path, &err), -1);
    assert_int_equal(err.code, MLB_ERR_NOT_FOUND);
    fields_add(&f, "line", "a\nb");
    assert_int_equal(fields_write(&f, path, &err), 0);
    assert_int_equal(fields_read(&g, path, &err), 0);
    assert_string_equal(fields_get(&g, "line"), "a\nb");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(files_append(path, "torn", 4, &err), 0);
    fields_clear(&g);
    assert_int_equal(fields_read(&g, path, &err), -1);
    assert_int_equal(err.code, MLB_ERR_BAD_INPUT);
    assert_non_null(strstr(err.text, path));
    free(path);
    fields_clear(&f);
    fields_clear(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get),
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_bad_bytes),
        cmocka_unit_test(test_file),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
