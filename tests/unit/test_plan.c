/* SPDX-License-Identifier: BSD-3-Clause */
/* plan: one row a case: a job, and what its plan must and must not say. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "plan_fixture.h"

/* In a row's wants, separated by '|': "text" is in the plan, "!text" not. */
static void check_wants(const char *dump, const char *wants, size_t row)
{
    char *copy = xstrdup(wants), *save = NULL;

    for (char *w = strtok_r(copy, "|", &save); w;
         w = strtok_r(NULL, "|", &save)) {
        bool not = *w == '!';
        if (!strstr(dump, w + not) != not)
            fail_msg("row %zu: \"%s\" of\n%s", row, w, dump);
    }
    free(copy);
}

static void check_same(const struct mlb_strings *a, const struct mlb_strings *b)
{
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++)
        assert_string_equal(a->items[i], b->items[i]);
}

static void test_template(void **unused)
{
    static const struct { const char *text, *want; } rows[] = {
        { "", "" },
        { "plain", "plain" },
        { "${run}", "a.1" },
        { "<${run}${tasks}>", "<a.14>" },
        { "${run.dir}/x", "/r/a.1/x" },
        { "${HOME} ${RUN} ${ru} ${run } ${}", "${HOME} ${RUN} ${ru} ${run } "
                                             "${}" },
        { "$run $HOME $1 $", "$run $HOME $1 $" },
        { "$${run}", "${run}" },
        { "$${HOME}", "$${HOME}" },
        { "$$${run}", "$${run}" },
        { "$$", "$$" },
        { "${", "${" },
        { "${run", "${run" },
        { "${${run}}", "${a.1}" },
        { "${x${run}", "${xa.1" },
        { "${run}}", "a.1}" },
        /* What comes in is not looked at again. */
        { "${evil}", "${run}" },
        { "${gone}|", "|" },
    };
    struct mlb_fields fields = MLB_FIELDS_INIT;

    (void)unused;
    fields_add(&fields, "run", "a.1");
    fields_add(&fields, "run.dir", "/r/a.1");
    fields_add(&fields, "tasks", "4");
    fields_add(&fields, "evil", "${run}");
    fields_add(&fields, "gone", "");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct mlb_text t = MLB_TEXT_INIT;
        template_expand(rows[i].text, &fields, &t);
        assert_string_equal(t.data, rows[i].want);
        text_clear(&t);
    }
    fields_clear(&fields);
}

static void test_many_dollars(void **unused)
{
    struct mlb_fields fields = MLB_FIELDS_INIT;
    struct mlb_text t = MLB_TEXT_INIT;
    size_t count = 100000;
    char *dollars = xmalloc(count + 1);

    (void)unused;
    memset(dollars, '$', count);
    dollars[count] = '\0';
    template_expand(dollars, &fields, &t);
    assert_string_equal(t.data, dollars);
    text_clear(&t);
    free(dollars);
}

