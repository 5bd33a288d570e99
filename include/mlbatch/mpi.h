/* SPDX-License-Identifier: BSD-3-Clause */
/* A group (group.h) of an MPI communicator. All of it is here, as inline
 * functions, so that libmlbatch needs no MPI and fits every MPI.
 *
 *     struct mlb_group group;
 *     mlb_mpi_group_init(&group, MPI_COMM_WORLD, 0, &e);
 *     options.group = &group;
 *     ...
 *     mlb_saver_close(saver);
 *     mlb_mpi_group_clear(&group);
 *
 * Called from the thread that calls MPI; nothing here is called from another
 * one, so MPI_THREAD_SINGLE (MPI_THREAD_FUNNELED for a saver that saves in
 * the background) is enough. */
#ifndef MLBATCH_MPI_H
#define MLBATCH_MPI_H

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <mpi.h>

#include <mlbatch/error.h>
#include <mlbatch/group.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What context points to. */
struct mlb_mpi_context {
    MPI_Comm comm;
    double timeout;
};

/* Wait for an operation. A rank that was killed never comes, and most MPIs
 * then wait for ever; so ask, at first without a pause, as an answer mostly
 * takes microseconds, then with pauses, so that ranks that share a core get
 * on. 0, or -1: failed, or too late. */
static inline int mlb_mpi_wait(const struct mlb_mpi_context *c,
                               MPI_Request *request)
{
    double before = MPI_Wtime(), waited = 0;
    int done = 0;

    for (;;) {
        if (MPI_Test(request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS)
            return -1;
        if (done)
            return 0;
        double now = MPI_Wtime();
        /* While a job is suspended nobody is late. */
        waited += now - before < 1 ? now - before : 1;
        before = now;
        if (waited > c->timeout)
            return -1;
        if (waited > 0.001)
            poll(NULL, 0, 1);      /* declared in plain C99, too */
    }
}

/* MPI counts in int: longer ones go in parts. What MPI works on is memory
 * of its own, and is not given back after a failure: an operation that did
 * not end may still write to it. */
#define MLB_MPI_PART ((size_t)64 << 20)

static inline int mlb_mpi_broadcast(void *context, void *bytes,
                                    size_t length)
{
    const struct mlb_mpi_context *c =
        (const struct mlb_mpi_context *)context;
    char *at = (char *)bytes;

    while (length > 0) {
        size_t n = length < MLB_MPI_PART ? length : MLB_MPI_PART;
        char *part = (char *)malloc(n);
        MPI_Request request;
        if (!part)
            return -1;
        memcpy(part, at, n);
        if (MPI_Ibcast(part, (int)n, MPI_BYTE, 0, c->comm, &request) !=
                MPI_SUCCESS ||
            mlb_mpi_wait(c, &request) < 0)
            return -1;
        memcpy(at, part, n);
        free(part);
        at += n;
        length -= n;
    }
    return 0;
}

static inline int mlb_mpi_gather(void *context, const void *bytes,
                                 size_t length, void *all)
{
    const struct mlb_mpi_context *c =
        (const struct mlb_mpi_context *)context;
    const char *from = (const char *)bytes;
    int size = 1, rank = 0;

    MPI_Comm_size(c->comm, &size);
    MPI_Comm_rank(c->comm, &rank);
    for (size_t at = 0; at < length;) {
        size_t n = length - at < MLB_MPI_PART / (size_t)size + 1
                       ? length - at : MLB_MPI_PART / (size_t)size + 1;
        char *part = (char *)malloc(n);
        char *parts = rank == 0 ? (char *)malloc(n * (size_t)size) : NULL;
        MPI_Request request;
        if (!part || (rank == 0 && !parts))
            return -1;
        memcpy(part, from + at, n);
        if (MPI_Igather(part, (int)n, MPI_BYTE, parts, (int)n, MPI_BYTE, 0,
                        c->comm, &request) != MPI_SUCCESS ||
            mlb_mpi_wait(c, &request) < 0)
            return -1;
        for (int i = 0; parts && i < size; i++)
            memcpy((char *)all + (size_t)i * length + at,
                   parts + (size_t)i * n, n);
        free(part);
        free(parts);
        at += n;
    }
    return 0;
}

/* Make group of the ranks of comm, of which it takes a duplicate whose
 * errors are returned. Collective. A rank that does not come within timeout
 * seconds (0: 600) counts as gone. 0, or -1 with err filled. */
static inline int mlb_mpi_group_init(struct mlb_group *group, MPI_Comm comm,
                                     double timeout, struct mlb_error *err)
{
    struct mlb_mpi_context *c =
        (struct mlb_mpi_context *)malloc(sizeof(*c));

    memset(group, 0, sizeof(*group));
    if (!c)
        return mlb_error_set(err, MLB_ERR_IO, "out of memory");
    c->timeout = timeout > 0 ? timeout : 600;
    if (MPI_Comm_dup(comm, &c->comm) != MPI_SUCCESS) {
        free(c);
        return mlb_error_set(err, MLB_ERR_FAILED,
                             "cannot duplicate the MPI communicator");
    }
    MPI_Comm_set_errhandler(c->comm, MPI_ERRORS_RETURN);
    MPI_Comm_rank(c->comm, &group->rank);
    MPI_Comm_size(c->comm, &group->size);
    group->context = c;
    group->broadcast = mlb_mpi_broadcast;
    group->gather = mlb_mpi_gather;
    return 0;
}

/* Collective; before MPI_Finalize. Fine for a group that is all zero. */
static inline void mlb_mpi_group_clear(struct mlb_group *group)
{
    struct mlb_mpi_context *c = (struct mlb_mpi_context *)group->context;

    if (c) {
        MPI_Comm_free(&c->comm);
        free(c);
    }
    memset(group, 0, sizeof(*group));
}

#ifdef __cplusplus
}
#endif

#endif
