/* SPDX-License-Identifier: BSD-3-Clause */
/* What a rank finds in its environment beside the launcher's variables. */
#ifndef AGENT_SURROUNDINGS_H
#define AGENT_SURROUNDINGS_H

#include "base/text.h"
#include "mlbatch/error.h"

#include "agent/rank.h"
#include "agent/settings.h"

/* The library that measures time in MPI calls, beside the agent; NULL: it is
 * not there, or its path cannot be written in LD_PRELOAD. Caller frees. */
char *surroundings_mpi_library(void);
#define SURROUNDINGS_NO_MPI_LIBRARY \
    "libmlbatch-mpistats.so cannot be loaded from beside mlbatch-agent"

struct surroundings {
    const char *run_dir;
    const struct settings *settings;
    const struct rank *rank;
    long attempt;                /* 1, 2, ... */
    char address[256];           /* where ranks meet */
    long port;
    int channel;                 /* fd of the channel, -1: none */
    const char *mpi_library;     /* to be loaded before; NULL: none */
};

/* Fill attempt, address and port: from the variables that the attempt set,
 * else, where the launcher did not carry them here, from its event. */
void surroundings_find(struct surroundings *s);

/* RANK, WORLD_SIZE, ..., MASTER_ADDR and what else training programs read,
 * then the job's own, byte for byte, which so win; "NAME=value" each, in
 * order. MLB_ERR_BAD_INPUT if this machine's GPUs do not suffice. */
int surroundings_environment(const struct surroundings *s,
                             struct mlb_strings *out, struct mlb_error *err);

#endif
