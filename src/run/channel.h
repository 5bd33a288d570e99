/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared memory between a task and its agent: metrics and steps one way,
 * "save" and "stop" the other; no system call on either side's hot path.
 *
 * The agent makes it (a memfd that the task inherits across exec) and puts
 * its place into MLB_CHANNEL: "/proc/self/fd/N", or "/proc/PID/fd/N" of the
 * agent, which also reaches programs whose parent closed the descriptor. One
 * producer, one consumer at a time. The last 1,024 metrics are kept: the
 * producer never waits, a consumer that falls behind loses the oldest.
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
/* The channel behind a descriptor, which stays the caller's, that another
 * agent of this user passed on. Several may take, but one at a time: where
 * taking has come to is kept in the shared memory. */
struct mlb_channel *channel_adopt(int fd, struct mlb_error *err);
void channel_ask_save(struct mlb_channel *channel);  /* async-signal-safe */
void channel_ask_stop(struct mlb_channel *channel);  /* async-signal-safe */
/* Take the next metric. False if there is none. A program that never stops
 * telling is always ahead: take a limited number at a time. */
bool channel_take(struct mlb_channel *channel, struct channel_metric *metric);
/* Last step, samples so far and metrics dropped (as far as taken). False:
 * no step was told; dropped is filled even so. */
bool channel_progress(const struct mlb_channel *channel, uint64_t *step,
                      uint64_t *samples, uint64_t *dropped);
/* Does a program listen? One that never did cannot hear what is asked. */
bool channel_attached(const struct mlb_channel *channel);

/* How training goes: from channel_step's calls. ns on CLOCK_MONOTONIC. */
struct channel_pace {
    uint64_t calls, step, samples;
    int64_t first, last;     /* when the first and last step was told */
    int64_t longest;         /* between two of them */
};
/* False: no step was told, or what is there makes no sense. */
bool channel_pace(const struct mlb_channel *channel,
                  struct channel_pace *pace);

/* Time in MPI, from the interposer. ended 0: not yet. */
struct channel_mpi {
    int64_t begun, ended;    /* MPI_Init .. MPI_Finalize, monotonic ns */
    uint64_t time, bytes, calls;     /* ns inside MPI, bytes given to send */
};
/* False: it is not there, or what is there makes no sense. */
bool channel_mpi(const struct mlb_channel *channel, struct channel_mpi *mpi);

/* ---- the program's end (what include/mlbatch/progress.h calls) ---- */
/* The channel that MLB_CHANNEL names, NULL without one (err: why, if there
 * should be one, else MLB_OK). */
struct mlb_channel *channel_open(struct mlb_error *err);
/* From now on this program asks whether it should save or stop. Not for who
 * only tells something, as the interposer: the agent would wait for it. */
void channel_listen(struct mlb_channel *channel);
void channel_put(struct mlb_channel *channel, const char *name,
                 uint64_t step, double value);
void channel_step(struct mlb_channel *channel, uint64_t step,
                  uint64_t samples);
/* True once per request, or when every has gone by since it last was. */
bool channel_save_asked(struct mlb_channel *channel);
bool channel_stop_asked(const struct mlb_channel *channel);
/* The interposer's: MPI_Init, a call of any thread, MPI_Finalize. */
void channel_mpi_begin(struct mlb_channel *channel);
void channel_mpi_add(struct mlb_channel *channel, uint64_t nanoseconds,
                     uint64_t bytes);
void channel_mpi_end(struct mlb_channel *channel);

void channel_close(struct mlb_channel *channel);     /* either end */

#endif
