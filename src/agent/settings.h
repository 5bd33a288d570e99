/* SPDX-License-Identifier: BSD-3-Clause */
/* What the plan tells the agent: the fields of RUN_DIR/plan as a struct. */
#ifndef AGENT_SETTINGS_H
#define AGENT_SETTINGS_H

#include <stdbool.h>

#include "base/fields.h"
#include "mlbatch/error.h"

struct settings {
    struct mlb_fields fields;        /* as read; owns the strings below */
    const char *run, *token, *scheduler, *directory;
    long nodes, tasks, tasks_per_node, cpus_per_task, gpus_per_task;
    long walltime;                   /* seconds, -1: no limit known */
    long warn;                       /* seconds before its end, 0: never */
    int signal;                      /* that asks a program that does not
                                        listen to save; 0: none */
    long restart_max;                /* restarts for each of restart_on */
    const char *store, *program;     /* NULL: cannot submit again */
    long kill_wait;                  /* seconds from SIGTERM to SIGKILL */
    long every;                      /* seconds between saves, 0: never */
    long sample_every;               /* seconds; 0: no counters at all */
    long hardware_every;             /* seconds, of the slow ones; 0: none */
    long mpi_stats;                  /* 1: time in MPI is asked for */
    struct mlb_strings launch, command;
    struct mlb_strings environment;  /* "NAME=value" each */
    struct mlb_strings save_command; /* argv, run when a save is asked for */
    struct mlb_strings restart_on;   /* state_name of each end to go on after */
    struct mlb_strings grow;         /* "memory", "walltime" */
};
#define SETTINGS_INIT { .fields = MLB_FIELDS_INIT, \
                        .launch = MLB_STRINGS_INIT, \
                        .command = MLB_STRINGS_INIT, \
                        .environment = MLB_STRINGS_INIT, \
                        .save_command = MLB_STRINGS_INIT, \
                        .restart_on = MLB_STRINGS_INIT, \
                        .grow = MLB_STRINGS_INIT }

/* Read RUN_DIR/plan. MLB_ERR_IO or MLB_ERR_NOT_FOUND if it cannot be read,
 * MLB_ERR_BAD_INPUT naming the field that is missing or wrong. */
int settings_read(struct settings *settings, const char *run_dir,
                  struct mlb_error *err);
void settings_clear(struct settings *settings);

/* Is that word one of the list's? */
bool settings_has(const struct mlb_strings *list, const char *word);

/* Do the launch line's words name this agent? Then its tasks look for what
 * the attempt asks (ask.h); else a signal is all that they can be told. */
bool settings_have_tasks(const struct settings *settings);

/* The name of this node in file names and events: Slurm's, else the host's.
 * Several slurmd on one host have a name each. */
const char *settings_node(void);

#endif
