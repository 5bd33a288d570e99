/* SPDX-License-Identifier: BSD-3-Clause */
/* What the user wants: one job, as written in a job file. */
#ifndef JOB_JOB_H
#define JOB_JOB_H

#include <stdbool.h>

#include "base/fields.h"
#include "base/problems.h"
#include "base/state.h"
#include "base/text.h"
#include "mlbatch/error.h"

/* Numbers that were not given are MLB_UNSET; plan puts the default in. */
#define MLB_UNSET (-1L)

struct mlb_resources {
    long nodes;                  /* default 1 */
    long tasks_per_node;         /* default 1 */
    long cpus_per_task;          /* default 1 */
    long gpus_per_task;          /* default 0 */
    long long memory_per_node;   /* bytes; unset: the scheduler's default */
    long walltime;               /* seconds; unset: the scheduler's default */
    char *partition, *account, *constraint;   /* NULL: not given */
    long tasks;                  /* only from --ntasks, in no file: nodes or
                                    tasks_per_node follow from it */
};

struct mlb_data_use {            /* one of datasets = (...) */
    char *name, *version, *as;   /* version: a tag or a version */
};

/* One range of a sweep, or one variable: a name and its values as text. */
struct mlb_sweep_axis {
    char *name;
    struct mlb_strings values;
};
struct mlb_axes {
    struct mlb_sweep_axis *items;
    size_t count;
};

struct mlb_job {
    char *name;
    struct mlb_strings command;  /* argv */
    bool shell;                  /* command was one string: sh -c */
    char *launch;                /* a launcher of the site */
    struct mlb_resources resources;
    struct mlb_data_use *datasets;
    size_t dataset_count;
    struct {
        long every, keep, warn;  /* seconds, count, seconds */
        long keep_every;         /* steps */
        long keep_best;
        char *best;              /* "min loss", "max test/accuracy" */
        char *layout;            /* auto, shared, nodes */
        char *signal;            /* "USR1", "SIGUSR1", "none" */
        struct mlb_strings command;   /* argv, run before the end */
    } checkpoint;
    struct {
        struct mlb_strings on;   /* "timeout", "node_fail", ... */
        struct mlb_strings grow; /* "memory", "walltime" */
        long max;                /* for each of on */
    } restart;
    struct mlb_fields environment;
    struct mlb_strings modules;
    struct {
        char *image;
        struct mlb_strings mounts;
    } container;
    struct {
        struct mlb_axes grid;    /* each value with each other */
        struct mlb_axes list;    /* point k: the k-th value of each */
        long random, seed;       /* points to draw from the grid */
        long at_once;
    } sweep;
    struct {
        struct mlb_strings ok, any, notok;
    } after;
    struct {
        long enabled;            /* 0 or 1, default 1 */
        long every;              /* seconds, default 1 */
        long hardware;           /* seconds, 0: never, default 10 */
        long mpi;                /* 0 or 1, default 0 */
    } counters;
    struct mlb_strings slurm_options, pbs_options;
    struct mlb_strings files;    /* for the code snapshot without git */

    /* Where each key that was given came from, for messages: a pair
     * "resources.nodes" = "train.conf:12" or "command line". */
    struct mlb_fields origins;
};

struct mlb_job *job_create(void);          /* all unset */
void job_destroy(struct mlb_job *job);     /* NULL is fine */

/* Where key ("resources.nodes") came from; the nearest enclosing key that is
 * known, else the file itself, else "job". Owned by job. */
const char *job_origin(const struct mlb_job *job, const char *key);

/* ---- read.c: a job file into a job. Reading does not validate: that is
 * check's task. What cannot be read (syntax, unknown key, wrong type) is
 * added to problems, everything else is read all the same.
 * Returns -1 only if the file cannot be opened or parsed at all. ---- */
int job_read_file(struct mlb_job *job, const char *path,
                  struct mlb_problems *problems, struct mlb_error *err);
/* The same from memory; name stands for the file in messages. */
int job_read_string(struct mlb_job *job, const char *text, const char *name,
                    struct mlb_problems *problems, struct mlb_error *err);

/* ---- override.c: one "path=value" of the command line, as in
 * resources.nodes=4, command[2]=50, environment.LD_PRELOAD=x,
 * datasets[0].version=v2. Lists take an index up to their length (which
 * appends). The value is taken byte for byte, typed by the key. ---- */
void job_override(struct mlb_job *job, const char *assignment,
                  struct mlb_problems *problems);

/* ---- write.c: the job as a job file that job_read_string reads back to
 * the same job, every default filled in as given. Added to out. ---- */
void job_write(const struct mlb_job *job, struct mlb_text *out);

/* ---- check.c: is it a job that can be run? Bounds of each key (from the
 * key table), required keys, names that are used twice, and keys that this
 * version does not act on yet. Adds to problems. ---- */
void job_check(const struct mlb_job *job, struct mlb_problems *problems);

/* The end that a word of restart.on stands for ("node_fail" is
 * MLB_STATE_NODE_FAILURE), MLB_STATE_UNKNOWN if it is none. */
enum mlb_state job_restart_cause(const char *word);

/* ---- sbatch.c: options named as sbatch's, and those of chains. Each row:
 * long name, letter, the key it sets, how its value is written, help. ---- */
enum job_spelling {
    SPELL_TEXT, SPELL_COUNT, SPELL_TIME, SPELL_MEMORY,
    SPELL_LIST,                  /* one more of a list of strings */
};
struct job_option {
    const char *name;            /* "ntasks-per-node" */
    int letter;                  /* 'N' or 0 */
    const char *argument;        /* "COUNT", for help */
    const char *key;             /* "resources.tasks_per_node" */
    enum job_spelling spelling;
    const char *help;
};
extern const struct job_option job_options[];     /* ends with name NULL */
/* Set what option says on job; a bad value is added to problems. The order
 * of options does not matter, except that the last one of a name wins. */
void job_set_option(struct mlb_job *job, const struct job_option *option,
                    const char *value, struct mlb_problems *problems);

#endif
