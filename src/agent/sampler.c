/* SPDX-License-Identifier: BSD-3-Clause */
/* The leader's thread: its loop, start and end. */
#include "config.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"

#include "agent/agent.h"
#include "agent/sampler_parts.h"
#include "agent/spawn.h"

#define SERVE 1.05                   /* seconds from drain to drain; a sample
                                      * each second so has it done */
#define FIRST INT64_C(100000000)     /* ns from start to the first sample */
#define PATIENCE 0.5                 /* seconds for the thread's end */
#define STACK (1 << 20)
#define FILES_A_TASK 40              /* PAPI 19, /proc some a process, which
                                      * may have half of the limit */
#define FILES_BESIDE 128

/* Only if it must be: the program was started with the limit as it was. */
static void raise_limit(long tasks)
{
    struct rlimit limit;
    rlim_t need = FILES_BESIDE + FILES_A_TASK * (rlim_t)tasks;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < need &&
        limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Wait for what comes, until then at most (clock_now); hear it. */
static void listen_until(struct sampler *s, double until)
{
    size_t count = s->count;
    struct pollfd *fds = xcalloc(count + 2, sizeof(*fds));
    double left = until - clock_now();

    fds[0] = (struct pollfd){ .fd = s->wake, .events = POLLIN };
    fds[1] = (struct pollfd){
        .fd = clock_now() < s->deaf_until ? -1 : s->listener,
        .events = POLLIN,
    };
    for (size_t i = 0; i < count; i++)
        fds[i + 2] = (struct pollfd){ .fd = s->clients[i].fd,
                                      .events = POLLIN };
    poll(fds, (nfds_t)count + 2, left <= 0 ? 0 : (int)(left * 1e3) + 1);
    atomic_fetch_add(&s->beat, 1);
    /* From the end: one that goes is replaced by the last, heard by then. */
    for (size_t i = count; i-- > 0;)
        if (fds[i + 2].revents)
            clients_hear(s, i);
    if (fds[1].revents)
        clients_accept(s);
    free(fds);
}

/* What is asked of the job, and what programs told. */
static void serve(struct sampler *s, double now)
{
    if (now >= s->look_at - 0.1) {
        enum ask ask = ask_read(s->run_dir, s->attempt);
        s->look_at = now + ask_period(s->nodes, s->kill_wait);
        s->ask = ask > s->ask ? ask : s->ask;
    }
    clients_ask(s);
    clients_drain(s);
    clients_expire(s);
    s->serve_at = now + SERVE;
}

static void loop(struct sampler *s)
{
    while (!atomic_load(&s->stopping)) {
        double due = (double)s->pace.next / 1e9;
        listen_until(s, fmin(s->serve_at, due));
        double now = clock_now();
        bool sample = sampler_clock(CLOCK_MONOTONIC) >= s->pace.next;
        if (atomic_load(&s->stopping))
            break;
        if (sample)
            tick_all(s);
        if (sample || now >= s->serve_at)
            serve(s, now);
    }
}

static void destroy(struct sampler *s)
{
    for (size_t i = 0; i < s->count; i++)
        close(s->clients[i].fd);
    if (s->listener >= 0)
        close(s->listener);
    if (s->wake >= 0)
        close(s->wake);
    pthread_mutex_destroy(&s->lock);
    free(s->clients);
    free(s->papi_module);
    free(s->writer);
    free(s->run_dir);
    free(s);
}

/* The name first, so that who is let go can take it. */
static void finish(struct sampler *s)
{
    pthread_mutex_lock(&s->lock);
    if (s->listener >= 0)
        close(s->listener);
    s->listener = -1;
    pthread_mutex_unlock(&s->lock);
    clients_end(s);
    tick_last(s);
    journal_close(s->journal);
    if (s->node)
        counters_remove(s->counters, s->node);
    counters_destroy(s->counters);
}

static void *run(void *argument)
{
    struct sampler *s = argument;
    const struct counters_options options = {
        .hardware = s->hardware,
        .papi_module = s->papi_module,
    };

    s->counters = counters_create(&options);
    loop(s);
    finish(s);
    counters_io_disown();
    return NULL;
}

static struct sampler *create(const struct sampler_options *options)
{
    const struct settings *settings = options->settings;
    struct sampler *s = xcalloc(1, sizeof(*s));
    int64_t now = sampler_clock(CLOCK_MONOTONIC);

    s->run_dir = xstrdup(options->run_dir);
    s->writer = xstrdup(options->writer);
    s->papi_module = agent_sibling("counters-papi.so");
    s->attempt = options->attempt;
    s->rank = options->rank;
    s->nodes = settings->nodes;
    s->kill_wait = settings->kill_wait;
    s->hardware = settings->hardware_every > 0;
    s->mpi_asked = settings->mpi_stats > 0;
    s->alone = options->alone;
    /* The GPUs that the local scheduler lent are told to programs rank by
     * rank; this process looks at all of them. No other thread is here yet
     * that reads the environment. */
    if (getenv("MLB_LOCAL_GPUS") && *getenv("MLB_LOCAL_GPUS"))
        setenv("CUDA_VISIBLE_DEVICES", getenv("MLB_LOCAL_GPUS"), 1);
    s->gpus_expected = settings->gpus_per_task * options->tasks;
    s->gpus_asked = s->gpus_expected > 0 || getenv("CUDA_VISIBLE_DEVICES") ||
                    getenv("SLURM_JOB_GPUS") || getenv("SLURM_STEP_GPUS");
    s->node_index = -1;
    s->listener = -1;
    s->wake = -1;
    s->look_at = s->serve_at = clock_now() + 1;
    pace_begin(&s->pace, settings->sample_every, settings->hardware_every,
               now, now + FIRST);
    pthread_mutex_init(&s->lock, NULL);
    return s;
}

struct sampler *sampler_start(const struct sampler_options *options,
                              int listener, int client,
                              struct mlb_error *err)
{
    struct sampler *s = create(options);
    pthread_attr_t attributes;

    raise_limit(options->tasks);
    s->listener = listener;
    clients_add(s, client);
    s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    errno = s->wake < 0 ? errno
                        : pthread_create(&s->thread, &attributes, run, s);
    pthread_attr_destroy(&attributes);
    if (errno != 0) {
        mlb_error_errno(err, MLB_ERR_IO, "cannot start to sample");
        destroy(s);
        return NULL;
    }
    return s;
}

bool sampler_hangs(struct sampler *sampler)
{
    unsigned long beat = atomic_load(&sampler->beat);

    sampler->stood = beat == sampler->seen_beat ? sampler->stood + 1 : 0;
    sampler->seen_beat = beat;
    return sampler->stood >= 2;
}

/* The thread may come back and go on to use these descriptors: they are not
 * closed, so that their numbers stay its own. */
static void let_go(struct sampler *s)
{
    pthread_mutex_lock(&s->lock);
    if (s->listener >= 0)
        shutdown(s->listener, SHUT_RDWR);
    for (size_t i = 0; i < s->count; i++)
        shutdown(s->clients[i].fd, SHUT_RDWR);
    pthread_mutex_unlock(&s->lock);
}

bool sampler_stop(struct sampler *sampler)
{
    const uint64_t one = 1;
    struct timespec until;

    if (!sampler)
        return true;
    atomic_store(&sampler->stopping, true);
    if (write(sampler->wake, &one, sizeof(one)) < 0)
        let_go(sampler);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += (long)(PATIENCE * 1e9);
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    if (sampler->stood < 2 &&
        pthread_timedjoin_np(sampler->thread, NULL, &until) == 0) {
        bool ended = !sampler->gpus_hang;
        destroy(sampler);
        return ended;
    }
    let_go(sampler);
    pthread_detach(sampler->thread);
    return false;
}
