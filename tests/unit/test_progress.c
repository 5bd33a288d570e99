/* SPDX-License-Identifier: BSD-3-Clause */
/* run/progress: the public calls. Each case runs in a process of its own, as
 * they keep what they found at the first call. */
#include "config.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "mlbatch/progress.h"
#include "run/channel.h"

/* The agent's end, and its descriptor in MLB_CHANNEL. */
struct ends {
    struct mlb_channel *agent;
    int fd;
};

static struct ends create(void)
{
    struct ends ends = { .fd = -1 };
    char place[64];

    ends.agent = channel_create(0, &ends.fd, NULL);
    assert_non_null(ends.agent);
    snprintf(place, sizeof(place), "/proc/self/fd/%d", ends.fd);
    setenv("MLB_CHANNEL", place, 1);
    return ends;
}

static void destroy(struct ends *ends)
{
    channel_close(ends->agent);
    close(ends->fd);
    unsetenv("MLB_CHANNEL");
}


#define CHECK(x)                                                              \
    do {                                                                      \
        if (!(x)) {                                                           \
            fprintf(stderr, "line %d: %s\n", __LINE__, #x);                   \
            _exit(1);                                                         \
        }                                                                     \
    } while (0)

static int run_case(void (*body)(const struct ends *),
                    const struct ends *ends)
{
    int status = -1;
    pid_t pid = fork();

    if (pid == 0) {
        body(ends);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static bool terminates_by_default(void)
{
    struct sigaction now_is;

    sigaction(SIGTERM, NULL, &now_is);
    return now_is.sa_handler == SIG_DFL;
}

static void alone(const struct ends *ends)
{
    (void)ends;
    unsetenv("MLB_CHANNEL");
    mlb_progress_step(1, 2);
    mlb_progress_metric("m", 1, 1);
    CHECK(!mlb_progress_should_save());
    CHECK(!mlb_progress_should_stop());
    CHECK(terminates_by_default());
    mlb_progress_metric(NULL, 1, 1);
}

static void by_signal(const struct ends *ends)
{
    (void)ends;
    CHECK(terminates_by_default());
    CHECK(!mlb_progress_should_stop());
    CHECK(!terminates_by_default());
    CHECK(!mlb_progress_should_save());
    raise(SIGTERM);
    CHECK(mlb_progress_should_save());
    CHECK(!mlb_progress_should_save());
    CHECK(mlb_progress_should_stop());
    CHECK(mlb_progress_should_stop());
}

static void by_agent(const struct ends *ends)
{
    CHECK(!mlb_progress_should_save());
    channel_ask_save(ends->agent);
    raise(SIGTERM);
    CHECK(mlb_progress_should_save());
    CHECK(!mlb_progress_should_save());
    channel_ask_stop(ends->agent);
    CHECK(mlb_progress_should_stop());
    mlb_progress_step(5, 6);
    mlb_progress_metric("m", 5, 7);
    mlb_progress_metric("", 5, 7);
    mlb_progress_metric(NULL, 5, 7);
}

static volatile sig_atomic_t handled;

static void on_signal(int signal)
{
    (void)signal;
    handled = 1;
}

static void own_handler(const struct ends *ends)
{
    (void)ends;
    signal(SIGTERM, on_signal);
    CHECK(!mlb_progress_should_stop());
    raise(SIGTERM);
    CHECK(handled);
    CHECK(!mlb_progress_should_stop());
}

/* A worker that the program forks neither tells nor is told, and SIGTERM
 * ends it. */
static void forks(const struct ends *ends)
{
    int status = -1;

    mlb_progress_metric("mine", 1, 1);
    pid_t pid = fork();
    if (pid == 0) {
        channel_ask_stop(ends->agent);
        mlb_progress_metric("worker", 2, 2);
        mlb_progress_step(2, 2);
        CHECK(!mlb_progress_should_stop());
        CHECK(!mlb_progress_should_save());
        raise(SIGTERM);
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    CHECK(mlb_progress_should_stop());
    CHECK(!terminates_by_default());
}

/* Run a case; the agent then finds so many metrics, and a step or none. */
static void assert_case(void (*body)(const struct ends *), unsigned metrics,
                        bool told)
{
    struct ends ends = create();
    struct channel_metric m;
    uint64_t step, samples, dropped;
    unsigned count = 0;

    assert_int_equal(run_case(body, &ends), 0);
    while (channel_take(ends.agent, &m))
        count++;
    assert_int_equal(count, metrics);
    assert_int_equal(channel_progress(ends.agent, &step, &samples, &dropped),
                     told);
    destroy(&ends);
}

static void test_alone(void **state)
{
    (void)state;
    assert_case(alone, 0, false);
}

static void test_by_signal(void **state)
{
    (void)state;
    assert_case(by_signal, 0, false);
}

static void test_by_agent(void **state)
{
    (void)state;
    assert_case(by_agent, 1, true);
}

static void test_own_handler(void **state)
{
    (void)state;
    assert_case(own_handler, 0, false);
}

static void test_forks(void **state)
{
    (void)state;
    assert_case(forks, 1, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_by_signal),
        cmocka_unit_test(test_by_agent),
        cmocka_unit_test(test_own_handler),
        cmocka_unit_test(test_forks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
