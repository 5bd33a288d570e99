/* SPDX-License-Identifier: BSD-3-Clause */
/* Control groups of both versions, in made-up trees: only what is the job's
 * own counts as the job's. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "counters/group.h"
#include "counters/source.h"

#define V1 "30 1 0:1 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n" \
           "31 30 0:2 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup " \
           "rw,cpu,cpuacct\n" \
           "32 30 0:3 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup " \
           "rw,memory\n"
#define V2 "40 1 0:4 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
#define HYBRID V1 \
    "41 30 0:4 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"

static char *root;

/* A file below the made-up root. */
static void put(const char *path, const char *text)
{
    char *full = xasprintf("%s/%s", root, path);
    char *directory = xstrdup(full);

    *strrchr(directory, '/') = '\0';
    assert_int_equal(files_mkdirs(directory, NULL), 0);
    FILE *f = fopen(full, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
    free(directory);
    free(full);
}

static int setup(void **state)
{
    (void)state;
    root = xstrdup("/tmp/test_counters_group.XXXXXX");
    assert_non_null(mkdtemp(root));
    group_root = root;
    unsetenv("SLURM_JOB_ID");
    unsetenv("PBS_JOBID");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    files_remove_tree(root, NULL);
    free(root);
    return 0;
}

struct node {
    struct counters *counters;
    struct counters_entity *entity;
    int64_t values[METRIC_COUNT];
};

static struct node open_node(const char *cgroup, const char *mounts)
{
    static const struct counters_source *const list[] = { &cgroup_source };
    struct node n = { 0 };

    put("proc/self/cgroup", cgroup);
    put("proc/self/mountinfo", mounts);
    n.counters = counters_create_from(list, 1,
                                      &(struct counters_options){ 0 });
    n.entity = counters_add_node(n.counters);
    return n;
}

static void read_node(struct node *n)
{
    counters_read(n->counters, n->entity, false, n->values);
}

static void close_node(struct node *n)
{
    counters_remove(n->counters, n->entity);
    counters_destroy(n->counters);
}

static void assert_no_group(struct node *n)
{
    read_node(n);
    for (int m = METRIC_GROUP_MEMORY; m <= METRIC_OOM_KILLS; m++) {
        const struct metric_status *s = counters_status(n->entity, m);
        assert_int_equal(n->values[m], METRIC_MISSING);
        assert_int_equal(s->cause, METRIC_NO_GROUP);
        assert_non_null(strstr(s->reason, "control group"));
    }
    close_node(n);
}

static void put_version_2(const char *directory)
{
    static const struct { const char *name, *text; } files[] = {
        { "memory.current", "1000\n" },
        { "memory.peak", "5000\n" },
        { "memory.events", "low 0\noom 9\noom_kill 2\noom_group_kill 7\n" },
        { "cpu.stat", "usage_usec 3000\nuser_usec 1\n" },
    };

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        char *path = xasprintf("%s/%s", directory, files[i].name);
        put(path, files[i].text);
        free(path);
    }
}

#define SLURM_2 "system.slice/slurmstepd.scope/job_42"
#define IN_STEP "/" SLURM_2 "/step_0/user/task_0\n"

static void test_version_2(void **state)
{
    const char *directory = "sys/fs/cgroup/" SLURM_2;

    (void)state;
    setenv("SLURM_JOB_ID", "42", 1);
    put_version_2(directory);
    struct node n = open_node("0::" IN_STEP, V2);
    read_node(&n);
    assert_int_equal(n.values[METRIC_GROUP_MEMORY], 1000);
    assert_int_equal(n.values[METRIC_GROUP_MEMORY_PEAK], 5000);
    /* Counters begin with the entity. */
    assert_int_equal(n.values[METRIC_GROUP_CPU_TIME], 0);
    assert_int_equal(n.values[METRIC_OOM_KILLS], 0);
    put("sys/fs/cgroup/" SLURM_2 "/cpu.stat", "usage_usec 4500\n");
    put("sys/fs/cgroup/" SLURM_2 "/memory.events", "oom_kill 3\n");
    read_node(&n);
    assert_int_equal(n.values[METRIC_GROUP_CPU_TIME], 1500000);
    assert_int_equal(n.values[METRIC_OOM_KILLS], 1);
    assert_string_equal(
        counters_status(n.entity, METRIC_OOM_KILLS)->source, "cgroup2");
    close_node(&n);
}

