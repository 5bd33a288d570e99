/* SPDX-License-Identifier: BSD-3-Clause */
/* run/channel: both ends, in threads and processes, and an agent that
 * survives whatever a program does to the memory. */
#include "config.h"

#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "channel_fixture.h"

static void test_metrics(void **state)
{
    struct ends ends = create(0);
    struct mlb_channel *program = open_it();
    struct channel_metric m;
    double before = (double)time(NULL);

    (void)state;
    assert_false(channel_take(ends.agent, &m));
    channel_put(program, "loss", 7, 0.5);
    channel_put(program, "nan", UINT64_MAX, NAN);
    assert_true(channel_take(ends.agent, &m));
    assert_string_equal(m.name, "loss");
    assert_true(m.step == 7 && m.value == 0.5);
    assert_true(m.time >= before - 1 && m.time < before + 60);
    assert_true(channel_take(ends.agent, &m));
    assert_true(m.step == UINT64_MAX && isnan(m.value));
    assert_false(channel_take(ends.agent, &m));
    channel_close(program);
    channel_close(NULL);
    destroy(&ends);
}

static void test_names(void **state)
{
    static const struct {
        const char *given, *taken;
    } rows[] = {
        { "12345678901234567890123456789012345678901234567",
          "12345678901234567890123456789012345678901234567" },
        { "12345678901234567890123456789012345678901234567x",
          "12345678901234567890123456789012345678901234567" },
        { "123456789012345678901234567890123456789012345\xe2\x82\xac",
          "123456789012345678901234567890123456789012345" },
        { "12345678901234567890123456789012345678901234\xe2\x82\xacx",
          "12345678901234567890123456789012345678901234\xe2\x82\xac" },
        { "", "" },
    };
    struct ends ends = create(0);
    struct mlb_channel *program = open_it();
    struct channel_metric m;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        channel_put(program, rows[i].given, i, 0);
        assert_true(channel_take(ends.agent, &m));
        assert_string_equal(m.name, rows[i].taken);
    }
    channel_close(program);
    destroy(&ends);
}

/* The oldest are dropped and counted, the newest are there. */
static void test_overflow(void **state)
{
    struct ends ends = create(0);
    struct mlb_channel *program = open_it();
    struct channel_metric m;
    uint64_t step, samples, dropped, count = 0;

    (void)state;
    for (uint64_t i = 0; i < 3 * RING + 5; i++)
        channel_put(program, "m", i, 0);
    for (; channel_take(ends.agent, &m); count++)
        assert_int_equal(m.step, 2 * RING + 5 + count);
    assert_int_equal(count, RING);
    assert_false(channel_progress(ends.agent, &step, &samples, &dropped));
    assert_int_equal(dropped, 2 * RING + 5);
    channel_close(program);
    destroy(&ends);
}

static void test_progress(void **state)
{
    struct ends ends = create(0);
    struct mlb_channel *program = open_it();
    uint64_t step, samples, dropped;

    (void)state;
    assert_false(channel_progress(ends.agent, &step, &samples, &dropped));
    channel_step(program, 0, 0);
    assert_true(channel_progress(ends.agent, &step, &samples, &dropped));
    channel_step(program, 9, 32);
    channel_close(program);
    program = open_it();                 /* another program of the task */
    channel_step(program, 10, 8);
    assert_true(channel_progress(ends.agent, &step, &samples, &dropped));
    assert_true(step == 10 && samples == 40 && dropped == 0);
    channel_close(program);
    destroy(&ends);
}

static void test_ask(void **state)
{
    struct ends ends = create(0);
    struct mlb_channel *program = open_it();

    (void)state;
    assert_false(channel_save_asked(program));
    assert_false(channel_stop_asked(program));
    channel_ask_save(ends.agent);
    channel_ask_save(ends.agent);
    assert_true(channel_save_asked(program));
    assert_false(channel_save_asked(program));
    channel_ask_stop(ends.agent);
    assert_true(channel_stop_asked(program));
    assert_true(channel_stop_asked(program));
    channel_ask_save(ends.agent);
    channel_close(program);
    program = open_it();
    assert_true(channel_save_asked(program));
    channel_close(program);
    program = open_it();
    assert_false(channel_save_asked(program));
    channel_close(program);
    destroy(&ends);
}

