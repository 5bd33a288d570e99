/* SPDX-License-Identifier: BSD-3-Clause */
/* What a call of MPI takes: the shortest there are, in this process.
 *
 *     mpi_calls ROUNDS
 *
 * Prints nanoseconds a call on rank 0, as the least over ROUNDS of the mean
 * of 20,000: sends to nobody and probes that find nothing, which do next to
 * nothing themselves. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

#define CALLS 10000

static double round_ns(void)
{
    int data = 0, flag;
    double begun = MPI_Wtime();

    for (int i = 0; i < CALLS; i++) {
        MPI_Send(&data, 1, MPI_INT, MPI_PROC_NULL, 0, MPI_COMM_WORLD);
        MPI_Iprobe(MPI_PROC_NULL, 0, MPI_COMM_WORLD, &flag,
                   MPI_STATUS_IGNORE);
    }
    return (MPI_Wtime() - begun) * 1e9 / (2 * CALLS);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 50, rank;
    double best = 1e9;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    for (int i = 0; i < rounds; i++) {
        double took = round_ns();
        if (took < best)
            best = took;
        MPI_Barrier(MPI_COMM_WORLD);
    }
    if (rank == 0)
        printf("%.1f\n", best);
    MPI_Finalize();
    return 0;
}
