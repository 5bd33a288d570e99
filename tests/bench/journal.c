/* SPDX-License-Identifier: BSD-3-Clause */
/* What a sample of 16 metrics takes in a journal and in a sealed record:
 * tests/bench/journal DIRECTORY. 8 tasks, an hour at 1 Hz, noisy counters. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "base/files.h"
#include "run/journal.h"
#include "run/record.h"

#define TASKS 8
#define TICKS 3600
#define METRICS 16
#define SECOND INT64_C(1000000000)

static uint64_t seed = 1;

static int64_t noise(int64_t most)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)((seed >> 33) % (uint64_t)most);
}

/* A busy program's: faults in bursts, I/O in pieces, hardware with noise of
 * a per mille. */
static void advance(int64_t *v)
{
    static const int64_t rates[METRICS] = {
        [METRIC_CYCLES] = 3000000000, [METRIC_INSTRUCTIONS] = 4000000000,
        [METRIC_LLC_MISSES] = 2000000, [METRIC_FP_OPS] = 1000000000,
        [METRIC_STALL_CYCLES] = 800000000, [METRIC_BRANCH_MISSES] = 5000000,
    };

    v[METRIC_CPU_TIME] += 990000000 + noise(10000000);
    v[METRIC_RSS] += (noise(64) - 32) * 4096;
    v[METRIC_MINOR_FAULTS] += noise(200);
    v[METRIC_MAJOR_FAULTS] += noise(50) == 0;
    v[METRIC_RUN_DELAY] += 100000 + noise(300000);
    v[METRIC_READ_CHARS] += (30 + noise(8)) << 17;
    v[METRIC_WRITE_CHARS] += noise(4096);
    v[METRIC_READ_BYTES] += (noise(10) == 0) << 20;
    v[METRIC_WRITE_BYTES] += (noise(30) == 0) << 12;
    v[METRIC_SWITCHES] += 20 + noise(40);
    for (int m = METRIC_CYCLES; m < METRICS; m++)
        v[m] += rates[m] + noise(rates[m] / 1000);
}

static double cpu(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static off_t size_of(const char *dir, const char *part)
{
    char *path = xasprintf("%s/%s", dir, part);
    struct stat st = { 0 };

    stat(path, &st);
    free(path);
    return st.st_size;
}

static void fill(struct journal *j, int64_t v[TASKS][METRIC_COUNT])
{
    struct metric_status ok;

    metric_status_set(&ok, METRIC_OK, METRIC_FINE, "proc", NULL);
    for (int i = 0; i < TASKS; i++) {
        struct journal_entity e = { .scope = METRIC_TASK, .rank = i,
                                    .pid = 1000 + i };
        journal_add(j, &e);
        for (int m = 0; m < METRICS; m++)
            journal_set_status(j, i, m, &ok);
        for (int m = 0; m < METRIC_COUNT; m++)
            v[i][m] = m < METRICS ? 0 : METRIC_MISSING;
        v[i][METRIC_RSS] = 300 << 20;
    }
}

int main(int argc, char **argv)
{
    static int64_t v[TASKS][METRIC_COUNT];
    struct mlb_error err = { 0 };
    struct journal *j = argc == 2 ? journal_create(argv[1], 1, "n", &err)
                                  : NULL;
    double used = 0;

    if (!j) {
        fprintf(stderr, "journal: %s\n", err.text);
        return 2;
    }
    fill(j, v);
    for (int64_t n = 0; n < TICKS; n++) {
        for (int i = 0; i < TASKS; i++)
            advance(v[i]);
        double begin = cpu();
        for (int i = 0; i < TASKS; i++)
            journal_put(j, i, v[i]);
        int rc = journal_tick(j, n * SECOND + noise(100000),
                              (1700000000 + n) * SECOND + noise(100000),
                              &err);
        used += cpu() - begin;
        if (rc < 0)
            return 1;
    }
    journal_close(j);
    off_t journal = size_of(argv[1], "journal/1-n-0.mbj");
    if (record_seal(argv[1], &err) < 0) {
        fprintf(stderr, "journal: %s\n", err.text);
        return 1;
    }
    double samples = TASKS * TICKS;
    printf("journal_bytes_per_sample %.1f\n", (double)journal / samples);
    printf("sealed_bytes_per_sample %.1f\n",
           (double)size_of(argv[1], "record.h5") / samples);
    printf("journal_us_per_sample %.2f\n", used / samples * 1e6);
    return 0;
}
