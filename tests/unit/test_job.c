/* SPDX-License-Identifier: BSD-3-Clause */
/* Job files: reading, every kind of mistake, checking. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/files.h"
#include "job/keys.h"

/* libconfig 1.5 loses the strings it has read when it meets a syntax error;
 * only LeakSanitizer looks at this. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libconfig";
}

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static const char example[] =
    "name = \"digits\";\n"
    "command = [\"./train\", \"--epochs\", \"20\"];\n"
    "launch = \"mpi\";\n"
    "resources = { nodes = 2; tasks_per_node = 4; cpus_per_task = 2;\n"
    "  gpus_per_task = 1; memory_per_node = \"16G\";\n"
    "  walltime = \"00:30:00\"; partition = \"gpu\"; account = \"x\";\n"
    "  constraint = \"a100\"; };\n"
    "datasets = ({ name = \"digits\"; version = \"latest\";\n"
    "  as = \"train\"; }, { name = \"mnist\"; });\n"
    "checkpoint = { every = \"10m\"; keep = 3; warn = \"2m\";"
    "  keep_every = 1000; best = \"min loss\"; keep_best = 2;"
    "  layout = \"nodes\"; signal = \"USR1\";"
    "  command = [\"./save\", \"now\"]; };\n"
    "restart = { on = [\"timeout\", \"preempted\"]; max = 20;"
    "  grow = [\"memory\"]; };\n"
    "environment = { OMP_NUM_THREADS = \"2\"; N = 7; };\n"
    "modules = [\"cuda/12\"];\n"
    "container = { image = \"train.sif\"; mounts = [\"/d:/d:ro\"]; };\n"
    "sweep = { list = ({ x = 1; }); random = 2; seed = 3;\n"
    " grid = { lr = [0.1, 1e-05]; seed = [1, 2, 3];\n"
    "  on = (true, \"x\", 5000000000); }; at_once = 4; };\n"
    "after = { ok = [\"prepare.3\"]; any = [\"a\"]; notok = [\"b\"]; };\n"
    "counters = { enabled = false; every = \"2s\"; hardware = \"1m\";\n"
    "  mpi = true; };\n"
    "slurm = { options = [\"--qos=high\"]; };\n"
    "pbs = { options = [\"-q\", \"gpuq\"]; };\n"
    "files = [\"train.py\"]; # no newline at the end";

struct reading {
    struct mlb_job *job;
    struct mlb_problems problems;
    struct mlb_error err;
    int rc;
};

static struct reading read_text(const char *text)
{
    struct reading r = { .job = job_create(),
                         .problems = MLB_PROBLEMS_INIT };

    r.rc = job_read_string(r.job, text, "t.conf", &r.problems, &r.err);
    return r;
}

static void reading_clear(struct reading *r)
{
    job_destroy(r->job);
    problems_clear(&r->problems);
}

static void assert_strings(const struct mlb_strings *list,
                           const char *const *expected)
{
    for (size_t i = 0; i < list->count; i++) {
        assert_non_null(expected[i]);
        assert_string_equal(list->items[i], expected[i]);
    }
    assert_null(expected[list->count]);
}

static void test_example(void **state)
{
    struct reading r = read_text(example);
    const struct mlb_job *j = r.job;

    (void)state;
    assert_int_equal(r.rc, 0);
    assert_int_equal(r.problems.lines.count, 0);
    assert_string_equal(j->name, "digits");
    assert_strings(&j->command, (const char *const[]){ "./train", "--epochs",
                                                       "20", NULL });
    assert_false(j->shell);
    assert_string_equal(j->launch, "mpi");
    assert_int_equal(j->resources.nodes, 2);
    assert_int_equal(j->resources.tasks_per_node, 4);
    assert_int_equal(j->resources.cpus_per_task, 2);
    assert_int_equal(j->resources.gpus_per_task, 1);
    assert_int_equal(j->resources.memory_per_node, 16LL << 30);
    assert_int_equal(j->resources.walltime, 1800);
    assert_string_equal(j->resources.constraint, "a100");
    assert_int_equal(j->dataset_count, 2);
    assert_string_equal(j->datasets[0].as, "train");
    assert_string_equal(j->datasets[1].name, "mnist");
    assert_null(j->datasets[1].version);
    assert_int_equal(j->checkpoint.every, 600);
    assert_int_equal(j->checkpoint.warn, 120);
    assert_int_equal(j->checkpoint.keep_every, 1000);
    assert_string_equal(j->checkpoint.best, "min loss");
    assert_int_equal(j->checkpoint.keep_best, 2);
    assert_string_equal(j->checkpoint.layout, "nodes");
    assert_string_equal(j->checkpoint.signal, "USR1");
    assert_strings(&j->checkpoint.command,
                   (const char *const[]){ "./save", "now", NULL });
    assert_strings(&j->restart.grow,
                   (const char *const[]){ "memory", NULL });
    assert_string_equal(fields_get(&j->environment, "OMP_NUM_THREADS"), "2");
    assert_string_equal(fields_get(&j->environment, "N"), "7");
    assert_strings(&j->container.mounts, (const char *const[]){ "/d:/d:ro",
                                                                NULL });
    assert_int_equal(j->sweep.grid.count, 3);
    assert_strings(&j->sweep.grid.items[0].values,
                   (const char *const[]){ "0.1", "1e-05", NULL });
    assert_strings(&j->sweep.grid.items[2].values,
                   (const char *const[]){ "true", "x", "5000000000", NULL });
    assert_strings(&j->after.notok, (const char *const[]){ "b", NULL });
    assert_int_equal(j->counters.enabled, 0);
    assert_int_equal(j->counters.every, 2);
    assert_int_equal(j->counters.hardware, 60);
    assert_int_equal(j->counters.mpi, 1);
    assert_strings(&j->pbs_options, (const char *const[]){ "-q", "gpuq",
                                                           NULL });
    assert_strings(&j->files, (const char *const[]){ "train.py", NULL });
    for (const struct job_key *key = job_keys; key->path; key++)
        assert_memory_equal(job_origin(j, key->path), "t.conf:", 7);
    reading_clear(&r);
}

static void test_origins(void **state)
{
    static const struct { const char *key, *where; } rows[] = {
        { "name", "t.conf:1" },
        { "resources.nodes", "t.conf:4" },
        { "resources.walltime", "t.conf:6" },
        { "datasets[0].as", "t.conf:9" },
        { "datasets[1]", "t.conf:9" },
        { "datasets[1].version", "t.conf:9" },
        { "command[2]", "t.conf:2" },
        { "environment.N", "t.conf:12" },
        { "nothing.such", "t.conf" },
        { "", "t.conf" },
    };
    struct reading r = read_text(example);

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_string_equal(job_origin(r.job, rows[i].key), rows[i].where);
    reading_clear(&r);
    struct mlb_job *job = job_create();
    assert_string_equal(job_origin(job, "resources.nodes"), "job");
    job_destroy(job);
}

/* Text that parses, and the first problem it must give; NULL: none. */
static const struct { const char *text, *problem; } problem_rows[] = {
    { "", NULL },
    { "name = \"x\";", NULL },
    { "environment = [\"A=1=2\", \"B=\"];", NULL },
    { "resources = { memory_per_node = 5000000000 }", NULL },
    { "resources = { memory_per_node = 5000000000L; nodes = 0x10; }",
      NULL },
    { "command = \"echo hi | cat\";", NULL },
    { "datasets = ();", NULL },
    { "# @include \"x\"\nname = \"@include\"", NULL },
    { "\nresuorces = { nodes = 1; };",
      "t.conf:2: unknown key \"resuorces\", did you mean "
      "\"resources\"?" },
    { "resources = {\n node = 1; };",
      "t.conf:2: unknown key \"resources.node\", did you mean "
      "\"resources.nodes\"?" },
    { "walltime = 3;",
      "t.conf:1: unknown key \"walltime\", did you mean "
      "\"resources.walltime\"?" },
    { "zzzzzzzz = 3;", "t.conf:1: unknown key \"zzzzzzzz\"" },
    { "datasets = ({ nmae = \"x\"; });",
      "t.conf:1: unknown key \"datasets[0].nmae\", did you mean "
      "\"name\"?" },
    { "datasets = (\n5);",
      "t.conf:2: datasets[0]: must be a group, like { ... }, not a "
      "whole number" },
    { "datasets = { name = \"x\"; };",
      "t.conf:1: datasets: must be a list of groups, like ( { ... }, "
      "{ ... } ), not a group" },
    { "name = 5;",
      "t.conf:1: name: must be a string in quotes, not a whole "
      "number" },
    { "resources = 5;",
      "t.conf:1: resources: must be a group, like { ... }, not a whole "
      "number" },
    { "resources = { nodes = \"2\"; }",
      "t.conf:1: resources.nodes: must be a whole number, not a "
      "string" },
    { "resources = { nodes = 2.5; }",
      "t.conf:1: resources.nodes: must be a whole number, not a number "
      "with a fraction" },
    { "resources = { nodes = -1; }",
      "t.conf:1: resources.nodes: is -1, but must not be negative" },
    { "resources = { memory_per_node = \"16X\"; }",
      "t.conf:1: resources.memory_per_node: \"16X\" is not a size (like "
      "16G)" },
    { "resources = { walltime = true; }",
      "t.conf:1: resources.walltime: must be seconds or a duration like "
      "\"10m\" or \"00:30:00\", not true or false" },
    { "counters = { mpi = 1; };",
      "t.conf:1: counters.mpi: must be true or false, not a whole "
      "number" },
    { "counters = { hardware = \"often\"; };",
      "t.conf:1: counters.hardware: \"often\" is not a duration (like 90s, "
      "10m, 1.5h, 2d, 01:30:00 or 1-00:00:00)" },
    { "command = 5;",
      "t.conf:1: command: must be a list of strings, like [\"a\", "
      "\"b\"], not a whole number" },
    { "command = (\"a\",\n5, \"b\");",
      "t.conf:2: command[1]: must be a string in quotes, not a whole "
      "number" },
    { "environment = [\"B=1\",\n\"A\", \"C=\"];",
      "t.conf:2: environment: \"A\" must be like \"NAME=value\"" },
    { "environment = { A = 0x10; };",
      "t.conf:1: environment.A: must be a string in quotes" },
    { "environment = { A = 0.5; };",
      "t.conf:1: environment.A: must be a string in quotes" },
    { "sweep = { grid = { lr = 5; }; };",
      "t.conf:1: sweep.grid.lr: must be a list of values, like [1, "
      "2]" },
    { "sweep = { grid = { lr = ([1]); }; };",
      "t.conf:1: sweep.grid.lr: value 0 must be a number, a string, "
      "true or false" },
    { "sweep = { grid = 1; };",
      "t.conf:1: sweep.grid: must be a group, like { seed = [1, 2]; }" },
    { "sweep = { list = ({ a = 1; b = 2; },\n{ a = 3; }); };",
      "t.conf:2: sweep.list: a point has no b, which the first one has" },
    { "sweep = { list = ({ a = 1; },\n{ a = 3; c = 1; }); };",
      "t.conf:2: sweep.list: a point has a name that the first one has "
      "not" },
    { "sweep = { list = ({ a = 1; },\n{ a = [3]; }); };",
      "t.conf:2: sweep.list: a must be a number, a string, true or "
      "false" },
    { "sweep = { list = (5); };",
      "t.conf:1: sweep.list: point 0 must be a group, like { lr = 0.1; "
      "}" },
};

