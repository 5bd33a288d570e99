/* SPDX-License-Identifier: BSD-3-Clause */
/* base/text and base/problems: buffers, lists, safe names, suggestions. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/problems.h"
#include "base/text.h"

static void test_buffer(void **state)
{
    struct mlb_text t = MLB_TEXT_INIT;

    (void)state;
    assert_string_equal(t.data, "");
    text_addn(&t, "a\0b", 3);
    text_addf(&t, "-%d-%s", 5, "x");
    text_add(&t, "");
    assert_int_equal(t.length, 7);
    assert_memory_equal(t.data, "a\0b-5-x", 8);
    for (int i = 0; i < 10000; i++)
        text_add(&t, "0123456789");
    assert_int_equal(t.length, 100007);
    assert_int_equal(t.data[t.length], '\0');
    assert_int_equal(t.data[100006], '9');
    char *s = text_detach(&t);
    assert_int_equal(t.length, 0);
    assert_string_equal(t.data, "");
    free(s);
    s = text_detach(&t);         /* an empty one gives a string, too */
    assert_string_equal(s, "");
    free(s);
    text_clear(&t);
    assert_null(xstrdup(NULL));
}

static void test_strings(void **state)
{
    struct mlb_strings l = MLB_STRINGS_INIT, copy = MLB_STRINGS_INIT;

    (void)state;
    assert_null(l.items[0]);
    for (int i = 0; i < 1000; i++) {
        strings_pushf(&l, "%d", i);
        assert_int_equal(l.count, i + 1);
        assert_null(l.items[l.count]);
    }
    strings_set(&l, 500, "x");
    strings_set(&l, 1000, "y");
    for (int i = 0; i < 1000; i++)
        if (i != 500)
            assert_int_equal(atoi(l.items[i]), i);
    assert_string_equal(l.items[500], "x");
    assert_string_equal(l.items[1000], "y");
    assert_true(strings_have(&l, "999"));
    assert_false(strings_have(&l, "500"));
    strings_push(&copy, "first");
    strings_copy(&copy, &l);
    assert_int_equal(copy.count, 1002);
    assert_string_equal(copy.items[1001], "y");
    assert_ptr_not_equal(copy.items[1001], l.items[1000]);
    strings_clear(&l);
    assert_int_equal(l.count, 0);
    assert_null(l.items[0]);
    strings_clear(&l);
    strings_push(&l, "again");
    assert_string_equal(l.items[0], "again");
    strings_clear(&l);
    strings_clear(&copy);
}

/* What sh makes of the quoted word must be the word, byte for byte. */
static void expect_shell(const char *word)
{
    struct mlb_text t = MLB_TEXT_INIT;
    char back[600] = "";

    text_add(&t, "printf %s ");
    text_add_shell(&t, word);
    FILE *p = popen(t.data, "r");
    assert_non_null(p);
    size_t n = fread(back, 1, sizeof(back) - 1, p);
    assert_int_equal(pclose(p), 0);
    assert_int_equal(n, strlen(word));
    assert_string_equal(back, word);
    text_clear(&t);
}

static void test_shell(void **state)
{
    static const char *const words[] = {
        "", "plain", "--a=b", "=ls", "a b", "it's", "''", "$HOME", "`id`",
        "$(id)", "\\", "\"", "*", "~", "a\nb", "\t", "!x", "#x", "{a,b}",
        "-n", "a;b", "a&b", "\xff\xfe", "\xc3\xa9", "\x01", "%s", "[x]",
    };
    char all[256];

    (void)state;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        expect_shell(words[i]);
    for (int i = 0; i < 255; i++)
        all[i] = (char)(i + 1);
    all[255] = '\0';
    expect_shell(all);
    struct mlb_text t = MLB_TEXT_INIT;
    text_add_shell(&t, "a/b.c:d,e@f%g+h_i-j=1");
    assert_string_equal(t.data, "a/b.c:d,e@f%g+h_i-j=1");
    text_clear(&t);
}

static void test_suggest(void **state)
{
    static const char *const names[] = { "resources", "command", "name",
                                         "nodes" };
    static const struct { const char *word, *best; } rows[] = {
        { "resuorces", "resources" }, { "comand", "command" },
        { "nmae", "name" }, { "node", "nodes" }, { "zebra", NULL },
        { "", NULL }, { "nam", "name" }, { "x", NULL },
        { "resources_and_so_on_and_on", NULL },
    };
    char word[200];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *best = text_suggest(rows[i].word, names, 4);
        if (rows[i].best)
            assert_string_equal(best, rows[i].best);
        else
            assert_null(best);
    }
    assert_null(text_suggest("name", names, 0));
    memset(word, 'n', sizeof(word));
    word[sizeof(word) - 1] = '\0';
    assert_null(text_suggest(word, names, 4));
}

