/* SPDX-License-Identifier: BSD-3-Clause */
/* The shared memory of a task and its agent. Part of the library: errors are
 * returned, nothing is printed, nothing ends the program. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "run/channel_parts.h"
#include "run/channel.h"

#define MAGIC UINT64_C(0x314e414843424c4d)      /* "MLBCHAN1" */
#define VERSION 2
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

int64_t channel_clock(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The descriptor may be any other file by now. Only a memfd has seals, and
 * ours has at least these. */
int channel_check(int fd, struct mlb_error *err)
{
    struct stat st;
    struct {
        uint64_t magic;
        uint32_t version, size;
    } head;

    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &st) < 0 ||
        st.st_size < (off_t)sizeof(head) ||
        pread(fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
        head.magic != MAGIC)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                             "not a channel of mlbatch");
    if (head.version != VERSION ||
        head.size != sizeof(struct channel_shared) ||
        st.st_size != (off_t)sizeof(struct channel_shared))
        return mlb_error_set(err, MLB_ERR_UNSUPPORTED,
                             "made by another version of mlbatch");
    return 0;
}

struct mlb_channel *channel_map(int fd, struct mlb_error *err)
{
    struct mlb_channel *channel = NULL;
    void *memory = MAP_FAILED;

    if (channel_check(fd, err) < 0)
        return NULL;
    channel = calloc(1, sizeof(*channel));
    if (channel)
        memory = mmap(NULL, sizeof(*channel->shared),
                      PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) {
        mlb_error_errno(err, MLB_ERR_IO, "cannot map the channel");
        free(channel);
        return NULL;
    }
    channel->shared = memory;
    return channel;
}

