/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared memory between a task and its agent: metrics and steps one way,
 * "save" and "stop" the other; no system call on either side's hot path.
 *
 * The agent makes it (a memfd that the task inherits across exec) and puts
 * its place into MLB_CHANNEL: "/proc/self/fd/N", or "/proc/PID/fd/N" of the
 * agent, which also reaches programs whose parent closed the descriptor. One
 * producer, one consumer. The last 1,024 metrics are kept: the producer
 * never waits, and a consumer that falls behind loses the oldest.
 * Everything the consumer reads is checked and the size is sealed: a program
 * that scribbles over its memory must not take the agent with it. */
#ifndef RUN_CHANNEL_H
#define RUN_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "mlbatch/error.h"

struct mlb_channel;

struct channel_metric {
    char name[48];           /* NUL-terminated */
    uint64_t step;
    double value;
    double time;             /* seconds since 1970 */
};

/* ---- the agent's end ---- */
/* every: seconds between saves that should_save reports, 0: never. *fd is
 * to be inherited by the task (it is not close-on-exec); the caller closes
 * it, which leaves the channel as it is. */
struct mlb_channel *channel_create(long every, int *fd,
                                   struct mlb_error *err);
void channel_ask_save(struct mlb_channel *channel);  /* async-signal-safe */
void channel_ask_stop(struct mlb_channel *channel);  /* async-signal-safe */
/* Take the next metric. False if there is none. A program that never stops
 * telling is always ahead: take a limited number at a time. */
bool channel_take(struct mlb_channel *channel, struct channel_metric *metric);
/* Last step, samples so far and metrics dropped (as far as taken). False:
 * no step was told; dropped is filled even so. */
bool channel_progress(const struct mlb_channel *channel, uint64_t *step,
                      uint64_t *samples, uint64_t *dropped);
/* Has a program opened it? One that never did cannot hear what is asked. */
bool channel_attached(const struct mlb_channel *channel);

/* ---- the program's end (what include/mlbatch/progress.h calls) ---- */
/* The channel that MLB_CHANNEL names, NULL without one (err: why, if there
 * should be one, else MLB_OK). */
struct mlb_channel *channel_open(struct mlb_error *err);
void channel_put(struct mlb_channel *channel, const char *name,
                 uint64_t step, double value);
void channel_step(struct mlb_channel *channel, uint64_t step,
                  uint64_t samples);
/* True once per request, or when every has gone by since it last was. */
bool channel_save_asked(struct mlb_channel *channel);
bool channel_stop_asked(const struct mlb_channel *channel);

void channel_close(struct mlb_channel *channel);     /* either end */

#endif
