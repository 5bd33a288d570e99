/* SPDX-License-Identifier: BSD-3-Clause */
/* job/sweep: points of grids, lists and draws, as they must stay. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "job/sweep.h"

/* What is behind sweep =, and all points: "NAME=value ..." each and a '|'. */
static const struct { const char *sweep, *points; } rows[] = {
    { "{ grid = { lr = [0.1, 1e-5]; seed = [1, 2, 3]; }; }",
      "lr=0.1 seed=1|lr=0.1 seed=2|lr=0.1 seed=3|"
      "lr=1e-05 seed=1|lr=1e-05 seed=2|lr=1e-05 seed=3|" },
    { "{ grid = { a = (true, \"x y\", \"\"); }; }", "a=true|a=x y|a=|" },
    { "{ list = ({ a = 1; b = \"p\"; }, { b = \"q\"; a = 2; }); }",
      "a=1 b=p|a=2 b=q|" },
    { "{ list = (); }", "" },
    { "{ grid = { a = []; }; }", "" },
    { "{ grid = { a = [1]; }; list = ({ b = 1; }); }", "" },
    { "{ grid = { a = [1, 2]; b = [1, 2]; }; random = 3; }",
      "a=2 b=2|a=1 b=2|a=1 b=1|" },
    { "{ grid = { a = [1, 2]; b = [1, 2]; }; random = 3; seed = 7; }",
      "a=2 b=2|a=1 b=2|a=2 b=1|" },
};

/* A file, and its only problem or NULL. */
static const struct { const char *text, *problem; } checks[] = {
    { "sweep = {\n grid = { a = [1]; }; at_once = 2; };", NULL },
    { "sweep = { list = ({ a = 1; b = 2; }, { b = 4; a = 3; }); };",
      NULL },
    { "sweep = { list = (); };", NULL },
    { "sweep = { at_once = 2; };",
      "t.conf:1: sweep.at_once: needs sweep.grid or sweep.list" },
    { "sweep = { grid = {\n a = []; b = [1]; }; };",
      "t.conf:2: sweep.grid.a: has no values" },
    { "sweep = { grid = { a-b = [1]; }; };",
      "t.conf:1: sweep.grid.a-b: must be letters, digits and _, for the "
      "variable MLB_SWEEP_<NAME>" },
    { "sweep = { grid = { a = [1]; A = [2]; }; };",
      "t.conf:1: sweep.grid.A: is given twice, as a before" },
    { "sweep = { grid = { a = [1]; }; list = ({ a = 1; }); };",
      "t.conf:1: sweep.list: give a grid or a list, not both" },
    { "sweep = { seed = 3; };",
      "t.conf:1: sweep.seed: needs sweep.random, how many points to draw" },
    { "sweep = { random = 3; };",
      "t.conf:1: sweep.random: needs sweep.grid, to draw from" },
    { "sweep = { grid = { a = [1, 2]; }; random = 3; };",
      "t.conf:1: sweep.random: 3 points cannot be drawn from a grid of 2" },
    { "sweep = { grid = { a = [1,2,3,4,5,6,7,8,9,0];"
      "b = [1,2,3,4,5,6,7,8,9,0]; c = [1,2,3,4,5,6,7,8,9,0];"
      "d = [1,2,3,4,5,6,7,8,9,0]; e = [1, 2]; }; };",
      "t.conf:1: sweep.grid: more than 10000 points; sweep.random draws "
      "some of them" },
};

static void test_checks(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        struct mlb_problems problems = MLB_PROBLEMS_INIT;
        struct mlb_job *job = job_create();
        assert_int_equal(job_read_string(job, checks[i].text, "t.conf",
                                         &problems, NULL), 0);
        assert_int_equal(problems.lines.count, 0);
        sweep_check(job, &problems);
        assert_int_equal(problems.lines.count, checks[i].problem != NULL);
        if (checks[i].problem)
            assert_string_equal(problems.lines.items[0], checks[i].problem);
        problems_clear(&problems);
        job_destroy(job);
    }
}

static void expand(const char *text, struct mlb_job *job,
                   struct sweep *sweep)
{
    struct mlb_problems problems = MLB_PROBLEMS_INIT;
    char *file = xasprintf("sweep = %s;", text);

    assert_int_equal(job_read_string(job, file, "t.conf", &problems, NULL),
                     0);
    assert_int_equal(problems.lines.count, 0);
    sweep_expand(job, sweep);
    free(file);
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct mlb_job *job = job_create();
        struct mlb_text text = MLB_TEXT_INIT;
        struct sweep sweep;
        expand(rows[i].sweep, job, &sweep);
        for (long k = 0; k < sweep.count; k++) {
            struct mlb_fields values = MLB_FIELDS_INIT;
            sweep_point(&sweep, k, &values);
            for (size_t j = 0; j < values.pairs.count; j++)
                text_addf(&text, "%s%s", j ? " " : "",
                          values.pairs.items[j]);
            text_add(&text, "|");
            fields_clear(&values);
        }
        assert_string_equal(text.data, rows[i].points);
        text_clear(&text);
        sweep_clear(&sweep);
        job_destroy(job);
    }
}

static int compare(const void *a, const void *b)
{
    const long long *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* Of a huge grid and of a small one: no point twice, and none that is not
 * there. */
static void test_draws(void **state)
{
    static const struct { const char *sweep; long count; long long size; }
    draws[] = {
        { "{ grid = { a = [1,2,3,4,5,6,7,8,9,0]; b = [1,2,3,4,5,6,7,8,9,0];"
          "c = [1,2,3,4,5,6,7,8,9,0]; d = [1,2,3,4,5,6,7,8,9,0];"
          "e = [1,2,3,4,5,6,7,8,9,0]; f = [1,2,3,4,5,6,7,8,9,0]; };"
          "random = 10000; seed = 5; }", 10000, 1000000 },
        { "{ grid = { a = [1,2,3,4,5,6,7,8,9,0]; b = [1,2,3,4,5,6,7,8,9,0];"
          "}; random = 100; }", 100, 100 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(draws) / sizeof(draws[0]); i++) {
        struct mlb_job *job = job_create();
        struct sweep sweep;
        expand(draws[i].sweep, job, &sweep);
        assert_int_equal(sweep.count, draws[i].count);
        qsort(sweep.drawn, (size_t)sweep.count, sizeof(*sweep.drawn),
              compare);
        for (long k = 0; k < sweep.count; k++) {
            assert_in_range(sweep.drawn[k], 0, draws[i].size - 1);
            assert_true(k == 0 || sweep.drawn[k] != sweep.drawn[k - 1]);
        }
        sweep_clear(&sweep);
        job_destroy(job);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checks),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_draws),
    };

    return cmocka_run_group_tests_name("sweep", tests, NULL, NULL);
}
