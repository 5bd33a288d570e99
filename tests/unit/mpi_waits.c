/* SPDX-License-Identifier: BSD-3-Clause */
/* A program of MPI whose waits and bytes are known: for test_mpistats.sh.
 *
 *     mpi_waits CASE
 *
 * Each rank makes the channel that the agent would make, measures its own
 * calls with a clock, and compares what the interposer counted: it ends with
 * 1 if that is wrong. Without the interposer (MPI_STATS=none) nothing may
 * have been counted. */
#include "config.h"

#include <math.h>
#include <mpi.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "run/channel.h"

#define NAP 0.3                  /* seconds that the others wait */

static int rank, size, failed;
static struct mlb_channel *channel;
static double inside;            /* seconds in MPI, by our own clock */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Call and add to inside what it took. */
#define IN_MPI(call)                                                      \
    do {                                                                  \
        double called = now();                                            \
        call;                                                             \
        double took = now() - called;                                     \
        pthread_mutex_lock(&lock);                                        \
        inside += took;                                                   \
        pthread_mutex_unlock(&lock);                                      \
    } while (0)

static void expect(const char *what, double is, double should, double off)
{
    if (fabs(is - should) <= off)
        return;
    printf("rank %d of %d: %s: %.9g, not %.9g (by %.3g)\n", rank, size, what,
           is, should, off);
    failed = 1;
}

static void nap(void)
{
    const struct timespec t = { 0, (long)(NAP * 1e9) };

    nanosleep(&t, NULL);
}

/* What was counted since the last time. */
static struct channel_mpi since(void)
{
    static struct channel_mpi last;
    struct channel_mpi all = { 0 }, part;

    channel_mpi(channel, &all);
    part = (struct channel_mpi){ .begun = all.begun, .ended = all.ended,
                                 .time = all.time - last.time,
                                 .bytes = all.bytes - last.bytes,
                                 .calls = all.calls - last.calls };
    last = all;
    return part;
}

/* The clock readings around a call take time of their own: at most 5 us a
 * call, and what a loaded machine adds by taking the processor away. */
static void check(const char *what, uint64_t calls, uint64_t bytes)
{
    struct channel_mpi got = since();

    expect(what, (double)got.calls, (double)calls, 0);
    expect(what, (double)got.bytes, (double)bytes, 0);
    expect(what, (double)got.time / 1e9, inside,
           0.05 * inside + 5e-6 * (double)calls + 0.02);
    if ((double)got.time / 1e9 > inside)
        expect("no more than was spent", (double)got.time / 1e9, inside, 0);
    inside = 0;
}

/* Rank 0 comes late: the others' time in MPI is what it slept. */
static void test_wait(void)
{
    IN_MPI(MPI_Barrier(MPI_COMM_WORLD));
    check("barrier", 1, 0);
    if (rank == 0)
        nap();
    IN_MPI(MPI_Barrier(MPI_COMM_WORLD));
    if (rank > 0 && inside < 0.9 * NAP)
        expect("the wait itself", inside, NAP, 0.1 * NAP);
    check("late barrier", 1, 0);
    nap();                       /* outside: counts for nobody */
    check("nothing", 0, 0);
}

