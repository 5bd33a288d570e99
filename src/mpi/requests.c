/* SPDX-License-Identifier: BSD-3-Clause */
/* What requests that are started again and again send each time. */
#include "config.h"

#include <pthread.h>
#include <stdlib.h>

#include "mpi/stats.h"

#define CHAINS 1024

struct kept {
    MPI_Request request;
    uint64_t bytes;
    struct kept *next;
};

static struct kept *chains[CHAINS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Where the request is, or the end of its chain. */
static struct kept **find(MPI_Request request)
{
    uintptr_t place = (uintptr_t)request;
    struct kept **at = &chains[(place >> 4 ^ place >> 14) % CHAINS];

    while (*at && (*at)->request != request)
        at = &(*at)->next;
    return at;
}

void stats_keep(MPI_Request request, uint64_t bytes)
{
    pthread_mutex_lock(&lock);
    struct kept **at = find(request);
    if (!*at && (*at = calloc(1, sizeof(**at))))
        (*at)->request = request;
    if (*at)
        (*at)->bytes = bytes;
    pthread_mutex_unlock(&lock);
}

uint64_t stats_kept(MPI_Request request)
{
    pthread_mutex_lock(&lock);
    const struct kept *kept = *find(request);
    uint64_t bytes = kept ? kept->bytes : 0;
    pthread_mutex_unlock(&lock);
    return bytes;
}

uint64_t stats_kept_all(int count, const MPI_Request *requests)
{
    uint64_t bytes = 0;

    for (int i = 0; i < count; i++)
        bytes += stats_kept(requests[i]);
    return bytes;
}

void stats_drop(MPI_Request request)
{
    pthread_mutex_lock(&lock);
    struct kept **at = find(request), *old = *at;
    if (old)
        *at = old->next;
    pthread_mutex_unlock(&lock);
    free(old);
}
