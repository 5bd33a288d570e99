/* SPDX-License-Identifier: BSD-3-Clause */
/* Starting a program that the agent watches over, and its signals. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/spawn.h"

/* All that an agent waits for. Blocked, not handled: a handler would be
 * reset by exec, but an ignored signal would stay so in the program. */
static const int watched[] = {
    SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCONT,
    SIGALRM, SIGPIPE,
};

/* Wait until the agent says so; it says nothing if it dies. */
static void await(int go)
{
    ssize_t n;
    char word;

    do
        n = read(go, &word, 1);
    while (n < 0 && errno == EINTR);
    if (n != 1)
        _exit(126);
}

/* In the new process: never returns. report closes by exec; else it tells
 * the agent why there was none. */
static void child(const struct spawn_call *call, pid_t agent, int go,
                  int report)
{
    sigset_t none;
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, call->death_signal);
    /* The agent may have died before it could be watched. */
    if (getppid() != agent)
        _exit(126);
    dup2(null, 0);
    if (call->output >= 0) {
        dup2(call->output, 1);
        dup2(call->output, 2);
    }
    for (size_t i = 0; call->environment && i < call->environment->count; i++)
        putenv(call->environment->items[i]);
    await(go);
    sigemptyset(&none);
    if (!call->is_agent) {
        signal(SIGXFSZ, SIG_DFL);
        sigprocmask(SIG_SETMASK, &none, NULL);
    }
    execvp(call->argv[0], call->argv);
    int saved = errno;
    if (write(report, &saved, sizeof(saved)) < 0)
        _exit(126);
    _exit(spawn_exit_code(saved));
}

/* Wait for exec: 0, or the errno that it failed with. */
static int exec_result(int report)
{
    int failed = 0;
    ssize_t n;

    do
        n = read(report, &failed, sizeof(failed));
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof(failed) ? failed : 0;
}

static void close_all(int a, int b)
{
    int saved = errno;

    if (a >= 0)
        close(a);
    if (b >= 0)
        close(b);
    errno = saved;
}

int spawn_hold(const struct spawn_call *call, struct spawn_held *held,
               struct mlb_error *err)
{
    int report[2] = { -1, -1 }, go[2] = { -1, -1 };
    pid_t agent = getpid();

    held->pid = -1;
    if (pipe2(report, O_CLOEXEC) == 0 && pipe2(go, O_CLOEXEC) == 0)
        held->pid = fork();
    if (held->pid == 0) {
        close(report[0]);
        close(go[1]);
        child(call, agent, go[0], report[1]);
    }
    if (held->pid < 0)
        mlb_error_errno(err, MLB_ERR_IO, "cannot start a process");
    held->report = report[0];
    held->go = go[1];
    close_all(report[1], go[0]);
    if (held->pid < 0) {
        close_all(held->report, held->go);
        return -1;
    }
    /* Both sides set the group, so that it is there whoever runs first. */
    setpgid(held->pid, held->pid);
    return 0;
}

pid_t spawn_release(const struct spawn_call *call, struct spawn_held *held,
                    struct mlb_error *err)
{
    /* One that was killed meanwhile has nobody to read it: SIGPIPE is
     * blocked, and its end will be seen as any other. */
    ssize_t n = write(held->go, "", 1);
    int failed = n < 0 ? 0 : exec_result(held->report);

    close_all(held->go, held->report);
    if (failed) {
        while (waitpid(held->pid, NULL, 0) < 0 && errno == EINTR)
            ;
        errno = failed;
        mlb_error_errno(err, failed == ENOENT ? MLB_ERR_NOT_FOUND
                                              : MLB_ERR_IO,
                        "cannot run %s", call->argv[0]);
        return -1;
    }
    return held->pid;
}

pid_t spawn_start(const struct spawn_call *call, struct mlb_error *err)
{
    struct spawn_held held;

    return spawn_hold(call, &held, err) < 0 ? -1
                                            : spawn_release(call, &held, err);
}

int spawn_exit_code(int errnum)
{
    return errnum == ENOENT ? 127 : 126;
}

int signals_open(struct mlb_error *err)
{
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(watched) / sizeof(watched[0]); i++)
        sigaddset(&set, watched[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        mlb_error_errno(err, MLB_ERR_IO, "cannot watch signals");
    return fd;
}

int signals_wait(int fd, double until)
{
    return signals_wait_or(fd, -1, until);
}

int signals_wait_or(int fd, int other, double until)
{
    for (;;) {
        struct signalfd_siginfo info;
        if (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
            return (int)info.ssi_signo;
        double left = until - clock_now();
        if (left <= 0)
            return 0;
        struct pollfd p[] = { { .fd = fd, .events = POLLIN },
                              { .fd = other, .events = POLLIN } };
        /* Rounded up: waking too early would only poll again. */
        poll(p, 2, left > INT_MAX / 2000 ? -1 : (int)(left * 1e3) + 1);
        if (p[1].revents)
            return 0;
    }
}

double clock_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}
