/* SPDX-License-Identifier: BSD-3-Clause */
/* Site files: the default one, one over another, every kind of mistake. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/files.h"
#include "job/site_keys.h"

/* libconfig 1.5 loses strings when it meets a syntax error. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libconfig";
}

static char *directory;          /* of this run */
static char *file;               /* in it: s.conf */

static int make_directory(void **state)
{
    char name[] = "/tmp/test_site.XXXXXX";

    (void)state;
    if (!mkdtemp(name))
        return -1;
    directory = xstrdup(name);
    file = xasprintf("%s/s.conf", name);
    return 0;
}

static int remove_directory(void **state)
{
    struct mlb_error err;

    (void)state;
    files_remove_tree(directory, &err);
    free(directory);
    free(file);
    return 0;
}

static int read_text(struct mlb_site *site, const char *text,
                     struct mlb_problems *problems, struct mlb_error *err)
{
    assert_int_equal(files_publish(file, text, strlen(text), 0600, err), 0);
    return site_read_file(site, file, false, problems, err);
}

static void test_defaults(void **state)
{
    struct mlb_site *site = site_create();

    (void)state;
    assert_string_equal(site->scheduler, "auto");
    assert_null(site->store);
    assert_int_equal(site->kill_wait, MLB_UNSET);
    assert_int_equal(site->local.cores, MLB_UNSET);
    assert_int_equal(site->launcher_count, 0);
    site_destroy(site);
    site_destroy(NULL);
}

/* The file that is installed. The build may run elsewhere: automake says
 * where the sources are. */
