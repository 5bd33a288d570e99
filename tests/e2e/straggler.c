/* SPDX-License-Identifier: BSD-3-Clause */
/* Steps in which rank 1 works twice as long as the others, who wait.
 *
 *     straggler STEPS MILLISECONDS
 *
 * Each step ends with a sum over all ranks and is told to mlbatch. Each rank
 * prints its truth: "truth RANK WORK MPI STEPS": seconds at work, in MPI, and
 * from the end of its first step to that of its last. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

#include "mlbatch/progress.h"

/* Time that goes by for everybody, whoever else has the processor. */
static void work(double seconds)
{
    double until = MPI_Wtime() + seconds;

    while (MPI_Wtime() < until)
        ;
}

int main(int argc, char **argv)
{
    int steps = argc > 1 ? atoi(argv[1]) : 20;
    double each = (argc > 2 ? atof(argv[2]) : 50) / 1000;
    double worked = 0, waited = 0, first = 0, last = 0;
    int rank, one = 1, sum;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    for (int step = 1; step <= steps; step++) {
        double begun = MPI_Wtime();
        work(rank == 1 ? 2 * each : each);
        double ready = MPI_Wtime();
        MPI_Allreduce(&one, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
        last = MPI_Wtime();
        worked += ready - begun;
        waited += last - ready;
        if (step == 1)
            first = last;
        mlb_progress_step((uint64_t)step, 10);
    }
    printf("truth %d %.6f %.6f %.6f\n", rank, worked, waited, last - first);
    MPI_Finalize();
    return 0;
}
