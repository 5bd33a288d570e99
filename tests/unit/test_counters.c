/* SPDX-License-Identifier: BSD-3-Clause */
/* Programs with known behaviour: what is measured of them is the truth. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "counters/tree.h"
#include "counters_fixture.h"

static const struct counters_options plain = { .hardware = false };

/* ---- totals ---- */

static void check_cpu(const char *words, int64_t ms)
{
    struct work w = work_start(words, true);

    work_end(&w);
    assert_near_time(&w, ms * MS);
    assert_int_equal(w.status[METRIC_CPU_TIME].state, METRIC_OK);
}

static void test_burn(void **state)
{
    (void)state;
    check_cpu("burn 2000", 2000);
}

static void test_families(void **state)
{
    (void)state;
    check_cpu("children 4 300", 1200);
}

static void test_orphan(void **state)
{
    (void)state;
    check_cpu("burn 300 orphan 400", 700);
}

static void test_threads(void **state)
{
    (void)state;
    check_cpu("threads 16 100", 1600);
}

static void test_memory(void **state)
{
    struct work w = work_start("touch 300", true);

    (void)state;
    work_end(&w);
    assert_near(w.values[METRIC_RSS], 300 * MIB);
    assert_near(w.values[METRIC_MINOR_FAULTS], 300 * MIB / 4096);
    assert_int_equal(w.status[METRIC_RSS].state, METRIC_OK);
}

static void test_output(void **state)
{
    struct work w = work_start("write 100", true);

    (void)state;
    work_end(&w);
    assert_near(w.values[METRIC_WRITE_CHARS], 100 * MIB);
    assert_true(w.values[METRIC_READ_CHARS] < MIB);
    assert_int_equal(w.status[METRIC_WRITE_CHARS].state, METRIC_OK);
}

/* A process whose end its parent ignores is in no sum of the kernel's but in
 * the counter; that is said of what has no counter. */
static void test_ignored(void **state)
{
    struct work w = work_start("ignored 1000", true);
    bool counted = w.group >= 0;

    (void)state;
    work_end(&w);
    if (!counted) {
        print_message("skipped: %s\n", w.opened.reason);
        skip();
    }
    assert_near_time(&w, 1000 * MS);
    assert_string_equal(w.status[METRIC_CPU_TIME].source, "perf");
    assert_int_equal(w.status[METRIC_SWITCHES].state, METRIC_PARTIAL);
    assert_int_equal(w.status[METRIC_WRITE_CHARS].state, METRIC_PARTIAL);
}

/* Without a counter the kernel's sums stand. */
static void test_no_counter(void **state)
{
    struct work w = work_start("burn 500 sleep 100", false);

    (void)state;
    work_end(&w);
    assert_near_time(&w, 500 * MS);
    assert_string_equal(w.status[METRIC_CPU_TIME].source, "rusage");
    assert_true(w.values[METRIC_SWITCHES] >= 100);
    assert_int_equal(w.values[METRIC_CYCLES], METRIC_MISSING);
    assert_int_equal(w.status[METRIC_CYCLES].state, METRIC_UNAVAILABLE);
}

/* ---- a sampler's view ---- */

struct view {
    struct counters *counters;
    struct counters_entity *task;
    int64_t values[METRIC_COUNT];
};

static struct view view_open(const struct work *w, bool late)
{
    struct view v = { .counters = counters_create(&plain) };

    v.task = counters_add_task(v.counters, w->pid, w->group, late);
    return v;
}

static void view_read(struct view *v)
{
    counters_refresh(v->task);
    counters_read(v->counters, v->task, false, v->values);
}

static const struct metric_status *view_status(const struct view *v,
                                               enum metric_id m)
{
    return counters_status(v->task, m);
}

static void view_close(struct view *v)
{
    counters_remove(v->counters, v->task);
    counters_destroy(v->counters);
}