static const struct {
    const char *job;             /* after name and command */
    const char *scheduler;
    const char *wants;
} plan_rows[] = {
    /* defaults */
    { "", "slurm",
      "nodes=1 tasks=1x1 cpus=1 gpus=0/0 memory=-1 walltime=-1|launch: /a/age"
      "nt task /store/runs/t.N\n|command: ./x 1\n|OMP_NUM_THREADS=1\n|PYTHONUN"
      "BUFFERED=1\n|MLB_RUN=t.N\n|MLB_JOB_NAME=t\n|#!/bin/sh\n|!note:|!--mem|"
      "!--time|!--partition|!--gpus|!CHECKPOINT_KEEP" },
    { "resources = { nodes = 3; tasks_per_node = 4; cpus_per_task = 2;"
      "gpus_per_task = 1; memory_per_node = 1048577; walltime = 90061;"
      "partition = \"p\"; account = \"a\"; constraint = \"x&y\"; };"
      "launch = \"torch\";", "slurm",
      "nodes=3 tasks=12x4 cpus=2 gpus=1/4 memory=1048577 walltime=90061|"
      "launch: srun --ntasks=12 /a/agent|OMP_NUM_THREADS=2\n|--nodes=3\n|"
      "--ntasks=12\n|--ntasks-per-node=4\n|--gpus-per-task=1\n|--mem=2M\n|"
      "--time=1-01:01:01\n|--partition=\"p\"\n|--account=\"a\"\n|"
      "--constraint=\"x&y\"\n|!note:" },
    { "checkpoint = { keep = 3; };", "slurm",
      "MLB_CHECKPOINT_KEEP=3\n|MLB_CHECKPOINT_DIR=/store/runs/t.N/check" },
    { "modules = [\"gcc/12\", \"a b\"];", "slurm",
      "#!/bin/bash -l\n|module load gcc/12 || exit 1\nmodule load 'a b' ||" },
    /* the job's own words go over ours, and stay in order behind them */
    { "environment = [\"Z=1\", \"OMP_NUM_THREADS=7\", \"A=2\"];", "slurm",
      "PYTHONUNBUFFERED=1\nZ=1\nOMP_NUM_THREADS=7\nA=2\n|!OMP_NUM_THREADS=1" },
    { "environment = { PYTHONUNBUFFERED = \"\"; };", "slurm",
      "OMP_NUM_THREADS=1\nPYTHONUNBUFFERED=\n|!PYTHONUNBUFFERED=1" },
    /* fields */
    { "command = [\"${data.train}\", \"$${data.train} $${data.no}\", \"${x}\","
      "\"${job}\", \"${store}\", \"${checkpoint.dir}\", \"${data.\"];", "slurm",
      "command: /store/d/v1 ${data.train} $${data.no} ${x} t /store /store/run"
      "s/t.N/checkpoints ${data.\n|MLB_DATA_TRAIN=/store/d/v1\n" },
    { "name = \"a b\";", "slurm", "--job-name=\"a b\"\n|MLB_JOB_NAME=a b\n" },
    { "name = \"a\\nb\";", "slurm", "--job-name=\"a=0Ab\"\n" },
    /* native options: slurm only */
    { "slurm = { options = [\"--qos=high\", \"--exclusive\", \"-x\", \"n1\"];"
      "};", "slurm",
      "#SBATCH --qos=\"high\"\n#SBATCH --exclusive\n#SBATCH -x \"n1\"\n" },
    { "slurm = { options = [\"--qos=high\"]; };", "local", "!qos|!#SBATCH" },
    /* local: cores can be shared */
    { "", "local", "cores=1\n|!#SBATCH|!note:" },
    { "launch = \"torch\"; resources = { nodes = 2; cpus_per_task = 2; };",
      "local", "cores=4\n|note: all 2 nodes of the job are this machine\n" },
    { "launch = \"torch\"; resources = { tasks_per_node = 3; cpus_per_task = "
      "2; };", "local",
      "cores=4\n|note: 3 tasks of 2 cores each share this machine's 4\n" },
    { "resources = { cpus_per_task = 5; gpus_per_task = 2; };", "local",
      "cores=4\n|note: 1 task of 5 cores each|!other" },
    { "resources = { tasks_per_node = 3; };", "local",
      "note: this launcher starts one process; what is asked for the other 2" },
    /* numbers that the check refuses must do no harm here */
    { "resources = { nodes = 9223372036854775807L; tasks_per_node = "
      "9223372036854775807L; gpus_per_task = 9223372036854775807L; };",
      "slurm", "nodes=9223372036854775807 " },
};

static void test_plans(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof(plan_rows) / sizeof(plan_rows[0]); i++) {
        struct fixture f;
        fixture_make(&f, plan_rows[i].job, plan_rows[i].scheduler);
        if (!f.plan)
            fail_msg("row %zu: %s", i, f.problems.lines.items[0]);
        char *dump = plan_dump(f.plan);
        check_wants(dump, plan_rows[i].wants, i);
        free(dump);
        fixture_clear(&f);
    }
}