static void test_default_file(void **state)
{
    static const char *const names[] = { "mpi", "torch", "plain" };
    const char *top = getenv("srcdir");
    char *path = xasprintf("%s/etc/mlbatch.conf", top ? top : ".");
    struct mlb_problems problems = MLB_PROBLEMS_INIT;
    struct mlb_site *site = site_create();
    struct mlb_error err;

    (void)state;
    if (site_read_file(site, path, false, &problems, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(problems.lines.count, 0);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const struct mlb_launcher *l = site_launcher(site, names[i]);
        assert_non_null(l);
        assert_non_null(l->help);
        assert_true(l->slurm.count > 0);
        assert_true(l->local.count > 0);
        assert_true(strings_have(&l->slurm, "${agent}"));
        assert_true(strings_have(&l->local, "${run.dir}"));
    }
    assert_null(site_launcher(site, "none"));
    assert_string_equal(site->sources.items[0], path);
    site_destroy(site);
    free(path);
}

static void test_one_over_another(void **state)
{
    struct mlb_problems problems = MLB_PROBLEMS_INIT;
    struct mlb_site *site = site_create();
    struct mlb_error err;

    (void)state;
    assert_int_equal(read_text(site,
        "scheduler = \"slurm\"; store = \"/a\"; kill_wait = 10;\n"
        "local = { cores = 4; gpus = [\"0\"]; };\n"
        "peak = { gflops = 3000; bandwidth = \"200G\"; };\n"
        "launchers = ({ name = \"x\"; slurm = [\"1\"]; local = [\"2\"]; },\n"
        " { name = \"y\"; pbs = [\"3\"]; });\n"
        "partitions = ({ name = \"p\"; max_nodes = 2; cpus_per_node = 8;\n"
        " memory_per_node = \"4G\"; max_walltime = \"2d\"; });",
        &problems, &err), 0);
    assert_int_equal(read_text(site,
        "store = \"/b\"; local = { gpus = []; };\n"
        "launchers = ({ name = \"x\"; slurm = [\"${tasks}\"]; },\n"
        " { name = \"z\"; });\n"
        "partitions = ({ name = \"p\"; max_nodes = 3; }, { name = \"q\"; });",
        &problems, &err), 0);
    assert_int_equal(problems.lines.count, 0);
    assert_string_equal(site->scheduler, "slurm");
    assert_string_equal(site->store, "/b");
    assert_int_equal(site->kill_wait, 10);
    assert_int_equal(site->local.cores, 4);
    assert_int_equal(site->peak.gflops, 3000);
    assert_int_equal(site->peak.bandwidth, 200LL << 30);
    assert_int_equal(site->local.gpus.count, 0);
    assert_int_equal(site->launcher_count, 3);
    assert_string_equal(site_launcher(site, "x")->slurm.items[0],
                        "${tasks}");
    assert_int_equal(site_launcher(site, "x")->local.count, 0);
    assert_string_equal(site_launcher(site, "y")->pbs.items[0], "3");
    assert_int_equal(site->partition_count, 2);
    assert_int_equal(site_partition(site, "p")->max_nodes, 3);
    assert_int_equal(site_partition(site, "p")->cpus_per_node, MLB_UNSET);
    assert_null(site_partition(site, "r"));
    assert_int_equal(site->sources.count, 2);
    site_destroy(site);
}

static void test_problems(void **state)
{
    static const struct { const char *text, *problem; } rows[] = {
        { "", NULL },
        { "launchers = ({ name = \"a\"; local = [\"$${x} $ $$ ${run.dir}\"];"
          " });", NULL },
        { "\nschedular = \"slurm\";",
          ":2: unknown key \"schedular\", did you mean \"scheduler\"?" },
        { "scheduler = \"slrum\";",
          ":1: scheduler: \"slrum\" is not auto, slurm, pbs or local, "
          "did you mean \"slurm\"?" },
        { "scheduler = 5;",
          ":1: scheduler: must be a string in quotes, not a whole number" },
        { "store = \"~/x\";",
          ":1: store: \"~/x\" must be an absolute path" },
        { "kill_wait = \"2d\";",
          ":1: kill_wait: is 172800, but must be at most 86400 seconds" },
        { "local = { cores = 0; };",
          ":1: local.cores: is 0, but must be at least 1" },
        { "local = 1;",
          ":1: local: must be a group, like { ... }, not a whole number" },
        { "launchers = { };",
          ":1: launchers: must be a list of groups, like ( { ... }, { ... } "
          "), not a group" },
        { "launchers = (\n5);",
          ":2: launchers[0]: must be a group, like { ... }, not a whole "
          "number" },
        { "launchers = (\n{ help = \"x\"; });",
          ":2: launchers[0].name: is missing" },
        { "launchers = ({ name = \"a\"; sluurm = []; });",
          ":1: unknown key \"launchers[0].sluurm\", did you mean "
          "\"slurm\"?" },
        { "launchers = ({ name = \"a\"; slurm =\n[\"-n${ntasks}\"]; });",
          ":2: launchers[0].slurm: no field \"ntasks\"; the fields are "
          "nodes, tasks, tasks_per_node, cpus_per_task, gpus_per_task, "
          "agent, run, run.dir, store, directory" },
        { "launchers = ({ name = \"a\"; local = [\"${tasks\"]; });",
          ":1: launchers[0].local: \"${tasks\" has ${ without }" },
        { "partitions = ({ name = \"a\"; max_nodes = 0; });",
          ":1: partitions[0].max_nodes: is 0, but must be at least 1" },
        { "partitions = ({ max_nodes = 1; });",
          ":1: partitions[0].name: is missing" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct mlb_problems problems = MLB_PROBLEMS_INIT;
        struct mlb_site *site = site_create();
        struct mlb_error err;
        assert_int_equal(read_text(site, rows[i].text, &problems, &err), 0);
        assert_int_equal(problems.lines.count, rows[i].problem != NULL);
        if (rows[i].problem) {
            const char *line = problems.lines.items[0];
            assert_memory_equal(line, file, strlen(file));
            assert_string_equal(line + strlen(file), rows[i].problem);
        }
        problems_clear(&problems);
        site_destroy(site);
    }
}

static void test_not_readable(void **state)
{
    struct mlb_problems problems = MLB_PROBLEMS_INIT;
    struct mlb_site *site = site_create();
    struct mlb_error err;

    (void)state;
    unlink(file);
    assert_int_equal(site_read_file(site, file, true, &problems, &err), 0);
    assert_int_equal(site->sources.count, 0);
    assert_int_equal(site_read_file(site, file, false, &problems, &err), -1);
    assert_int_equal(err.code, MLB_ERR_BAD_INPUT);
    assert_non_null(strstr(err.text, "No such file"));
    assert_int_equal(site_read_file(site, directory, true, &problems, &err),
                     -1);
    assert_int_equal(read_text(site, "local = {", &problems, &err), -1);
    assert_non_null(strstr(err.text, ":1: this '{' is never closed"));
    assert_int_equal(read_text(site, "local \"a\" {}", &problems, &err), -1);
    assert_non_null(strstr(err.text, ":1: syntax error"));
    assert_int_equal(problems.lines.count, 0);
    site_destroy(site);
}

static void test_help(void **state)
{
    struct mlb_text text = MLB_TEXT_INIT;

    (void)state;
    site_keys_help(&text);
    for (const struct job_key *key = site_keys; key->path; key++)
        assert_non_null(strstr(text.data, key->path));
    assert_non_null(strstr(text.data, "partitions[].max_walltime"));
    for (char *p = text.data, *end; (end = strchr(p, '\n')); p = end + 1)
        assert_true(end - p <= 80);
    text_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_default_file),
        cmocka_unit_test(test_one_over_another),
        cmocka_unit_test(test_problems),
        cmocka_unit_test(test_not_readable),
        cmocka_unit_test(test_help),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