static void test_problems(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(problem_rows); i++) {
        const char *problem = problem_rows[i].problem;
        struct reading r = read_text(problem_rows[i].text);
        assert_int_equal(r.rc, 0);
        assert_int_equal(r.problems.lines.count, problem != NULL);
        if (problem)
            assert_string_equal(r.problems.lines.items[0], problem);
        reading_clear(&r);
    }
}

static void test_all_problems_at_once(void **state)
{
    struct reading r = read_text("name = 1;\nnope = 2;\n"
                                 "resources = { nodes = 4;\n"
                                 "walltime = \"soon\"; };\n");

    (void)state;
    assert_int_equal(r.problems.lines.count, 3);
    assert_memory_equal(r.problems.lines.items[2], "t.conf:4: ", 10);
    assert_int_equal(r.job->resources.nodes, 4);
    reading_clear(&r);
}

/* Text that cannot be parsed, and what is said. */
static void test_refused(void **state)
{
    static const struct { const char *text, *error; } rows[] = {
        { "name = \"x\"\nfoo bar = 1;",
          "t.conf:2: syntax error here or just before" },
        { "name = \"a\"; name = \"b\";",
          "t.conf:1: duplicate setting name" },
        { "command = [\"a\", 5];",
          "t.conf:1: mismatched element type in array: use ( ) for values "
          "of different types" },
        { "\n@include \"/etc/passwd\"\n",
          "t.conf:2: @include is not supported: put the keys here" },
        { "name = @x;", "t.conf:1: a stray '@'" },
        { "name = \"a\\x00b\";",
          "t.conf:1: \\x00 in a string: no argument, variable or path can "
          "hold it" },
        { "\nname = \"abc\n\n",
          "t.conf:2: this string has no closing quote" },
        { "name = \"x\";\n/* and so on\n",
          "t.conf:2: this comment has no closing */" },
        { "resources = {\n nodes = 1;\n",
          "t.conf:1: this '{' is never closed" },
        { "command = [\"a\"\n);",
          "t.conf:2: ')' cannot close the '[' of line 1" },
        { "a = 1; }",
          "t.conf:1: a closing bracket without an opening one" },
        { "resources = { nodes = 010; }",
          "t.conf:1: leading zeros: octal to some, decimal to others; leave "
          "them out" },
        { "resources = { nodes = 99999999999999999999; }",
          "t.conf:1: this number has more than 64 bits" },
        { "resources = { nodes = 0xFFFFFFFFFFFFFFFFL; }",
          "t.conf:1: this number has more than 64 bits" },
        { "sweep = { grid = { a = [1e999]; }; }",
          "t.conf:1: this number is too large" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct reading r = read_text(rows[i].text);
        assert_int_equal(r.rc, -1);
        assert_int_equal(r.err.code, MLB_ERR_BAD_INPUT);
        assert_string_equal(r.err.text, rows[i].error);
        reading_clear(&r);
    }
}

static void test_deep_nesting(void **state)
{
    struct mlb_text text = MLB_TEXT_INIT;

    (void)state;
    text_add(&text, "a = ");
    for (int i = 0; i < 100000; i++)
        text_add(&text, "(");
    struct reading r = read_text(text.data);
    assert_int_equal(r.rc, -1);
    assert_string_equal(r.err.text, "t.conf:1: nested more than 32 deep");
    reading_clear(&r);
    text_clear(&text);
}

static void test_many_settings(void **state)
{
    struct mlb_text text = MLB_TEXT_INIT;

    (void)state;
    for (int i = 0; i < 20001; i++)
        text_addf(&text, "a%d=1\n", i);
    struct reading r = read_text(text.data);
    assert_int_equal(r.rc, -1);
    assert_string_equal(r.err.text, "t.conf:20001: more than 20000 settings");
    reading_clear(&r);
    text_clear(&text);
}

static void test_bytes(void **state)
{
    struct reading r = read_text("name = \"\\x41\\xff\\n\\\"\\\\\xc3\xa9\" "
                                 "\" more\\q\";");

    (void)state;
    assert_string_equal(r.job->name, "A\xff\n\"\\\xc3\xa9 more\\q");
    reading_clear(&r);
}

static void expect_file_error(const char *path, const char *error)
{
    struct mlb_problems problems = MLB_PROBLEMS_INIT;
    struct mlb_job *job = job_create();
    struct mlb_error err;

    assert_int_equal(job_read_file(job, path, &problems, &err), -1);
    assert_int_equal(err.code, MLB_ERR_BAD_INPUT);
    if (!strstr(err.text, error))
        fail_msg("\"%s\" does not say \"%s\"", err.text, error);
    assert_non_null(strstr(err.text, path));
    problems_clear(&problems);
    job_destroy(job);
}

static void test_files(void **state)
{
    char dir[] = "/tmp/test_job.XXXXXX";
    struct mlb_error err;

    (void)state;
    assert_non_null(mkdtemp(dir));
    char *path = xasprintf("%s/job.conf", dir);
    expect_file_error(dir, "is a directory, not a file");
    expect_file_error(path, "no such file (mlbatch help job");
    files_publish(path, " \n\t", 3, 0600, &err);
    expect_file_error(path, "is empty");
    files_publish(path, "name\n= \"\0\";", 11, 0600, &err);
    expect_file_error(path, ":2: a NUL byte: this is not a text file");
    char *big = xmalloc((1 << 20) + 1);
    memset(big, '\n', (1 << 20) + 1);
    files_publish(path, big, (1 << 20) + 1, 0600, &err);
    expect_file_error(path, "longer than 1048576 bytes");
    free(big);
    files_publish(path, "name = \"x\" # y", 14, 0600, &err);
    struct mlb_problems problems = MLB_PROBLEMS_INIT;
    struct mlb_job *job = job_create();
    assert_int_equal(job_read_file(job, path, &problems, &err), 0);
    assert_string_equal(job->name, "x");
    job_destroy(job);
    if (geteuid() != 0) {
        assert_int_equal(chmod(path, 0), 0);
        expect_file_error(path, "Permission denied");
    }
    assert_int_equal(files_remove_tree(dir, &err), 0);
    free(path);
}

#define OK "name = \"a\"; command = [\"b\"];\n"

static const struct { const char *text, *problem; } check_rows[] = {
    { OK, NULL },
    { OK "datasets = ({name=\"d\"}, {name=\"d\"; version=\"v1\"; "
         "as=\"old\"});", NULL },
    { "command = [\"b\"];",
      "t.conf: name is missing: add name = \"...\";" },
    { "name = \"a\"",
      "t.conf: command is missing: add command = [\"PROGRAM\", "
      "\"ARGUMENT\"];" },
    { "name = \"a\"; command = [];",
      "t.conf:1: command is missing: add command = [\"PROGRAM\", "
      "\"ARGUMENT\"];" },
    { "name = \"a\"; command = \"\";",
      "t.conf:1: command: has an empty program" },
    { "name = \"a\"; command = [\"\"];",
      "t.conf:1: command: has an empty program" },
    { "name = \"\"; command = \"x\";",
      "t.conf:1: name: is empty: give a value or leave it out" },
    { OK "resources = { nodes = 0; }",
      "t.conf:2: resources.nodes: is 0, but must be at least 1" },
    { OK "resources = { nodes = 3000000; }",
      "t.conf:2: resources.nodes: is 3000000, but must be at most "
      "1000000" },
    { OK "resources = { memory_per_node = 16; }",
      "t.conf:2: resources.memory_per_node: is 16, but must be at least "
      "1048576 bytes" },
    { OK "checkpoint = { best = \"loss\"; }",
      "t.conf:2: checkpoint.best: \"min\" or \"max\" and a metric, as in "
      "\"min loss\", not \"loss\"" },
    { OK "checkpoint = { keep_best = 2; }",
      "t.conf:2: checkpoint.keep_best: needs checkpoint.best, the metric to "
      "go by" },
    { OK "checkpoint = { layout = \"striped\"; }",
      "t.conf:2: checkpoint.layout: \"auto\", \"shared\" or \"nodes\", not "
      "\"striped\"" },
    { OK "resources = { walltime = 0; }",
      "t.conf:2: resources.walltime: is 0, but must be at least 1 "
      "seconds" },
    { OK "resources = { nodes = 1000000;\n tasks_per_node = 65535; }",
      "t.conf:3: resources: 1000000 nodes of 65535 tasks are too many "
      "tasks" },
    { OK "datasets = ({ version = \"v\"; });",
      "t.conf:2: datasets[0]: needs a name" },
    { OK "datasets = ({ name = \"a-b\"; });",
      "t.conf:2: datasets[0]: \"a-b\" has bytes that no variable can "
      "have: add as = \"...\" (letters, digits, _)" },
    { OK "datasets = ({ name = \"a\"; as = \"x.y\"; });",
      "t.conf:2: datasets[0].as: \"x.y\" must be letters, digits and _, "
      "for the variable MLB_DATA_<AS>" },
    { OK "datasets = ({ name = \"a\"; },\n{ name = \"b\"; as = \"A\"; "
         "});",
      "t.conf:3: datasets[1]: \"A\" is used by datasets[0], too: give "
      "one of them another as = \"...\"" },
    { OK "environment = [\"=x\"];",
      "t.conf:2: environment: a variable has no name" },
    { OK "environment = {\nRANK = \"1\"; };",
      "t.conf:3: environment: mlbatch sets RANK itself for each task: "
      "leave it out" },
    { OK "environment = { MLB_X = \"1\"; };",
      "t.conf:2: environment: mlbatch sets MLB_X itself for each task: "
      "leave it out" },
    { OK "environment = [\"A=1\", \"B=2\", \"A=3\"];",
      "t.conf:2: environment: A is given twice" },
    { OK "restart = { on = [\"timeout\", \"tiemout\"]; };",
      "t.conf:2: restart.on: \"tiemout\" is none of timeout, preempted, "
      "node_fail, out_of_memory, failed" },
    { OK "restart = { on = [\"timeout\"]; grow = [\"cores\"]; };",
      "t.conf:2: restart.grow: \"cores\" is none of memory, walltime" },
    { OK "restart = { grow = [\"memory\"]; };",
      "t.conf:2: restart.grow: needs restart.on, the ends after which to go "
      "on: on = [\"timeout\", \"out_of_memory\"];" },
    { OK "checkpoint = { signal = \"KILL\"; };",
      "t.conf:2: checkpoint.signal: KILL cannot be caught by a program" },
    { OK "checkpoint = { signal = \"USR3\"; };",
      "t.conf:2: checkpoint.signal: \"USR3\" is no signal: \"USR1\", "
      "\"USR2\", \"TERM\", ..." },
    { OK "checkpoint = { command = [\"\"]; };",
      "t.conf:2: checkpoint.command: has an empty program" },
    { OK "container = { image = \"x\"; };",
      "t.conf:2: containers are not supported yet: remove "
      "\"container\"" },
    { OK "after = { ok = []; };", NULL },
    { OK "after = { ok = [\"a.1\"]; any = [\"a.2\"]; };", NULL },
    { OK "after = {\n any = [\"a\", \"\"]; };",
      "t.conf:3: after.any: the name of a run is empty" },
    { OK "counters = { every = 0; };",
      "t.conf:2: counters.every: is 0, but must be at least 1 seconds" },
    { OK "counters = { every = 1; hardware = \"never\"; };", NULL },
    { OK "counters = { hardware = 0; mpi = false; };", NULL },
    { OK "checkpoint = { signal = \"SIGUSR2\"; };", NULL },
    { OK "checkpoint = { signal = \"none\"; };", NULL },
    { OK "restart = { on = [\"node failure\", \"node_fail\"]; };", NULL },
};

static void test_check(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(check_rows); i++) {
        const char *problem = check_rows[i].problem;
        struct reading r = read_text(check_rows[i].text);
        assert_int_equal(r.rc, 0);
        assert_int_equal(r.problems.lines.count, 0);
        job_check(r.job, &r.problems);
        assert_int_equal(r.problems.lines.count, problem != NULL);
        if (problem)
            assert_string_equal(r.problems.lines.items[0], problem);
        reading_clear(&r);
    }
}

