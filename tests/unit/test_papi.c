/* SPDX-License-Identifier: BSD-3-Clause */
/* The real PAPI over a fake PMU whose counters all are CPU time: what tasks
 * of known work give, and what is said when something is in the way. */
#include "config.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "counters/source.h"

#include "program_fixture.h"

#define SKIPPED 77

static const struct counters_source *papi;

/* ---- one task ---- */

struct task {
    struct counters_entity entity;
    void *state;
    int64_t values[METRIC_COUNT];
    struct metric_status status[METRIC_COUNT];
};

static void begin_task(struct task *task, pid_t pid, bool late)
{
    memset(task, 0, sizeof(*task));
    task->entity.scope = METRIC_TASK;
    task->entity.pid = pid;
    task->entity.group_fd = -1;
    task->entity.late = late;
    task->state = papi->begin(&task->entity, task->status);
}

static void read_task(struct task *task)
{
    for (int m = 0; m < METRIC_COUNT; m++)
        task->values[m] = METRIC_MISSING;
    papi->read(task->state, task->values, task->status);
}

/* 2 ms beside: the kernel takes a process's counters away one after the
 * other, and what it does then is CPU time, too. */
static void assert_near(double value, double truth, double share)
{
    if (fabs(value - truth) > truth * share + 2e6)
        fail_msg("%.0f is not within %.0f %% of %.0f", value, share * 100,
                 truth);
}

/* ---- each case in a program of its own: PAPI is set up once ---- */

struct fake_case {
    const char *name, *fake, *group, *pmu;
    void (*body)(const struct fake_case *c);
    enum metric_cause cause;
    const char *words;
};

static void exec_case(const struct fake_case *c)
{
    if (c->fake)
        setenv("FAKE_PMU", c->fake, 1);
    if (c->group)
        setenv("FAKE_PMU_GROUP", c->group, 1);
    setenv("LIBPFM_FORCE_PMU", c->pmu ? c->pmu : "skl", 1);
    setenv("FAKE_PMU_CASE", c->name, 1);
    setenv("LD_PRELOAD", BUILDDIR "/tests/unit/fake_pmu.so", 1);
    setenv("ASAN_OPTIONS", "verify_asan_link_order=0", 1);
    execl("/proc/self/exe", "test_papi", (char *)NULL);
    _exit(127);
}

