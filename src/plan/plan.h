/* SPDX-License-Identifier: BSD-3-Clause */
/* From what is wanted to what is asked, launched and exported. Pure: the
 * same input gives the same plan, without clock, environment or I/O. */
#ifndef PLAN_PLAN_H
#define PLAN_PLAN_H

#include <stdbool.h>

#include "base/fields.h"
#include "base/problems.h"
#include "job/job.h"
#include "job/site.h"

/* One job of a scheduler for several points of a sweep. Index i of the array
 * is point offset + i. */
struct mlb_array {
    long points;                 /* so many; 0: no array */
    long offset;
    char *indices;               /* "0-999" or "3,7,9" */
    long at_once;                /* MLB_UNSET: any */
};

/* All that a plan depends on beside job and site. */
struct mlb_plan_context {
    const char *scheduler;       /* "slurm" | "pbs" | "local" */
    bool torque;                 /* scheduler pbs: it is Torque */
    const char *run;             /* "digits.3"; "digits.N" when only shown */
    const char *run_dir;         /* absolute */
    const char *store;           /* absolute */
    const char *directory;       /* where the job works: absolute */
    const char *agent;           /* path of mlbatch-agent */
    const char *program;         /* path of mlbatch */
    const char *token;           /* unguessable identity of the run */
    const struct mlb_fields *data;   /* as -> path of each data set */
    long local_cores;            /* of this machine; scheduler local */
    long local_gpus;
    const char *version;         /* of mlbatch, for the script */
    bool hold;                   /* not to start before it is released */
    const struct mlb_strings *after, *conditions;    /* as in the plan */
    const struct mlb_fields *sweep;  /* name -> value of the point, or NULL */
    const struct mlb_array *array;   /* NULL: none */
};

struct mlb_plan {
    char *scheduler, *run, *run_dir;
    char *store, *program;       /* for the agent: to submit again */
    char *name;                  /* what the scheduler shows */
    char *token;                 /* unguessable identity of the submission */
    char *comment;               /* carries run and token */
    char *directory;
    char *output;                /* log of the batch step; of an array, what
                                    comes before "INDEX.log" */
    long nodes, tasks, tasks_per_node, cpus_per_task, gpus_per_task;
    long gpus_per_node;
    long cores;                  /* local: cores to hold, at most what is */
    long long memory_per_node;   /* MLB_UNSET: not asked */
    long walltime;               /* seconds; MLB_UNSET: not asked */
    char *partition, *account, *constraint;   /* NULL: not asked */
    long sample_every;           /* seconds, 0: no counters at all */
    long hardware_every;         /* seconds, 0: none of the hardware's */
    long mpi_stats;              /* 0 or 1: time in MPI calls */
    struct mlb_strings after;    /* ids of jobs that must end before */
    struct mlb_strings conditions;   /* how: "ok digits.3 RUN_DIR", for the
                                    agent; also "any", "notok" */
    bool requeue;                /* the scheduler may start it again */
    bool hold;                   /* submitted, but not to start yet */
    struct mlb_array array;
    struct mlb_strings options;  /* native options of this scheduler */
    struct mlb_strings request;  /* pbs: argv of qsub, after its name */
    bool torque;                 /* pbs: in the dialect of Torque */
    struct mlb_strings launch;   /* argv of the launch line, in the job */
    struct mlb_strings command;  /* argv of one rank */
    struct mlb_fields environment;   /* exported to every rank, in order */
    char *script;                /* what the scheduler starts */
    size_t script_head;          /* bytes of it that are comments; after them
                                    there is room for more commands */
    struct mlb_strings notes;    /* for the user: what was adapted */
};

/* NULL and problems if the job cannot be planned on this site (unknown
 * launcher, one that does not do this scheduler, more GPUs than local has).
 * Everything in the plan is its own copy. */
struct mlb_plan *plan_create(const struct mlb_job *job,
                             const struct mlb_site *site,
                             const struct mlb_plan_context *context,
                             struct mlb_problems *problems);
void plan_destroy(struct mlb_plan *plan);

/* Only what plan_fit looks at, of any job: one that cannot be planned may
 * also ask too much. For plan_destroy. */
struct mlb_plan *plan_asked(const struct mlb_job *job);

/* What the agent needs on the node, as fields (file RUN_DIR/plan): run,
 * token, scheduler, directory, nodes, tasks, tasks_per_node, cpus_per_task,
 * gpus_per_task, walltime, memory_per_node (bytes), peak_gflops and
 * peak_bandwidth of a node (-1 each: not known), warn, every, kill_wait,
 * sample_every, hardware_every, mpi_stats, restart_max, store, program,
 * signal (a name, if any), and repeated: launch, command, env (each
 * "NAME=value"), save_command, restart_on (each a state_name), grow, after
 * (each one of the conditions). */
void plan_agent_fields(const struct mlb_plan *plan, const struct mlb_job *job,
                       const struct mlb_site *site, struct mlb_fields *out);

/* path as one of sbatch's file name patterns that means just it. Added. */
void pattern_add(struct mlb_text *out, const char *path);
/* The plan's output as such a pattern. Added. */
void pattern_add_output(struct mlb_text *out, const struct mlb_plan *plan);

/* Expand ${name} of fields in text, added to out. An unknown name stays as
 * it is ("${HOME}" belongs to the shell), and $${run} gives ${run}. */
void template_expand(const char *text, const struct mlb_fields *fields,
                     struct mlb_text *out);

/* ---- limits.c: what the cluster can give, from the scheduler. ---- */
struct mlb_partition {
    char *name;
    bool usable;                 /* up, and this user may submit to it */
    bool is_default;
    long nodes;                  /* MLB_UNSET: not known, also below */
    long max_nodes, max_walltime, cpus_per_node, gpus_per_node;
    long long memory_per_node;   /* the largest node's */
};
struct mlb_limits {
    struct mlb_partition *partitions;
    size_t partition_count;
    bool accounts_known;
    struct mlb_strings accounts; /* that this user may charge */
    long array_size;             /* indices of an array are below; 0: not
                                    known */
};
#define MLB_LIMITS_INIT { 0 }
void limits_clear(struct mlb_limits *limits);

/* Compare plan with limits (and with the site's own for the partition);
 * each misfit becomes a problem at the line of the job's key. */
void plan_fit(const struct mlb_plan *plan, const struct mlb_job *job,
              const struct mlb_site *site, const struct mlb_limits *limits,
              struct mlb_problems *problems);

#endif