static void test_messages(void)
{
    double data[100] = { 0 }, got[100];
    int next = (rank + 1) % size, before = (rank + size - 1) % size;
    MPI_Request r[2];
    MPI_Datatype pair;

    IN_MPI(MPI_Sendrecv(data, 100, MPI_DOUBLE, next, 1, got, 100, MPI_DOUBLE,
                        before, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE));
    check("sendrecv", 1, 800);
    IN_MPI(MPI_Irecv(got, 100, MPI_DOUBLE, before, 2, MPI_COMM_WORLD, r));
    IN_MPI(MPI_Isend(data, 50, MPI_DOUBLE, next, 2, MPI_COMM_WORLD, r + 1));
    IN_MPI(MPI_Waitall(2, r, MPI_STATUSES_IGNORE));
    check("isend", 3, 400);
    IN_MPI(MPI_Send(data, 100, MPI_DOUBLE, MPI_PROC_NULL, 3,
                    MPI_COMM_WORLD));
    check("to nobody", 1, 0);
    MPI_Type_vector(5, 2, 4, MPI_INT, &pair);    /* 10 of its 18 integers */
    MPI_Type_commit(&pair);
    IN_MPI(MPI_Recv_init(got, 1, pair, before, 4, MPI_COMM_WORLD, r));
    IN_MPI(MPI_Send_init(data, 1, pair, next, 4, MPI_COMM_WORLD, r + 1));
    check("init", 2, 0);
    for (int i = 0; i < 3; i++) {
        IN_MPI(MPI_Startall(2, r));
        IN_MPI(MPI_Waitall(2, r, MPI_STATUSES_IGNORE));
    }
    check("started again", 6, 3 * 40);
    IN_MPI(MPI_Request_free(r));
    IN_MPI(MPI_Request_free(r + 1));
    check("freed", 2, 0);
    MPI_Type_free(&pair);
}

static void test_collectives(void)
{
    enum { ROOM = 64 };
    int data[ROOM] = { 0 }, got[ROOM], counts[ROOM], places[ROOM] = { 0 };
    bool root = rank == 0;
    MPI_Request r;

    for (int i = 0; i < size; i++)
        counts[i] = i + 1;
    IN_MPI(MPI_Bcast(data, 10, MPI_INT, 0, MPI_COMM_WORLD));
    check("bcast", 1, root ? 40 : 0);
    IN_MPI(MPI_Allreduce(MPI_IN_PLACE, data, 10, MPI_INT, MPI_SUM,
                         MPI_COMM_WORLD));
    check("allreduce", 1, 40);
    IN_MPI(MPI_Iallreduce(data, got, 7, MPI_INT, MPI_SUM, MPI_COMM_WORLD,
                          &r));
    IN_MPI(MPI_Wait(&r, MPI_STATUS_IGNORE));
    check("iallreduce", 2, 28);
    IN_MPI(MPI_Reduce(root ? MPI_IN_PLACE : data, data, 3, MPI_INT, MPI_MAX,
                      0, MPI_COMM_WORLD));
    check("reduce", 1, root ? 0 : 12);
    IN_MPI(MPI_Scatter(data, 2, MPI_INT, got, 2, MPI_INT, 0,
                       MPI_COMM_WORLD));
    check("scatter", 1, root ? 8 * (uint64_t)size : 0);
    IN_MPI(MPI_Alltoall(data, 1, MPI_INT, got, 1, MPI_INT, MPI_COMM_WORLD));
    check("alltoall", 1, 4 * (uint64_t)size);
    IN_MPI(MPI_Alltoallv(data, counts, places, MPI_BYTE, got, counts, places,
                         MPI_BYTE, MPI_COMM_SELF));
    check("to myself", 1, 1);
    IN_MPI(MPI_Reduce_scatter(data, got, counts, MPI_INT, MPI_SUM,
                              MPI_COMM_WORLD));
    check("reduce_scatter", 1, 2 * (uint64_t)(size * (size + 1)));
}

static void test_window(void)
{
    int mine[4] = { 0 }, data[4] = { 1, 2, 3, 4 }, old;
    MPI_Win window;

    IN_MPI(MPI_Win_create(mine, sizeof(mine), 4, MPI_INFO_NULL,
                          MPI_COMM_WORLD, &window));
    IN_MPI(MPI_Win_fence(0, window));
    IN_MPI(MPI_Put(data, 4, MPI_INT, (rank + 1) % size, 0, 4, MPI_INT,
                   window));
    IN_MPI(MPI_Win_fence(0, window));
    check("put", 4, 16);
    IN_MPI(MPI_Fetch_and_op(data, &old, MPI_INT, 0, 0, MPI_NO_OP, window));
    IN_MPI(MPI_Fetch_and_op(data, &old, MPI_INT, 0, 0, MPI_SUM, window));
    IN_MPI(MPI_Win_fence(0, window));
    IN_MPI(MPI_Win_free(&window));
    check("fetched", 4, 4);
}

