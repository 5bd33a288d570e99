/* SPDX-License-Identifier: BSD-3-Clause */
/* Ranks that are processes and talk through sockets, for tests of what all
 * ranks do together. Asserting is for the parent: a rank says must(). */
#ifndef TESTS_PIPE_GROUP_H
#define TESTS_PIPE_GROUP_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mlbatch/group.h"

#define PIPE_RANKS 8

/* On rank 0 the sockets to all others, else the one to rank 0. */
struct pipe_context {
    int rank, size;
    int sockets[PIPE_RANKS];
};

#define must(condition)                                                      \
    do {                                                                     \
        if (!(condition)) {                                                  \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__,       \
                    #condition);                                             \
            _exit(99);                                                       \
        }                                                                    \
    } while (0)

static inline int pipe_send(int fd, const void *bytes, size_t length)
{
    const char *p = bytes;

    while (length > 0) {
        ssize_t n = send(fd, p, length, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)     /* io_uring, too, does that */
            continue;
        if (n <= 0)
            return -1;
        p += n;
        length -= (size_t)n;
    }
    return 0;
}

static inline int pipe_receive(int fd, void *bytes, size_t length)
{
    char *p = bytes;

    while (length > 0) {
        ssize_t n = recv(fd, p, length, 0);
        if (n < 0 && errno == EINTR)     /* io_uring, too, does that */
            continue;
        if (n <= 0)
            return -1;
        p += n;
        length -= (size_t)n;
    }
    return 0;
}

/* Rank 0 lets the others know at once. */
static inline int pipe_fail(struct pipe_context *c)
{
    for (int i = 0; i < c->size; i++)
        if (c->sockets[i] >= 0)
            shutdown(c->sockets[i], SHUT_RDWR);
    return -1;
}

static inline int pipe_broadcast(void *context, void *bytes, size_t length)
{
    struct pipe_context *c = context;

    if (c->rank > 0)
        return pipe_receive(c->sockets[0], bytes, length);
    for (int i = 1; i < c->size; i++)
        if (pipe_send(c->sockets[i], bytes, length) < 0)
            return pipe_fail(c);
    return 0;
}

static inline int pipe_gather(void *context, const void *bytes,
                              size_t length, void *all)
{
    struct pipe_context *c = context;

    if (c->rank > 0)
        return pipe_send(c->sockets[0], bytes, length);
    memcpy(all, bytes, length);
    for (int i = 1; i < c->size; i++)
        if (pipe_receive(c->sockets[i], (char *)all + (size_t)i * length,
                         length) < 0)
            return pipe_fail(c);
    return 0;
}

typedef int pipe_work(const struct mlb_group *group, void *arg);

static inline void pipe_rank(int rank, int size, int pairs[][2],
                             pipe_work *work, void *arg)
{
    const struct timeval patience = { .tv_sec = 30 };
    struct pipe_context c = { .rank = rank, .size = size };
    struct mlb_group group = { rank, size, &c, pipe_broadcast, pipe_gather };

    memset(c.sockets, -1, sizeof(c.sockets));
    for (int i = 1; i < size; i++) {
        close(pairs[i][rank == 0]);
        if (rank == 0)
            c.sockets[i] = pairs[i][0];
        else if (i == rank)
            c.sockets[0] = pairs[i][1];
        else
            close(pairs[i][1]);
    }
    for (int i = 0; i < size; i++)
        if (c.sockets[i] >= 0)
            setsockopt(c.sockets[i], SOL_SOCKET, SO_RCVTIMEO, &patience,
                       sizeof(patience));
    _exit(work(&group, arg));
}

static inline void pipe_start(int size, pipe_work *work, void *arg,
                              pid_t *pids)
{
    int pairs[PIPE_RANKS][2];

    for (int i = 1; i < size; i++)
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]) < 0)
            abort();
    for (int i = 0; i < size; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            pipe_rank(i, size, pairs, work, arg);
    }
    for (int i = 1; i < size; i++) {
        close(pairs[i][0]);
        close(pairs[i][1]);
    }
}

/* Run work on so many ranks; status of each, as from waitpid. */
static inline void pipe_run(int size, pipe_work *work, void *arg,
                            int *statuses)
{
    pid_t pids[PIPE_RANKS];

    fflush(NULL);
    pipe_start(size, work, arg, pids);
    for (int i = 0; i < size; i++)
        waitpid(pids[i], &statuses[i], 0);
}

/* The same where all must do well. */
static inline int pipe_all(int size, pipe_work *work, void *arg)
{
    int statuses[PIPE_RANKS], failed = 0;

    pipe_run(size, work, arg, statuses);
    for (int i = 0; i < size; i++)
        failed += statuses[i] != 0;
    return failed;
}

#endif