/* The second that has to go by is waited for, not slept. */
static void test_every(void **state)
{
    struct ends ends = create(1);
    double start = now();
    struct mlb_channel *program = open_it();

    (void)state;
    while (!channel_save_asked(program))
        assert_true(now() - start < 60);
    assert_true(now() - start >= 1);
    channel_ask_save(ends.agent);
    assert_true(channel_save_asked(program));
    channel_close(program);
    destroy(&ends);
}

static void assert_refused(const char *place, enum mlb_errcode code)
{
    struct mlb_error err = { 0 };

    setenv("MLB_CHANNEL", place, 1);
    assert_null(channel_open(&err));
    if (err.code != code)
        fail_msg("%s: code %d, %s", place, err.code, err.text);
    unsetenv("MLB_CHANNEL");
}

static void test_refuses(void **state)
{
    char place[64];
    struct ends ends = create(0);
    struct mlb_error err = { .code = MLB_ERR_IO };

    (void)state;
    int fd = memfd_create("x", MFD_ALLOW_SEALING);
    snprintf(place, sizeof(place), "/proc/self/fd/%d", fd);
    assert_refused(place, MLB_ERR_BAD_INPUT);
    assert_int_equal(ftruncate(fd, 1 << 20), 0);
    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    assert_refused(place, MLB_ERR_BAD_INPUT);
    close(fd);
    assert_refused(place, MLB_ERR_IO);
    assert_refused("/proc/self/fd/x", MLB_ERR_IO);
    assert_refused("/proc/self/fd/", MLB_ERR_IO);
    assert_refused("/proc/self/fd/-1", MLB_ERR_IO);
    assert_refused("/proc/self/fd/99999999999999999999", MLB_ERR_IO);
    assert_refused("/none/such", MLB_ERR_IO);
    assert_refused("/dev/null", MLB_ERR_BAD_INPUT);
    assert_refused("", MLB_OK);
    unsetenv("MLB_CHANNEL");
    assert_null(channel_open(&err));
    assert_int_equal(err.code, MLB_OK);
    assert_null(channel_open(NULL));
    destroy(&ends);
}

/* Another version's memory is refused, not misread: its 9th byte is the
 * version, its 13th the size. */
static void test_version(void **state)
{
    static const off_t at[] = { 8, 12 };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct ends ends = create(0);
        char place[64];
        snprintf(place, sizeof(place), "/proc/%ld/fd/%d", (long)getpid(),
                 ends.fd);
        assert_int_equal(pwrite(ends.fd, "\x63", 1, at[i]), 1);
        assert_refused(place, MLB_ERR_UNSUPPORTED);
        destroy(&ends);
    }
}