/* Kernels before 5.19 have no memory.peak. */
static void test_no_peak(void **state)
{
    char *path = xasprintf("%s/sys/fs/cgroup/" SLURM_2 "/memory.peak", root);

    (void)state;
    setenv("SLURM_JOB_ID", "42", 1);
    put_version_2("sys/fs/cgroup/" SLURM_2);
    assert_int_equal(unlink(path), 0);
    struct node n = open_node("0::" IN_STEP, V2);
    read_node(&n);
    assert_int_equal(n.values[METRIC_GROUP_MEMORY], 1000);
    assert_int_equal(n.values[METRIC_GROUP_MEMORY_PEAK], METRIC_MISSING);
    assert_int_equal(
        counters_status(n.entity, METRIC_GROUP_MEMORY_PEAK)->cause,
        METRIC_UNSUPPORTED);
    close_node(&n);
    free(path);
}

#define SLURM_1 "slurm/uid_7/job_42"
#define CGROUP_1 "5:memory:/" SLURM_1 "/step_0/task_0\n" \
                 "4:cpu,cpuacct:/" SLURM_1 "/step_0\n" \
                 "0::/system.slice/slurmd.service\n"

static void put_version_1(void)
{
    put("sys/fs/cgroup/memory/" SLURM_1 "/memory.usage_in_bytes", "1000\n");
    put("sys/fs/cgroup/memory/" SLURM_1 "/memory.max_usage_in_bytes",
        "5000\n");
    put("sys/fs/cgroup/memory/" SLURM_1 "/memory.oom_control",
        "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n");
    put("sys/fs/cgroup/memory/" SLURM_1 "/step_0/task_0/memory.oom_control",
        "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n");
    put("sys/fs/cgroup/cpu,cpuacct/" SLURM_1 "/cpuacct.usage", "3000\n");
}

static void check_version_1(const char *mounts)
{
    setenv("SLURM_JOB_ID", "42", 1);
    put_version_1();
    struct node n = open_node(CGROUP_1, mounts);
    put("sys/fs/cgroup/cpu,cpuacct/" SLURM_1 "/cpuacct.usage", "7000\n");
    read_node(&n);
    assert_int_equal(n.values[METRIC_GROUP_MEMORY], 1000);
    assert_int_equal(n.values[METRIC_GROUP_MEMORY_PEAK], 5000);
    assert_int_equal(n.values[METRIC_GROUP_CPU_TIME], 4000);
    assert_int_equal(n.values[METRIC_OOM_KILLS], 0);
    assert_string_equal(
        counters_status(n.entity, METRIC_GROUP_MEMORY)->source, "cgroup1");
    close_node(&n);
}

static void test_version_1(void **state)
{
    (void)state;
    check_version_1(V1);
}

static void test_hybrid(void **state)
{
    (void)state;
    check_version_1(HYBRID);
}

/* Version 1 counts a kill in the task's group alone. */
static void test_kills_below(void **state)
{
    (void)state;
    setenv("SLURM_JOB_ID", "42", 1);
    put_version_1();
    struct node n = open_node(CGROUP_1, V1);
    put("sys/fs/cgroup/memory/" SLURM_1 "/step_0/task_0/memory.oom_control",
        "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n");
    counters_refresh(n.entity);
    read_node(&n);
    assert_int_equal(n.values[METRIC_OOM_KILLS], 2);
    close_node(&n);
}