static void check_sampled(bool counted, const char *source)
{
    struct work w = work_start("burn 2000 write 100 children 2 250 sleep 200 "
                               "wait", counted);
    struct view v = view_open(&w, false);

    work_await(&w);
    view_read(&v);
    assert_near(v.values[METRIC_WRITE_CHARS], 100 * MIB);
    assert_true(v.values[METRIC_SWITCHES] >= 200);
    assert_true(v.values[METRIC_RUN_DELAY] >= 0);
    assert_string_equal(view_status(&v, METRIC_CPU_TIME)->source, source);
    assert_string_equal(view_status(&v, METRIC_SWITCHES)->source, "proc");
    int64_t seen = v.values[METRIC_CPU_TIME];
    /* What writing cost is the kernel's to know. */
    work_end(&w);
    assert_near(seen, w.values[METRIC_CPU_TIME]);
    view_close(&v);
}

static void test_resident(void **state)
{
    struct work w = work_start("touch 300 wait", true);
    struct view v = view_open(&w, false);

    (void)state;
    work_await(&w);
    counters_read(v.counters, v.task, false, v.values);
    assert_near(v.values[METRIC_RSS], 300 * MIB);
    assert_int_equal(view_status(&v, METRIC_RSS)->state, METRIC_OK);
    work_end(&w);
    view_close(&v);
}

static void test_sampled(void **state)
{
    (void)state;
    check_sampled(true, "perf");
}

static void test_sampled_without_perf(void **state)
{
    (void)state;
    check_sampled(false, "proc");
}

/* Whatever ends between two reads, no counter goes back, and at the end all
 * was counted once. */
static void check_ends(const char *words, int64_t ms)
{
    struct work w = work_start(words, false);
    struct view v = view_open(&w, false);
    int64_t last[METRIC_COUNT] = { 0 };
    siginfo_t info = { 0 };

    while (info.si_pid == 0) {
        view_read(&v);
        for (int m = 0; m < METRIC_COUNT; m++) {
            if (metrics[m].kind != METRIC_COUNTER ||
                v.values[m] == METRIC_MISSING)
                continue;
            assert_true(v.values[m] >= last[m]);
            last[m] = v.values[m];
        }
        waitid(P_PID, (id_t)w.pid, &info, WEXITED | WNOHANG | WNOWAIT);
    }
    work_end(&w);
    view_read(&v);
    view_read(&v);
    view_read(&v);
    /* Ticks are cut off in each process, and in each half of it. */
    int64_t off = v.values[METRIC_CPU_TIME] - ms * MS;
    bool said = view_status(&v, METRIC_CPU_TIME)->cause == METRIC_LOST;
    /* What ended out of sight may be missing, if that is said. */
    if (off > ms * MS / 50 + 60 * MS ||
        (off < -(ms * MS / 50 + 60 * MS) && !said))
        fail_msg("%lld ms, not %lld", (long long)last[METRIC_CPU_TIME] / MS,
                 (long long)ms);
    view_close(&v);
}

static void test_ends(void **state)
{
    (void)state;
    check_ends("children 4 100", 400);
    check_ends("threads 8 50", 400);
    check_ends("burn 100 ignored 300", 400);
    check_ends("burn 50 orphan 400 burn 500", 950);
}

static void test_ends_by_scan(void **state)
{
    (void)state;
    tree_no_children = true;
    check_ends("children 4 100", 400);
    tree_no_children = false;
}

/* The same processes, whichever way they are found. */
static void test_tree(void **state)
{
    struct work w = work_start("children 1 3000", false);
    struct tree_task task = { .pid = w.pid, .agent = getpid() };
    struct tree by_list = { 0 }, by_scan = { 0 };

    (void)state;
    while (by_list.count < 3)
        tree_find(&task, true, &by_list);
    tree_no_children = true;
    tree_find(&task, true, &by_scan);
    tree_no_children = false;
    assert_int_equal(by_scan.count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(by_list.items[i].pid, by_scan.items[i].pid);
        assert_int_equal(by_list.items[i].parent, by_scan.items[i].parent);
    }
    for (size_t i = 3; i-- > 0;)
        kill(by_list.items[i].pid, SIGKILL);
    while (wait(NULL) > 0)
        ;
    close(w.go);
    close(w.ready);
    tree_clear(&by_list);
    tree_clear(&by_scan);
    tree_forget();
}

