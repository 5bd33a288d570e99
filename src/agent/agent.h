/* SPDX-License-Identifier: BSD-3-Clause */
/* The subcommands of the agent. Each takes its own arguments (argv[0] is
 * the subcommand) and returns the exit status. */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include "mlbatch/error.h"

/* RUN_DIR TOKEN [OFFSET]: the batch step, one per attempt. Runs the launch
 * line, tells the tasks of the walltime's end and of the scheduler's wish to
 * stop, notes how it ended and has the record sealed. Exit status: that of
 * the launch line, 0 if another copy of the submission runs already. With
 * OFFSET, RUN_DIR is a sweep, and the point's is where it works: OFFSET and
 * the index that the scheduler gave to this job of its array. */
int attempt_main(int argc, char **argv);

/* RUN_DIR: one rank. Runs the command with its environment and watches over
 * it. Exit status: that of the command, 128 + signal, 127 or 126 if it
 * could not be run. */
int task_main(int argc, char **argv);

/* RUN_DIR [NODE [ENVIRONMENT]]: all ranks on this machine, or those of the
 * run's node of that number (from 0), for launchers without a program of
 * their own; ENVIRONMENT is a file of fields to be set before. Exit status:
 * the highest of them. */
int ranks_main(int argc, char **argv);

/* RUN_DIR: all ranks on all nodes of a job of PBS. Exit status: the highest
 * of them. */
int nodes_main(int argc, char **argv);

/* RUN_DIR WORD...: become mpirun with these words, told the hosts of a job of
 * PBS if it needs to be. */
int mpirun_main(int argc, char **argv);

/* What this node can count; run by another program beside the agent, which
 * so needs not load the counting libraries at each start of a rank. */
int probe_main(int argc, char **argv);

/* Say it on standard error, which is the batch log. */
void agent_complain(const struct mlb_error *err);

/* The program of that name in the agent's own directory. Caller frees. */
char *agent_sibling(const char *name);

#endif
