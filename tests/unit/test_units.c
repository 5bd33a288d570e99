/* SPDX-License-Identifier: BSD-3-Clause */
/* base/units: sizes, durations and numbers as people write them. */
#include "config.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/units.h"

#define BAD (-1)
#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static void test_size(void **state)
{
    static const struct {
        const char *text;
        long long unit, bytes;
    } rows[] = {
        { "0", 1, 0 },
        { "4096", 1, 4096 },
        { "100", 1 << 20, 100LL << 20 },
        { "16G", 1, 16LL << 30 },
        { "16g", 1, 16LL << 30 },
        { "16GB", 1, 16LL << 30 },
        { "16GiB", 1, 16LL << 30 },
        { "16G", 1 << 20, 16LL << 30 },
        { "512M", 1, 512LL << 20 },
        { "1.5T", 1, 3LL << 39 },
        { "2K", 1, 2048 },
        { "1P", 1, 1LL << 50 },
        { "100B", 1 << 20, 100 },
        { ".", 1, BAD },
        { ".5G", 1, BAD },
        { "", 1, BAD },
        { "G", 1, BAD },
        { "-1G", 1, BAD },
        { "+1G", 1, BAD },
        { " 1G", 1, BAD },
        { "1G ", 1, BAD },
        { "1 G", 1, BAD },
        { "1X", 1, BAD },
        { "1GG", 1, BAD },
        { "1ib", 1, BAD },
        { "0x10", 1, BAD },
        { "1e3", 1, BAD },
        { "nan", 1, BAD },
        { "inf", 1, BAD },
        { "5000P", 1, BAD },
        { "99999999999999999999999", 1, BAD },
        { "1,5G", 1, BAD },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct mlb_error err = { .code = MLB_OK };
        long long bytes = 77;
        int rc = units_parse_size(rows[i].text, rows[i].unit, &bytes, &err);
        assert_int_equal(rc, rows[i].bytes == BAD ? -1 : 0);
        assert_int_equal(bytes, rows[i].bytes == BAD ? 77 : rows[i].bytes);
        assert_int_equal(err.code, rc ? MLB_ERR_BAD_INPUT : MLB_OK);
        if (rc < 0)
            assert_non_null(strstr(err.text, rows[i].text));
    }
}

struct time_row {
    const char *text;
    long seconds;
};

static void expect_times(const struct time_row *rows, size_t count,
                         int (*parse)(const char *, long *,
                                      struct mlb_error *))
{
    for (size_t i = 0; i < count; i++) {
        struct mlb_error err = { .code = MLB_OK };
        long seconds = -1;
        int rc = parse(rows[i].text, &seconds, &err);
        if ((rc != 0) != (rows[i].seconds == BAD))
            fail_msg("\"%s\" gives %d, %ld", rows[i].text, rc, seconds);
        if (rc == 0)
            assert_int_equal(seconds, rows[i].seconds);
        assert_int_equal(err.code, rc ? MLB_ERR_BAD_INPUT : MLB_OK);
    }
}

static void test_duration(void **state)
{
    static const struct time_row rows[] = {
        { "0", 0 }, { "90", 90 }, { "90s", 90 }, { "10m", 600 },
        { "1.5h", 5400 }, { "2d", 172800 }, { "1h30m", 5400 },
        { "1d2h3m4s", 93784 }, { "0.5s", 1 }, { "00:30:00", 1800 },
        { "01:30:05", 5405 }, { "100:00:00", 360000 },
        { "1-00:00:00", 86400 }, { "2-03:04:05", 183845 },
        { "", BAD }, { "10:00", BAD }, { "1:2:3:4", BAD }, { "1-2", BAD },
        { "00:60:00", BAD }, { "00:00:61", BAD }, { "-5", BAD },
        { "5 m", BAD }, { "5x", BAD }, { "m", BAD }, { "1h30", BAD },
        { "1h30m ", BAD }, { "1e3s", BAD }, { "forever", BAD },
        { "99999999999", BAD }, { "9999999999-00:00:00", BAD },
        { "::", BAD }, { "1:00:00:", BAD },
    };

    (void)state;
    expect_times(rows, COUNT(rows), units_parse_duration);
}

