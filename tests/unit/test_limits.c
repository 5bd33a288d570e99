/* SPDX-License-Identifier: BSD-3-Clause */
/* plan/limits: one row a case: what is asked, and what is wrong with it. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "plan_fixture.h"

#define NOTHING_KNOWN                                                         \
    .nodes = MLB_UNSET, .max_nodes = MLB_UNSET, .max_walltime = MLB_UNSET,    \
    .cpus_per_node = MLB_UNSET, .gpus_per_node = MLB_UNSET,                   \
    .memory_per_node = MLB_UNSET

#define GiB (1LL << 30)

static struct mlb_partition partitions[] = {
    { .name = (char *)"batch", .usable = true, .is_default = true,
      .nodes = 8, .max_nodes = 4, .max_walltime = 3600, .cpus_per_node = 16,
      .gpus_per_node = 2, .memory_per_node = 64 * GiB },
    { .name = (char *)"small", .usable = true, .nodes = 2, .max_nodes = 100,
      .max_walltime = MLB_UNSET, .cpus_per_node = 4, .gpus_per_node = 0,
      .memory_per_node = MLB_UNSET },
    { .name = (char *)"down", NOTHING_KNOWN },
    { .name = (char *)"vague", .usable = true, NOTHING_KNOWN },
    { .name = (char *)"site", .usable = true, .nodes = 50, .max_nodes = 40,
      .max_walltime = 86400, .cpus_per_node = 32, .gpus_per_node = MLB_UNSET,
      .memory_per_node = 64 * GiB },
};
static struct mlb_site_partition site_partitions[] = {
    { .name = (char *)"site", .max_nodes = 3, .max_walltime = 172800,
      .cpus_per_node = 64, .gpus_per_node = 1, .memory_per_node = GiB },
};
static const char *const accounts[] = { "physics", "ml" };

static const struct row {
    const char *resources;       /* keys, each on a line of its own */
    const char *problems;        /* lines; "" if it fits */
} rows[] = {
    { "", "" },
    /* at the limit, and over it */
    { "nodes = 4; tasks_per_node = 2; cpus_per_task = 8; gpus_per_task = 1;"
      "memory_per_node = \"64G\"; walltime = \"1h\";", "" },
    { "\nnodes = 5;",
      "2: resources.nodes: 5 nodes, but partition \"batch\" has at most 4\n" },
    { "\n\ncpus_per_task = 17;",
      "3: resources.cpus_per_task: 17 CPUs on each node, but partition "
      "\"batch\" has at most 16\n" },
    { "tasks_per_node = 3;\ncpus_per_task = 6;",
      "2: resources.cpus_per_task: 18 CPUs on each node, but partition "
      "\"batch\" has at most 16\n" },
    { "tasks_per_node = 3;\ngpus_per_task = 1;",
      "2: resources.gpus_per_task: 3 GPUs on each node, but partition "
      "\"batch\" has at most 2\n" },
    { "\nmemory_per_node = \"65G\";",
      "2: resources.memory_per_node: 65.0 GiB of memory on each node, but "
      "partition \"batch\" has at most 64.0 GiB\n" },
    { "\nwalltime = 3601;",
      "2: resources.walltime: 01:00:01 of walltime, but partition \"batch\" "
      "has at most 01:00:00\n" },
    /* all at once, in the order of the keys */
    { "nodes = 3;\ngpus_per_task = 1;\npartition = \"small\";\n"
      "cpus_per_task = 5;\nwalltime = \"30d\";",
      "1: resources.nodes: 3 nodes, but partition \"small\" has at most 2\n"
      "4: resources.cpus_per_task: 5 CPUs on each node, but partition "
      "\"small\" has at most 4\n"
      "2: resources.gpus_per_task: 1 GPUs on each node, but partition "
      "\"small\" has at most 0\n" },
    /* a key that was not given has no line */
    { "tasks_per_node = 17;",
      " resources.cpus_per_task: 17 CPUs on each node, but partition "
      "\"batch\" has at most 16\n" },
    /* nothing known, nothing wrong */
    { "partition = \"vague\"; nodes = 1000; tasks_per_node = 1000;"
      "gpus_per_task = 9; memory_per_node = \"1P\"; walltime = \"99d\";", "" },
    /* the site's and the scheduler's: the tighter one */
    { "partition = \"site\";\nnodes = 4;\ncpus_per_task = 33;\n"
      "gpus_per_task = 2;\nmemory_per_node = \"2G\";\nwalltime = \"25h\";",
      "2: resources.nodes: 4 nodes, but partition \"site\" has at most 3\n"
      "3: resources.cpus_per_task: 33 CPUs on each node, but partition "
      "\"site\" has at most 32\n"
      "4: resources.gpus_per_task: 2 GPUs on each node, but partition "
      "\"site\" has at most 1\n"
      "5: resources.memory_per_node: 2.0 GiB of memory on each node, but "
      "partition \"site\" has at most 1.0 GiB\n"
      "6: resources.walltime: 1-01:00:00 of walltime, but partition \"site\" "
      "has at most 1-00:00:00\n" },
    /* names */
    { "\npartition = \"bacht\"; nodes = 99;",
      "2: resources.partition: no partition \"bacht\", did you mean "
      "\"batch\"?\n" },
    { "partition = \"xxxxxxxxx\";",
      "1: resources.partition: no partition \"xxxxxxxxx\" (there are: batch, "
      "small, down, vague, site)\n" },
    { "partition = \"down\";",
      "1: resources.partition: partition \"down\" takes no jobs from you now "
      "(it is down, or not for your account)\n" },
    { "account = \"ml\";", "" },
    { "\naccount = \"phsyics\";",
      "2: resources.account: you cannot charge account \"phsyics\", did you "
      "mean \"physics\"?\n" },
    { "account = \"xxxxxxxxx\"; partition = \"zzzzzzzzz\";",
      "1: resources.account: you cannot charge account \"xxxxxxxxx\" (there "
      "are: physics, ml)\n"
      "1: resources.partition: no partition \"zzzzzzzzz\" (there are: batch, "
      "small, down, vague, site)\n" },
    /* numbers that the check refuses must do no harm here */
    { "tasks_per_node = 9223372036854775807L;\ncpus_per_task = 2;",
      "2: resources.cpus_per_task: 9223372036854775807 CPUs on each node, but "
      "partition \"batch\" has at most 16\n" },
};