/* Kernels since 6.3 may insist on the one flag, older ones do not know it. */
static int make_memory(void)
{
    static const char name[] = "mlbatch-channel";
    int fd = memfd_create(name, MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

    return fd < 0 && errno == EINVAL ? memfd_create(name, MFD_ALLOW_SEALING)
                                     : fd;
}

static int write_head(int fd, long every)
{
    const struct {
        uint64_t magic;
        uint32_t version, size;
        int64_t every;
    } head = {
        .magic = MAGIC,
        .version = VERSION,
        .size = sizeof(struct channel_shared),
        .every = every > 0 && every < INT32_MAX
                     ? (int64_t)every * 1000000000
                     : 0,
    };

    return pwrite(fd, &head, sizeof(head), 0) == (ssize_t)sizeof(head) ? 0
                                                                      : -1;
}

/* The size is sealed: shrinking the file under the agent would kill it. */
struct mlb_channel *channel_create(long every, int *fd,
                                   struct mlb_error *err)
{
    struct mlb_channel *channel = NULL;
    int memory = make_memory();

    if (memory < 0 || ftruncate(memory, sizeof(struct channel_shared)) < 0 ||
        fcntl(memory, F_ADD_SEALS, SEALS) < 0) {
        mlb_error_errno(err, MLB_ERR_IO, "cannot make the channel");
        goto out;
    }
    if (write_head(memory, every) < 0) {
        mlb_error_errno(err, MLB_ERR_IO, "cannot make the channel");
        goto out;
    }
    channel = channel_map(memory, err);
    if (!channel)
        goto out;
    *fd = memory;
    memory = -1;
out:
    if (memory >= 0)
        close(memory);
    return channel;
}

struct mlb_channel *channel_adopt(int fd, struct mlb_error *err)
{
    return channel_map(fd, err);
}

void channel_ask_save(struct mlb_channel *channel)
{
    atomic_fetch_add(&channel->shared->asked, 1);
}

void channel_ask_stop(struct mlb_channel *channel)
{
    atomic_store(&channel->shared->stop, 1);
}

/* Copy metric number n out of its slot. 1: done, 0: it is not written yet,
 * -1: it was overwritten, or the slot holds garbage. */
static int copy(const struct channel_shared *shared, uint64_t n,
                struct channel_metric *metric)
{
    const struct channel_slot *slot = &shared->slots[n % CHANNEL_SLOTS];
    uint64_t words[CHANNEL_WORDS];
    uint64_t turn = atomic_load_explicit(&slot->turn, memory_order_acquire);

    if (turn != 2 * n + 2)
        return turn < 2 * n + 2 ? 0 : -1;
    for (size_t i = 0; i < CHANNEL_WORDS; i++)
        words[i] = atomic_load_explicit(&slot->words[i],
                                        memory_order_acquire);
    if (atomic_load_explicit(&slot->turn, memory_order_relaxed) != turn)
        return -1;
    memcpy(metric, words, sizeof(*metric));
    metric->name[sizeof(metric->name) - 1] = '\0';
    return 1;
}

/* At most one turn around the ring a call, whatever head and turns say. The
 * counters are compared by difference: a scribbled head may be anything. Who
 * moves the tail has the metric: two agents that take at once, one of them
 * late to learn that it should not, never both get it. */
bool channel_take(struct mlb_channel *channel, struct channel_metric *metric)
{
    struct channel_shared *shared = channel->shared;

    for (uint64_t i = 0; i < CHANNEL_SLOTS; i++) {
        uint64_t tail = atomic_load(&shared->tail);
        uint64_t head = atomic_load(&shared->head);
        uint64_t ahead = head - tail, lost = 0;
        if (ahead == 0)
            return false;
        if (ahead > CHANNEL_SLOTS)
            lost = ahead - CHANNEL_SLOTS;
        int got = copy(shared, tail + lost, metric);
        if (got == 0)
            return false;
        if (!atomic_compare_exchange_strong(&shared->tail, &tail,
                                            tail + lost + 1))
            continue;
        atomic_fetch_add(&shared->dropped, lost + (got < 0));
        if (got > 0)
            return true;
    }
    return false;
}

bool channel_progress(const struct mlb_channel *channel, uint64_t *step,
                      uint64_t *samples, uint64_t *dropped)
{
    const struct channel_shared *shared = channel->shared;
    bool told = atomic_load(&shared->told) != 0;

    *step = atomic_load_explicit(&shared->step, memory_order_relaxed);
    *samples = atomic_load_explicit(&shared->samples, memory_order_relaxed);
    *dropped = atomic_load_explicit(&shared->dropped, memory_order_relaxed);
    return told;
}

bool channel_attached(const struct mlb_channel *channel)
{
    return atomic_load(&channel->shared->attached) != 0;
}

bool channel_pace(const struct mlb_channel *channel,
                  struct channel_pace *pace)
{
    const struct channel_shared *shared = channel->shared;
    const memory_order relaxed = memory_order_relaxed;

    pace->calls = atomic_load_explicit(&shared->told, memory_order_acquire);
    pace->step = atomic_load_explicit(&shared->step, relaxed);
    pace->samples = atomic_load_explicit(&shared->samples, relaxed);
    pace->longest = atomic_load_explicit(&shared->longest, relaxed);
    pace->first = atomic_load_explicit(&shared->first, relaxed);
    pace->last = atomic_load_explicit(&shared->last, relaxed);
    /* Times that no clock gave: better none than wrong ones. */
    return pace->calls > 0 && pace->first > 0 && pace->first <= pace->last &&
           pace->last <= channel_clock() && pace->longest >= 0;
}

bool channel_mpi(const struct mlb_channel *channel, struct channel_mpi *mpi)
{
    const struct channel_shared *shared = channel->shared;

    mpi->begun = atomic_load(&shared->mpi_begun);
    mpi->ended = atomic_load(&shared->mpi_ended);
    mpi->time = atomic_load_explicit(&shared->mpi_time,
                                     memory_order_relaxed);
    mpi->bytes = atomic_load_explicit(&shared->mpi_bytes,
                                      memory_order_relaxed);
    mpi->calls = atomic_load_explicit(&shared->mpi_calls,
                                      memory_order_relaxed);
    return mpi->begun > 0 && mpi->begun <= channel_clock() &&
           (mpi->ended == 0 || mpi->ended >= mpi->begun);
}

void channel_close(struct mlb_channel *channel)
{
    if (!channel)
        return;
    munmap(channel->shared, sizeof(struct channel_shared));
    free(channel);
}
