/* SPDX-License-Identifier: BSD-3-Clause */
/* Starting tests/unit/work as an agent starts its program. */
#ifndef TESTS_COUNTERS_FIXTURE_H
#define TESTS_COUNTERS_FIXTURE_H

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "counters/source.h"

#define MS 1000000LL             /* in the unit of times */
#define MIB (1024 * 1024LL)

struct work {
    int64_t taken;               /* machine_taken when it began */
    pid_t pid;
    int group;                   /* -1: not counted */
    int go, ready;               /* its standard input and error */
    struct metric_status opened;
    struct rusage sum;
    int64_t values[METRIC_COUNT];
    struct metric_status status[METRIC_COUNT];
};

/* What interrupts and the host took of this machine's CPU time: perf's clock
 * counts it for whoever was interrupted, the program's own does not. */
static inline int64_t machine_taken(void)
{
    long long t[8] = { 0 };
    FILE *f = fopen("/proc/stat", "re");

    if (f && fscanf(f, "cpu %lld %lld %lld %lld %lld %lld %lld %lld", &t[0],
                    &t[1], &t[2], &t[3], &t[4], &t[5], &t[6], &t[7]) != 8)
        t[5] = t[6] = t[7] = 0;
    if (f)
        fclose(f);
    return (t[5] + t[6] + t[7]) * (1000 / sysconf(_SC_CLK_TCK)) * MS;
}

static inline void work_child(int held, int in, int error, char **argv)
{
    char c;
    int out = open("/tmp", O_TMPFILE | O_WRONLY, 0600);

    setpgid(0, 0);
    dup2(in, 0);
    dup2(out < 0 ? error : out, 1);
    dup2(error, 2);
    if (read(held, &c, 1) != 1)
        _exit(126);
    execv(argv[0], argv);
    _exit(127);
}

/* words: arguments of work, apart by blanks. Its counter is opened before
 * its exec if counted. */
static inline struct work work_start(const char *words, bool counted)
{
    struct work w = { .group = -1, .taken = machine_taken() };
    char *argv[32] = { getenv("WORK") }, *rest = NULL;
    char *copy = strdup(words);
    int held[2], in[2], error[2], argc = 1;

    if (!argv[0])
        argv[0] = "tests/unit/work";
    for (char *p = strtok_r(copy, " ", &rest); p && argc < 31;
         p = strtok_r(NULL, " ", &rest))
        argv[argc++] = p;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    assert_int_equal(pipe2(held, O_CLOEXEC) | pipe2(in, O_CLOEXEC) |
                     pipe2(error, O_CLOEXEC), 0);
    w.pid = fork();
    if (w.pid == 0)
        work_child(held[0], in[0], error[1], argv);
    assert_true(w.pid > 0);
    if (counted)
        w.group = counters_task_open(w.pid, &w.opened);
    w.go = in[1];
    w.ready = error[0];
    assert_int_equal(write(held[1], "g", 1), 1);
    close(held[0]);
    close(held[1]);
    close(in[0]);
    close(error[1]);
    free(copy);
    return w;
}

/* Until it says "ready". */
static inline void work_await(const struct work *w)
{
    char text[6];
    size_t n = 0;

    while (n < sizeof(text)) {
        ssize_t got = read(w->ready, text + n, sizeof(text) - n);
        assert_true(got > 0);
        n += (size_t)got;
    }
}

static inline void work_go(const struct work *w)
{
    assert_int_equal(write(w->go, "g", 1), 1);
}

/* Wait for all, as the agent does, and take the totals. */
static inline void work_end(struct work *w)
{
    struct counters_io before, io;
    struct rusage r;
    int status = -1, one;
    pid_t who;

    close(w->go);
    assert_int_equal(counters_io_inherited(&before), 0);
    while ((who = wait4(-1, &one, 0, &r)) > 0) {
        timeradd(&w->sum.ru_utime, &r.ru_utime, &w->sum.ru_utime);
        timeradd(&w->sum.ru_stime, &r.ru_stime, &w->sum.ru_stime);
        w->sum.ru_minflt += r.ru_minflt;
        w->sum.ru_majflt += r.ru_majflt;
        w->sum.ru_nvcsw += r.ru_nvcsw;
        w->sum.ru_nivcsw += r.ru_nivcsw;
        if (r.ru_maxrss > w->sum.ru_maxrss)
            w->sum.ru_maxrss = r.ru_maxrss;
        if (who == w->pid)
            status = one;
    }
    assert_int_equal(status, 0);
    assert_int_equal(counters_io_inherited(&io), 0);
    /* What earlier tests' programs left with this process. */
    io.read_chars -= before.read_chars;
    io.write_chars -= before.write_chars;
    io.read_bytes -= before.read_bytes;
    io.write_bytes -= before.write_bytes;
    counters_task_totals(w->group, &w->sum, &io, w->values, w->status);
    counters_task_close(w->group);
    close(w->ready);
}

static inline void assert_near(int64_t value, int64_t truth)
{
    if (llabs(value - truth) > truth / 50)
        fail_msg("%lld is not within 2 %% of %lld", (long long)value,
                 (long long)truth);
}

/* CPU time of a program that uses truth itself: its start and end beside, on
 * a busy machine with cold caches, and what was taken meanwhile. */
static inline void assert_near_time(const struct work *w, int64_t truth)
{
    int64_t value = w->values[METRIC_CPU_TIME];
    int64_t more = machine_taken() - w->taken + 20 * MS;

    if (value < truth - truth / 50 || value > truth + truth / 50 + more)
        fail_msg("%lld is not within 2 %% of %lld (and %lld more)",
                 (long long)value, (long long)truth, (long long)more);
}

#endif
