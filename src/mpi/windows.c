/* SPDX-License-Identifier: BSD-3-Clause */
/* One-sided calls: what is put or added is given to send, what is fetched is
 * not. */
#include "config.h"

#include "mpi/stats.h"

#define TARGET int to, MPI_Aint at, int tn, MPI_Datatype tt
#define PUT const void *b, int n, MPI_Datatype t, TARGET
#define RESULT void *rb, int rn, MPI_Datatype rt
#define REQUEST MPI_Request *r

CALL(Put, (PUT, MPI_Win w), (b, n, t, to, at, tn, tt, w),
     stats_to(to, n, t));
CALL(Rput, (PUT, MPI_Win w, REQUEST), (b, n, t, to, at, tn, tt, w, r),
     stats_to(to, n, t));
CALL(Accumulate, (PUT, MPI_Op op, MPI_Win w),
     (b, n, t, to, at, tn, tt, op, w), stats_to(to, n, t));
CALL(Raccumulate, (PUT, MPI_Op op, MPI_Win w, REQUEST),
     (b, n, t, to, at, tn, tt, op, w, r), stats_to(to, n, t));
TIMED(Get, (void *b, int n, MPI_Datatype t, TARGET, MPI_Win w),
      (b, n, t, to, at, tn, tt, w));
TIMED(Rget, (void *b, int n, MPI_Datatype t, TARGET, MPI_Win w, REQUEST),
      (b, n, t, to, at, tn, tt, w, r));
CALL(Get_accumulate, (const void *b, int n, MPI_Datatype t, RESULT, TARGET,
                      MPI_Op op, MPI_Win w),
     (b, n, t, rb, rn, rt, to, at, tn, tt, op, w),
     stats_moves(op) ? stats_to(to, n, t) : 0);
CALL(Rget_accumulate, (const void *b, int n, MPI_Datatype t, RESULT, TARGET,
                       MPI_Op op, MPI_Win w, REQUEST),
     (b, n, t, rb, rn, rt, to, at, tn, tt, op, w, r),
     stats_moves(op) ? stats_to(to, n, t) : 0);
CALL(Fetch_and_op, (const void *b, void *rb, MPI_Datatype t, int to,
                    MPI_Aint at, MPI_Op op, MPI_Win w),
     (b, rb, t, to, at, op, w), stats_moves(op) ? stats_to(to, 1, t) : 0);
CALL(Compare_and_swap, (const void *b, const void *old, void *rb,
                        MPI_Datatype t, int to, MPI_Aint at, MPI_Win w),
     (b, old, rb, t, to, at, w), stats_to(to, 1, t));

TIMED(Win_create, (void *b, MPI_Aint n, int unit, MPI_Info i, MPI_Comm c,
                   MPI_Win *w), (b, n, unit, i, c, w));
TIMED(Win_allocate, (MPI_Aint n, int unit, MPI_Info i, MPI_Comm c, void *b,
                     MPI_Win *w), (n, unit, i, c, b, w));
TIMED(Win_allocate_shared, (MPI_Aint n, int unit, MPI_Info i, MPI_Comm c,
                            void *b, MPI_Win *w), (n, unit, i, c, b, w));
TIMED(Win_create_dynamic, (MPI_Info i, MPI_Comm c, MPI_Win *w), (i, c, w));
TIMED(Win_free, (MPI_Win *w), (w));
TIMED(Win_fence, (int assert, MPI_Win w), (assert, w));
TIMED(Win_post, (MPI_Group g, int assert, MPI_Win w), (g, assert, w));
TIMED(Win_start, (MPI_Group g, int assert, MPI_Win w), (g, assert, w));
TIMED(Win_complete, (MPI_Win w), (w));
TIMED(Win_wait, (MPI_Win w), (w));
TIMED(Win_test, (MPI_Win w, int *flag), (w, flag));
TIMED(Win_lock, (int type, int rank, int assert, MPI_Win w),
      (type, rank, assert, w));
TIMED(Win_lock_all, (int assert, MPI_Win w), (assert, w));
TIMED(Win_unlock, (int rank, MPI_Win w), (rank, w));
TIMED(Win_unlock_all, (MPI_Win w), (w));
TIMED(Win_flush, (int rank, MPI_Win w), (rank, w));
TIMED(Win_flush_all, (MPI_Win w), (w));
TIMED(Win_flush_local, (int rank, MPI_Win w), (rank, w));
TIMED(Win_flush_local_all, (MPI_Win w), (w));
TIMED(Win_sync, (MPI_Win w), (w));
