/* SPDX-License-Identifier: BSD-3-Clause */
/* Host lists as Slurm writes them, and as nobody should. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "agent/hostlist.h"

static void expect(const char *list, const char *words)
{
    struct mlb_strings names = MLB_STRINGS_INIT;
    struct mlb_text text = MLB_TEXT_INIT;
    struct mlb_error err = { .code = MLB_OK };

    assert_int_equal(hostlist_expand(list, &names, &err), 0);
    for (size_t i = 0; i < names.count; i++)
        text_addf(&text, "%s%s", i ? " " : "", names.items[i]);
    assert_string_equal(text.data, words);
    text_clear(&text);
    strings_clear(&names);
}

static void test_good(void **state)
{
    static const struct {
        const char *list, *words;
    } cases[] = {
        { "", "" },
        { "node1", "node1" },
        { "a,b,c", "a b c" },
        { "node[1-3]", "node1 node2 node3" },
        { "node[1-3,07-09],x", "node1 node2 node3 node07 node08 node09 x" },
        { "n[9-11]", "n9 n10 n11" },
        { "n[098-101]", "n098 n099 n100 n101" },
        { "n[5]", "n5" },
        { "r[1-2]n[01-02]", "r1n01 r1n02 r2n01 r2n02" },
        { "r[1-2]-ib.cluster,z", "r1-ib.cluster r2-ib.cluster z" },
        { "[1-2]", "1 2" },
        { "n[1,3]m,n[2]", "n1m n3m n2" },
        { "n[000-001]", "n000 n001" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect(cases[i].list, cases[i].words);
}

/* Each is refused, says so as a host list, and leaves out as it was. */
static void test_bad(void **state)
{
    static const char *const cases[] = {
        "n[1-3", "n1]", "n[]", "n[1-]", "n[-3]", "n[3-1]", "n[1,]", "n[,1]",
        "n[1--2]", "n[a]", "n[1-2-3]", "a,,b", "a,", ",a", "n[[1]]", "n[1]]",
        "n[1234567890]", "n[0-999999999]", "n[1-300]m[1-300]", "a b", "a/b",
        "../x", "n\n", "n[1 ]",
        "a[1]b[1]c[1]d[1]e[1]f[1]g[1]h[1]i[1]j[1]",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mlb_strings names = MLB_STRINGS_INIT;
        struct mlb_error err = { .code = MLB_OK };
        strings_push(&names, "before");
        if (hostlist_expand(cases[i], &names, &err) == 0)
            fail_msg("\"%s\" was taken", cases[i]);
        assert_int_equal(err.code, MLB_ERR_BAD_INPUT);
        assert_non_null(strstr(err.text, "host list: "));
        assert_int_equal(names.count, 1);
        strings_clear(&names);
    }
}

static void test_long(void **state)
{
    struct mlb_strings names = MLB_STRINGS_INIT;
    struct mlb_error err;
    char word[400];

    (void)state;
    memset(word, 'x', sizeof(word) - 1);
    word[sizeof(word) - 1] = '\0';
    assert_int_equal(hostlist_expand(word, &names, &err), -1);
    assert_int_equal(hostlist_expand("n[1-65536]", &names, &err), 0);
    assert_int_equal(names.count, HOSTLIST_MAX);
    assert_string_equal(names.items[65535], "n65536");
    strings_clear(&names);
    assert_int_equal(hostlist_expand("n[0-65536]", &names, &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
