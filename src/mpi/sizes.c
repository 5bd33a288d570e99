/* SPDX-License-Identifier: BSD-3-Clause */
/* What a call is given to send, as its arguments say. */
#include "config.h"

#include <dlfcn.h>
#include <stddef.h>

#include "mpi/stats.h"

/* Call a function of MPI that is not wrapped; what it did not fill stays. */
#define ASK(name, parameters, arguments)                                  \
    do {                                                                  \
        static _Atomic(void *) place;                                     \
        int(*ask) parameters = stats_find(&place, "PMPI_" #name);         \
        if (ask)                                                          \
            ask arguments;                                                \
    } while (0)

/* The type means nothing where there is nothing to send. */
uint64_t stats_bytes(int64_t count, MPI_Datatype type)
{
    MPI_Count size = 0;

    if (count <= 0)
        return 0;
    ASK(Type_size_x, (MPI_Datatype, MPI_Count *), (type, &size));
    return size > 0 ? (uint64_t)count * (uint64_t)size : 0;
}

uint64_t stats_to(int rank, int64_t count, MPI_Datatype type)
{
    return rank == MPI_PROC_NULL ? 0 : stats_bytes(count, type);
}

/* The program may have a copy of MPI's variable, which is the one then. */
bool stats_moves(MPI_Op op)
{
    static _Atomic(void *) copied, own;
    void *copy = atomic_load_explicit(&copied, memory_order_relaxed);

    if (!copy) {
        copy = dlsym(RTLD_DEFAULT, "ompi_mpi_op_no_op");
        atomic_store_explicit(&copied, copy, memory_order_relaxed);
    }
    return (void *)op != copy &&
           (void *)op != stats_find(&own, "ompi_mpi_op_no_op");
}

static bool has_two_groups(MPI_Comm comm)
{
    int flag = 0;

    ASK(Comm_test_inter, (MPI_Comm, int *), (comm, &flag));
    return flag != 0;
}

int stats_rank(MPI_Comm comm)
{
    int rank = 0;

    ASK(Comm_rank, (MPI_Comm, int *), (comm, &rank));
    return rank;
}

int stats_members(MPI_Comm comm)
{
    int size = 0;

    ASK(Comm_size, (MPI_Comm, int *), (comm, &size));
    return size;
}

int stats_peers(MPI_Comm comm)
{
    int size = 0;

    if (!has_two_groups(comm))
        return stats_members(comm);
    ASK(Comm_remote_size, (MPI_Comm, int *), (comm, &size));
    return size;
}

bool stats_is_root(int root, MPI_Comm comm)
{
    return has_two_groups(comm) ? root == MPI_ROOT
                                : root == stats_rank(comm);
}

bool stats_feeds_root(int root, MPI_Comm comm)
{
    return !has_two_groups(comm) ||
           (root != MPI_ROOT && root != MPI_PROC_NULL);
}

int stats_neighbors(MPI_Comm comm)
{
    int kind = MPI_UNDEFINED, in = 0, out = 0, weighted = 0;

    ASK(Topo_test, (MPI_Comm, int *), (comm, &kind));
    if (kind == MPI_CART) {
        ASK(Cartdim_get, (MPI_Comm, int *), (comm, &out));
        out *= 2;
    } else if (kind == MPI_GRAPH) {
        ASK(Graph_neighbors_count, (MPI_Comm, int, int *),
            (comm, stats_rank(comm), &out));
    } else if (kind == MPI_DIST_GRAPH) {
        ASK(Dist_graph_neighbors_count, (MPI_Comm, int *, int *, int *),
            (comm, &in, &out, &weighted));
    }
    return out;
}

int64_t stats_sum(const int *counts, int n)
{
    int64_t sum = 0;

    for (int i = 0; i < n; i++)
        sum += counts[i];
    return sum;
}

uint64_t stats_mixed(const int *counts, const MPI_Datatype *types, int n)
{
    uint64_t sum = 0;

    for (int i = 0; i < n; i++)
        sum += stats_bytes(counts[i], types[i]);
    return sum;
}
