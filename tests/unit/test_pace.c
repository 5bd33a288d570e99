/* SPDX-License-Identifier: BSD-3-Clause */
/* agent/pace: when samples are due, and when they become fewer. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent/pace.h"

#define S INT64_C(1000000000)

static void test_raster(void **state)
{
    struct pace p;

    (void)state;
    pace_begin(&p, 1, 10, 100 * S, 100 * S);
    assert_true(pace_hardware_due(&p, 100 * S));
    assert_null(pace_ticked(&p, 100 * S, 0));
    assert_int_equal(p.next, 101 * S);
    assert_false(pace_hardware_due(&p, 101 * S));
    /* Late: the raster stays, what was missed is left out. */
    assert_null(pace_ticked(&p, 101 * S + S / 4, 0));
    assert_int_equal(p.next, 102 * S);
    assert_null(pace_ticked(&p, 115 * S + S / 2, 0));
    assert_int_equal(p.next, 116 * S);
    assert_int_equal(p.next_hardware, 120 * S);
    pace_begin(&p, 2, 0, 0, 0);
    assert_false(pace_hardware_due(&p, 1000 * S));
    assert_null(pace_ticked(&p, 0, 0));
    assert_false(pace_hardware_due(&p, 1000 * S));
}

static void test_doubles(void **state)
{
    struct pace p;
    int64_t now = 0;
    int doubled = 0;

    (void)state;
    pace_begin(&p, 1, 10, 0, 0);
    for (long i = 0; i < 3 * 4096; i++) {
        const char *why = pace_ticked(&p, now, 0);
        if (why) {
            assert_string_equal(why, "interval");
            doubled++;
            assert_int_equal(p.interval, S << doubled);
            assert_int_equal(p.hardware, 10 * S << doubled);
        }
        assert_true(p.next > now);
        now = p.next;
    }
    assert_int_equal(doubled, 3);
}

/* 0.4 % of a core is fine, 0.6 % is not; measured over a minute. */
static void test_back_off(void **state)
{
    struct pace p;
    const char *why = NULL;
    int64_t now = 0;

    (void)state;
    pace_begin(&p, 1, 10, 0, 0);
    for (; now <= 300 * S; now = p.next)
        assert_null(pace_ticked(&p, now, now / 250));
    int64_t from = now, before = now / 250;
    for (; !why; now = p.next)
        why = pace_ticked(&p, now, before + (now - from) * 6 / 1000);
    assert_string_equal(why, "back-off");
    assert_true(now - from <= 121 * S);
    assert_int_equal(p.interval, 2 * S);
}

/* However dear, it does not stop; and no number asked for overflows. */
static void test_bounds(void **state)
{
    struct pace p;
    int64_t now = 0;

    (void)state;
    pace_begin(&p, INT32_MAX, 1L << 62, 0, 0);
    for (int i = 0; i < 100000; i++) {
        pace_ticked(&p, now, now);
        assert_true(p.next > now && p.interval <= 7200 * S);
        assert_true(p.hardware > 0);
        now = p.next;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_raster),
        cmocka_unit_test(test_doubles),
        cmocka_unit_test(test_back_off),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
