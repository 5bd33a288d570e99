/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls of all ranks together, and of neighbours. What is in place and goes
 * to others counts as given to send; at a root it stays where it is. */
#include "config.h"

#include "mpi/stats.h"

#define COUNTS const int *
#define ONE const void *b, int n, MPI_Datatype t
#define MANY const void *b, COUNTS n, COUNTS d, MPI_Datatype t
#define MIXED const void *b, COUNTS n, COUNTS d, const MPI_Datatype *t
#define TO_ONE void *rb, int rn, MPI_Datatype rt
#define TO_MANY void *rb, COUNTS rn, COUNTS rd, MPI_Datatype rt
#define TO_MIXED void *rb, COUNTS rn, COUNTS rd, const MPI_Datatype *rt

/* The blocking call and the one that ends in a request. */
#define UNPACK(...) __VA_ARGS__
#define BOTH(name, iname, parameters, arguments, sent)                    \
    CALL(name, (UNPACK parameters), (UNPACK arguments), sent);            \
    CALL(iname, (UNPACK parameters, MPI_Request *r),                      \
         (UNPACK arguments, r), sent)

/* The size of what is sent, from the other buffer if it is in place. */
#define PLACED (b == MPI_IN_PLACE)

BOTH(Barrier, Ibarrier, (MPI_Comm c), (c), 0);
BOTH(Bcast, Ibcast, (void *b, int n, MPI_Datatype t, int root, MPI_Comm c),
     (b, n, t, root, c), stats_is_root(root, c) ? stats_bytes(n, t) : 0);

#define REDUCTION const void *b, void *rb, int n, MPI_Datatype t, MPI_Op op
BOTH(Reduce, Ireduce, (REDUCTION, int root, MPI_Comm c),
     (b, rb, n, t, op, root, c),
     !PLACED && stats_feeds_root(root, c) ? stats_bytes(n, t) : 0);
BOTH(Allreduce, Iallreduce, (REDUCTION, MPI_Comm c), (b, rb, n, t, op, c),
     stats_bytes(n, t));
BOTH(Scan, Iscan, (REDUCTION, MPI_Comm c), (b, rb, n, t, op, c),
     stats_bytes(n, t));
BOTH(Exscan, Iexscan, (REDUCTION, MPI_Comm c), (b, rb, n, t, op, c),
     stats_bytes(n, t));
BOTH(Reduce_scatter, Ireduce_scatter,
     (const void *b, void *rb, COUNTS n, MPI_Datatype t, MPI_Op op,
      MPI_Comm c), (b, rb, n, t, op, c),
     stats_bytes(stats_sum(n, stats_members(c)), t));
BOTH(Reduce_scatter_block, Ireduce_scatter_block, (REDUCTION, MPI_Comm c),
     (b, rb, n, t, op, c), stats_bytes((int64_t)n * stats_members(c), t));

BOTH(Gather, Igather, (ONE, TO_ONE, int root, MPI_Comm c),
     (b, n, t, rb, rn, rt, root, c),
     !PLACED && stats_feeds_root(root, c) ? stats_bytes(n, t) : 0);
BOTH(Gatherv, Igatherv, (ONE, TO_MANY, int root, MPI_Comm c),
     (b, n, t, rb, rn, rd, rt, root, c),
     !PLACED && stats_feeds_root(root, c) ? stats_bytes(n, t) : 0);
BOTH(Scatter, Iscatter, (ONE, TO_ONE, int root, MPI_Comm c),
     (b, n, t, rb, rn, rt, root, c),
     stats_is_root(root, c) ? stats_bytes((int64_t)n * stats_peers(c), t)
                            : 0);
BOTH(Scatterv, Iscatterv, (MANY, TO_ONE, int root, MPI_Comm c),
     (b, n, d, t, rb, rn, rt, root, c),
     stats_is_root(root, c)
         ? stats_bytes(stats_sum(n, stats_peers(c)), t) : 0);
BOTH(Allgather, Iallgather, (ONE, TO_ONE, MPI_Comm c),
     (b, n, t, rb, rn, rt, c),
     PLACED ? stats_bytes(rn, rt) : stats_bytes(n, t));
