/* SPDX-License-Identifier: BSD-3-Clause */
/* Options named as sbatch's, in any order. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "job/keys.h"

static const struct job_option *find(const char *name, size_t length)
{
    for (const struct job_option *o = job_options; o->name; o++)
        if (strlen(o->name) == length && strncmp(o->name, name, length) == 0)
            return o;
    fail_msg("no option %s", name);
    return NULL;
}

/* Options as "nodes=2 ntasks=8" onto job. */
static void set_all(struct mlb_job *job, const char *options,
                    struct mlb_problems *problems)
{
    char *copy = xstrdup(options), *rest = copy;

    for (char *word; (word = strsep(&rest, " "));) {
        size_t n = strcspn(word, "=");
        job_set_option(job, find(word, n), word + n + 1, problems);
    }
    free(copy);
}

static void test_table(void **state)
{
    (void)state;
    for (const struct job_option *o = job_options; o->name; o++) {
        assert_non_null(o->help);
        assert_non_null(o->argument);
        assert_true(job_key_find(o->key) || strcmp(o->name, "ntasks") == 0);
        for (const struct job_option *p = job_options; p < o; p++)
            assert_true(strcmp(o->name, p->name) != 0 &&
                        (!o->letter || o->letter != p->letter));
    }
}

static void test_values(void **state)
{
    struct mlb_problems problems = MLB_PROBLEMS_INIT;
    struct mlb_job *job = job_create();

    (void)state;
    set_all(job, "job-name=a=b nodes=3 ntasks-per-node=4 cpus-per-task=5 "
                 "gpus-per-task=2 mem=1500 time=1-12 partition=gpu "
                 "account=x constraint=a|b", &problems);
    assert_int_equal(problems.lines.count, 0);
    assert_string_equal(job->name, "a=b");
    assert_int_equal(job->resources.nodes, 3);
    assert_int_equal(job->resources.tasks_per_node, 4);
    assert_int_equal(job->resources.cpus_per_task, 5);
    assert_int_equal(job->resources.gpus_per_task, 2);
    assert_int_equal(job->resources.memory_per_node, 1500LL << 20);
    assert_int_equal(job->resources.walltime, 36 * 3600);
    assert_string_equal(job->resources.partition, "gpu");
    assert_string_equal(job->resources.account, "x");
    assert_string_equal(job->resources.constraint, "a|b");
    assert_string_equal(job_origin(job, "resources.nodes"), "command line");
    set_all(job, "mem=2G time=90", &problems);
    assert_int_equal(job->resources.memory_per_node, 2LL << 30);
    assert_int_equal(job->resources.walltime, 5400);
    job_destroy(job);
}

static void test_after(void **state)
{
    struct mlb_problems problems = MLB_PROBLEMS_INIT;
    struct mlb_job *job = job_create();

    (void)state;
    set_all(job, "after=a.1 after-any=b after=c.2 after-notok=d",
            &problems);
    assert_int_equal(problems.lines.count, 0);
    assert_int_equal(job->after.ok.count, 2);
    assert_string_equal(job->after.ok.items[0], "a.1");
    assert_string_equal(job->after.ok.items[1], "c.2");
    assert_string_equal(job->after.any.items[0], "b");
    assert_string_equal(job->after.notok.items[0], "d");
    assert_string_equal(job_origin(job, "after.ok"), "command line");
    job_destroy(job);
}