/* ---- what may not be claimed ---- */

static void test_late(void **state)
{
    struct work w = work_start("burn 500 write 10 wait", false);

    (void)state;
    work_await(&w);
    struct view v = view_open(&w, true);
    view_read(&v);
    assert_near(v.values[METRIC_WRITE_CHARS], 10 * MIB);
    for (int m = 0; m <= METRIC_SWITCHES; m++) {
        assert_int_equal(view_status(&v, m)->state, METRIC_PARTIAL);
        assert_int_equal(view_status(&v, m)->cause, METRIC_LATE);
        assert_true(view_status(&v, m)->reason[0]);
    }
    work_end(&w);
    view_close(&v);
}

static void test_hardware_not_asked(void **state)
{
    struct work w = work_start("wait", true);
    struct view v = view_open(&w, false);

    (void)state;
    counters_read(v.counters, v.task, true, v.values);
    assert_int_equal(v.values[METRIC_CYCLES], METRIC_MISSING);
    assert_int_equal(view_status(&v, METRIC_CYCLES)->cause,
                     METRIC_NOT_ASKED);
    work_end(&w);
    view_close(&v);
}

/* In a process of nobody's: exit 0 if it sees what it should. */
static void see_foreign(const struct work *w)
{
    if (setgid(65534) < 0 || setuid(65534) < 0)
        _exit(1);
    struct view v = view_open(w, true);
    view_read(&v);
    bool fine = v.values[METRIC_READ_CHARS] == METRIC_MISSING &&
                view_status(&v, METRIC_READ_CHARS)->cause ==
                    METRIC_FORBIDDEN &&
                v.values[METRIC_RSS] > 0 &&
                v.values[METRIC_CPU_TIME] >= 200 * MS;
    _exit(fine ? 0 : 2);
}

