/* SPDX-License-Identifier: BSD-3-Clause */
/* Which rank a task is, from what its launcher left in the environment.
 *
 * Sources, the first that is there wins:
 *   1. MLB_RANK_*, set by `mlbatch-agent ranks`;
 *   2. OMPI_COMM_WORLD_*, set by mpirun. It comes before Slurm's: under
 *      mpirun inside a Slurm job every rank of the first node sees the batch
 *      step's SLURM_PROCID=0, and the ranks of the others see the PROCID of
 *      mpirun's own daemon, even with a SLURM_STEP_ID. That a stale set of
 *      OMPI_ variables came along from where the job was submitted is ruled
 *      out by the attempt, which removes them (rank_forget);
 *   3. SLURM_PROCID and friends, only with the SLURM_STEP_ID of a step of
 *      srun: in the batch step they speak of the batch script;
 *   4. none: rank 0 of 1. */
#ifndef AGENT_RANK_H
#define AGENT_RANK_H

struct rank {
    const char *source;      /* "ranks", "mpirun", "srun", "none" */
    long rank, size;
    long local, local_size;
    long node;
};

/* get is getenv, or a test's own. Values that are no numbers or contradict
 * each other (rank beyond size) make a source count as not there. */
void rank_find(const char *(*get)(const char *name), struct rank *rank);

/* How many tasks the node of that index has in "2(x3),1"; 0 if text is
 * malformed or has fewer nodes. */
long rank_tasks_on(const char *text, long node);

/* Remove from the environment what any launcher but this job's left. */
void rank_forget(void);

#endif