static void test_refused(void **state)
{
    static const struct { const char *option, *problem; } rows[] = {
        { "nodes=2-4", "--nodes: a range of nodes is not supported: give one "
                       "number" },
        { "nodes=two", "--nodes: \"two\" is not a whole number of 0 or "
                       "more" },
        { "ntasks=", "--ntasks: \"\" is not a whole number of 0 or more" },
        { "mem=0", "--mem: 0 (all memory of a node) cannot be asked for: "
                   "give a size, or leave it out for the scheduler's "
                   "default" },
        { "mem=-5", "--mem: \"-5\" is not a size (like 16G)" },
        { "time=0", "--time: 0 (no limit) cannot be asked for: give a time, "
                    "or leave it out for the scheduler's default" },
        { "time=UNLIMITED", "--time: \"UNLIMITED\" is not a time as sbatch "
                            "reads it (M, M:S, H:M:S, D-H, D-H:M or "
                            "D-H:M:S)" },
        { "gpus-per-task=a100:2", "--gpus-per-task: \"a100:2\" is not a "
                                  "whole number of 0 or more" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct mlb_problems problems = MLB_PROBLEMS_INIT;
        struct mlb_job *job = job_create();
        set_all(job, rows[i].option, &problems);
        assert_int_equal(problems.lines.count, 1);
        assert_memory_equal(problems.lines.items[0], "command line: ", 14);
        assert_string_equal(problems.lines.items[0] + 14, rows[i].problem);
        assert_int_equal(job->resources.nodes, MLB_UNSET);
        assert_int_equal(job->resources.memory_per_node, MLB_UNSET);
        assert_int_equal(job->resources.walltime, MLB_UNSET);
        problems_clear(&problems);
        job_destroy(job);
    }
}

#define OK "name = \"a\"; command = [\"b\"];\n"

/* --ntasks with the rest; 0 nodes here: a problem from job_check. */
static void test_ntasks(void **state)
{
    static const struct {
        const char *file, *options;
        long nodes, each;
    } rows[] = {
        { OK, "ntasks=8", MLB_UNSET, 8 },
        { OK, "ntasks=8 nodes=2", 2, 4 },
        { OK, "nodes=2 ntasks=8", 2, 4 },
        { OK, "ntasks=8 ntasks-per-node=2", 4, 2 },
        { OK, "ntasks-per-node=2 ntasks=8", 4, 2 },
        { OK, "ntasks-per-node=2 nodes=4 ntasks=8", 4, 2 },
        { OK, "ntasks=8 ntasks=6 nodes=3", 3, 2 },
        { OK, "ntasks-per-node=2 ntasks=8 ntasks-per-node=4", 2, 4 },
        { OK, "ntasks=7 nodes=2", 0, 0 },
        { OK, "ntasks-per-node=2 nodes=3 ntasks=8", 0, 0 },
        { OK, "ntasks-per-node=3 ntasks=8", 0, 0 },
        { OK, "ntasks=0", 0, 0 },
        { OK "resources = { nodes = 2; };", "ntasks=8", 2, 4 },
        { OK "resources = { nodes = 3; };", "ntasks=8 nodes=2", 2, 4 },
        { OK "resources = { nodes = 3; };", "ntasks=8", 0, 0 },
        { OK "resources = { nodes = 2; tasks_per_node = 2; };", "ntasks=16",
          2, 8 },
        { OK "resources = { nodes = 2; tasks_per_node = 2; };",
          "ntasks=16 ntasks-per-node=4", 4, 4 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct mlb_problems problems = MLB_PROBLEMS_INIT;
        struct mlb_job *job = job_create();
        job_read_string(job, rows[i].file, "t.conf", &problems, NULL);
        set_all(job, rows[i].options, &problems);
        assert_int_equal(problems.lines.count, 0);
        job_check(job, &problems);
        assert_int_equal(problems.lines.count > 0, rows[i].nodes == 0);
        if (rows[i].nodes != 0) {
            assert_int_equal(job->resources.nodes, rows[i].nodes);
            assert_int_equal(job->resources.tasks_per_node, rows[i].each);
        }
        problems_clear(&problems);
        job_destroy(job);
    }
}

/* An override of the job file's key counts like the option. */
static void test_ntasks_and_override(void **state)
{
    struct mlb_problems problems = MLB_PROBLEMS_INIT;
    struct mlb_job *job = job_create();

    (void)state;
    set_all(job, "ntasks=8", &problems);
    job_override(job, "resources.nodes=4", &problems);
    assert_int_equal(problems.lines.count, 0);
    assert_int_equal(job->resources.tasks_per_node, 2);
    job_destroy(job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_after),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_ntasks),
        cmocka_unit_test(test_ntasks_and_override),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
