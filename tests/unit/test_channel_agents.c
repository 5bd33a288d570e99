/* SPDX-License-Identifier: BSD-3-Clause */
/* run/channel: what agents learn of a program, and several agents. */
#include "config.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "channel_fixture.h"

static void test_attached(void **state)
{
    struct ends ends = create(0);
    struct mlb_channel *program = open_it();

    (void)state;
    assert_false(channel_attached(ends.agent));
    channel_listen(program);
    assert_true(channel_attached(ends.agent));
    channel_close(program);
    destroy(&ends);
}

/* The pace of steps, by this process's own clock. */
static void test_pace(void **state)
{
    struct ends ends = create(0);
    struct mlb_channel *program = open_it();
    struct channel_pace pace;

    (void)state;
    assert_false(channel_pace(ends.agent, &pace));
    int64_t before = (int64_t)(now() * 1e9) - 1000;
    channel_step(program, 3, 10);
    assert_true(channel_pace(ends.agent, &pace));
    assert_true(pace.calls == 1 && pace.step == 3 && pace.samples == 10);
    assert_true(pace.first == pace.last && pace.longest == 0);
    assert_true(pace.first >= before);
    for (double until = now() + 0.03; now() < until;)
        ;
    channel_step(program, 4, 5);
    channel_step(program, 5, 5);
    int64_t after = (int64_t)(now() * 1e9) + 1000;
    assert_true(channel_pace(ends.agent, &pace));
    assert_true(pace.calls == 3 && pace.step == 5 && pace.samples == 20);
    assert_true(pace.longest >= 29000000);
    assert_true(pace.longest <= pace.last - pace.first);
    assert_true(pace.first >= before && pace.last <= after);
    channel_close(program);
    destroy(&ends);
}

static void test_mpi(void **state)
{
    struct ends ends = create(0);
    struct mlb_channel *program = open_it();
    struct channel_mpi mpi;

    (void)state;
    assert_false(channel_mpi(ends.agent, &mpi));
    channel_mpi_begin(program);
    assert_true(channel_mpi(ends.agent, &mpi));
    assert_true(mpi.begun > 0 && mpi.ended == 0 && mpi.calls == 0);
    channel_mpi_add(program, 700, 64);
    channel_mpi_add(program, 300, 0);
    channel_mpi_end(program);
    assert_true(channel_mpi(ends.agent, &mpi));
    assert_true(mpi.time == 1000 && mpi.bytes == 64 && mpi.calls == 2);
    assert_true(mpi.ended >= mpi.begun);
    assert_false(channel_attached(ends.agent));
    channel_close(program);
    destroy(&ends);
}

/* An agent goes on where another one came to. */
static void test_adopt(void **state)
{
    struct ends ends = create(0);
    struct mlb_channel *program = open_it();
    struct mlb_error err = { 0 };
    struct channel_metric m;

    (void)state;
    struct mlb_channel *other = channel_adopt(ends.fd, &err);
    assert_non_null(other);
    for (uint64_t i = 0; i < 3; i++)
        channel_put(program, "m", i, 0);
    assert_true(channel_take(other, &m) && m.step == 0);
    assert_true(channel_take(ends.agent, &m) && m.step == 1);
    channel_ask_stop(other);
    assert_true(channel_stop_asked(program));
    channel_close(other);
    assert_true(channel_take(ends.agent, &m) && m.step == 2);
    assert_false(channel_take(ends.agent, &m));
    int file = open("/dev/null", O_RDWR);
    assert_null(channel_adopt(file, &err));
    assert_int_equal(err.code, MLB_ERR_BAD_INPUT);
    close(file);
    assert_null(channel_adopt(-1, NULL));
    channel_close(program);
    destroy(&ends);
}

struct taker {
    struct mlb_channel *agent;
    unsigned char *seen;             /* how often number i was taken */
    uint64_t taken;
};

static void *take_all(void *argument)
{
    struct taker *taker = argument;
    struct channel_metric m;

    while (channel_take(taker->agent, &m)) {
        taker->seen[m.step]++;
        taker->taken++;
    }
    return NULL;
}

/* Two that take at once by mistake never get the same metric. */
static void test_two_takers(void **state)
{
    struct ends ends = create(0);
    struct mlb_channel *program = open_it();
    struct mlb_channel *other = channel_adopt(ends.fd, NULL);

    (void)state;
    assert_non_null(other);
    for (int round = 0; round < 200; round++) {
        unsigned char seen[2][RING] = { { 0 } };
        struct taker takers[2] = { { ends.agent, seen[0], 0 },
                                   { other, seen[1], 0 } };
        pthread_t thread;
        for (uint64_t i = 0; i < RING; i++)
            channel_put(program, "m", i, 0);
        assert_int_equal(pthread_create(&thread, NULL, take_all, &takers[1]),
                         0);
        take_all(&takers[0]);
        pthread_join(thread, NULL);
        assert_int_equal(takers[0].taken + takers[1].taken, RING);
        for (int i = 0; i < RING; i++)
            assert_int_equal(seen[0][i] + seen[1][i], 1);
    }
    channel_close(other);
    channel_close(program);
    destroy(&ends);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attached),
        cmocka_unit_test(test_pace),
        cmocka_unit_test(test_mpi),
        cmocka_unit_test(test_adopt),
        cmocka_unit_test(test_two_takers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
