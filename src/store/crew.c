/* SPDX-License-Identifier: BSD-3-Clause */
/* The coming and going of threads. */
#include "config.h"

#include <signal.h>

#include "store/crew.h"

int crew_start(struct crew *crew, size_t threads, void *(*run)(void *),
               void *argument)
{
    sigset_t all, before;

    *crew = (struct crew){ .count = 0 };
    pthread_mutex_init(&crew->lock, NULL);
    pthread_cond_init(&crew->work, NULL);
    pthread_cond_init(&crew->done, NULL);
    /* Signals are the program's: its own threads get them. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (crew->count < threads && crew->count < CREW_MOST &&
           pthread_create(&crew->threads[crew->count], NULL, run,
                          argument) == 0)
        crew->count++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (crew->count > 0)
        return 0;
    crew_stop(crew);
    return -1;
}

void crew_stop(struct crew *crew)
{
    pthread_mutex_lock(&crew->lock);
    crew->ending = true;
    pthread_cond_broadcast(&crew->work);
    pthread_mutex_unlock(&crew->lock);
    for (size_t i = 0; i < crew->count; i++)
        pthread_join(crew->threads[i], NULL);
    pthread_cond_destroy(&crew->work);
    pthread_cond_destroy(&crew->done);
    pthread_mutex_destroy(&crew->lock);
}