static void test_problems(void **unused)
{
    static const struct { const char *job, *scheduler, *problems; } rows[] = {
        { "resources = {\ngpus_per_task = 3; };", "local",
          "t.conf:2: resources.gpus_per_task: 3 GPUs in all, but this machine "
          "declares 2 (local.gpus in the site file)\n" },
        { "\nlaunch = \"torhc\";", "slurm",
          "t.conf:2: launch: no launcher \"torhc\" at this site, did you mean "
          "\"torch\"?\n" },
        { "launch = \"zzzzzzzz\";", "slurm",
          "t.conf:1: launch: no launcher \"zzzzzzzz\" at this site\n" },
        { "launch = \"remote\";", "local",
          "t.conf:1: launch: launcher \"remote\" has no template for the "
          "scheduler local in the site file\n" },
        { "\ncommand = [\"${data.train}${data.trian}\", \"${data.x}\"];",
          "slurm",
          "t.conf:2: command: ${data.trian} names no data set of this job "
          "(datasets = ({ name = ...; as = \"trian\"; }))\n"
          "t.conf:2: command: ${data.x} names no data set of this job "
          "(datasets = ({ name = ...; as = \"x\"; }))\n" },
        { "launch = \"no\"; resources = { gpus_per_task = 9; };", "local",
          "t.conf:1: resources.gpus_per_task: 9 GPUs in all, but this machine "
          "declares 2 (local.gpus in the site file)\n"
          "t.conf:1: launch: no launcher \"no\" at this site\n" },
    };

    (void)unused;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fixture f;
        fixture_make(&f, rows[i].job, rows[i].scheduler);
        assert_null(f.plan);
        char *lines = join(&f.problems.lines, "\n");
        assert_string_equal(lines, rows[i].problems);
        free(lines);
        fixture_clear(&f);
    }
}

/* The same input, the same plan, whatever surrounds it. */
static void test_pure(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof(plan_rows) / sizeof(plan_rows[0]); i++) {
        struct fixture f;
        fixture_make(&f, plan_rows[i].job, plan_rows[i].scheduler);
        char *dumps[3] = { plan_dump(f.plan) };
        for (int k = 1; k < 3; k++) {
            plan_destroy(f.plan);
            f.plan = plan_create(f.job, f.site, &f.context, &f.problems);
            dumps[k] = plan_dump(f.plan);
            assert_string_equal(dumps[k], dumps[0]);
            setenv("OMP_NUM_THREADS", "99", 1);
            setenv("HOME", "/elsewhere", 1);
            setenv("MLBATCH_STORE", "/elsewhere", 1);
            setenv("TZ", "Asia/Kathmandu", 1);
            assert_int_equal(chdir("/"), 0);
        }
        for (int k = 0; k < 3; k++)
            free(dumps[k]);
        fixture_clear(&f);
    }
}

/* All bytes of a plan reach the node, whatever the names are. */
static void test_agent_fields(void **unused)
{
    struct fixture f;
    struct mlb_fields fields = MLB_FIELDS_INIT, back = MLB_FIELDS_INIT;
    struct mlb_strings launch = MLB_STRINGS_INIT, command = MLB_STRINGS_INIT;
    struct mlb_strings env = MLB_STRINGS_INIT;
    struct mlb_text bytes = MLB_TEXT_INIT;

    (void)unused;
    fixture_make(&f, "command = [\"./x\", \"a=b\\n\", \"\", \"\\xff\"];"
                     "checkpoint = { warn = 30; every = 60; };"
                     "environment = [\"A=1\\n=2\", \"B=\"];"
                     "resources = { nodes = 2; };", "slurm");
    plan_destroy(f.plan);
    f.context.run = "token=3Dx.1";   /* of a job called "token=x" */
    f.plan = plan_create(f.job, f.site, &f.context, &f.problems);
    plan_agent_fields(f.plan, f.job, f.site, &fields);
    fields_format(&fields, &bytes);
    assert_int_equal(fields_parse(&back, bytes.data, bytes.length, NULL), 0);
    check_same(&back.pairs, &fields.pairs);
    assert_string_equal(fields_get(&back, "run"), "token=3Dx.1");
    assert_string_equal(fields_get(&back, "token"), "TOKEN");
    assert_string_equal(fields_get(&back, "directory"), "/work");
    assert_string_equal(fields_get(&back, "scheduler"), "slurm");
    assert_int_equal(fields_get_long(&back, "nodes", 0), 2);
    assert_int_equal(fields_get_long(&back, "tasks", 0), 2);
    assert_int_equal(fields_get_long(&back, "walltime", 0), MLB_UNSET);
    assert_int_equal(fields_get_long(&back, "memory_per_node", 0),
                     MLB_UNSET);
    assert_int_equal(fields_get_long(&back, "peak_gflops", 0), MLB_UNSET);
    assert_int_equal(fields_get_long(&back, "warn", 0), 30);
    assert_int_equal(fields_get_long(&back, "every", 0), 60);
    assert_int_equal(fields_get_long(&back, "kill_wait", 0), 30);
    fields_get_all(&back, "launch", &launch);
    fields_get_all(&back, "command", &command);
    fields_get_all(&back, "env", &env);
    check_same(&launch, &f.plan->launch);
    check_same(&command, &f.job->command);
    check_same(&env, &f.plan->environment.pairs);
    assert_true(strings_have(&env, "A=1\n=2"));
    strings_clear(&launch);
    strings_clear(&command);
    strings_clear(&env);
    text_clear(&bytes);
    fields_clear(&back);
    fields_clear(&fields);
    fixture_clear(&f);
}