/* What plan_fit says to a job of those resources. Caller frees. */
static char *fit(const char *resources, const struct mlb_limits *limits)
{
    char *text = xasprintf("resources = {%s };", resources);
    struct mlb_text t = MLB_TEXT_INIT;
    struct fixture f;

    fixture_make(&f, text, "slurm");
    assert_non_null(f.plan);
    f.site->partitions = site_partitions;
    f.site->partition_count = 1;
    plan_fit(f.plan, f.job, f.site, limits, &f.problems);
    f.site->partitions = NULL;
    f.site->partition_count = 0;
    for (size_t i = 0; i < f.problems.lines.count; i++) {
        const char *line = f.problems.lines.items[i];
        assert_int_equal(strncmp(line, "t.conf:", 7), 0);
        text_addf(&t, "%s\n", line + 7);
    }
    fixture_clear(&f);
    free(text);
    return text_detach(&t);
}

static struct mlb_limits make_limits(void)
{
    struct mlb_limits limits = {
        .partitions = partitions,
        .partition_count = sizeof(partitions) / sizeof(partitions[0]),
        .accounts_known = true, .accounts = MLB_STRINGS_INIT,
    };

    for (size_t i = 0; i < sizeof(accounts) / sizeof(accounts[0]); i++)
        strings_push(&limits.accounts, accounts[i]);
    return limits;
}

static void test_rows(void **unused)
{
    struct mlb_limits limits = make_limits();

    (void)unused;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *said = fit(rows[i].resources, &limits);
        assert_string_equal(said, rows[i].problems);
        free(said);
    }
    strings_clear(&limits.accounts);
}

/* A scheduler that says nothing forbids nothing; the site still may. */
static void test_nothing_known(void **unused)
{
    struct mlb_limits none = MLB_LIMITS_INIT;

    (void)unused;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strstr(rows[i].resources, "\"site\""))
            continue;
        char *said = fit(rows[i].resources, &none);
        assert_string_equal(said, "");
        free(said);
    }
    char *said = fit("partition = \"site\"; nodes = 4;", &none);
    assert_string_equal(said, "1: resources.nodes: 4 nodes, but partition "
                              "\"site\" has at most 3\n");
    free(said);
    limits_clear(&none);
}

/* No default, and accounts that nobody could tell. */
static void test_half_known(void **unused)
{
    struct mlb_limits limits = make_limits();

    (void)unused;
    limits.accounts_known = false;
    limits.partitions = &partitions[1];
    limits.partition_count = 1;
    char *said = fit("nodes = 99; account = \"nobody\";", &limits);
    assert_string_equal(said, "");
    free(said);
    strings_clear(&limits.accounts);
}

/* More names than anybody wants to read. */
static void test_many_names(void **unused)
{
    struct mlb_limits limits = MLB_LIMITS_INIT;

    (void)unused;
    limits.partition_count = 12;
    limits.partitions = xcalloc(12, sizeof(*limits.partitions));
    for (int i = 0; i < 12; i++)
        limits.partitions[i].name = xasprintf("queue%02d", i);
    char *said = fit("partition = \"zzzzzzzzz\";", &limits);
    assert_non_null(strstr(said, "(there are: queue00, queue01, "));
    assert_non_null(strstr(said, ", queue09, ...)\n"));
    free(said);
    limits_clear(&limits);
    assert_null(limits.partitions);
    limits_clear(&limits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_nothing_known),
        cmocka_unit_test(test_half_known),
        cmocka_unit_test(test_many_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
