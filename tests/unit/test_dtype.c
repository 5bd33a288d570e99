/* SPDX-License-Identifier: BSD-3-Clause */
/* Names, sizes and numbers of the element types. */
#include "config.h"

#include "store_fixture.h"

#include "mlbatch/dtype.h"

/* The numbers are in files: a change here breaks every one of them. */
static void numbers_and_sizes_are_fixed(void **state)
{
    static const struct {
        int number;
        const char *name;
        size_t size;
    } types[] = {
        { 1, "f64", 8 },  { 2, "f32", 4 },  { 3, "f16", 2 },
        { 4, "bf16", 2 }, { 5, "i64", 8 },  { 6, "i32", 4 },
        { 7, "i16", 2 },  { 8, "i8", 1 },   { 9, "u64", 8 },
        { 10, "u32", 4 }, { 11, "u16", 2 }, { 12, "u8", 1 },
        { 13, "bool", 1 }, { 14, "e4m3", 1 }, { 15, "e5m2", 1 },
        { 16, "c64", 8 }, { 17, "c128", 16 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        enum mlb_dtype d = (enum mlb_dtype)types[i].number;
        assert_string_equal(mlb_dtype_name(d), types[i].name);
        assert_int_equal(mlb_dtype_size(d), types[i].size);
        assert_int_equal(mlb_dtype_find(types[i].name), types[i].number);
    }
}

static void others_are_refused(void **state)
{
    static const int wrong[] = { 0, 18, -1, 255, 1 << 20 };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(mlb_dtype_size((enum mlb_dtype)wrong[i]), 0);
        assert_null(mlb_dtype_name((enum mlb_dtype)wrong[i]));
    }
    assert_int_equal(mlb_dtype_find("f33"), 0);
    assert_int_equal(mlb_dtype_find(""), 0);
    assert_int_equal(mlb_dtype_find("F32"), 0);
    assert_int_equal(mlb_dtype_find(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_and_sizes_are_fixed),
        cmocka_unit_test(others_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
