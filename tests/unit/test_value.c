/* SPDX-License-Identifier: BSD-3-Clause */
/* Elements as numbers and as text. */
#include "config.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/value.h"

static double get(enum mlb_dtype dtype, uint64_t bits)
{
    return value_get(dtype, &bits);
}

static void assert_is(double is, double wanted)
{
    if (!(is == wanted || (isnan(is) && isnan(wanted))))
        fail_msg("%.17g is not %.17g", is, wanted);
}

/* Values from the tables of IEEE 754 and of the OCP 8-bit formats. */
static void test_small_floats(void **state)
{
    (void)state;
    assert_is(get(MLB_F16, 0x3c00), 1);
    assert_is(get(MLB_F16, 0x7bff), 65504);
    assert_is(get(MLB_F16, 0x0001), 5.9604644775390625e-08);
    assert_is(get(MLB_F16, 0x8400), -6.103515625e-05);
    assert_is(get(MLB_F16, 0x7c00), INFINITY);
    assert_is(get(MLB_F16, 0x7e00), NAN);
    assert_is(get(MLB_BF16, 0x3f80), 1);
    assert_is(get(MLB_BF16, 0xc049), -3.140625);
    assert_is(get(MLB_BF16, 0x7f7f), 3.3895313892515355e+38);
    assert_is(get(MLB_BF16, 0x0001), 9.183549615799121e-41);
    assert_is(get(MLB_BF16, 0xff80), -INFINITY);
    assert_is(get(MLB_E4M3, 0x38), 1);
    assert_is(get(MLB_E4M3, 0x7e), 448);
    assert_is(get(MLB_E4M3, 0x01), 0.001953125);
    assert_is(get(MLB_E4M3, 0xff), NAN);
    assert_is(get(MLB_E5M2, 0x3c), 1);
    assert_is(get(MLB_E5M2, 0x7b), 57344);
    assert_is(get(MLB_E5M2, 0x7c), INFINITY);
    assert_is(get(MLB_E5M2, 0x01), 1.52587890625e-05);
}

/* Every bf16 is an f32 with 16 bits less. */
static void test_all_of_bf16(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits < 0x10000; bits++) {
        uint32_t wide = bits << 16;
        float wanted;
        memcpy(&wanted, &wide, sizeof(wanted));
        assert_is(get(MLB_BF16, bits), (double)wanted);
    }
}

static void assert_text(enum mlb_dtype dtype, const void *bytes,
                        const char *wanted)
{
    struct mlb_text t = MLB_TEXT_INIT;

    value_add_text(&t, dtype, bytes);
    assert_string_equal(t.data, wanted);
    text_clear(&t);
}

static void test_text(void **state)
{
    const float tenth = 0.1f, third = 1.0f / 3;
    const double pi = 3.141592653589793, zero = -0.0;
    const int64_t least = INT64_MIN;
    const uint64_t most = UINT64_MAX;
    const int8_t minus = -1;

    (void)state;
    assert_text(MLB_F32, &tenth, "0.1");
    assert_text(MLB_F32, &third, "0.33333334");
    assert_text(MLB_F64, &pi, "3.141592653589793");
    assert_text(MLB_F64, &zero, "-0");
    assert_text(MLB_I64, &least, "-9223372036854775808");
    assert_text(MLB_U64, &most, "18446744073709551615");
    assert_text(MLB_I8, &minus, "-1");
    assert_text(MLB_F16, "\x00\x7c", "inf");
    assert_text(MLB_F16, "\x00\xfe", "nan");
}

static void test_compare(void **state)
{
    const double a[] = { 1, NAN, 0.0, INFINITY, 5, -INFINITY };
    const double b[] = { 1, -NAN, -0.0, INFINITY, 5.25, -INFINITY };
    const double c[] = { 1, 2, 0.0, 3, 5, -INFINITY };
    const int64_t x[] = { INT64_MAX, 7, INT64_MIN };
    const int64_t y[] = { INT64_MAX - 1, 7, INT64_MAX };
    const float p[] = { 1, 1, 0, 0 }, q[] = { 1, 1, 3, 4 };
    double most = 0;

    (void)state;
    assert_int_equal(value_compare(MLB_F64, a, b, 6, &most), 1);
    assert_is(most, 0.25);
    assert_int_equal(value_compare(MLB_F64, a, c, 6, &most), 2);
    assert_is(most, INFINITY);
    most = 0;
    assert_int_equal(value_compare(MLB_I64, x, y, 3, &most), 2);
    assert_is(most, 18446744073709551615.0);
    most = 0;
    assert_int_equal(value_compare(MLB_C64, p, q, 2, &most), 1);
    assert_is(most, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_floats),
        cmocka_unit_test(test_all_of_bf16),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_compare),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
