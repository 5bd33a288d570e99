/* SPDX-License-Identifier: BSD-3-Clause */
/* The memory that both ends of a channel share. (Inside run/channel*.c.) */
#ifndef RUN_CHANNEL_PARTS_H
#define RUN_CHANNEL_PARTS_H

#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>

#include "run/channel.h"

#define CHANNEL_SLOTS UINT64_C(1024)
#define CHANNEL_WORDS (sizeof(struct channel_metric) / sizeof(uint64_t))

static_assert(sizeof(struct channel_metric) % sizeof(uint64_t) == 0,
              "a metric is whole words");
static_assert(ATOMIC_LLONG_LOCK_FREE == 2,
              "shared between processes and used in signal handlers");

/* A metric under a sequence lock of its own: turn is 2n+1 while metric
 * number n is being written here and 2n+2 from then on. The words are
 * atomics so that reading them while they change is not a data race; each is
 * stored with release and loaded with acquire order, which ties it to turn
 * and costs nothing on x86. */
struct channel_slot {
    _Atomic uint64_t turn;
    _Atomic uint64_t words[CHANNEL_WORDS];
};

/* What is shared. The producer's and the consumer's words are on cache
 * lines of their own. Where taking has come to is shared, too: one agent may
 * go on where another was ended. */
struct channel_shared {
    uint64_t magic;
    uint32_t version, size;
    int64_t every;                            /* nanoseconds, 0: never */
    _Alignas(64) _Atomic uint64_t asked;      /* saves, counted by agent */
    _Atomic uint64_t stop;
    _Atomic uint64_t tail, dropped;           /* metrics taken; lost */
    _Alignas(64) _Atomic uint64_t answered;   /* asked, when last told */
    _Atomic uint64_t attached;                /* somebody listens */
    _Atomic uint64_t told;                    /* calls of channel_step */
    _Atomic uint64_t step, samples;
    _Atomic int64_t first, last, longest;     /* as in channel_pace */
    _Alignas(64) _Atomic int64_t mpi_begun, mpi_ended;
    _Atomic uint64_t mpi_time, mpi_bytes, mpi_calls;
    _Alignas(64) _Atomic uint64_t head;       /* metrics put so far */
    _Alignas(64) struct channel_slot slots[CHANNEL_SLOTS];
};

struct mlb_channel {
    struct channel_shared *shared;
    int64_t every, saved;                     /* the program's own */
};

/* A handle over the channel behind fd, which stays the caller's. It may be
 * any file: MLB_ERR_BAD_INPUT if it is no channel, MLB_ERR_UNSUPPORTED if it
 * is another version's. */
struct mlb_channel *channel_map(int fd, struct mlb_error *err);
int channel_check(int fd, struct mlb_error *err);

/* CLOCK_MONOTONIC in ns. */
int64_t channel_clock(void);

#endif
