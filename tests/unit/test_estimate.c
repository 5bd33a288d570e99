/* SPDX-License-Identifier: BSD-3-Clause */
/* Sums over windows of which some were not counted. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "counters/estimate.h"
#include "counters/metric.h"

static void test_all_counted(void **state)
{
    struct estimate e = { 0 };

    (void)state;
    estimate_counted(&e, 10, 100);
    estimate_counted(&e, 0, 50);
    assert_int_equal(estimate_value(&e), 10);
    assert_int_equal(estimate_coverage(&e), 100);
}

static void test_nothing_happened_is_zero(void **state)
{
    struct estimate e = { 0 };

    (void)state;
    assert_int_equal(estimate_value(&e), 0);
    estimate_counted(&e, 0, 0);
    estimate_missed(&e, 0);
    assert_int_equal(estimate_value(&e), 0);
    assert_int_equal(estimate_coverage(&e), 100);
}

static void test_never_counted_is_missing(void **state)
{
    struct estimate e = { 0 };

    (void)state;
    estimate_missed(&e, 100);
    estimate_counted(&e, 0, 0);
    assert_int_equal(estimate_value(&e), METRIC_MISSING);
    assert_int_equal(estimate_coverage(&e), 0);
}

static void test_gaps_are_filled(void **state)
{
    struct estimate e = { 0 };

    (void)state;
    estimate_missed(&e, 100);
    estimate_counted(&e, 30, 100);
    assert_int_equal(estimate_value(&e), 60);
    estimate_missed(&e, 200);
    assert_int_equal(estimate_value(&e), 120);
    assert_int_equal(estimate_coverage(&e), 25);
}

/* Phases: the rate of late windows counts more; a short one's little. */
static void test_rates_follow(void **state)
{
    struct estimate e = { 0 };

    (void)state;
    estimate_counted(&e, 1000, 100);
    for (int i = 0; i < 20; i++)
        estimate_counted(&e, 100, 100);
    estimate_counted(&e, 5, 0.001);
    int64_t before = estimate_value(&e);
    estimate_missed(&e, 100);
    assert_in_range(estimate_value(&e) - before, 99, 120);
}

static void test_never_goes_down(void **state)
{
    struct estimate e = { 0 };
    int64_t before = 0;

    (void)state;
    estimate_missed(&e, 1000);
    for (int i = 0; i < 100; i++) {
        if (i % 3 == 0)
            estimate_counted(&e, i % 2 ? 0 : 1000, i % 7);
        else
            estimate_missed(&e, 1000);
        if (estimate_value(&e) == METRIC_MISSING)
            continue;
        assert_true(estimate_value(&e) >= before);
        before = estimate_value(&e);
    }
}

static void test_too_large_is_missing(void **state)
{
    struct estimate e = { 0 };

    (void)state;
    estimate_counted(&e, 1e19, 1);
    assert_int_equal(estimate_value(&e), METRIC_MISSING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_counted),
        cmocka_unit_test(test_nothing_happened_is_zero),
        cmocka_unit_test(test_never_counted_is_missing),
        cmocka_unit_test(test_gaps_are_filled),
        cmocka_unit_test(test_rates_follow),
        cmocka_unit_test(test_never_goes_down),
        cmocka_unit_test(test_too_large_is_missing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