static void run_as_nobody(void (*run)(const struct work *),
                          const struct work *w)
{
    int status;

    if (getuid() != 0) {
        print_message("skipped: only root can be two users\n");
        skip();
    }
    pid_t pid = fork();
    if (pid == 0)
        run(w);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void test_foreign(void **state)
{
    struct work w = work_start("burn 300 wait", false);

    (void)state;
    work_await(&w);
    run_as_nobody(see_foreign, &w);
    work_end(&w);
}

/* Without the right to count in the kernel, perf's switches are silently 0:
 * they must come from elsewhere. */
static void see_limited(const struct work *unused)
{
    (void)unused;
    if (setgid(65534) < 0 || setuid(65534) < 0)
        _exit(1);
    prctl(PR_SET_DUMPABLE, 1);
    struct work w = work_start("sleep 200 touch 20 wait", true);
    struct view v = view_open(&w, false);
    work_await(&w);
    view_read(&v);
    const struct metric_status *faults =
        view_status(&v, METRIC_MINOR_FAULTS);
    bool fine = v.values[METRIC_SWITCHES] >= 200 &&
                strcmp(view_status(&v, METRIC_SWITCHES)->source,
                       "proc") == 0 &&
                v.values[METRIC_MINOR_FAULTS] >= 20 * 256 &&
                (w.group < 0 || faults->state == METRIC_PARTIAL);
    work_end(&w);
    _exit(fine ? 0 : 2);
}

static void test_limited(void **state)
{
    (void)state;
    run_as_nobody(see_limited, NULL);
}

/* ---- the list of sources ---- */

static int slow_reads;

static void *fake_begin(const struct counters_entity *entity,
                        struct metric_status *status)
{
    static int state;

    (void)entity;
    metric_status_set(&status[METRIC_CPU_TIME], METRIC_OK, METRIC_FINE,
                      "fake", NULL);
    return &state;
}

static void slow_read(void *state, int64_t *values,
                      struct metric_status *status)
{
    (void)state;
    (void)status;
    slow_reads++;
    nanosleep(&(struct timespec){ .tv_nsec = 60000000 }, NULL);
    values[METRIC_CPU_TIME] = 5;
}

static void falling_read(void *state, int64_t *values,
                         struct metric_status *status)
{
    static int64_t next = 10;

    (void)state;
    (void)status;
    values[METRIC_CPU_TIME] = next--;
}

static void test_hung_read(void **state)
{
    static const struct counters_source fake = {
        .name = "fake", .begin = fake_begin, .read = slow_read,
    };
    const struct counters_source *list[] = { &fake };
    struct view v = { .counters = counters_create_from(list, 1, &plain) };

    (void)state;
    v.task = counters_add_task(v.counters, getpid(), -1, false);
    view_read(&v);
    view_read(&v);
    view_read(&v);
    assert_int_equal(slow_reads, 1);
    assert_int_equal(v.values[METRIC_CPU_TIME], METRIC_MISSING);
    assert_int_equal(view_status(&v, METRIC_CPU_TIME)->cause, METRIC_LOST);
    view_close(&v);
}

static void test_never_back(void **state)
{
    static const struct counters_source fake = {
        .name = "fake", .begin = fake_begin, .read = falling_read,
    };
    const struct counters_source *list[] = { &fake };
    struct view v = { .counters = counters_create_from(list, 1, &plain) };

    (void)state;
    v.task = counters_add_task(v.counters, getpid(), -1, false);
    view_read(&v);
    view_read(&v);
    assert_int_equal(v.values[METRIC_CPU_TIME], 10);
    view_close(&v);
}

static void test_empty_list(void **state)
{
    struct counters_entity *gpus[2];
    struct view v = { .counters = counters_create_from(NULL, 0, &plain) };

    (void)state;
    v.task = counters_add_node(v.counters);
    view_read(&v);
    for (int m = 0; m < METRIC_COUNT; m++) {
        assert_int_equal(v.values[m], METRIC_MISSING);
        assert_int_equal(view_status(&v, m)->state, METRIC_UNAVAILABLE);
    }
    assert_int_equal(counters_add_gpus(v.counters, 2, gpus, 2), 2);
    assert_string_equal(counters_uuid(gpus[1]), "gpu1");
    assert_int_equal(counters_status(gpus[1], METRIC_GPU_USE)->cause,
                     METRIC_NO_LIBRARY);
    counters_remove(v.counters, gpus[0]);
    counters_remove(v.counters, gpus[1]);
    view_close(&v);
}

static void test_agent(void **state)
{
    struct view v = { .counters = counters_create(&plain) };

    (void)state;
    v.task = counters_add_node(v.counters);
    counters_burn(50);
    view_read(&v);
    assert_true(v.values[METRIC_AGENT_CPU_TIME] >= 50 * MS);
    assert_true(v.values[METRIC_AGENT_RSS] > 0);
    view_close(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_burn),
        cmocka_unit_test(test_families),
        cmocka_unit_test(test_orphan),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_output),
        cmocka_unit_test(test_ignored),
        cmocka_unit_test(test_no_counter),
        cmocka_unit_test(test_resident),
        cmocka_unit_test(test_sampled),
        cmocka_unit_test(test_sampled_without_perf),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_ends_by_scan),
        cmocka_unit_test(test_tree),
        cmocka_unit_test(test_late),
        cmocka_unit_test(test_hardware_not_asked),
        cmocka_unit_test(test_foreign),
        cmocka_unit_test(test_limited),
        cmocka_unit_test(test_hung_read),
        cmocka_unit_test(test_never_back),
        cmocka_unit_test(test_empty_list),
        cmocka_unit_test(test_agent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
