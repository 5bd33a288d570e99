/* SPDX-License-Identifier: BSD-3-Clause */
/* Which checkpoints stay: the rules, as a table. */
#include "config.h"

#include "store_fixture.h"

#include <math.h>

#include "store/retention.h"

/* Steps 100, 90, ... 10 and their metric. */
static const double metrics[] = { 0.5, 0.4, NAN, 0.1, INFINITY, 0.3, 0.9,
                                  0.2, -INFINITY, 0.1 };

static const struct {
    struct mlb_retention rules;
    const char *stay;            /* one of 100, 90, ... each */
} table[] = {
    { { 0, 0, 0, NULL, 0 }, "##########" },
    { { 1, 0, 0, NULL, 0 }, "#........." },
    { { 3, 0, 0, NULL, 0 }, "###......." },
    { { 99, 0, 0, NULL, 0 }, "##########" },
    { { 0, 30, 0, NULL, 0 }, "##..#..#.." },
    { { 2, 40, 0, NULL, 0 }, "###...#..." },
    { { 0, 0, 1, "loss", 0 }, "#..#......" },
    { { 0, 0, 2, "loss", 0 }, "#..#.....#" },
    { { 0, 0, 3, "loss", 0 }, "#..#...#.#" },
    { { 0, 0, 1, "loss", 1 }, "#.....#..." },
    { { 2, 0, 2, "loss", 1 }, "##....#..." },
    { { 1, 50, 1, "loss", 0 }, "#..#.#...." },
    { { 0, 0, 99, "loss", 0 }, "##.#.###.#" },
};

static void each_rule_keeps_its_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct retention_saved saved[10];
        char stay[11] = "";
        for (size_t k = 0; k < 10; k++) {
            saved[k].step = 100 - 10 * k;
            saved[k].metric = metrics[k];
        }
        assert_int_equal(retention_pick(&table[i].rules, saved, 10, NULL), 0);
        for (size_t k = 0; k < 10; k++)
            stay[k] = saved[k].keep ? '#' : '.';
        if (strcmp(stay, table[i].stay) != 0)
            fail_msg("rules %zu: %s, not %s", i, stay, table[i].stay);
        assert_int_equal(retention_pick(&table[i].rules, saved, 0, NULL), 0);
        assert_int_equal(retention_pick(&table[i].rules, saved, 1, NULL), 0);
        assert_true(saved[0].keep);
    }
}

static void save(const char *directory, const struct mlb_retention *rules,
                 uint64_t step, double loss)
{
    struct mlb_saver_options options = { .directory = directory,
                                         .retention = *rules };
    struct mlb_error err = { 0 };
    struct mlb_saver *s = mlb_saver_open(&options, &err);
    struct mlb_checkpoint *c = s ? mlb_checkpoint_create(s, step, &err)
                                 : NULL;

    if (!c)
        fail_msg("%s", err.text);
    assert_ok(mlb_checkpoint_add_metric(c, "loss", loss, &err), err);
    assert_ok(mlb_checkpoint_add_metric(c, "other", -loss, &err), err);
    assert_ok(mlb_checkpoint_publish(c, &err), err);
    mlb_saver_close(s);
}

static bool is_there(void **state, unsigned step)
{
    char name[64];

    snprintf(name, sizeof(name), "step-%012u.h5", step);
    return files_is_file(in(state, name));
}

static void the_best_stay_in_the_directory(void **state)
{
    struct mlb_retention rules = { .last = 1, .best = 1, .metric = "loss" };

    save(*state, &rules, 1, 0.5);
    save(*state, &rules, 2, NAN);
    save(*state, &rules, 3, 0.25);
    save(*state, &rules, 4, 0.75);
    save(*state, &rules, 5, -INFINITY);
    assert_int_equal(count_files(*state), 2);
    assert_true(is_there(state, 3) && is_there(state, 5));
    rules.higher_is_better = 1;
    save(*state, &rules, 6, 0.1);
    assert_int_equal(count_files(*state), 2);
    assert_true(is_there(state, 3) && is_there(state, 6));
}

/* What is damaged is neither counted nor removed. */
static void damaged_ones_do_not_count(void **state)
{
    struct mlb_retention rules = { .last = 0 };

    for (unsigned step = 1; step <= 4; step++)
        save(*state, &rules, step, 0.5);
    assert_int_equal(truncate(in(state, "step-000000000004.h5"), 5000), 0);
    rules.last = 2;
    save(*state, &rules, 5, 0.5);
    assert_false(is_there(state, 1) || is_there(state, 2));
    assert_true(is_there(state, 3) && is_there(state, 4) &&
                is_there(state, 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_rule_keeps_its_own),
        IN_DIRECTORY(the_best_stay_in_the_directory),
        IN_DIRECTORY(damaged_ones_do_not_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