static void test_pbs(void **state)
{
    (void)state;
    setenv("PBS_JOBID", "123.server", 1);
    put_version_2("sys/fs/cgroup/pbs_jobs.service/jobid/123.server");
    struct node n = open_node("0::/pbs_jobs.service/jobid/123.server\n", V2);
    read_node(&n);
    assert_int_equal(n.values[METRIC_GROUP_MEMORY], 1000);
    close_node(&n);

    put_version_2("sys/fs/cgroup/pbs.slice/pbs-123\\x2eserver.slice");
    n = open_node("0::/pbs.slice/pbs-123\\x2eserver.slice\n", V2);
    read_node(&n);
    assert_int_equal(n.values[METRIC_GROUP_MEMORY], 1000);
    close_node(&n);
}

/* Another job's number that begins with or ends in ours. */
static void test_other_jobs(void **state)
{
    static const char *const paths[] = {
        "/slurm/uid_7/job_421/step_0", "/slurm/uid_7/job_142/step_0",
        "/system.slice/sshd.service", "/", "/user.slice/user-42.slice",
    };

    (void)state;
    setenv("SLURM_JOB_ID", "42", 1);
    put_version_2("sys/fs/cgroup");
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        char *cgroup = xasprintf("0::%s\n", paths[i]);
        char *directory = xasprintf("sys/fs/cgroup%s", paths[i]);
        put_version_2(directory);
        struct node n = open_node(cgroup, V2);
        assert_no_group(&n);
        free(cgroup);
        free(directory);
    }
}

/* A bind mount of a part of the hierarchy that we are not in. */
static void test_not_mounted(void **state)
{
    (void)state;
    setenv("SLURM_JOB_ID", "42", 1);
    put_version_2("sys/fs/cgroup/" SLURM_2);
    struct node n = open_node("0::" IN_STEP,
                              "40 1 0:4 /other /sys/fs/cgroup rw - cgroup2 "
                              "cgroup2 rw\n");
    assert_no_group(&n);
    n = open_node("", "");
    assert_no_group(&n);
    n = open_node("0\n::\n:", "x\n - \n");
    assert_no_group(&n);
}

/* ---- a scope of the user ---- */

#define SCOPE "user.slice/user-7.slice/app.slice/run-1.scope"

static void put_process(pid_t pid, pid_t parent, const char *program)
{
    char *path = xasprintf("proc/%d/stat", (int)pid);
    char *text = xasprintf("%d (a b) S %d 1 1 0 0 0 1 1 1 1 1 1 1 1 0 0 1 0 "
                           "9\n", (int)pid, (int)parent);

    put(path, text);
    free(path);
    path = xasprintf("%s/proc/%d/exe", root, (int)pid);
    unlink(path);
    assert_int_equal(symlink(program, path), 0);
    free(path);
    free(text);
}

static void put_scope(const char *top, pid_t other_parent)
{
    char *pids = xasprintf("900\n%d\n902\n", (int)getpid());

    put_version_2("sys/fs/cgroup/" SCOPE);
    put("sys/fs/cgroup/" SCOPE "/cgroup.procs", pids);
    put_process(900, 1, top);
    put_process(getpid(), 900, "/x/mlbatch-agent");
    put_process(902, other_parent, "/bin/sleep");
    free(pids);
}

static void test_scope(void **state)
{
    (void)state;
    put_scope("/x/mlbatch-agent", getpid());
    struct node n = open_node("0::/" SCOPE "\n", V2);
    read_node(&n);
    assert_int_equal(n.values[METRIC_GROUP_MEMORY], 1000);
    close_node(&n);
    /* Somebody else is in it, too. */
    put_scope("/x/mlbatch-agent", 1);
    n = open_node("0::/" SCOPE "\n", V2);
    assert_no_group(&n);
    /* The user's shell is. */
    put_scope("/bin/bash", getpid());
    n = open_node("0::/" SCOPE "\n", V2);
    assert_no_group(&n);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_version_2), TEST(test_no_peak), TEST(test_version_1),
        TEST(test_hybrid), TEST(test_kills_below), TEST(test_pbs),
        TEST(test_other_jobs), TEST(test_not_mounted), TEST(test_scope),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