static void test_printable(void **state)
{
    static const struct { const char *text, *shown; } rows[] = {
        { "", "" },
        { "abc ~", "abc ~" },
        { "a\nb", "a\\x0ab" },
        { "\x1b[2J", "\\x1b[2J" },
        { "\x7f", "\\x7f" },
        { "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
          "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80" },
        { "\xc2\x9b", "\\xc2\\x9b" },              /* CSI in C1 */
        { "\xff", "\\xff" },
        { "\xc0\xaf", "\\xc0\\xaf" },              /* overlong '/' */
        { "\xe0\x80\xaf", "\\xe0\\x80\\xaf" },
        { "\xed\xa0\x80", "\\xed\\xa0\\x80" },     /* surrogate */
        { "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" },
        { "\xc3", "\\xc3" },                       /* cut off */
        { "\xe2\x82", "\\xe2\\x82" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *shown = text_printable(rows[i].text);
        assert_string_equal(shown, rows[i].shown);
        assert_int_equal(text_is_printable(rows[i].text),
                         strcmp(rows[i].text, rows[i].shown) == 0);
        free(shown);
    }
}

static void test_encode_name(void **state)
{
    static const struct { const char *name, *encoded; } rows[] = {
        { "digits.3", "digits.3" },
        { "a-b_c+d,e@f", "a-b_c+d,e@f" },
        { "", "=" },
        { ".", "=2E" },
        { "..", "=2E." },
        { "-x", "=2Dx" },
        { "a/b", "a=2Fb" },
        { "../../etc", "=2E.=2F..=2Fetc" },
        { "a b=c", "a=20b=3Dc" },
        { "a\n\xff", "a=0A=FF" },
        { "\xc3\xa9", "\xc3\xa9" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *encoded = text_encode_name(rows[i].name);
        assert_string_equal(encoded, rows[i].encoded);
        free(encoded);
    }
}

/* Long names are cut to fit a file name, but stay different. */
static void test_encode_long(void **state)
{
    char a[5001], b[5001];

    (void)state;
    memset(a, '\n', 5000);
    memset(b, '\n', 5000);
    a[5000] = b[5000] = '\0';
    b[4999] = 'x';
    char *ea = text_encode_name(a), *eb = text_encode_name(b);
    assert_true(strlen(ea) < 200);
    assert_string_not_equal(ea, eb);
    free(ea);
    free(eb);
}

static void test_problems(void **state)
{
    struct mlb_problems p = MLB_PROBLEMS_INIT;
    struct mlb_error err = { .code = MLB_OK };
    char *shown = NULL;
    size_t size;

    (void)state;
    assert_int_equal(problems_to_error(&p, &err), 0);
    problems_add(&p, "f:3", "bad %s", "x\ny");
    assert_int_equal(problems_to_error(&p, &err), -1);
    assert_string_equal(err.text, "1 problem");
    problems_add(&p, NULL, "%d", 2);
    assert_int_equal(problems_to_error(&p, &err), -1);
    assert_int_equal(err.code, MLB_ERR_BAD_INPUT);
    assert_string_equal(err.text, "2 problems");
    FILE *to = open_memstream(&shown, &size);
    problems_print(&p, to);
    fclose(to);
    assert_string_equal(shown, "f:3: bad x\\x0ay\n2\n");
    free(shown);
    problems_clear(&p);
    assert_int_equal(p.lines.count, 0);
}

/* A cut error text ends at the end of a character. */
static void test_error_cut(void **state)
{
    struct mlb_error err;
    char *lead = NULL;

    (void)state;
    for (int n = 245; n < 260; n++) {
        lead = xmalloc((size_t)n + 1);
        memset(lead, 'a', (size_t)n);
        lead[n] = '\0';
        mlb_error_set(&err, MLB_ERR_IO, "%s\xc3\xa9\xe2\x82\xac", lead);
        assert_true(text_is_printable(err.text));
        assert_true(strlen(err.text) < sizeof(err.text));
        assert_true(strlen(err.text) >= 245);
        free(lead);
    }
    mlb_error_set(&err, MLB_ERR_IO, "inner");
    mlb_error_prefix(&err, "outer %d", 1);
    assert_string_equal(err.text, "outer 1: inner");
    assert_int_equal(err.code, MLB_ERR_IO);
    assert_int_equal(mlb_error_set(NULL, MLB_ERR_IO, "nobody"), -1);
    assert_int_equal(mlb_error_prefix(NULL, "nobody"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buffer),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_shell),
        cmocka_unit_test(test_suggest),
        cmocka_unit_test(test_printable),
        cmocka_unit_test(test_encode_name),
        cmocka_unit_test(test_encode_long),
        cmocka_unit_test(test_problems),
        cmocka_unit_test(test_error_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
