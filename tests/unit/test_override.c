/* SPDX-License-Identifier: BSD-3-Clause */
/* "path=value" of the command line onto a job. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "job_equal.h"

static const char base[] =
    "name = \"n\";\ncommand = [\"a\", \"b\"];\n"
    "resources = { nodes = 2; };\n"
    "datasets = ({ name = \"d\"; });\n"
    "environment = { A = \"1\"; B = \"2\"; };\n"
    "slurm = { options = [\"-x\"]; };\n";

static struct mlb_job *read_base(const char *text)
{
    struct mlb_problems problems = MLB_PROBLEMS_INIT;
    struct mlb_job *job = job_create();
    struct mlb_error err;

    assert_int_equal(job_read_string(job, text, "t.conf", &problems, &err),
                     0);
    assert_int_equal(problems.lines.count, 0);
    return job;
}

/* An override and the file that says the same. */
static void test_same_as_file(void **state)
{
    static const struct { const char *change, *key, *file; } rows[] = {
        { "name=x y", "name", "name = \"x y\";" },
        { "name=a=b", "name", "name = \"a=b\";" },
        { "name=\"x\"", "name", "name = \"\\\"x\\\"\";" },
        { "command[1]=50", "command", "command = [\"a\", \"50\"];" },
        { "command[2]=$HOME", "command",
          "command = [\"a\", \"b\", \"$HOME\"];" },
        { "command=echo hi", "command", "command = \"echo hi\";" },
        { "resources.nodes=4", "resources.nodes",
          "resources = { nodes = 4; };" },
        { "resources.memory_per_node=16G", "resources.memory_per_node",
          "resources = { memory_per_node = \"16G\"; };" },
        { "resources.walltime=01:00:00", "resources.walltime",
          "resources = { walltime = 3600; };" },
        { "checkpoint.every=10m", "checkpoint.every",
          "checkpoint = { every = \"10m\"; };" },
        { "counters.mpi=true", "counters.mpi",
          "counters = { mpi = true; };" },
        { "counters.enabled=false", "counters.enabled",
          "counters = { enabled = false; };" },
        { "counters.hardware=never", "counters.hardware",
          "counters = { hardware = 0; };" },
        { "counters.hardware=1m", "counters.hardware",
          "counters = { hardware = 60; };" },
        { "resources.partition=", "resources.partition",
          "resources = { partition = \"\"; };" },
        { "environment.A=x=y", "environment",
          "environment = [\"B=2\", \"A=x=y\"];" },
        { "environment.A.B[0]=", "environment",
          "environment = [\"A=1\", \"B=2\", \"A.B[0]=\"];" },
        { "datasets[0].version=v2", "datasets",
          "datasets = ({ name = \"d\"; version = \"v2\"; });" },
        { "datasets[1].name=e", "datasets",
          "datasets = ({ name = \"d\"; }, { name = \"e\"; });" },
        { "slurm.options[0]=--qos=high", "slurm.options",
          "slurm = { options = [\"--qos=high\"]; };" },
        { "modules[0]=cuda", "modules", "modules = [\"cuda\"];" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct mlb_problems problems = MLB_PROBLEMS_INIT;
        struct mlb_job *job = read_base(base), *like = read_base(rows[i].file);
        job_override(job, rows[i].change, &problems);
        assert_int_equal(problems.lines.count, 0);
        assert_true(same_value(job_key_find(rows[i].key), job, like));
        if (strcmp(rows[i].key, "command") == 0)
            assert_int_equal(job->shell, like->shell);
        char *path = xstrndup(rows[i].change, strcspn(rows[i].change, "="));
        assert_string_equal(job_origin(job, path), "command line");
        free(path);
        job_destroy(job);
        job_destroy(like);
    }
}

/* What is refused leaves the job as it was. */
static const struct { const char *change, *problem; } refused[] = {
    { "nodes", "\"nodes\" is not KEY=VALUE (like resources.nodes=4)" },
    { "=4", "unknown key \"\"" },
    { "resources.node=4",
      "unknown key \"resources.node\", did you mean "
      "\"resources.nodes\"?" },
    { "nodes=4",
      "unknown key \"nodes\", did you mean \"resources.nodes\"?" },
    { "comand[0]=x", "unknown key \"comand[0]\", did you mean "
                     "\"command\"?" },
    { "resources=4", "resources: is a group: set one of its keys, "
                     "resources.KEY=VALUE" },
    { "resources.nodes=many",
      "resources.nodes: \"many\" is not a whole number of 0 or more" },
    { "resources.nodes=-1",
      "resources.nodes: \"-1\" is not a whole number of 0 or more" },
    { "resources.nodes=", "resources.nodes: \"\" is not a whole number "
                          "of 0 or more" },
    { "resources.nodes[0]=1", "resources.nodes[0]: has one value, not a "
                              "list: leave out the [ ]" },
    { "resources.walltime=x",
      "resources.walltime: \"x\" is not a duration (like 90s, 10m, "
      "1.5h, 2d, 01:30:00 or 1-00:00:00)" },
    { "command[3]=x", "command[3]: command has 2 elements, so the next "
                      "index is 2" },
    { "command[99999999999999999999]=x",
      "command[99999999999999999999]: the index must be a number, as in "
      "command[0]" },
    { "command[-1]=x", "command[-1]: the index must be a number, as in "
                       "command[0]" },
    { "command[0=x", "command[0: the index must be a number, as in "
                     "command[0]" },
    { "command[0]x=x", "command[0]x: command is a list of strings: "
                       "command[0]=value" },
    { "counters.mpi=1", "counters.mpi: \"1\" is neither true nor false" },
    { "counters.every=never",
      "counters.every: \"never\" is not a duration (like 90s, 10m, "
      "1.5h, 2d, 01:30:00 or 1-00:00:00)" },
    { "modules=x", "modules: is a list: modules[0]=value" },
    { "environment=x", "environment: is a group: environment.NAME="
                       "value" },
    { "environment.=x", "environment.: a variable needs a name: "
                        "environment.NAME=value" },
    { "environment[0]=A=1", "environment[0]: a variable is set by its "
                            "name: environment.NAME=" },
    { "datasets=x", "datasets: is a list: datasets[0].name=value" },
    { "datasets[0]=x", "datasets[0]: must be one of datasets[0].name, "
                       ".version and .as" },
    { "datasets[0].nmae=x",
      "datasets[0].nmae: must be one of datasets[0].name, .version and "
      ".as, did you mean \"name\"?" },
    { "datasets[2].name=x", "datasets[2].name: datasets has 1 elements, "
                            "so the next index is 1" },
    { "sweep.grid.lr=1", "sweep.grid.lr: sweeps cannot be given on the "
                         "command line" },
    { "sweep.grid=1", "sweep.grid: sweeps cannot be given on the command "
                      "line" },
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct mlb_problems problems = MLB_PROBLEMS_INIT;
        struct mlb_job *job = read_base(base), *like = read_base(base);
        job_override(job, refused[i].change, &problems);
        assert_int_equal(problems.lines.count, 1);
        assert_memory_equal(problems.lines.items[0], "command line: ", 14);
        assert_string_equal(problems.lines.items[0] + 14, refused[i].problem);
        assert_null(job_difference(job, like));
        problems_clear(&problems);
        job_destroy(job);
        job_destroy(like);
    }
}

static void test_shell_command(void **state)
{
    struct mlb_problems problems = MLB_PROBLEMS_INIT;
    struct mlb_job *job = read_base("command = \"a | b\";");

    (void)state;
    job_override(job, "command[2]=x", &problems);
    assert_int_equal(problems.lines.count, 1);
    assert_string_equal(job->command.items[2], "a | b");
    problems_clear(&problems);
    job_destroy(job);
}

/* Any bytes go in as they are. */
static void test_bytes(void **state)
{
    struct mlb_problems problems = MLB_PROBLEMS_INIT;
    struct mlb_job *job = read_base(base);

    (void)state;
    job_override(job, "command[1]=\xff\"\n $(x) ${run}", &problems);
    job_override(job, "environment.LD_PRELOAD=a b\n'", &problems);
    assert_int_equal(problems.lines.count, 0);
    assert_string_equal(job->command.items[1], "\xff\"\n $(x) ${run}");
    assert_string_equal(fields_get(&job->environment, "LD_PRELOAD"),
                        "a b\n'");
    job_destroy(job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_as_file),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_shell_command),
        cmocka_unit_test(test_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
