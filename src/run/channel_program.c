/* SPDX-License-Identifier: BSD-3-Clause */
/* The program's end of a channel. Part of the library: errors are returned,
 * nothing is printed, nothing ends the program. */
#include "config.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "run/channel_parts.h"
#include "run/channel.h"

#define VARIABLE "MLB_CHANNEL"

/* The descriptor of that number is the channel itself where it was
 * inherited: no other path works in a user or process name space of its own.
 * Where somebody closed it on the way (Python does so for every program that
 * it starts) the path through the agent works. */
static int open_place(const char *place, struct mlb_error *err)
{
    const char *last = strrchr(place, '/');
    long number = last ? atol(last + 1) : 0;
    int fd = -1;

    if (number > 2 && number <= INT32_MAX)
        fd = fcntl((int)number, F_DUPFD_CLOEXEC, 3);
    if (fd >= 0 && channel_check(fd, err) < 0) {
        close(fd);
        fd = -1;
    }
    if (fd >= 0)
        return fd;
    fd = open(place, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        mlb_error_errno(err, MLB_ERR_IO, "cannot open %s", place);
    return fd;
}

struct mlb_channel *channel_open(struct mlb_error *err)
{
    const char *place = getenv(VARIABLE);
    struct mlb_channel *channel = NULL;

    if (err)
        *err = (struct mlb_error){ .code = MLB_OK };
    if (!place || !*place)
        return NULL;
    int fd = open_place(place, err);
    if (fd >= 0) {
        channel = channel_map(fd, err);
        close(fd);
    }
    if (channel) {
        if (err)
            *err = (struct mlb_error){ .code = MLB_OK };
        channel->every = channel->shared->every;
        channel->saved = channel_clock();
    } else {
        mlb_error_prefix(err, VARIABLE);
    }
    return channel;
}

void channel_listen(struct mlb_channel *channel)
{
    atomic_store(&channel->shared->attached, 1);
}

/* Copy as much of a name as fits, to the end of a character. */
static void set_name(struct channel_metric *metric, const char *name)
{
    size_t n = strnlen(name, sizeof(metric->name));

    if (n == sizeof(metric->name)) {
        n--;
        while (n > 0 && ((unsigned char)name[n] & 0xc0) == 0x80)
            n--;
    }
    memcpy(metric->name, name, n);
}

/* The number is taken by one atomic addition, so that a second program that
 * shares the channel by accident takes slots of its own. */
void channel_put(struct mlb_channel *channel, const char *name,
                 uint64_t step, double value)
{
    struct channel_metric metric = { .step = step, .value = value };
    uint64_t words[CHANNEL_WORDS];
    struct timespec t;

    set_name(&metric, name);
    clock_gettime(CLOCK_REALTIME, &t);
    metric.time = (double)t.tv_sec + (double)t.tv_nsec / 1e9;
    memcpy(words, &metric, sizeof(words));
    uint64_t n = atomic_fetch_add(&channel->shared->head, 1);
    struct channel_slot *slot = &channel->shared->slots[n % CHANNEL_SLOTS];
    atomic_store_explicit(&slot->turn, 2 * n + 1, memory_order_relaxed);
    for (size_t i = 0; i < CHANNEL_WORDS; i++)
        atomic_store_explicit(&slot->words[i], words[i],
                              memory_order_release);
    atomic_store_explicit(&slot->turn, 2 * n + 2, memory_order_release);
}

/* told comes last: whoever sees it sees what it speaks of. */
void channel_step(struct mlb_channel *channel, uint64_t step,
                  uint64_t samples)
{
    struct channel_shared *shared = channel->shared;
    const memory_order relaxed = memory_order_relaxed;
    int64_t now = channel_clock();

    if (atomic_load_explicit(&shared->told, relaxed) == 0) {
        atomic_store_explicit(&shared->first, now, relaxed);
    } else {
        int64_t took = now - atomic_load_explicit(&shared->last, relaxed);
        if (took > atomic_load_explicit(&shared->longest, relaxed))
            atomic_store_explicit(&shared->longest, took, relaxed);
    }
    atomic_store_explicit(&shared->last, now, relaxed);
    atomic_store_explicit(&shared->step, step, relaxed);
    atomic_fetch_add_explicit(&shared->samples, samples, relaxed);
    atomic_fetch_add_explicit(&shared->told, 1, memory_order_release);
}

bool channel_save_asked(struct mlb_channel *channel)
{
    struct channel_shared *shared = channel->shared;
    uint64_t asked = atomic_load(&shared->asked);
    bool save = asked != atomic_load_explicit(&shared->answered,
                                              memory_order_relaxed);

    if (!save && channel->every == 0)
        return false;
    int64_t now = channel_clock();
    if (!save && now - channel->saved < channel->every)
        return false;
    /* What was answered is shared: it outlives the program, and a next one
     * of the same task need not save for it again. */
    atomic_store_explicit(&shared->answered, asked, memory_order_relaxed);
    channel->saved = now;
    return true;
}

bool channel_stop_asked(const struct mlb_channel *channel)
{
    return atomic_load(&channel->shared->stop) != 0;
}

void channel_mpi_begin(struct mlb_channel *channel)
{
    atomic_store(&channel->shared->mpi_begun, channel_clock());
}

void channel_mpi_add(struct mlb_channel *channel, uint64_t nanoseconds,
                     uint64_t bytes)
{
    struct channel_shared *shared = channel->shared;

    atomic_fetch_add_explicit(&shared->mpi_time, nanoseconds,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&shared->mpi_bytes, bytes,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&shared->mpi_calls, 1, memory_order_relaxed);
}

void channel_mpi_end(struct mlb_channel *channel)
{
    atomic_store(&channel->shared->mpi_ended, channel_clock());
}
