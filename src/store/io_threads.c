/* SPDX-License-Identifier: BSD-3-Clause */
/* The I/O engine on threads that call pread and pwrite. */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "store/io_parts.h"

#define THREADS 4             /* as many keep a disk busy */

struct crew {
    const struct io *io;
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    struct io_slot *queue[IO_DEPTH];
    size_t first, waiting;    /* in queue, a ring */
    bool ending;
    pthread_t threads[THREADS];
    size_t count;
};

static void *work(void *argument)
{
    struct crew *crew = argument;

    pthread_mutex_lock(&crew->lock);
    for (;;) {
        while (crew->waiting == 0 && !crew->ending)
            pthread_cond_wait(&crew->work, &crew->lock);
        if (crew->waiting == 0)
            break;
        struct io_slot *s = crew->queue[crew->first];
        crew->first = (crew->first + 1) % IO_DEPTH;
        crew->waiting--;
        pthread_mutex_unlock(&crew->lock);
        ssize_t result = io_transfer(crew->io, s);
        pthread_mutex_lock(&crew->lock);
        s->result = result;
        s->done = true;
        pthread_cond_signal(&crew->done);
    }
    pthread_mutex_unlock(&crew->lock);
    return NULL;
}

static void crew_stop(struct io *io)
{
    struct crew *crew = io->state;

    pthread_mutex_lock(&crew->lock);
    crew->ending = true;
    pthread_cond_broadcast(&crew->work);
    pthread_mutex_unlock(&crew->lock);
    for (size_t i = 0; i < crew->count; i++)
        pthread_join(crew->threads[i], NULL);
    pthread_cond_destroy(&crew->work);
    pthread_cond_destroy(&crew->done);
    pthread_mutex_destroy(&crew->lock);
    free(crew);
}

static int crew_start(struct io *io)
{
    struct crew *crew = calloc(1, sizeof(*crew));
    size_t wanted = io->depth < THREADS ? io->depth : THREADS;
    sigset_t all, before;

    if (!crew)
        return -1;
    crew->io = io;
    pthread_mutex_init(&crew->lock, NULL);
    pthread_cond_init(&crew->work, NULL);
    pthread_cond_init(&crew->done, NULL);
    /* Signals are the program's: its own threads get them. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (crew->count < wanted &&
           pthread_create(&crew->threads[crew->count], NULL, work,
                          crew) == 0)
        crew->count++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    io->state = crew;
    if (crew->count > 0)
        return 0;
    crew_stop(io);
    return -1;
}

static void crew_submit(struct io *io, struct io_slot *s)
{
    struct crew *crew = io->state;

    pthread_mutex_lock(&crew->lock);
    crew->queue[(crew->first + crew->waiting++) % IO_DEPTH] = s;
    pthread_cond_signal(&crew->work);
    pthread_mutex_unlock(&crew->lock);
}

static void crew_wait(struct io *io, struct io_slot *s)
{
    struct crew *crew = io->state;

    pthread_mutex_lock(&crew->lock);
    while (!s->done)
        pthread_cond_wait(&crew->done, &crew->lock);
    pthread_mutex_unlock(&crew->lock);
}

const struct io_driver io_threads_driver = {
    .name = "threads", .start = crew_start, .submit = crew_submit,
    .wait = crew_wait, .stop = crew_stop,
};
