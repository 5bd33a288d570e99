/* SPDX-License-Identifier: BSD-3-Clause */
/* What saving in the background and loading cost.
 *
 *     checkpoint DIRECTORY [MIB [ROUNDS]]
 *
 * Prints the medians of the rounds, a line "name value" each. What is
 * compared is measured in turn in this one process. */
#include "config.h"

#include <limits.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mlbatch/checkpoint.h"
#include "raw.h"

#define TENSOR (2 * RAW_MIB)

struct bench {
    const char *directory;
    size_t bytes;
    unsigned rounds;
    unsigned char *data, *copy;
    struct mlb_saver *saver;
    uint64_t step;
};

static void check(int rc, const struct mlb_error *err)
{
    if (rc < 0) {
        fprintf(stderr, "checkpoint: %s\n", err->text);
        exit(1);
    }
}

static struct mlb_tensor tensor(const struct bench *b, size_t i, char *name,
                                unsigned char *data)
{
    sprintf(name, "layer/t%zu", i);
    return (struct mlb_tensor){
        .name = name, .dtype = MLB_F32, .rank = 1, .shape = { TENSOR / 4 },
        .data = data ? data + i * TENSOR : b->data,
    };
}

static struct mlb_checkpoint *begin(struct bench *b)
{
    struct mlb_error err = { 0 };
    struct mlb_checkpoint *c = mlb_checkpoint_create(b->saver, ++b->step,
                                                     &err);
    char name[32];

    check(c ? 0 : -1, &err);
    for (size_t i = 0; i < b->bytes / TENSOR; i++) {
        struct mlb_tensor t = tensor(b, i, name, b->data);
        check(mlb_checkpoint_add(c, &t, NULL, &err), &err);
    }
    return c;
}

/* All that keeps the program from going on. */
static void publish(void *argument)
{
    struct mlb_error err = { 0 };
    struct mlb_checkpoint *c = begin(argument);

    check(mlb_checkpoint_publish_async(c, &err), &err);
}

static void copy(void *argument)
{
    const struct bench *b = argument;

    for (size_t i = 0; i < b->bytes; i += TENSOR)
        memcpy(b->copy + i, b->data + i, TENSOR);
}

static void wait_for_save(struct bench *b)
{
    struct mlb_error err = { 0 };

    check(mlb_saver_wait(b->saver, &err), &err);
}

static void bench_stall(struct bench *b)
{
    double stalls[RAW_MOST_ROUNDS], copies[RAW_MOST_ROUNDS];
    double ratios[RAW_MOST_ROUNDS];

    b->copy = raw_data(b->bytes);
    for (unsigned i = 0; i <= b->rounds; i++) {
        /* The first round makes all warm, and does not count. */
        unsigned k = i == 0 ? 0 : i - 1;
        copies[k] = raw_time(copy, b);
        stalls[k] = raw_time(publish, b);
        ratios[k] = stalls[k] / copies[k];
        wait_for_save(b);
    }
    raw_row("async_stall_over_memcpy", raw_median(ratios, b->rounds));
    raw_row("async_stall_seconds", raw_median(stalls, b->rounds));
    raw_row("memcpy_seconds", raw_median(copies, b->rounds));
    free(b->copy);
}

/* Work that stays in the registers and the first cache. */
static double compute(double x)
{
    for (int i = 0; i < 100000; i++)
        x = x * 0.999999 + 0.5;
    return x;
}

static void stay_on(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (cpu < 0 || i == cpu)
            CPU_SET(i, &set);
    sched_setaffinity(0, sizeof(set), &set);
}

/* Chunks of work a second, until the save is over or for seconds. */
static double rate(struct bench *b, double *seconds)
{
    struct mlb_error err = { 0 };
    volatile double x = 1;
    uint64_t chunks = 0;
    double start = raw_now();
    int done = 0;

    while (!done) {
        x = compute(x);
        chunks++;
        if (*seconds > 0)
            done = raw_now() - start >= *seconds;
        else
            done = mlb_saver_poll(b->saver, &err);
        check(done, &err);
    }
    if (*seconds == 0)
        *seconds = raw_now() - start;
    return (double)chunks / (raw_now() - start);
}

static void bench_rate(struct bench *b)
{
    double ratios[RAW_MOST_ROUNDS];

    for (unsigned i = 0; i < b->rounds; i++) {
        double seconds = 0;
        publish(b);
        /* The thread that writes exists by now and may go where it likes. */
        stay_on(0);
        double with = rate(b, &seconds);
        ratios[i] = with / rate(b, &seconds);
        stay_on(-1);
    }
    raw_row("compute_rate_during_save", raw_median(ratios, b->rounds));
}

struct loading {
    struct bench *b;
    const char *path;
};

static void load(void *argument)
{
    const struct loading *l = argument;
    struct mlb_error err = { 0 };
    char name[32];
    struct mlb_checkpoint_reader *r = mlb_checkpoint_open(l->path, &err);

    check(r ? 0 : -1, &err);
    for (size_t i = 0; i < l->b->bytes / TENSOR; i++) {
        struct mlb_tensor t = tensor(l->b, i, name, NULL);
        check(mlb_checkpoint_load(r, &t, NULL, l->b->data + i * TENSOR,
                                  &err), &err);
    }
    mlb_checkpoint_close(r);
}

static void read_raw(void *argument)
{
    const struct loading *l = argument;

    raw_read(l->path, l->b->bytes, RAW_PIECE);
}

static void bench_load(struct bench *b)
{
    double ratios[RAW_MOST_ROUNDS], loads[RAW_MOST_ROUNDS];
    char path[PATH_MAX];
    struct loading l = { b, path };

    snprintf(path, sizeof(path), "%s/step-%012llu.h5", b->directory,
             (unsigned long long)b->step);
    for (unsigned i = 0; i < b->rounds; i++) {
        raw_forget(path);
        double raw = raw_time(read_raw, &l);
        raw_forget(path);
        loads[i] = raw_time(load, &l);
        ratios[i] = raw / loads[i];
    }
    raw_row("cold_load_over_raw", raw_median(ratios, b->rounds));
    raw_row("cold_load_seconds", raw_median(loads, b->rounds));
}

int main(int argc, char **argv)
{
    struct bench b = { .rounds = 5, .bytes = 1024 * RAW_MIB };
    struct mlb_error err = { 0 };
    struct mlb_saver_options options;

    if (argc < 2)
        return 2;
    b.directory = argv[1];
    if (argc > 2)
        b.bytes = strtoul(argv[2], NULL, 10) * RAW_MIB / TENSOR * TENSOR;
    if (argc > 3)
        b.rounds = (unsigned)strtoul(argv[3], NULL, 10);
    if (b.bytes == 0 || b.rounds == 0 || b.rounds > RAW_MOST_ROUNDS - 1)
        return 2;
    b.data = raw_data(b.bytes);
    mlb_saver_options_init(&options);
    options.directory = b.directory;
    options.retention = (struct mlb_retention){ .last = 1 };
    b.saver = mlb_saver_open(&options, &err);
    check(b.saver ? 0 : -1, &err);
    bench_stall(&b);
    bench_rate(&b);
    bench_load(&b);
    mlb_saver_close(b.saver);
    free(b.data);
    return 0;
}
