/* SPDX-License-Identifier: BSD-3-Clause */
/* Which rank a task is, under each launcher and with traps. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "agent/rank.h"

static const char *const *variables;     /* "NAME=value", ends with NULL */

static const char *get(const char *name)
{
    size_t n = strlen(name);

    for (const char *const *v = variables; *v; v++)
        if (strncmp(*v, name, n) == 0 && (*v)[n] == '=')
            return *v + n + 1;
    return NULL;
}

struct row {
    const char *const variables[12];
    struct rank want;
};

#define SRUN "SLURM_STEP_ID=0"

static const struct row rows[] = {
    { { NULL }, { "none", 0, 1, 0, 1, 0 } },
    { { SRUN, "SLURM_PROCID=6", "SLURM_NTASKS=7", "SLURM_LOCALID=0",
        "SLURM_NODEID=3", "SLURM_TASKS_PER_NODE=2(x3),1", NULL },
      { "srun", 6, 7, 0, 1, 3 } },
    { { SRUN, "SLURM_PROCID=3", "SLURM_NTASKS=4", "SLURM_LOCALID=1",
        "SLURM_NODEID=1", "SLURM_TASKS_PER_NODE=4",
        "SLURM_STEP_TASKS_PER_NODE=2(x2)", NULL },
      { "srun", 3, 4, 1, 2, 1 } },
    /* No layout: at least as many as this rank's number needs. */
    { { SRUN, "SLURM_PROCID=3", "SLURM_NTASKS=4", "SLURM_LOCALID=3",
        "SLURM_TASKS_PER_NODE=4(x", NULL },
      { "srun", 3, 4, 3, 4, 0 } },
    /* The batch step itself: not one of the ranks. */
    { { "SLURM_PROCID=0", "SLURM_NTASKS=4", "SLURM_LOCALID=0", NULL },
      { "none", 0, 1, 0, 1, 0 } },
    { { "SLURM_STEP_ID=4294967291", "SLURM_PROCID=0", "SLURM_NTASKS=4", NULL },
      { "none", 0, 1, 0, 1, 0 } },
    /* mpirun in the batch step, and below its daemon on another node. */
    { { "SLURM_PROCID=0", "SLURM_NTASKS=4", "SLURM_LOCALID=0",
        "OMPI_COMM_WORLD_RANK=1", "OMPI_COMM_WORLD_SIZE=4",
        "OMPI_COMM_WORLD_LOCAL_RANK=1", "OMPI_COMM_WORLD_LOCAL_SIZE=2", NULL },
      { "mpirun", 1, 4, 1, 2, 0 } },
    { { SRUN, "SLURM_PROCID=1", "SLURM_NTASKS=2", "SLURM_NODEID=1",
        "OMPI_COMM_WORLD_RANK=3", "OMPI_COMM_WORLD_SIZE=4",
        "OMPI_COMM_WORLD_LOCAL_RANK=1", "OMPI_COMM_WORLD_LOCAL_SIZE=2", NULL },
      { "mpirun", 3, 4, 1, 2, 1 } },
    /* Dealt out over the nodes one by one. */
    { { "OMPI_COMM_WORLD_RANK=1", "OMPI_COMM_WORLD_SIZE=4",
        "OMPI_COMM_WORLD_LOCAL_RANK=0", "OMPI_COMM_WORLD_LOCAL_SIZE=2", NULL },
      { "mpirun", 1, 4, 0, 2, 1 } },
    /* Uneven: the node cannot be told. */
    { { "OMPI_COMM_WORLD_RANK=4", "OMPI_COMM_WORLD_SIZE=5",
        "OMPI_COMM_WORLD_LOCAL_RANK=1", "OMPI_COMM_WORLD_LOCAL_SIZE=2", NULL },
      { "mpirun", 4, 5, 1, 2, 0 } },
    { { "MLB_RANK_GLOBAL=5", "MLB_RANK_SIZE=6", "MLB_RANK_LOCAL=1",
        "MLB_RANK_LOCAL_SIZE=2", "MLB_RANK_NODE=2", "OMPI_COMM_WORLD_RANK=0",
        "OMPI_COMM_WORLD_SIZE=1", NULL },
      { "ranks", 5, 6, 1, 2, 2 } },
    /* Nonsense is as good as nothing. */
    { { "OMPI_COMM_WORLD_RANK=4", "OMPI_COMM_WORLD_SIZE=4", NULL },
      { "none", 0, 1, 0, 1, 0 } },
    { { "MLB_RANK_GLOBAL=-1", "MLB_RANK_SIZE=4", NULL },
      { "none", 0, 1, 0, 1, 0 } },
    { { "MLB_RANK_GLOBAL=1x", "MLB_RANK_SIZE=4", NULL },
      { "none", 0, 1, 0, 1, 0 } },
    { { SRUN, "SLURM_PROCID=0", NULL }, { "none", 0, 1, 0, 1, 0 } },
};

static void test_sources(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rank r;
        variables = rows[i].variables;
        rank_find(get, &r);
        assert_string_equal(r.source, rows[i].want.source);
        assert_int_equal(r.rank, rows[i].want.rank);
        assert_int_equal(r.size, rows[i].want.size);
        assert_int_equal(r.local, rows[i].want.local);
        assert_int_equal(r.local_size, rows[i].want.local_size);
        assert_int_equal(r.node, rows[i].want.node);
    }
}

static void test_tasks_on(void **state)
{
    (void)state;
    assert_int_equal(rank_tasks_on("2(x3),1", 0), 2);
    assert_int_equal(rank_tasks_on("2(x3),1", 2), 2);
    assert_int_equal(rank_tasks_on("2(x3),1", 3), 1);
    assert_int_equal(rank_tasks_on("2(x3),1", 4), 0);
    assert_int_equal(rank_tasks_on("8", 0), 8);
    assert_int_equal(rank_tasks_on("1,2,3", 2), 3);
    static const char *const bad[] = {
        "", "x", "(x2)", "2(x", "2(x)", "2(3)", "0", "-2", "2(x-1)", "1;2",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(rank_tasks_on(bad[i], 1), 0);
    assert_int_equal(rank_tasks_on(NULL, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sources),
        cmocka_unit_test(test_tasks_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
