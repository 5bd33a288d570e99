/* SPDX-License-Identifier: BSD-3-Clause */
/* Counting MPI calls into the channel of this task. */
#include "config.h"

#include <dlfcn.h>
#include <stddef.h>
#include <time.h>

#include "run/channel.h"

#include "mpi/stats.h"

/* NULL: nothing is measured (not yet, no more, or no agent). */
static _Atomic(struct mlb_channel *) channel;
static _Thread_local int depth;

/* A library that Python loads for itself is not among those that the program
 * sees: it is looked for by the names that MPI libraries have. */
static void *look_up(const char *name)
{
    static const char *const libraries[] = {
        "libmpi.so.40", "libmpi.so.12", "libmpich.so.12", "libmpi.so",
    };
    void *found = dlsym(RTLD_NEXT, name);

    for (size_t i = 0; !found && i < sizeof(libraries) / sizeof(char *);
         i++) {
        void *library = dlopen(libraries[i], RTLD_LAZY | RTLD_NOLOAD);
        if (library)
            found = dlsym(library, name);
    }
    return found;
}

void *stats_find(_Atomic(void *) *place, const char *name)
{
    void *found = atomic_load_explicit(place, memory_order_relaxed);

    if (!found) {
        found = look_up(name);
        atomic_store_explicit(place, found, memory_order_relaxed);
    }
    return found;
}

int64_t stats_clock(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

bool stats_enter(void)
{
    if (depth > 0 ||
        !atomic_load_explicit(&channel, memory_order_acquire))
        return false;
    depth++;
    return true;
}

void stats_leave(int64_t begun, uint64_t bytes)
{
    struct mlb_channel *to =
        atomic_load_explicit(&channel, memory_order_acquire);

    depth--;
    if (to)
        channel_mpi_add(to, (uint64_t)(stats_clock() - begun), bytes);
}

/* Handles and constants are Open MPI's here: another MPI's would be taken
 * for something that they are not. */
void stats_begin(void)
{
    if (atomic_load(&channel) || !look_up("ompi_mpi_comm_world"))
        return;
    struct mlb_channel *opened = channel_open(NULL);
    if (opened)
        channel_mpi_begin(opened);
    atomic_store(&channel, opened);
}

void stats_end(void)
{
    struct mlb_channel *to = atomic_exchange(&channel, NULL);

    if (to)
        channel_mpi_end(to);
}

/* Other threads may be in the middle of a call: the channel stays open. */
STATS_CALL(Finalize, (void), (), 0, stats_end());

__attribute__((visibility("default")))
int MPI_Init(int *argc, char ***argv)
{
    static _Atomic(void *) place;
    int (*call)(int *, char ***) = stats_find(&place, "PMPI_Init");
    int rc = call ? call(argc, argv) : MPI_ERR_INTERN;

    if (rc == MPI_SUCCESS)
        stats_begin();
    return rc;
}

__attribute__((visibility("default")))
int MPI_Init_thread(int *argc, char ***argv, int required, int *provided)
{
    static _Atomic(void *) place;
    int (*call)(int *, char ***, int, int *) =
        stats_find(&place, "PMPI_Init_thread");
    int rc = call ? call(argc, argv, required, provided) : MPI_ERR_INTERN;

    if (rc == MPI_SUCCESS)
        stats_begin();
    return rc;
}

__attribute__((visibility("default"), alias("MPI_Init")))
int PMPI_Init(int *argc, char ***argv);
__attribute__((visibility("default"), alias("MPI_Init_thread")))
int PMPI_Init_thread(int *argc, char ***argv, int required, int *provided);
