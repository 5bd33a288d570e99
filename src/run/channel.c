/* SPDX-License-Identifier: BSD-3-Clause */
/* The shared memory of a task and its agent. Part of the library: errors are
 * returned, nothing is printed, nothing ends the program. */
#include "config.h"

#include <assert.h>
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

#include "run/channel.h"

#define VARIABLE "MLB_CHANNEL"
#define MAGIC UINT64_C(0x314e414843424c4d)      /* "MLBCHAN1" */
#define VERSION 1
#define SLOTS UINT64_C(1024)
#define WORDS (sizeof(struct channel_metric) / sizeof(uint64_t))
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

static_assert(sizeof(struct channel_metric) % sizeof(uint64_t) == 0,
              "a metric is whole words");
static_assert(ATOMIC_LLONG_LOCK_FREE == 2,
              "shared between processes and used in signal handlers");

/* A metric under a sequence lock of its own: turn is 2n+1 while metric
 * number n is being written here and 2n+2 from then on. The words are
 * atomics so that reading them while they change is not a data race; each is
 * stored with release and loaded with acquire order, which ties it to turn
 * and costs nothing on x86. */
struct slot {
    _Atomic uint64_t turn;
    _Atomic uint64_t words[WORDS];
};

/* What is shared. The producer's and the consumer's words are on cache
 * lines of their own. */
struct shared {
    uint64_t magic;
    uint32_t version, size;
    int64_t every;                            /* nanoseconds, 0: never */
    _Alignas(64) _Atomic uint64_t asked;      /* saves, counted by agent */
    _Atomic uint64_t stop;
    _Alignas(64) _Atomic uint64_t answered;   /* asked, when last told */
    _Atomic uint64_t attached;                /* somebody opened it */
    _Atomic uint64_t told;                    /* calls of channel_step */
    _Atomic uint64_t step, samples;
    _Alignas(64) _Atomic uint64_t head;       /* metrics put so far */
    _Alignas(64) struct slot slots[SLOTS];
};

/* What each end keeps for itself, where the other cannot scribble. */
struct mlb_channel {
    struct shared *shared;
    uint64_t tail, dropped;                   /* the agent's */
    int64_t every, saved;                     /* the program's */
};

