/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the ranks of an attempt meet: an address and a port of the node of
 * the batch step, which is that of rank 0. */
#ifndef AGENT_HEAD_H
#define AGENT_HEAD_H

/* This host's name if it resolves, else what Slurm says, else 127.0.0.1.
 * Caller frees. */
char *head_address(void);

/* A port in 10000..29999: begun at one that follows from the job's id, so
 * that jobs on one host rarely try the same, then the first that is free
 * now. Somebody may take it before rank 0 does: no one can rule that out
 * from outside. */
int head_port(const char *job);

#endif
