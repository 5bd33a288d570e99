/* SPDX-License-Identifier: BSD-3-Clause */
/* The progress bar of what takes long. */
#include "config.h"

#include <stdio.h>
#include <unistd.h>

#include "cmd/store_progress.h"

#define BAR 30                    /* characters */
#define PATIENCE 2.0              /* seconds without a bar */
#define PERIOD 0.1                /* seconds between two pictures of it */

static double seconds_since(const struct timespec *start)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - start->tv_sec) +
           (double)(now.tv_nsec - start->tv_nsec) / 1e9;
}

void store_progress_begin(struct store_progress *progress)
{
    *progress = (struct store_progress){ .terminal = isatty(STDERR_FILENO) };
    clock_gettime(CLOCK_MONOTONIC, &progress->start);
}

void store_progress_show(void *arg, uint64_t done, uint64_t total)
{
    static const char full[] = "##############################";
    struct store_progress *p = arg;

    if (!p->terminal || total == 0)
        return;
    double now = seconds_since(&p->start);
    if (now < PATIENCE || now < p->drawn + PERIOD)
        return;
    double part = done < total ? (double)done / (double)total : 1;
    fprintf(stderr, "\r  [%-*.*s] %3.0f %%", BAR, (int)(part * BAR), full,
            part * 100);
    p->drawn = now;
    p->shown = true;
}

void store_progress_say(void *arg, const char *line)
{
    store_progress_end(arg);
    fprintf(stderr, "%s\n", line);
}

void store_progress_end(struct store_progress *progress)
{
    if (progress->shown)
        fputs("\r\033[K", stderr);
    progress->shown = false;
}
