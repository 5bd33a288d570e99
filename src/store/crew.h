/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads that do what an engine without io_uring gives them: their coming
 * and going, which is the same whatever they work on. */
#ifndef STORE_CREW_H
#define STORE_CREW_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#define CREW_MOST 16

/* The owner keeps its queue beside this one and guards it by lock. */
struct crew {
    pthread_mutex_t lock;
    pthread_cond_t work, done;    /* there is some; some is done */
    bool ending;                  /* threads leave when there is no work */
    pthread_t threads[CREW_MOST];
    size_t count;
};

/* Start so many threads, or fewer where the system gives no more, of which
 * each calls run(argument). -1: there is none, and nothing to be stopped. */
int crew_start(struct crew *crew, size_t threads, void *(*run)(void *),
               void *argument);

/* Have the threads finish their work and wait for them. */
void crew_stop(struct crew *crew);

#endif