static void run_case(const struct fake_case *c)
{
    int status;
    pid_t pid;

    if (getenv("FAKE_PMU_CASE")) {
        c->body(c);
        return;
    }
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        exec_case(c);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

#define FAKE(test, ...) \
    static void test(void **state) \
    { \
        (void)state; \
        run_case(&(struct fake_case){ .name = #test, __VA_ARGS__ }); \
    }

/* ---- what is counted ---- */

static void descendants(const struct fake_case *c)
{
    struct program program = begin_program();
    struct task task;

    (void)c;
    begin_task(&task, program.pid, false);
    assert_non_null(task.state);
    order(&program, "bfbf");
    double truth = end_program(&program);
    read_task(&task);
    assert_near((double)task.values[METRIC_CYCLES], truth, 0.02);
    assert_near((double)task.values[METRIC_INSTRUCTIONS], truth, 0.02);
    assert_int_equal(task.status[METRIC_CYCLES].state, METRIC_OK);
    assert_int_equal(task.status[METRIC_CYCLES].coverage, 100);
    assert_string_equal(task.status[METRIC_CYCLES].source,
                        "papi:PAPI_TOT_CYC");
    papi->end(task.state);
}
FAKE(test_descendants_are_counted, .body = descendants)

/* Sets take turns, children end in each of them; the sums stay right. */
static void rotation(const struct fake_case *c)
{
    struct program program = begin_program();
    struct task task;
    int64_t before[METRIC_COUNT] = { 0 };

    (void)c;
    begin_task(&task, program.pid, false);
    for (int i = 0; i < 12; i++) {
        order(&program, i % 3 ? "fb" : "f");
        read_task(&task);
        for (int m = METRIC_CYCLES; m <= METRIC_BRANCH_MISSES; m++) {
            if (task.values[m] == METRIC_MISSING)
                continue;
            assert_true(task.values[m] >= before[m]);
            before[m] = task.values[m];
        }
    }
    double truth = end_program(&program);
    read_task(&task);
    assert_near((double)task.values[METRIC_CYCLES], truth, 0.02);
    assert_near((double)task.values[METRIC_LLC_MISSES], truth, 0.02);
    assert_near((double)task.values[METRIC_STALL_CYCLES], truth, 0.02);
    /* On this processor they are 1 + 2 + 4 + 8 and 1 + 4 + 8 + 16 counters,
     * weighed so, each of which is CPU time here. */
    assert_near((double)task.values[METRIC_FP_OPS], 44 * truth, 0.02);
    assert_int_equal(task.status[METRIC_CYCLES].state, METRIC_OK);
    for (int m = METRIC_LLC_MISSES; m <= METRIC_BRANCH_MISSES; m++) {
        assert_int_equal(task.status[m].state, METRIC_ESTIMATED);
        assert_in_range(task.status[m].coverage, 15, 60);
        assert_non_null(strstr(task.status[m].reason, "% of the cycles"));
    }
    assert_string_equal(task.status[METRIC_FP_OPS].source,
                        "papi:PAPI_DP_OPS+PAPI_SP_OPS");
    papi->end(task.state);
}
FAKE(test_sets_take_turns, .body = rotation)

/* What had no turn is no 0. */
static void no_turn(const struct fake_case *c)
{
    struct program program = begin_program();
    struct task task;

    (void)c;
    begin_task(&task, program.pid, false);
    order(&program, "b");
    end_program(&program);
    read_task(&task);
    assert_int_equal(task.values[METRIC_FP_OPS], METRIC_MISSING);
    assert_int_equal(task.status[METRIC_FP_OPS].state, METRIC_UNAVAILABLE);
    assert_int_equal(task.status[METRIC_FP_OPS].cause, METRIC_CONTENDED);
    papi->end(task.state);
}
FAKE(test_no_turn_is_not_zero, .body = no_turn)

/* A processor with few counters: smaller sets, the same truth. */
FAKE(test_few_counters, .group = "6", .body = rotation)

static void late(const struct fake_case *c)
{
    struct program program = begin_program();
    struct task task;

    (void)c;
    order(&program, "bbw");
    double before = program_time(&program);
    if (before == 0)
        before = 100e6;
    begin_task(&task, program.pid, true);
    order(&program, "bxfx");
    double truth = end_program(&program) - before;
    read_task(&task);
    assert_near((double)task.values[METRIC_CYCLES], truth, 0.02);
    assert_int_equal(task.status[METRIC_CYCLES].state, METRIC_PARTIAL);
    assert_int_equal(task.status[METRIC_CYCLES].cause, METRIC_LATE);
    papi->end(task.state);
}
FAKE(test_late_is_partial, .body = late)

/* 300 threads' worth of a program is not half of it: children here. */
static void too_many(const struct fake_case *c)
{
    struct program program = begin_program();
    struct task task;
    char orders[301];

    (void)c;
    memset(orders, 'w', 300);
    orders[300] = '\0';
    order(&program, orders);
    begin_task(&task, program.pid, true);
    assert_null(task.state);
    assert_int_equal(task.status[METRIC_CYCLES].state, METRIC_UNAVAILABLE);
    assert_int_equal(task.status[METRIC_CYCLES].cause, METRIC_LATE);
    kill(program.pid, SIGKILL);
}
FAKE(test_late_with_too_many, .body = too_many)

/* Many tasks at once, read after all have ended. */
static void many(const struct fake_case *c)
{
    struct program programs[8];
    struct task tasks[8];

    (void)c;
    for (int i = 0; i < 8; i++) {
        programs[i] = begin_program();
        begin_task(&tasks[i], programs[i].pid, false);
        assert_non_null(tasks[i].state);
    }
    for (int i = 0; i < 8; i++)
        order(&programs[i], i % 2 ? "bb" : "bf");
    for (int i = 0; i < 8; i++) {
        double truth = end_program(&programs[i]);
        read_task(&tasks[i]);
        assert_near((double)tasks[i].values[METRIC_CYCLES], truth, 0.03);
        papi->end(tasks[i].state);
    }
}
FAKE(test_many_tasks, .body = many)

/* A process that has gone: nothing, and above all not this process. */
static void gone(const struct fake_case *c)
{
    struct program program = begin_program();
    struct task task;

    (void)c;
    end_program(&program);
    begin_task(&task, program.pid, false);
    assert_null(task.state);
    assert_int_equal(task.status[METRIC_CYCLES].state, METRIC_UNAVAILABLE);
    assert_int_equal(task.status[METRIC_CYCLES].cause, METRIC_LOST);
}
FAKE(test_gone_never_counts_itself, .body = gone)

static void foreign(const struct fake_case *c)
{
    struct program program = begin_program();
    struct task task;

    (void)c;
    papi->open(NULL);
    setenv("FAKE_PMU_PID", "deny", 1);
    begin_task(&task, program.pid, false);
    assert_null(task.state);
    assert_int_equal(task.status[METRIC_CYCLES].cause, METRIC_FORBIDDEN);
    end_program(&program);
}
FAKE(test_foreign_process, .body = foreign)

/* Seconds that the orders take on the wall's clock. */
static double time_orders(const struct program *program, const char *orders)
{
    double begun = clock_ms(CLOCK_MONOTONIC);

    order(program, orders);
    return (clock_ms(CLOCK_MONOTONIC) - begun) / 1e3;
}

/* Windows in which the counters found no room are gaps, not zeros: what was
 * counted in a second before goes on for as long. */
static void starved(const struct fake_case *c)
{
    struct program program = begin_program();
    struct task task;

    (void)c;
    begin_task(&task, program.pid, false);
    double counted = time_orders(&program, "bb");
    read_task(&task);
    int64_t before = task.values[METRIC_CYCLES];
    setenv("FAKE_PMU", "starved", 1);
    double starved_for = time_orders(&program, "bb");
    read_task(&task);
    unsetenv("FAKE_PMU");
    assert_int_equal(task.status[METRIC_CYCLES].state, METRIC_ESTIMATED);
    assert_int_equal(task.status[METRIC_CYCLES].cause, METRIC_CONTENDED);
    assert_in_range(task.status[METRIC_CYCLES].coverage, 1, 99);
    assert_near((double)(task.values[METRIC_CYCLES] - before),
                (double)before * starved_for / counted, 0.5);
    for (int i = 0; i < 6; i++) {
        order(&program, "f");
        read_task(&task);
    }
    assert_true(task.values[METRIC_CYCLES] > before + 250000000);
    end_program(&program);
    papi->end(task.state);
}
FAKE(test_starved_windows, .body = starved)

/* Through a sampler, which loads the module itself. */
static void sampler(const struct fake_case *c)
{
    struct counters_options options = {
        .hardware = true,
        .papi_module = BUILDDIR "/.libs/counters-papi.so",
    };
    struct counters *counters = counters_create(&options);
    struct program program = begin_program();
    struct counters_entity *task =
        counters_add_task(counters, program.pid, -1, false);
    int64_t values[METRIC_COUNT];

    (void)c;
    order(&program, "bf");
    counters_read(counters, task, false, values);
    assert_int_equal(values[METRIC_CYCLES], METRIC_MISSING);
    double truth = end_program(&program);
    counters_read(counters, task, true, values);
    assert_near((double)values[METRIC_CYCLES], truth, 0.02);
    assert_int_equal(counters_status(task, METRIC_CYCLES)->state, METRIC_OK);
    assert_int_equal(counters_status(task, METRIC_FP_OPS)->cause,
                     METRIC_CONTENDED);
    counters_remove(counters, task);
    counters_destroy(counters);
}
FAKE(test_sampler, .body = sampler)

/* ---- why nothing is counted ---- */

static void refused(const struct fake_case *c)
{
    struct program program = begin_program();
    struct mlb_text text = MLB_TEXT_INIT;
    struct task task;

    begin_task(&task, program.pid, false);
    assert_null(task.state);
    for (int m = METRIC_CYCLES; m <= METRIC_BRANCH_MISSES; m++) {
        assert_int_equal(task.status[m].state, METRIC_UNAVAILABLE);
        assert_string_equal(metric_cause_name(task.status[m].cause),
                            metric_cause_name(c->cause));
        assert_non_null(strstr(task.status[m].reason, c->words));
    }
    papi->probe(&text);
    assert_int_equal(strncmp(text.data, "unavailable: ", 13), 0);
    assert_non_null(strstr(text.data, c->words));
    text_clear(&text);
    end_program(&program);
}
FAKE(test_no_pmu, .fake = "enoent", .body = refused,
     .cause = METRIC_NO_PMU, .words = "no hardware counters")
FAKE(test_component_disabled, .fake = "enoent", .pmu = "none",
     .body = refused, .cause = METRIC_NO_PMU, .words = "no hardware")
FAKE(test_papi_disabled_kernel_counts, .pmu = "none", .body = refused,
     .cause = METRIC_UNSUPPORTED, .words = "PAPI does not")
FAKE(test_forbidden, .fake = "eacces", .body = refused,
     .cause = METRIC_FORBIDDEN, .words = "perf_event_paranoid")
FAKE(test_container, .fake = "eperm", .body = refused,
     .cause = METRIC_CONTAINER, .words = "container")
FAKE(test_no_call, .fake = "enosys", .body = refused,
     .cause = METRIC_CONTAINER, .words = "no perf_event_open")
FAKE(test_taken, .fake = "ebusy", .body = refused,
     .cause = METRIC_CONTENDED, .words = "taken")
FAKE(test_few_files, .fake = "emfile", .body = refused,
     .cause = METRIC_FEW_FILES, .words = "ulimit -n")
FAKE(test_always_zero, .fake = "zero", .body = refused,
     .cause = METRIC_ALWAYS_ZERO, .words = "stays zero")
FAKE(test_always_starved, .fake = "starved", .body = refused,
     .cause = METRIC_CONTENDED, .words = "free")

/* The limit of files is hit half-way through a task's sets. */
static void files_run_out(const struct fake_case *c)
{
    struct program program = begin_program();
    struct rlimit limit = { 0 };
    struct task task;

    (void)c;
    papi->open(NULL);
    getrlimit(RLIMIT_NOFILE, &limit);
    int fd = dup(0);
    assert_true(fd >= 0);
    close(fd);
    limit.rlim_cur = (rlim_t)fd + 9;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    begin_task(&task, program.pid, false);
    assert_null(task.state);
    assert_int_equal(task.status[METRIC_CYCLES].cause, METRIC_FEW_FILES);
    fd = dup(0);
    assert_true(fd >= 0 && (rlim_t)fd + 9 <= limit.rlim_cur);
    end_program(&program);
}
FAKE(test_files_run_out, .body = files_run_out)

static void probe_ok(const struct fake_case *c)
{
    struct mlb_text text = MLB_TEXT_INIT;

    (void)c;
    papi->probe(&text);
    assert_int_equal(strncmp(text.data, "ok: PAPI ", 9), 0);
    assert_non_null(strstr(text.data, "cycles, instructions, llc_misses"));
    text_clear(&text);
}
FAKE(test_probe, .body = probe_ok)

/* ---- set up ---- */

static void load(void)
{
    void *module = dlopen(BUILDDIR "/.libs/counters-papi.so", RTLD_NOW);

    if (module)
        papi = dlsym(module, "papi_source");
    if (papi)
        return;
    printf("no PAPI module: %s\n", dlerror());
    exit(1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_descendants_are_counted),
        cmocka_unit_test(test_sets_take_turns),
        cmocka_unit_test(test_no_turn_is_not_zero),
        cmocka_unit_test(test_few_counters),
        cmocka_unit_test(test_late_is_partial),
        cmocka_unit_test(test_late_with_too_many),
        cmocka_unit_test(test_many_tasks),
        cmocka_unit_test(test_gone_never_counts_itself),
        cmocka_unit_test(test_foreign_process),
        cmocka_unit_test(test_starved_windows),
        cmocka_unit_test(test_sampler),
        cmocka_unit_test(test_no_pmu),
        cmocka_unit_test(test_component_disabled),
        cmocka_unit_test(test_papi_disabled_kernel_counts),
        cmocka_unit_test(test_forbidden),
        cmocka_unit_test(test_container),
        cmocka_unit_test(test_no_call),
        cmocka_unit_test(test_taken),
        cmocka_unit_test(test_few_files),
        cmocka_unit_test(test_always_zero),
        cmocka_unit_test(test_always_starved),
        cmocka_unit_test(test_files_run_out),
        cmocka_unit_test(test_probe),
    };

#ifndef HAVE_PAPI
    printf("skipped: this build has no PAPI\n");
    return SKIPPED;
#endif
    load();
    if (getenv("FAKE_PMU_CASE"))
        cmocka_set_test_filter(getenv("FAKE_PMU_CASE"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