static int64_t monotonic(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The handle over a mapping of fd. */
static struct mlb_channel *map(int fd, struct mlb_error *err)
{
    struct mlb_channel *channel = calloc(1, sizeof(*channel));
    void *memory = MAP_FAILED;

    if (channel)
        memory = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE,
                      MAP_SHARED, fd, 0);
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

/* The size is sealed: shrinking the file under the agent would kill it. */
struct mlb_channel *channel_create(long every, int *fd,
                                   struct mlb_error *err)
{
    struct mlb_channel *channel = NULL;
    int memory = make_memory();

    if (memory < 0 || ftruncate(memory, sizeof(struct shared)) < 0 ||
        fcntl(memory, F_ADD_SEALS, SEALS) < 0) {
        mlb_error_errno(err, MLB_ERR_IO, "cannot make the channel");
        goto out;
    }
    channel = map(memory, err);
    if (!channel)
        goto out;
    channel->shared->magic = MAGIC;
    channel->shared->version = VERSION;
    channel->shared->size = sizeof(struct shared);
    channel->shared->every = every > 0 && every < INT32_MAX
                                 ? (int64_t)every * 1000000000
                                 : 0;
    *fd = memory;
    memory = -1;
out:
    if (memory >= 0)
        close(memory);
    return channel;
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
static int copy(const struct shared *shared, uint64_t n,
                struct channel_metric *metric)
{
    const struct slot *slot = &shared->slots[n % SLOTS];
    uint64_t words[WORDS];
    uint64_t turn = atomic_load_explicit(&slot->turn, memory_order_acquire);

    if (turn != 2 * n + 2)
        return turn < 2 * n + 2 ? 0 : -1;
    for (size_t i = 0; i < WORDS; i++)
        words[i] = atomic_load_explicit(&slot->words[i],
                                        memory_order_acquire);
    if (atomic_load_explicit(&slot->turn, memory_order_relaxed) != turn)
        return -1;
    memcpy(metric, words, sizeof(*metric));
    metric->name[sizeof(metric->name) - 1] = '\0';
    return 1;
}

/* At most one turn around the ring a call, whatever head and turns say. The
 * counters are compared by difference: a scribbled head may be anything. */
bool channel_take(struct mlb_channel *channel, struct channel_metric *metric)
{
    for (uint64_t i = 0; i < SLOTS; i++) {
        uint64_t head = atomic_load_explicit(&channel->shared->head,
                                             memory_order_acquire);
        uint64_t ahead = head - channel->tail;
        if (ahead == 0)
            return false;
        if (ahead > SLOTS) {
            channel->dropped += ahead - SLOTS;
            channel->tail = head - SLOTS;
        }
        int got = copy(channel->shared, channel->tail, metric);
        if (got == 0)
            return false;
        channel->tail++;
        if (got > 0)
            return true;
        channel->dropped++;
    }
    return false;
}

bool channel_progress(const struct mlb_channel *channel, uint64_t *step,
                      uint64_t *samples, uint64_t *dropped)
{
    const struct shared *shared = channel->shared;
    bool told = atomic_load(&shared->told) != 0;

    *step = atomic_load_explicit(&shared->step, memory_order_relaxed);
    *samples = atomic_load_explicit(&shared->samples, memory_order_relaxed);
    *dropped = channel->dropped;
    return told;
}

bool channel_attached(const struct mlb_channel *channel)
{
    return atomic_load(&channel->shared->attached) != 0;
}

/* The descriptor may be any other file by now. Only a memfd has seals, and
 * ours has at least these. */
static int check(int fd, struct mlb_error *err)
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
                             VARIABLE ": not a channel of mlbatch");
    if (head.version != VERSION || head.size != sizeof(struct shared) ||
        st.st_size != (off_t)sizeof(struct shared))
        return mlb_error_set(err, MLB_ERR_UNSUPPORTED,
                             VARIABLE ": made by another version of mlbatch");
    return 0;
}

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
    if (fd >= 0 && check(fd, err) < 0) {
        close(fd);
        fd = -1;
    }
    if (fd >= 0)
        return fd;
    fd = open(place, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        mlb_error_errno(err, MLB_ERR_IO, VARIABLE ": cannot open %s", place);
    } else if (check(fd, err) < 0) {
        close(fd);
        fd = -1;
    }
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
        channel = map(fd, err);
        close(fd);
    }
    if (channel) {
        atomic_store(&channel->shared->attached, 1);
        if (err)
            *err = (struct mlb_error){ .code = MLB_OK };
        channel->every = channel->shared->every;
        channel->saved = monotonic();
    }
    return channel;
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
    uint64_t words[WORDS];
    struct timespec t;

    set_name(&metric, name);
    clock_gettime(CLOCK_REALTIME, &t);
    metric.time = (double)t.tv_sec + (double)t.tv_nsec / 1e9;
    memcpy(words, &metric, sizeof(words));
    uint64_t n = atomic_fetch_add(&channel->shared->head, 1);
    struct slot *slot = &channel->shared->slots[n % SLOTS];
    atomic_store_explicit(&slot->turn, 2 * n + 1, memory_order_relaxed);
    for (size_t i = 0; i < WORDS; i++)
        atomic_store_explicit(&slot->words[i], words[i],
                              memory_order_release);
    atomic_store_explicit(&slot->turn, 2 * n + 2, memory_order_release);
}

void channel_step(struct mlb_channel *channel, uint64_t step,
                  uint64_t samples)
{
    struct shared *shared = channel->shared;

    atomic_store_explicit(&shared->step, step, memory_order_relaxed);
    atomic_fetch_add_explicit(&shared->samples, samples,
                              memory_order_relaxed);
    atomic_fetch_add(&shared->told, 1);
}

bool channel_save_asked(struct mlb_channel *channel)
{
    struct shared *shared = channel->shared;
    uint64_t asked = atomic_load(&shared->asked);
    bool save = asked != atomic_load_explicit(&shared->answered,
                                              memory_order_relaxed);

    if (!save && channel->every == 0)
        return false;
    int64_t now = monotonic();
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

void channel_close(struct mlb_channel *channel)
{
    if (!channel)
        return;
    munmap(channel->shared, sizeof(struct shared));
    free(channel);
}