static void test_sbatch_time(void **state)
{
    static const struct time_row rows[] = {
        { "0", 0 }, { "30", 1800 }, { "30:15", 1815 }, { "1:30:15", 5415 },
        { "1-0", 86400 }, { "1-12", 129600 }, { "1-2:3", 93780 },
        { "1-2:3:4", 93784 }, { "90:00", 5400 },
        { "", BAD }, { "1:2:3:4", BAD }, { "1-", BAD }, { "-1", BAD },
        { "1-2:3:4:5", BAD }, { "1:2-3", BAD }, { "UNLIMITED", BAD },
        { "1h", BAD }, { "1.5", BAD }, { "9999999999", BAD },
        { "999999999-0", BAD },
    };

    (void)state;
    expect_times(rows, COUNT(rows), units_parse_sbatch_time);
}

static void test_long(void **state)
{
    static const struct {
        const char *text;
        long min, max, value;
        bool good;
    } rows[] = {
        { "0", 0, 10, 0, true },
        { "10", 0, 10, 10, true },
        { "-5", -5, 5, -5, true },
        { "9223372036854775807", 0, LONG_MAX, LONG_MAX, true },
        { "11", 0, 10, 0, false },
        { "-1", 0, 10, 0, false },
        { "", 0, 10, 0, false },
        { " 1", 0, 10, 0, false },
        { "1 ", 0, 10, 0, false },
        { "1x", 0, 10, 0, false },
        { "0x1", 0, 10, 0, false },
        { "1.0", 0, 10, 0, false },
        { "9223372036854775808", 0, LONG_MAX, 0, false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct mlb_error err;
        long value = 77;
        int rc = units_parse_long(rows[i].text, rows[i].min, rows[i].max,
                                  &value, &err);
        assert_int_equal(rc, rows[i].good ? 0 : -1);
        assert_int_equal(value, rows[i].good ? rows[i].value : 77);
    }
}

static void expect_text(struct mlb_text *t, const char *expected)
{
    assert_string_equal(t->data, expected);
    text_clear(t);
}

static void test_written(void **state)
{
    static const struct { long long bytes; const char *text; } sizes[] = {
        { 0, "0 B" }, { 1023, "1023 B" }, { 1024, "1.0 KiB" },
        { 16LL << 30, "16.0 GiB" }, { 3LL << 39, "1.5 TiB" },
        { 5LL << 60, "5120.0 PiB" },
    };
    static const struct { long seconds; const char *text; } clocks[] = {
        { 0, "00:00:00" }, { 5400, "01:30:00" }, { 86399, "23:59:59" },
        { 86400, "1-00:00:00" }, { 183845, "2-03:04:05" },
    };
    static const struct { double seconds; const char *text; } spans[] = {
        { 0.25, "250 ms" }, { 0.9999, "1.0 s" }, { 2.5, "2.5 s" },
        { 59.99, "1 min 0 s" }, { 200, "3 min 20 s" },
        { 7500, "2 h 5 min" }, { 90000, "1 d 1 h" },
    };
    struct mlb_text t = MLB_TEXT_INIT;

    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        units_add_size(&t, sizes[i].bytes);
        expect_text(&t, sizes[i].text);
    }
    for (size_t i = 0; i < COUNT(clocks); i++) {
        units_add_clock(&t, clocks[i].seconds);
        expect_text(&t, clocks[i].text);
    }
    for (size_t i = 0; i < COUNT(spans); i++) {
        units_add_duration(&t, spans[i].seconds);
        expect_text(&t, spans[i].text);
    }
}

/* What is written as a clock reads back as the same time, both ways that
 * clocks are read. */
static void test_clock_round_trip(void **state)
{
    (void)state;
    for (long s = 0; s < 40L * 86400; s += 997) {
        struct mlb_text t = MLB_TEXT_INIT;
        struct mlb_error err;
        long mine = -1, sbatch = -1;
        units_add_clock(&t, s);
        assert_int_equal(units_parse_duration(t.data, &mine, &err), 0);
        assert_int_equal(units_parse_sbatch_time(t.data, &sbatch, &err), 0);
        assert_int_equal(mine, s);
        assert_int_equal(sbatch, s);
        text_clear(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_duration),
        cmocka_unit_test(test_sbatch_time),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_written),
        cmocka_unit_test(test_clock_round_trip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
