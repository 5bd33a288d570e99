/* SPDX-License-Identifier: BSD-3-Clause */
/* From a command line to a plan: what `plan` and `submit` share. */
#ifndef CMD_PREPARE_H
#define CMD_PREPARE_H

#include "cmd/cmd.h"
#include "job/job.h"
#include "job/sweep.h"

/* What the user typed: a job file with overrides, or a command, either with
 * options named as sbatch's. cmd_request_argp fills it. */
struct cmd_request {
    const char *file;                       /* or NULL */
    struct mlb_strings overrides;           /* "path=value" */
    struct mlb_strings command;             /* after "--" */
    const struct job_option **options;      /* in the order given */
    struct mlb_strings values;              /* one for each option */
    bool fit;                               /* follow earlier runs' advice */
    bool hold;                              /* not to start yet */
};
#define CMD_REQUEST_INIT                                                  \
    { .overrides = MLB_STRINGS_INIT, .command = MLB_STRINGS_INIT,         \
      .values = MLB_STRINGS_INIT }
void cmd_request_clear(struct cmd_request *request);

/* A child for the argp of a command; input: struct cmd_request. Built from
 * the table job_options at the first call. The parent hands positional
 * arguments to cmd_request_argument. */
const struct argp *cmd_request_argp(void);
void cmd_request_argument(struct cmd_request *request, char *arg,
                          struct argp_state *state);

/* The job of a request: read, overridden, options set, not yet checked.
 * What reads wrong is added to problems; NULL and err if there is nothing to
 * go on with. */
struct mlb_job *cmd_request_job(const struct cmd_request *request,
                                struct mlb_problems *problems,
                                struct mlb_error *err);

/* --fit: change memory, CPUs, GPUs and walltime of job as earlier runs of its
 * name advise, but for what the command line says. Tells on standard error
 * what it changed, or why nothing. */
void cmd_fit(const struct cmd_context *context, struct mlb_job *job);

/* Everything that a submission needs. */
struct cmd_prepared {
    struct mlb_job *job;
    struct mlb_plan *plan;
    const struct mlb_scheduler *scheduler;
    struct mlb_fields data;                 /* as -> directory */
    struct mlb_problems problems;
    char *directory, *agent, *program;
    char token[33];
    bool hold;
    const char *again;                      /* id of the run, if it is one */
    struct mlb_strings after, conditions;   /* as in the plan */
    bool alone;                             /* one point of the job's sweep,
                                               values are its own */
    struct sweep sweep;                     /* no points: none, or alone */
    struct mlb_fields values;               /* of the point that is planned */
    struct mlb_array array;                 /* to plan; no points: none */
    long array_size;                        /* of the scheduler's arrays */
};
#define CMD_PREPARED_INIT                                     \
    { .data = MLB_FIELDS_INIT, .problems = MLB_PROBLEMS_INIT, \
      .after = MLB_STRINGS_INIT, .conditions = MLB_STRINGS_INIT, \
      .sweep = SWEEP_INIT, .values = MLB_FIELDS_INIT }
void cmd_prepared_clear(struct cmd_prepared *prepared);

/* What the job comes after: ids of the runs are put into the job, those that
 * have not ended become after and conditions, and what cannot be becomes a
 * problem. Needs job, scheduler and again. */
void cmd_after(const struct cmd_context *context,
               struct cmd_prepared *prepared);

/* Check the job, resolve its data sets and what it comes after, find the
 * scheduler, plan for run
 * "NAME.N" and compare with the limits. prepared->job and ->directory are
 * set by the caller. Returns an exit code; the user has been told all that
 * is wrong at once. */
int cmd_prepare(const struct cmd_context *context,
                struct cmd_prepared *prepared);

/* A plan of the job as it is prepared, for a run of that id and directory, or
 * NULL and problems. For plan_destroy. */
struct mlb_plan *cmd_prepare_plan(const struct cmd_context *context,
                                  struct cmd_prepared *prepared,
                                  const char *run, const char *run_dir);
void cmd_make_token(char token[33]);

/* Plan for a real run (or for "NAME.N" with run NULL), with a new token. */
void cmd_prepare_run(const struct cmd_context *context,
                     struct cmd_prepared *prepared,
                     const struct mlb_run *run);

#endif