BOTH(Allgatherv, Iallgatherv, (ONE, TO_MANY, MPI_Comm c),
     (b, n, t, rb, rn, rd, rt, c),
     PLACED ? stats_bytes(rn[stats_rank(c)], rt) : stats_bytes(n, t));
BOTH(Alltoall, Ialltoall, (ONE, TO_ONE, MPI_Comm c),
     (b, n, t, rb, rn, rt, c),
     PLACED ? stats_bytes((int64_t)rn * stats_peers(c), rt)
            : stats_bytes((int64_t)n * stats_peers(c), t));
BOTH(Alltoallv, Ialltoallv, (MANY, TO_MANY, MPI_Comm c),
     (b, n, d, t, rb, rn, rd, rt, c),
     PLACED ? stats_bytes(stats_sum(rn, stats_peers(c)), rt)
            : stats_bytes(stats_sum(n, stats_peers(c)), t));
BOTH(Alltoallw, Ialltoallw, (MIXED, TO_MIXED, MPI_Comm c),
     (b, n, d, t, rb, rn, rd, rt, c),
     PLACED ? stats_mixed(rn, rt, stats_peers(c))
            : stats_mixed(n, t, stats_peers(c)));

BOTH(Neighbor_allgather, Ineighbor_allgather, (ONE, TO_ONE, MPI_Comm c),
     (b, n, t, rb, rn, rt, c), stats_bytes(n, t));
BOTH(Neighbor_allgatherv, Ineighbor_allgatherv, (ONE, TO_MANY, MPI_Comm c),
     (b, n, t, rb, rn, rd, rt, c), stats_bytes(n, t));
BOTH(Neighbor_alltoall, Ineighbor_alltoall, (ONE, TO_ONE, MPI_Comm c),
     (b, n, t, rb, rn, rt, c),
     stats_bytes((int64_t)n * stats_neighbors(c), t));
BOTH(Neighbor_alltoallv, Ineighbor_alltoallv, (MANY, TO_MANY, MPI_Comm c),
     (b, n, d, t, rb, rn, rd, rt, c),
     stats_bytes(stats_sum(n, stats_neighbors(c)), t));
#define FAR const MPI_Aint *
BOTH(Neighbor_alltoallw, Ineighbor_alltoallw,
     (const void *b, COUNTS n, FAR d, const MPI_Datatype *t, void *rb,
      COUNTS rn, FAR rd, const MPI_Datatype *rt, MPI_Comm c),
     (b, n, d, t, rb, rn, rd, rt, c),
     stats_mixed(n, t, stats_neighbors(c)));

/* Making communicators waits for the others, too. */
TIMED(Comm_dup, (MPI_Comm c, MPI_Comm *out), (c, out));
TIMED(Comm_dup_with_info, (MPI_Comm c, MPI_Info info, MPI_Comm *out),
      (c, info, out));
TIMED(Comm_create, (MPI_Comm c, MPI_Group g, MPI_Comm *out), (c, g, out));
TIMED(Comm_create_group, (MPI_Comm c, MPI_Group g, int tag, MPI_Comm *out),
      (c, g, tag, out));
TIMED(Comm_split, (MPI_Comm c, int color, int key, MPI_Comm *out),
      (c, color, key, out));
TIMED(Comm_split_type, (MPI_Comm c, int type, int key, MPI_Info info,
                        MPI_Comm *out), (c, type, key, info, out));
TIMED(Comm_free, (MPI_Comm *c), (c));
TIMED(Comm_disconnect, (MPI_Comm *c), (c));
TIMED(Intercomm_create, (MPI_Comm c, int leader, MPI_Comm bridge, int remote,
                         int tag, MPI_Comm *out),
      (c, leader, bridge, remote, tag, out));
TIMED(Intercomm_merge, (MPI_Comm c, int high, MPI_Comm *out),
      (c, high, out));
TIMED(Cart_create, (MPI_Comm c, int n, COUNTS dims, COUNTS periods,
                    int reorder, MPI_Comm *out),
      (c, n, dims, periods, reorder, out));
