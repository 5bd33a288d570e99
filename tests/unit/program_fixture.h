/* SPDX-License-Identifier: BSD-3-Clause */
/* Programs of known work, for tests that count. */
#ifndef PROGRAM_FIXTURE_H
#define PROGRAM_FIXTURE_H

#include <linux/perf_event.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double clock_ms(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void burn(int ms)
{
    for (double end = clock_ms(CLOCK_THREAD_CPUTIME_ID) + ms;
         clock_ms(CLOCK_THREAD_CPUTIME_ID) < end;)
        ;
}

/* A program that waits for orders: 'b': burn 50 ms; 'f': a child does and
 * ends; 'w': start a worker; 'x': the worker burns 50 ms; 'q': end. It
 * answers all but the last. */
struct program {
    pid_t pid;
    int orders, answers;
    int clock;                       /* of its task clock, -1: none */
    double before;                   /* its CPU time when it was ready, ns */
};

/* The truth must be on the clock that stands for the hardware: that one goes
 * on while the host takes the CPU away, getrusage's does not. */
static int open_clock(pid_t pid)
{
    struct perf_event_attr attr = {
        .type = PERF_TYPE_SOFTWARE,
        .size = sizeof(attr),
        .config = PERF_COUNT_SW_TASK_CLOCK,
        .inherit = 1,
    };

    return (int)syscall(SYS_perf_event_open, &attr, pid, -1, -1,
                        PERF_FLAG_FD_CLOEXEC);
}

/* Of it and its children so far, ns; 0 where there is no such clock. */
static double program_time(const struct program *program)
{
    uint64_t count;

    if (program->clock < 0 ||
        read(program->clock, &count, sizeof(count)) != sizeof(count))
        return 0;
    return (double)count;
}

/* A child that burns for each byte, and ends with its parent. */
static void begin_worker(int *there, int *back)
{
    int orders[2], answers[2];
    char order;

    if (pipe(orders) < 0 || pipe(answers) < 0)
        _exit(1);
    pid_t pid = fork();
    if (pid == 0) {
        close(orders[1]);
        while (read(orders[0], &order, 1) == 1) {
            burn(50);
            if (write(answers[1], &order, 1) != 1)
                break;
        }
        _exit(0);
    }
    close(orders[0]);
    close(answers[1]);
    *there = orders[1];
    *back = answers[0];
}

static void run_child(void)
{
    pid_t child = fork();

    if (child == 0) {
        burn(50);
        _exit(0);
    }
    waitpid(child, NULL, 0);
}

static void obey(int orders, int answers)
{
    int there = -1, back = -1;
    char order = 'r';

    if (write(answers, &order, 1) != 1)
        _exit(1);
    while (read(orders, &order, 1) == 1 && order != 'q') {
        if (order == 'b')
            burn(50);
        else if (order == 'f')
            run_child();
        else if (order == 'w')
            begin_worker(&there, &back);
        else if (write(there, &order, 1) != 1 || read(back, &order, 1) != 1)
            break;
        if (write(answers, &order, 1) != 1)
            break;
    }
    if (there >= 0)
        close(there);
    while (wait(NULL) > 0)
        ;
    _exit(0);
}

static struct program begin_program(void)
{
    struct program program;
    int there[2], back[2];
    clockid_t id;
    char ready;

    assert_int_equal(pipe(there), 0);
    assert_int_equal(pipe(back), 0);
    program.pid = fork();
    assert_true(program.pid >= 0);
    if (program.pid == 0) {
        close(there[1]);
        close(back[0]);
        obey(there[0], back[1]);
    }
    close(there[0]);
    close(back[1]);
    program.orders = there[1];
    program.answers = back[0];
    assert_int_equal(read(back[0], &ready, 1), 1);
    program.clock = open_clock(program.pid);
    assert_int_equal(clock_getcpuclockid(program.pid, &id), 0);
    program.before = clock_ms(id) * 1e6;
    return program;
}

static void order(const struct program *program, const char *orders)
{
    for (; *orders; orders++) {
        char answer;
        assert_int_equal(write(program->orders, orders, 1), 1);
        assert_int_equal(read(program->answers, &answer, 1), 1);
    }
}

/* Let it end; its CPU time since it was ready, and its children's, ns. */
static double end_program(struct program *program)
{
    struct rusage usage;

    assert_int_equal(write(program->orders, "q", 1), 1);
    close(program->orders);
    close(program->answers);
    assert_int_equal(wait4(program->pid, NULL, 0, &usage), program->pid);
    double counted = program_time(program);
    if (program->clock >= 0)
        close(program->clock);
    if (counted > 0)
        return counted;
    return ((double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec) *
               1e9 + ((double)usage.ru_utime.tv_usec +
                      (double)usage.ru_stime.tv_usec) * 1e3 -
           program->before;
}

#endif
