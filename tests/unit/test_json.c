/* SPDX-License-Identifier: BSD-3-Clause */
/* base/json: any bytes give a JSON string; what is valid stays. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/json.h"
#include "base/text.h"

#define BAD "\xef\xbf\xbd"       /* U+FFFD */

static void test_rows(void **unused)
{
    static const struct { const char *bytes, *want; } rows[] = {
        { "", "" },
        { "plain \"quoted\" \\ \n\t\x01\x7f", "plain \"quoted\" \\ \n\t\x01"
                                              "\x7f" },
        { "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
          "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80" },
        { BAD, BAD },
        /* one mark for each byte that is part of nothing */
        { "\xff", BAD },
        { "a\xff" "b", "a" BAD "b" },
        { "\x80\xbf", BAD BAD },
        { "caf\xe9", "caf" BAD },
        { "\xe9t\xe9", BAD "t" BAD },
        /* cut off */
        { "\xe2\x82", BAD BAD },
        { "\xe2\x82x", BAD BAD "x" },
        { "\xf0\x9f\x98", BAD BAD BAD },
        { "\xc3\xc3\xa9", BAD "\xc3\xa9" },
        /* overlong, a surrogate, over U+10FFFF */
        { "\xc0\xaf", BAD BAD },
        { "\xe0\x80\xaf", BAD BAD BAD },
        { "\xed\xa0\x80", BAD BAD BAD },
        { "\xf4\x90\x80\x80", BAD BAD BAD BAD },
        /* valid before, between and behind */
        { "\xe2\x82\xac\xff\xe2\x82\xac\xfe\xc3\xa9",
          "\xe2\x82\xac" BAD "\xe2\x82\xac" BAD "\xc3\xa9" },
    };

    (void)unused;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        json_t *value = json_text(rows[i].bytes);
        assert_true(json_is_string(value));
        assert_string_equal(json_string_value(value), rows[i].want);
        json_decref(value);
    }
    json_t *nothing = json_text(NULL);
    assert_true(json_is_null(nothing));
    json_decref(nothing);
}

/* Any bytes: a string that can be written, read, and given in again. */
static void test_noise(void **unused)
{
    unsigned seed = 20260301;

    (void)unused;
    for (int i = 0; i < 5000; i++) {
        char bytes[32] = "";
        size_t n = (size_t)rand_r(&seed) % sizeof(bytes);
        for (size_t k = 0; k < n; k++)
            bytes[k] = (char)(1 + rand_r(&seed) % 255);
        bytes[n ? n - 1 : 0] = '\0';
        json_t *once = json_text(bytes);
        json_t *twice = json_text(json_string_value(once));
        char *written = json_dumps(once, JSON_ENCODE_ANY);
        json_t *read = json_loads(written, JSON_DECODE_ANY, NULL);
        assert_true(json_equal(once, twice));
        assert_true(json_equal(once, read));
        if (text_is_printable(bytes))
            assert_string_equal(json_string_value(once), bytes);
        json_decref(read);
        free(written);
        json_decref(twice);
        json_decref(once);
    }
}

/* One value, two blanks of indent, a newline: on standard output. */
static void test_print(void **unused)
{
    char path[] = "/tmp/test_json.XXXXXX", got[100] = "";
    int file = mkstemp(path), saved = dup(1);
    json_t *value = json_pack("{s:[i, n]}", "a", 1);

    (void)unused;
    fflush(stdout);
    dup2(file, 1);
    json_print(value);
    fflush(stdout);
    dup2(saved, 1);
    close(saved);
    unlink(path);
    assert_true(pread(file, got, sizeof(got) - 1, 0) > 0);
    close(file);
    assert_string_equal(got, "{\n  \"a\": [\n    1,\n    null\n  ]\n}\n");
    json_decref(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_noise),
        cmocka_unit_test(test_print),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
