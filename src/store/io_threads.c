/* SPDX-License-Identifier: BSD-3-Clause */
/* The I/O engine on threads that call pread and pwrite. */
#include "config.h"

#include <stdlib.h>

#include "store/crew.h"
#include "store/io_parts.h"

#define THREADS 4             /* as many keep a disk busy */

struct team {
    struct crew crew;
    const struct io *io;
    struct io_slot *queue[IO_DEPTH];
    size_t first, waiting;    /* in queue, a ring */
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
        struct io_slot *s = team->queue[team->first];
        team->first = (team->first + 1) % IO_DEPTH;
        team->waiting--;
        pthread_mutex_unlock(&crew->lock);
        ssize_t result = io_transfer(team->io, s);
        pthread_mutex_lock(&crew->lock);
        s->result = result;
        s->done = true;
        pthread_cond_signal(&crew->done);
    }
    pthread_mutex_unlock(&crew->lock);
    return NULL;
}

static void team_stop(struct io *io)
{
    struct team *team = io->state;

    crew_stop(&team->crew);
    free(team);
}

static int team_start(struct io *io)
{
    struct team *team = calloc(1, sizeof(*team));

    if (!team)
        return -1;
    team->io = io;
    if (crew_start(&team->crew, io->depth < THREADS ? io->depth : THREADS,
                   work, team) < 0) {
        free(team);
        return -1;
    }
    io->state = team;
    return 0;
}

static void team_submit(struct io *io, struct io_slot *s)
{
    struct team *team = io->state;

    pthread_mutex_lock(&team->crew.lock);
    team->queue[(team->first + team->waiting++) % IO_DEPTH] = s;
    pthread_cond_signal(&team->crew.work);
    pthread_mutex_unlock(&team->crew.lock);
}

static void team_wait(struct io *io, struct io_slot *s)
{
    struct team *team = io->state;

    pthread_mutex_lock(&team->crew.lock);
    while (!s->done)
        pthread_cond_wait(&team->crew.done, &team->crew.lock);
    pthread_mutex_unlock(&team->crew.lock);
}

const struct io_driver io_threads_driver = {
    .name = "threads", .start = team_start, .submit = team_submit,
    .wait = team_wait, .stop = team_stop,
};
