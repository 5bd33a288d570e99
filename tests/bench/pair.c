/* SPDX-License-Identifier: BSD-3-Clause */
/* Time two commands in turn: A B A B ...
 *
 *     pair COUNT A [ARGUMENT...] versus B [ARGUMENT...]
 *
 * Prints, as medians over the pairs, seconds of A, seconds of B, A/B and
 * A - B. Pairing is what makes the ratio hold on a machine whose speed
 * drifts. Their output is thrown away; one that fails ends it all. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double time_one(char **argv)
{
    posix_spawn_file_actions_t actions;
    double start = now();
    int status;
    pid_t pid;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    int failed = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed) {
        fprintf(stderr, "pair: %s: %s\n", argv[0], strerror(failed));
        exit(1);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (status != 0) {
        fprintf(stderr, "pair: %s: wait status %d\n", argv[0], status);
        exit(1);
    }
    return now() - start;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), compare);
    return count % 2 ? values[count / 2]
                     : (values[count / 2 - 1] + values[count / 2]) / 2;
}

int main(int argc, char **argv)
{
    long count = argc > 3 ? atol(argv[1]) : 0;
    char **b = argv + 2;

    while (*b && strcmp(*b, "versus") != 0)
        b++;
    if (count < 1 || !*b || !b[1]) {
        fputs("usage: pair COUNT A... versus B...\n", stderr);
        return 2;
    }
    *b++ = NULL;
    double *values = calloc(4 * (size_t)count, sizeof(*values));
    if (!values)
        return 1;
    double *a_times = values, *b_times = values + count;
    double *ratios = values + 2 * count, *differences = values + 3 * count;
    time_one(argv + 2);
    time_one(b);
    for (long i = 0; i < count; i++) {
        a_times[i] = time_one(argv + 2);
        b_times[i] = time_one(b);
        ratios[i] = a_times[i] / b_times[i];
        differences[i] = a_times[i] - b_times[i];
    }
    size_t n = (size_t)count;
    printf("%.6f %.6f %.4f %.6f\n", median(a_times, n), median(b_times, n),
           median(ratios, n), median(differences, n));
    free(values);
    return 0;
}