/* When it may start: told to the scheduler and, in full, to the agent. */
static void test_start(void **unused)
{
    struct fixture f;
    struct mlb_fields fields = MLB_FIELDS_INIT;
    struct mlb_strings after = MLB_STRINGS_INIT;
    struct mlb_strings conditions = MLB_STRINGS_INIT;

    (void)unused;
    fixture_make(&f, "", "slurm");
    assert_null(strstr(f.plan->script, "--dependency"));
    assert_null(strstr(f.plan->script, "--hold"));
    plan_destroy(f.plan);
    strings_push(&after, "17");
    strings_push(&after, "18_4");
    strings_push(&conditions, "ok prep.1 /store/runs/prep.1");
    strings_push(&conditions, "notok prep.2 /store/runs/prep.2");
    f.context.after = &after;
    f.context.conditions = &conditions;
    f.context.hold = true;
    f.plan = plan_create(f.job, f.site, &f.context, &f.problems);
    assert_non_null(strstr(f.plan->script,
                           "#SBATCH --dependency=afterany:17:18_4\n"
                           "#SBATCH --hold\n"));
    assert_true(f.plan->hold);
    check_same(&f.plan->after, &after);
    f.context.scheduler = "pbs";
    struct mlb_plan *pbs = plan_create(f.job, f.site, &f.context,
                                       &f.problems);
    assert_true(strings_have(&pbs->request, "depend=afterany:17:18_4"));
    assert_true(strings_have(&pbs->request, "-h"));
    plan_destroy(pbs);
    plan_agent_fields(f.plan, f.job, f.site, &fields);
    strings_clear(&after);
    fields_get_all(&fields, "after", &after);
    check_same(&after, &conditions);
    assert_string_equal(fields_get(&fields, "store"), "/store");
    strings_clear(&after);
    strings_clear(&conditions);
    fields_clear(&fields);
    fixture_clear(&f);
}

/* What the agents are told of counters. */
static void test_counters(void **unused)
{
    static const struct { const char *job; long every, hardware, mpi; }
    rows[] = {
        { "", 1, 10, 0 },
        { "counters = { every = 5; };", 5, 10, 0 },
        { "counters = { every = 20; };", 20, 20, 0 },
        { "counters = { hardware = \"never\"; mpi = true; };", 1, 0, 1 },
        { "counters = { hardware = \"2m\"; enabled = true; };", 1, 120, 0 },
        { "counters = { every = 3; mpi = true; enabled = false; };",
          0, 0, 0 },
    };

    (void)unused;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct mlb_fields fields = MLB_FIELDS_INIT;
        struct fixture f;
        char *text = xasprintf("command = [\"x\"]; %s", rows[i].job);
        fixture_make(&f, text, "local");
        plan_agent_fields(f.plan, f.job, f.site, &fields);
        assert_int_equal(fields_get_long(&fields, "sample_every", -1),
                         rows[i].every);
        assert_int_equal(fields_get_long(&fields, "hardware_every", -1),
                         rows[i].hardware);
        assert_int_equal(fields_get_long(&fields, "mpi_stats", -1),
                         rows[i].mpi);
        fields_clear(&fields);
        fixture_clear(&f);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_template),
        cmocka_unit_test(test_many_dollars),
        cmocka_unit_test(test_plans),
        cmocka_unit_test(test_problems),
        cmocka_unit_test(test_pure),
        cmocka_unit_test(test_agent_fields),
        cmocka_unit_test(test_start),
        cmocka_unit_test(test_counters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