static void test_long_name(void **state)
{
    struct mlb_problems problems = MLB_PROBLEMS_INIT;
    struct mlb_job *job = job_create();

    (void)state;
    strings_push(&job->command, "x");
    job->name = xmalloc(1002);
    memset(job->name, 'n', 1001);
    job->name[1001] = '\0';
    job_check(job, &problems);
    assert_int_equal(problems.lines.count, 1);
    job->name[1000] = '\0';
    problems_clear(&problems);
    job_check(job, &problems);
    assert_int_equal(problems.lines.count, 0);
    job_destroy(job);
}

static void test_help(void **state)
{
    struct mlb_text text = MLB_TEXT_INIT;

    (void)state;
    job_keys_help(&text);
    for (const struct job_key *key = job_keys; key->path; key++)
        assert_non_null(strstr(text.data, key->path));
    for (char *p = text.data, *end; (end = strchr(p, '\n')); p = end + 1)
        if (end - p > 80)
            fail_msg("a line of %d columns: %.*s", (int)(end - p),
                     (int)(end - p), p);
    text_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example),
        cmocka_unit_test(test_origins),
        cmocka_unit_test(test_problems),
        cmocka_unit_test(test_all_problems_at_once),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_deep_nesting),
        cmocka_unit_test(test_many_settings),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_long_name),
        cmocka_unit_test(test_help),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
