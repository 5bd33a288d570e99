/* SPDX-License-Identifier: BSD-3-Clause */
/* Advice of earlier runs onto a job, also advice that is none. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cmd/advice.h"
#include "job_equal.h"

#define HEAD "{\"schema\": \"mlbatch-advice/1\", \"job\": \"n\", "

static const char base[] =
    "name = \"n\";\ncommand = [\"a\"];\n"
    "resources = { nodes = 2; memory_per_node = \"16G\"; gpus_per_task = 1;"
    " walltime = \"01:00:00\"; };\n";

struct fixture {
    struct mlb_job *job, *before;
    struct mlb_strings said;
    struct mlb_problems problems;
    struct mlb_error err;
    int rc;
};

static struct mlb_job *read_base(struct fixture *f, const char *change)
{
    struct mlb_job *job = job_create();

    assert_int_equal(job_read_string(job, base, "t.conf", &f->problems,
                                     &f->err), 0);
    if (change)
        job_override(job, change, &f->problems);
    assert_int_equal(f->problems.lines.count, 0);
    return job;
}

static struct fixture follow(const char *json, const char *change)
{
    struct fixture f = { .said = MLB_STRINGS_INIT,
                         .problems = MLB_PROBLEMS_INIT };

    f.job = read_base(&f, change);
    f.before = read_base(&f, change);
    f.rc = advice_apply(f.job, json, strlen(json), &f.said, &f.err);
    return f;
}

static void clear(struct fixture *f)
{
    job_destroy(f->job);
    job_destroy(f->before);
    strings_clear(&f->said);
    problems_clear(&f->problems);
}

#define ITEM(key, value) \
    "{\"key\": \"resources." key "\", \"value\": \"" value "\", " \
    "\"basis\": \"3 runs\"}"

static void test_followed(void **state)
{
    struct fixture f = follow(
        HEAD "\"runs\": 3, \"items\": ["
        ITEM("memory_per_node", "2G") "," ITEM("cpus_per_task", "4") ","
        ITEM("gpus_per_task", "0") "," ITEM("walltime", "00:12:00") "]}",
        NULL);

    (void)state;
    assert_int_equal(f.rc, 0);
    assert_int_equal(f.job->resources.memory_per_node, 2LL << 30);
    assert_int_equal(f.job->resources.cpus_per_task, 4);
    assert_int_equal(f.job->resources.gpus_per_task, 0);
    assert_int_equal(f.job->resources.walltime, 720);
    assert_int_equal(f.job->resources.nodes, 2);
    assert_int_equal(f.said.count, 4);
    assert_string_equal(f.said.items[0], "resources.memory_per_node: 16.0 "
                                         "GiB -> 2.0 GiB: 3 runs");
    assert_string_equal(f.said.items[1],
                        "resources.cpus_per_task: 1 -> 4: 3 runs");
    assert_string_equal(f.said.items[3], "resources.walltime: 01:00:00 -> "
                                         "00:12:00: 3 runs");
    assert_string_equal(job_origin(f.job, "resources.walltime"), "--fit");
    clear(&f);
}

/* What the user says now is worth more than what was. */
static void test_users_own(void **state)
{
    static const char json[] = HEAD "\"runs\": 3, \"items\": ["
        ITEM("walltime", "00:12:00") "," ITEM("memory_per_node", "16G") "]}";
    struct fixture f = follow(json, "resources.walltime=02:00:00");

    (void)state;
    assert_int_equal(f.rc, 0);
    assert_null(job_difference(f.job, f.before));
    assert_string_equal(f.said.items[0],
                        "resources.walltime: stays 02:00:00, as the command "
                        "line says; advised is 00:12:00: 3 runs");
    assert_string_equal(f.said.items[1],
                        "resources.memory_per_node: stays 16.0 GiB: 3 runs");
    clear(&f);
}

/* Rows that change nothing: what is said first, or NULL for an error. */
static void test_hostile(void **state)
{
    static const struct { const char *json, *said; } rows[] = {
        { HEAD "\"runs\": 0, \"items\": []}",
          "there are no earlier runs to go by: nothing is changed" },
        { HEAD "\"runs\": 0, \"items\": [" ITEM("walltime", "60") "]}",
          "there are no earlier runs to go by: nothing is changed" },
        { HEAD "\"runs\": 2, \"items\": []}",
          "earlier runs give no reason to change anything" },
        { HEAD "\"runs\": 2, \"items\": [" ITEM("nodes", "4") "]}",
          "advice that --fit does not follow: resources.nodes" },
        { HEAD "\"runs\": 2, \"items\": [{\"key\": \"command[0]\", "
          "\"value\": \"rm\"}]}",
          "advice that --fit does not follow: command[0]" },
        { HEAD "\"runs\": 2, \"items\": [7]}",
          "advice that --fit does not follow: an item without a key" },
        { HEAD "\"runs\": 2, \"items\": [{\"key\": \"x\\u001b[2J\\n\"}]}",
          "advice that --fit does not follow: x\\x1b[2J\\x0a" },
        { HEAD "\"runs\": 2, \"items\": [{\"key\": \"resources.walltime\", "
          "\"value\": 60}]}",
          "advice that --fit does not follow: resources.walltime" },
        { HEAD "\"runs\": 2, \"items\": [" ITEM("cpus_per_task", "0") "]}",
          "resources.cpus_per_task: stays 1: the advice cannot be used: is "
          "0, but must be at least 1" },
        { HEAD "\"runs\": 2, \"items\": ["
          ITEM("memory_per_node", "-1") "]}",
          "resources.memory_per_node: stays 16.0 GiB: the advice cannot be "
          "used: \"-1\" is not a size (like 16G)" },
        { "", NULL },
        { "null", NULL },
        { "[]", NULL },
        { "{\"schema\": \"mlbatch-advice/2\", \"job\": \"n\"}", NULL },
        { HEAD "\"runs\": \"3\", \"items\": []}", NULL },
        { HEAD "\"runs\": 3, \"items\": {}}", NULL },
        { HEAD "\"runs\": 3, \"items\": [] ", NULL },
        { HEAD "\"runs\": 3, \"runs\": 4, \"items\": []}", NULL },
        { "{\"schema\": \"mlbatch-advice/1\", \"job\": \"other\", "
          "\"runs\": 3, \"items\": [" ITEM("walltime", "60") "]}", NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fixture f = follow(rows[i].json, NULL);
        assert_int_equal(f.rc, rows[i].said ? 0 : -1);
        assert_null(job_difference(f.job, f.before));
        assert_int_equal(f.said.count, rows[i].said != NULL);
        if (rows[i].said)
            assert_string_equal(f.said.items[0], rows[i].said);
        else
            assert_int_equal(f.err.code, MLB_ERR_BAD_INPUT);
        clear(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_followed),
        cmocka_unit_test(test_users_own),
        cmocka_unit_test(test_hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
