/* SPDX-License-Identifier: BSD-3-Clause */
/* Wrapping MPI calls: how long each takes, and what it is given to send.
 *
 * The library is loaded before the program's own and does not link MPI: what
 * it wraps is looked up at the first call. It takes the name MPI_X, which C
 * programs call, and PMPI_X, which Open MPI's Fortran bindings and other
 * tools of this kind call. What one of the calls does inside by further calls
 * is not counted again. */
#ifndef MPI_STATS_H
#define MPI_STATS_H

#include <mpi.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* The function behind ours, of the program's MPI; NULL: it has none. place
 * keeps it. */
void *stats_find(_Atomic(void *) *place, const char *name);

/* Is this call to be counted? (Measuring, and not inside another call.) Then
 * stats_leave must follow. */
bool stats_enter(void);
int64_t stats_clock(void);               /* ns */
void stats_leave(int64_t begun, uint64_t bytes);

/* From the end of MPI_Init to that of MPI_Finalize. begin does nothing
 * without an agent, or with an MPI that this was not built for: what its
 * arguments mean is not known then. */
void stats_begin(void);
void stats_end(void);

/* ---- what a call is given to send, in bytes ---- */
uint64_t stats_bytes(int64_t count, MPI_Datatype type);
/* To one rank, which may be MPI_PROC_NULL. */
uint64_t stats_to(int rank, int64_t count, MPI_Datatype type);
bool stats_moves(MPI_Op op);             /* false: MPI_NO_OP, it only reads */

/* A rooted call: does this rank send to all, or to the root? */
bool stats_is_root(int root, MPI_Comm comm);
bool stats_feeds_root(int root, MPI_Comm comm);
/* How many ranks there are, for what is sent to each of them, for what each
 * of this group gets, and the neighbours that are sent to. */
int stats_peers(MPI_Comm comm);
int stats_members(MPI_Comm comm);
int stats_neighbors(MPI_Comm comm);
int stats_rank(MPI_Comm comm);
/* The sum of n counts; and with a type for each. */
int64_t stats_sum(const int *counts, int n);
uint64_t stats_mixed(const int *counts, const MPI_Datatype *types, int n);

/* ---- requests that are started again and again ---- */
void stats_keep(MPI_Request request, uint64_t bytes);
uint64_t stats_kept(MPI_Request request);
uint64_t stats_kept_all(int count, const MPI_Request *requests);
void stats_drop(MPI_Request request);

/* Define MPI_NAME and PMPI_NAME. sent: an expression in the parameters, the
 * bytes that it is given to send; before: computed before the call, since
 * the call may change what it is about. after: a statement. */
#define STATS_CALL(name, parameters, arguments, sent, after)              \
    __attribute__((visibility("default"))) int MPI_##name parameters      \
    {                                                                     \
        static _Atomic(void *) place;                                     \
        int(*call) parameters = stats_find(&place, "PMPI_" #name);        \
        if (!call)                                                        \
            return MPI_ERR_INTERN;                                        \
        if (!stats_enter())                                               \
            return call arguments;                                        \
        uint64_t bytes = (sent);                                          \
        int64_t begun = stats_clock();                                    \
        int rc = call arguments;                                          \
        stats_leave(begun, rc == MPI_SUCCESS ? bytes : 0);                \
        after;                                                            \
        return rc;                                                        \
    }                                                                     \
    __attribute__((visibility("default"), alias("MPI_" #name)))           \
    int PMPI_##name parameters

#define CALL(name, parameters, arguments, sent)                           \
    STATS_CALL(name, parameters, arguments, sent, (void)0)
#define TIMED(name, parameters, arguments)                                \
    STATS_CALL(name, parameters, arguments, 0, (void)0)

#endif
