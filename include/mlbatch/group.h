/* SPDX-License-Identifier: BSD-3-Clause */
/* How the ranks of a parallel program reach each other, so that the library
 * need not be built with MPI or anything else. <mlbatch/mpi.h> makes a group
 * of an MPI communicator; mlbatch.group of the Python module makes one of
 * torch.distributed.
 *
 * Both calls are collective: all ranks make the same calls in the same
 * order, from the thread that calls the library. They return 0, or -1 if a
 * rank is gone or did not come in time: whatever was under way then fails
 * on all ranks that are left, and hangs on none. */
#ifndef MLBATCH_GROUP_H
#define MLBATCH_GROUP_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mlb_group {
    int rank, size;          /* 0 <= rank < size */
    void *context;           /* handed to the calls */
    /* Copy length bytes of rank 0 to all others. */
    int (*broadcast)(void *context, void *bytes, size_t length);
    /* Put the length bytes of each rank one behind the other, in the order
     * of ranks, into all of rank 0 (length * size bytes); all is NULL on the
     * other ranks. length is the same everywhere. */
    int (*gather)(void *context, const void *bytes, size_t length, void *all);
};

#ifdef __cplusplus
}
#endif

#endif
