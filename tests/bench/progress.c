/* SPDX-License-Identifier: BSD-3-Clause */
/* Nanoseconds that the progress calls take under an agent.
 *
 * Prints "progress_step N" and "progress_metric N": of rounds of many calls
 * the fastest one, as whatever else runs here can only add. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "mlbatch/progress.h"
#include "run/channel.h"

#define ROUNDS 21
#define CALLS 200000

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void tell_step(uint64_t i)
{
    mlb_progress_step(i, 32);
}

static void tell_metric(uint64_t i)
{
    mlb_progress_metric("train/loss", i, (double)i / 3);
}

static double fastest(void (*tell)(uint64_t i))
{
    double best = 1e300;

    for (int round = 0; round < ROUNDS; round++) {
        double start = now();
        for (uint64_t i = 0; i < CALLS; i++)
            tell(i);
        double each = (now() - start) / CALLS;
        best = each < best ? each : best;
    }
    return best;
}

int main(void)
{
    struct mlb_error err;
    char place[64];
    int fd;
    struct mlb_channel *agent = channel_create(0, &fd, &err);

    if (!agent) {
        fprintf(stderr, "progress: %s\n", err.text);
        return 1;
    }
    snprintf(place, sizeof(place), "/proc/self/fd/%d", fd);
    setenv("MLB_CHANNEL", place, 1);
    printf("progress_step %.1f\n", fastest(tell_step));
    printf("progress_metric %.1f\n", fastest(tell_metric));
    channel_close(agent);
    return 0;
}
