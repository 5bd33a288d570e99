/* SPDX-License-Identifier: BSD-3-Clause */
/* A program whose use of the machine is known:
 *   burn MS         CPU time        sleep N     N short sleeps
 *   touch MIB       memory          write MIB   to standard output's file
 *   threads N MS    MS of CPU in each of N
 *   children N MS   a child that has N children, MS of CPU in each
 *   orphan MS       a grandchild that nobody of its family waits for
 *   ignored MS      a child whose end its parent ignores
 *   wait            say "ready", go on when standard input says so (a byte,
 *                   or its end)
 * one after the other. */
#include "config.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MIB (1024 * 1024L)

static double cpu_ms(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void burn(long ms)
{
    volatile unsigned long sum = 0;
    double end = cpu_ms(CLOCK_THREAD_CPUTIME_ID) + (double)ms;

    while (cpu_ms(CLOCK_THREAD_CPUTIME_ID) < end)
        for (int i = 0; i < 10000; i++)
            sum += (unsigned long)i;
}

static void *burn_thread(void *ms)
{
    burn(*(long *)ms);
    return NULL;
}

static void burn_threads(long count, long ms)
{
    pthread_t threads[64];

    for (long i = 0; i < count && i < 64; i++)
        if (pthread_create(&threads[i], NULL, burn_thread, &ms) != 0)
            exit(1);
    for (long i = 0; i < count && i < 64; i++)
        pthread_join(threads[i], NULL);
}

static void touch(long mib)
{
    char *p = mmap(NULL, (size_t)(mib * MIB), PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        exit(1);
    madvise(p, (size_t)(mib * MIB), MADV_NOHUGEPAGE);
    for (long i = 0; i < mib * MIB; i += 4096)
        p[i] = 1;
}

static void write_out(long mib)
{
    static char block[1024 * 1024];

    memset(block, 'x', sizeof(block));
    for (long i = 0; i < mib; i++)
        if (write(1, block, sizeof(block)) != (ssize_t)sizeof(block))
            exit(1);
    fsync(1);
}

/* A child that does this, itself waited for or not. */
static void fork_and(void (*work)(long, long), long a, long b, int waited)
{
    pid_t pid = fork();

    if (pid == 0) {
        work(a, b);
        _exit(0);
    }
    if (waited)
        waitpid(pid, NULL, 0);
}

static void one(long ms, long unused)
{
    (void)unused;
    burn(ms);
}

static void family(long count, long ms)
{
    for (long i = 0; i < count; i++)
        fork_and(one, ms, 0, 1);
}

static void leave_orphan(long ms, long unused)
{
    (void)unused;
    fork_and(one, ms, 0, 0);
}

static void short_sleeps(long count)
{
    for (long i = 0; i < count; i++)
        nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
}

static void wait_for_word(void)
{
    char c;

    fputs("ready\n", stderr);
    while (read(0, &c, 1) < 0)
        ;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *what = argv[i];
        if (strcmp(what, "wait") == 0) {
            wait_for_word();
            continue;
        }
        long a = i + 1 < argc ? atol(argv[++i]) : 0, b = 0;
        if (strcmp(what, "threads") == 0 || strcmp(what, "children") == 0)
            b = i + 1 < argc ? atol(argv[++i]) : 0;
        if (strcmp(what, "burn") == 0)
            burn(a);
        else if (strcmp(what, "sleep") == 0)
            short_sleeps(a);
        else if (strcmp(what, "touch") == 0)
            touch(a);
        else if (strcmp(what, "write") == 0)
            write_out(a);
        else if (strcmp(what, "threads") == 0)
            burn_threads(a, b);
        else if (strcmp(what, "children") == 0)
            fork_and(family, a, b, 1);
        else if (strcmp(what, "orphan") == 0)
            fork_and(leave_orphan, a, 0, 1);
        else if (strcmp(what, "ignored") == 0) {
            signal(SIGCHLD, SIG_IGN);
            fork_and(one, a, 0, 1);
            signal(SIGCHLD, SIG_DFL);
        } else {
            return 2;
        }
    }
    return 0;
}