/* By the agent's pid it is reached without having inherited it. */
static void test_by_pid(void **state)
{
    struct ends ends = create(0);
    struct channel_metric m;
    char place[64];

    (void)state;
    snprintf(place, sizeof(place), "/proc/%ld/fd/%d", (long)getpid(),
             ends.fd);
    setenv("MLB_CHANNEL", place, 1);
    pid_t pid = fork();
    if (pid == 0) {
        close(ends.fd);
        struct mlb_channel *program = channel_open(NULL);
        if (program)
            channel_put(program, "m", 1, 1);
        _exit(!program);
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_true(channel_take(ends.agent, &m));
    destroy(&ends);
}

static void test_size_is_fixed(void **state)
{
    struct ends ends = create(0);
    struct channel_metric m;

    (void)state;
    assert_int_equal(ftruncate(ends.fd, 0), -1);
    assert_int_equal(ftruncate(ends.fd, 1 << 20), -1);
    assert_false(channel_take(ends.agent, &m));
    destroy(&ends);
}

/* What is told of times is told only if it can be. */
static void assert_sane(const struct mlb_channel *agent)
{
    struct channel_pace pace;
    struct channel_mpi mpi;

    if (channel_pace(agent, &pace))
        assert_true(pace.calls > 0 && pace.first > 0 &&
                    pace.first <= pace.last && pace.longest >= 0 &&
                    (double)pace.last / 1e9 <= now());
    if (channel_mpi(agent, &mpi))
        assert_true(mpi.begun > 0 && (double)mpi.begun / 1e9 <= now() &&
                    (mpi.ended == 0 || mpi.ended >= mpi.begun));
}

/* Fill the memory with random bytes: what is taken may be garbage, but it
 * ends, and its name does. Sometimes the counters only, so that the slots'
 * turns fit. */
static void test_scribbled(void **state)
{
    uint64_t step, samples, dropped;
    unsigned seed = 1;

    (void)state;
    for (int round = 0; round < 200; round++) {
        struct ends ends = create(0);
        struct mlb_channel *program = open_it();
        struct channel_metric m;
        struct stat st;
        assert_int_equal(fstat(ends.fd, &st), 0);
        unsigned char *memory = mmap(NULL, (size_t)st.st_size,
                                     PROT_READ | PROT_WRITE, MAP_SHARED,
                                     ends.fd, 0);
        assert_ptr_not_equal(memory, MAP_FAILED);
        for (int i = 0; i < round * 20; i++)
            channel_put(program, "m", 1, 1);
        off_t end = round % 2 ? 320 + 8 : st.st_size;
        for (off_t i = 0; i < end; i++)
            if (round % 5 == 0 || rand_r(&seed) % 4 == 0)
                memory[i] = (unsigned char)(rand_r(&seed) >> 7);
        if (round % 7 == 0)
            memset(memory, 0xff, (size_t)st.st_size);
        int taken = 0;
        for (; taken < 10 * RING && channel_take(ends.agent, &m); taken++)
            assert_true(strnlen(m.name, sizeof(m.name)) < sizeof(m.name));
        assert_true(taken <= RING);
        channel_progress(ends.agent, &step, &samples, &dropped);
        assert_sane(ends.agent);
        channel_ask_save(ends.agent);
        channel_save_asked(program);
        channel_put(program, "m", 1, 1);
        munmap(memory, (size_t)st.st_size);
        channel_close(program);
        destroy(&ends);
    }
}

#define MANY 300000

/* Metric number i: every part follows from i, so a torn one shows. */
static void put_many(struct mlb_channel *program)
{
    for (uint64_t i = 0; i < MANY; i++) {
        char name[48];
        snprintf(name, sizeof(name), "metric/%040" PRIu64, i);
        channel_put(program, name, i, (double)i / 2);
    }
    channel_step(program, MANY, 1);
}

static void *produce(void *program)
{
    put_many(program);
    return NULL;
}

/* Take until the producer said that it is done and nothing is left. */
static void take_many(struct mlb_channel *agent)
{
    uint64_t step, samples, dropped, taken = 0, next = 0;
    struct channel_metric m;
    char name[48];

    for (bool done = false; !done;) {
        done = channel_progress(agent, &step, &samples, &dropped);
        while (channel_take(agent, &m)) {
            snprintf(name, sizeof(name), "metric/%040" PRIu64, m.step);
            assert_true(m.step >= next);
            assert_string_equal(m.name, name);
            assert_true(m.value == (double)m.step / 2);
            next = m.step + 1;
            taken++;
        }
    }
    channel_progress(agent, &step, &samples, &dropped);
    assert_int_equal(next, MANY);
    assert_int_equal(taken + dropped, MANY);
    assert_true(taken >= RING);
}

static void test_threads(void **state)
{
    struct ends ends = create(0);
    struct mlb_channel *program = open_it();
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, produce, program), 0);
    take_many(ends.agent);
    pthread_join(thread, NULL);
    channel_close(program);
    destroy(&ends);
}

static void test_processes(void **state)
{
    struct ends ends = create(0);
    int status = -1;

    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        struct mlb_channel *program = channel_open(NULL);
        if (program)
            put_many(program);
        _exit(!program);
    }
    take_many(ends.agent);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    destroy(&ends);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metrics),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_progress),
        cmocka_unit_test(test_ask),
        cmocka_unit_test(test_every),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_by_pid),
        cmocka_unit_test(test_size_is_fixed),
        cmocka_unit_test(test_scribbled),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_processes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