static void test_file(void)
{
    char name[] = "mpi_waits.XXXXXX", data[100] = { 0 };
    MPI_File file;

    if (rank == 0)
        close(mkstemp(name));
    MPI_Bcast(name, sizeof(name), MPI_BYTE, 0, MPI_COMM_WORLD);
    since();
    IN_MPI(MPI_File_open(MPI_COMM_WORLD, name,
                         MPI_MODE_RDWR | MPI_MODE_DELETE_ON_CLOSE,
                         MPI_INFO_NULL, &file));
    IN_MPI(MPI_File_write_at_all(file, 100 * rank, data, 100, MPI_BYTE,
                                 MPI_STATUS_IGNORE));
    IN_MPI(MPI_File_close(&file));
    check("file", 3, 0);
}

#define ROUNDS 2000

static void *talk(void *tag)
{
    int other = rank ^ 1, data = 0, got;

    for (int i = 0; i < ROUNDS; i++)
        IN_MPI(MPI_Sendrecv(&data, 1, MPI_INT, other, *(int *)tag, &got, 1,
                            MPI_INT, other, *(int *)tag, MPI_COMM_WORLD,
                            MPI_STATUS_IGNORE));
    return NULL;
}

/* Nothing of two threads' calls is lost. */
static void test_threads(void)
{
    pthread_t thread;
    int tags[2] = { 1, 2 };

    if (pthread_create(&thread, NULL, talk, tags) != 0)
        abort();
    talk(tags + 1);
    pthread_join(thread, NULL);
    struct channel_mpi got = since();
    expect("calls of threads", (double)got.calls, 2 * ROUNDS, 0);
    expect("bytes of threads", (double)got.bytes, 8 * ROUNDS, 0);
    if ((double)got.time / 1e9 > inside || got.time == 0)
        expect("time of threads", (double)got.time / 1e9, inside, 0);
}

static int begin(int argc, char **argv, int threads)
{
    struct mlb_error err;
    char place[64];
    int fd, level;

    channel = channel_create(0, &fd, &err);
    if (!channel)
        return -1;
    snprintf(place, sizeof(place), "/proc/self/fd/%d", fd);
    setenv("MLB_CHANNEL", place, 1);
    if (threads)
        MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &level);
    else
        MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (threads && level < MPI_THREAD_MULTIPLE)
        return 1;
    return 0;
}

/* Nothing counted, nothing said of begin and end. */
static int end_without(void)
{
    struct channel_mpi got;

    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Finalize();
    return channel_mpi(channel, &got) || got.calls > 0;
}

int main(int argc, char **argv)
{
    const char *which = argc > 1 ? argv[1] : "";
    struct channel_mpi got;
    double begun = now();
    int rc = begin(argc, argv, strcmp(which, "threads") == 0);

    if (rc > 0)
        printf("skip threads: this MPI has no MPI_THREAD_MULTIPLE\n");
    if (rc != 0)
        return rc < 0;
    if (strcmp(which, "none") == 0)
        return end_without();
    expect("begun", channel_mpi(channel, &got) && got.begun > 0, 1, 0);
    expect("MPI_Init is left out", (double)got.calls, 0, 0);
    if (strcmp(which, "threads") == 0) {
        test_threads();
    } else {
        test_wait();
        test_messages();
        test_collectives();
        test_window();
        test_file();
    }
    since();
    if (rank == 0)
        nap();
    inside = 0;
    IN_MPI(MPI_Finalize());
    double ended = now();
    check("finalize", 1, 0);
    channel_mpi(channel, &got);
    double lasted = (double)(got.ended - got.begun) / 1e9;
    expect("ended", got.ended > got.begun && lasted <= ended - begun, 1, 0);
    return failed;
}
