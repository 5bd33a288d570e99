/* SPDX-License-Identifier: BSD-3-Clause */
/* The engine for rows on threads that call pread. */
#include "config.h"

#include <stdlib.h>

#include "store/crew.h"
#include "store/rows_parts.h"

#define THREADS 16            /* they wait for the disk, not for a core */

/* The descriptor is of the time when it was sent: the owner may find out
 * meanwhile that the other one is better. */
struct order {
    struct rows_read *read;
    int fd;
    ssize_t result;
};

struct team {
    struct crew crew;
    struct order queue[ROWS_DEPTH], results[ROWS_DEPTH];    /* rings */
    size_t first, waiting, first_result, finished;
};

static void *work(void *argument)
{
    struct team *team = argument;
    struct crew *crew = &team->crew;

    pthread_mutex_lock(&crew->lock);
    for (;;) {
        while (team->waiting == 0 && !crew->ending)
            pthread_cond_wait(&crew->work, &crew->lock);
        if (team->waiting == 0)
            break;
        struct order order = team->queue[team->first];
        team->first = (team->first + 1) % ROWS_DEPTH;
        team->waiting--;
        pthread_mutex_unlock(&crew->lock);
        order.result = rows_transfer(order.fd, order.read);
        pthread_mutex_lock(&crew->lock);
        size_t at = (team->first_result + team->finished++) % ROWS_DEPTH;
        team->results[at] = order;
        pthread_cond_signal(&crew->done);
    }
    pthread_mutex_unlock(&crew->lock);
    return NULL;
}

static void team_stop(struct rows *r)
{
    struct team *team = r->state;

    crew_stop(&team->crew);
    free(team);
}

static int team_start(struct rows *r)
{
    struct team *team = calloc(1, sizeof(*team));

    if (!team)
        return -1;
    if (crew_start(&team->crew, THREADS, work, team) < 0) {
        free(team);
        return -1;
    }
    r->state = team;
    return 0;
}

static void team_set_buffers(struct rows *r,
                             const struct rows_buffer *buffers, size_t count)
{
    (void)r;
    (void)buffers;
    (void)count;
}

static void team_send(struct rows *r)
{
    struct team *team = r->state;

    if (!r->first || r->in_flight == ROWS_DEPTH)
        return;
    pthread_mutex_lock(&team->crew.lock);
    while (r->first && r->in_flight < ROWS_DEPTH) {
        size_t at = (team->first + team->waiting++) % ROWS_DEPTH;
        struct rows_read *read = rows_next(r);
        team->queue[at] = (struct order){ read, rows_fd(r, read), 0 };
    }
    pthread_cond_broadcast(&team->crew.work);
    pthread_mutex_unlock(&team->crew.lock);
}

static void team_collect(struct rows *r, const struct rows_group *group)
{
    struct team *team = r->state;

    (void)group;
    pthread_mutex_lock(&team->crew.lock);
    while (team->finished == 0)
        pthread_cond_wait(&team->crew.done, &team->crew.lock);
    for (; team->finished > 0; team->finished--) {
        size_t at = team->first_result;
        team->first_result = (at + 1) % ROWS_DEPTH;
        rows_settle(r, team->results[at].read, team->results[at].result);
    }
    pthread_mutex_unlock(&team->crew.lock);
}

const struct rows_driver rows_threads_driver = {
    .name = "threads", .start = team_start, .set_buffers = team_set_buffers,
    .send = team_send, .collect = team_collect, .stop = team_stop,
};
