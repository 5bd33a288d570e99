/* SPDX-License-Identifier: BSD-3-Clause */
/* The engine for rows on threads that call pread. */
#include "config.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "store/rows_parts.h"

#define THREADS 16            /* they wait for the disk, not for a core */

/* The descriptor is of the time when it was sent: the owner may find out
 * meanwhile that the other one is better. */
struct order {
    struct rows_read *read;
    int fd;
    ssize_t result;
};

struct crew {
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    struct order queue[ROWS_DEPTH], results[ROWS_DEPTH];    /* rings */
    size_t first, waiting, first_result, finished;
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
        struct order order = crew->queue[crew->first];
        crew->first = (crew->first + 1) % ROWS_DEPTH;
        crew->waiting--;
        pthread_mutex_unlock(&crew->lock);
        order.result = rows_transfer(order.fd, order.read);
        pthread_mutex_lock(&crew->lock);
        size_t at = (crew->first_result + crew->finished++) % ROWS_DEPTH;
        crew->results[at] = order;
        pthread_cond_signal(&crew->done);
    }
    pthread_mutex_unlock(&crew->lock);
    return NULL;
}

static void crew_stop(struct rows *r)
{
    struct crew *crew = r->state;

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

static int crew_start(struct rows *r)
{
    struct crew *crew = calloc(1, sizeof(*crew));
    sigset_t all, before;

    if (!crew)
        return -1;
    pthread_mutex_init(&crew->lock, NULL);
    pthread_cond_init(&crew->work, NULL);
    pthread_cond_init(&crew->done, NULL);
    /* Signals are the program's: its own threads get them. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (crew->count < THREADS &&
           pthread_create(&crew->threads[crew->count], NULL, work,
                          crew) == 0)
        crew->count++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    r->state = crew;
    if (crew->count > 0)
        return 0;
    crew_stop(r);
    return -1;
}

static void crew_set_buffers(struct rows *r,
                             const struct rows_buffer *buffers, size_t count)
{
    (void)r;
    (void)buffers;
    (void)count;
}

static void crew_send(struct rows *r)
{
    struct crew *crew = r->state;

    if (!r->first || r->in_flight == ROWS_DEPTH)
        return;
    pthread_mutex_lock(&crew->lock);
    while (r->first && r->in_flight < ROWS_DEPTH) {
        size_t at = (crew->first + crew->waiting++) % ROWS_DEPTH;
        struct rows_read *read = rows_next(r);
        crew->queue[at] = (struct order){ read, rows_fd(r, read), 0 };
    }
    pthread_cond_broadcast(&crew->work);
    pthread_mutex_unlock(&crew->lock);
}

static void crew_collect(struct rows *r, const struct rows_group *group)
{
    struct crew *crew = r->state;

    (void)group;
    pthread_mutex_lock(&crew->lock);
    while (crew->finished == 0)
        pthread_cond_wait(&crew->done, &crew->lock);
    for (; crew->finished > 0; crew->finished--) {
        size_t at = crew->first_result;
        crew->first_result = (at + 1) % ROWS_DEPTH;
        rows_settle(r, crew->results[at].read, crew->results[at].result);
    }
    pthread_mutex_unlock(&crew->lock);
}

const struct rows_driver rows_threads_driver = {
    .name = "threads", .start = crew_start, .set_buffers = crew_set_buffers,
    .send = crew_send, .collect = crew_collect, .stop = crew_stop,
};
