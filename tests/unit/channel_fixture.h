/* SPDX-License-Identifier: BSD-3-Clause */
/* Both ends of a channel in one process, for its tests. Included after
 * cmocka. */
#ifndef CHANNEL_FIXTURE_H
#define CHANNEL_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "run/channel.h"

#define RING 1024

/* The agent's end, and its descriptor in MLB_CHANNEL. */
struct ends {
    struct mlb_channel *agent;
    int fd;
};

static inline void name_it(int fd)
{
    char place[64];

    snprintf(place, sizeof(place), "/proc/self/fd/%d", fd);
    setenv("MLB_CHANNEL", place, 1);
}

static inline struct ends create(long every)
{
    struct ends ends = { .fd = -1 };
    struct mlb_error err = { 0 };

    ends.agent = channel_create(every, &ends.fd, &err);
    if (!ends.agent)
        fail_msg("%s", err.text);
    name_it(ends.fd);
    return ends;
}

static inline struct mlb_channel *open_it(void)
{
    struct mlb_error err = { 0 };
    struct mlb_channel *program = channel_open(&err);

    if (!program)
        fail_msg("%s", err.text);
    return program;
}

static inline void destroy(struct ends *ends)
{
    channel_close(ends->agent);
    close(ends->fd);
    unsetenv("MLB_CHANNEL");
}

static inline double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

#endif
