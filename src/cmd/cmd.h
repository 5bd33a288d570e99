/* SPDX-License-Identifier: BSD-3-Clause */
/* What the subcommands of mlbatch share.
 *
 * To add one: write NAME.c with an option table and one function, declare
 * the function here, put a row into the table in main.c, and add
 * doc/man/mlbatch-NAME.1.scd and a line to contrib/mlbatch.bash. */
#ifndef CMD_CMD_H
#define CMD_CMD_H

#include <argp.h>
#include <stdbool.h>

#include "base/problems.h"
#include "job/site.h"
#include "run/run.h"
#include "run/state.h"
#include "scheduler/scheduler.h"

/* Options that every command takes; a child of its argp. */
struct cmd_options {
    const char *site, *store, *scheduler;
};
extern const struct argp cmd_common_argp;   /* input: struct cmd_options */

/* Where and with what a command works. */
struct cmd_context {
    struct mlb_site *site;
    char *store;                            /* absolute */
    const char *scheduler_name;             /* option, environment, site */
    long answer_age;                        /* of struct poll_request */
};
#define CMD_CONTEXT_INIT { 0 }

/* Site files (installed, user's, $MLBATCH_CONF), the environment
 * (MLBATCH_STORE, MLBATCH_SCHEDULER), options: each over the ones before.
 * Prints what is wrong itself; returns an exit code. */
int cmd_open(struct cmd_context *context, const struct cmd_options *options);
void cmd_close(struct cmd_context *context);

/* Parse with cmd's argp; on failure argp ends the program with status 2. */
void cmd_parse(const struct argp *argp, int argc, char **argv, void *input);

/* For the parser of a command that takes one RUN: its name to *run, and the
 * errors of none and of more. ARGP_ERR_UNKNOWN for any other key. */
error_t cmd_parse_run(int key, char *arg, struct argp_state *state,
                      const char **run);

/* Sleep until something that inotify watches was written, at most ms
 * milliseconds: on a network file system the writer is another machine, and
 * inotify hears nothing. */
void cmd_wait_for_news(int inotify, int ms);

/* "mlbatch: text" on standard error; returns err->code for exit. */
int cmd_fail(const struct mlb_error *err);
/* All problems on standard error; returns MLB_ERR_BAD_INPUT. */
int cmd_fail_problems(const struct mlb_problems *problems);

/* Who runs this command and where, for an event: {by, host}. */
json_t *cmd_who(void);

/* The path of this program, for jobs to call it. Caller frees. */
char *cmd_program(void);

/* One of our helper programs: "mlbatch-agent", "mlbatch-store". Beside this
 * program, else in ../libexec/mlbatch. Caller frees. */
char *cmd_helper(const char *program);

/* A run with all that is known of it now. */
struct cmd_run {
    struct mlb_run run;
    struct mlb_events events;
    struct mlb_submission submission;       /* the last one */
    char *nodes;                            /* or NULL */
    struct mlb_run_state state;
    bool lost;                              /* the scheduler answered, has no
                                               such job, and the log no end */
    struct cmd_run *points;                 /* of a sweep, which is what they
                                               are together; else NULL */
    size_t point_count;
};
void cmd_run_clear(struct cmd_run *run);

/* Read a run; then ask the schedulers about count runs, one call each. No
 * answer is no failure: states are then what the event log can tell. */
int cmd_run_read(struct cmd_run *run, struct mlb_error *err);
void cmd_runs_query(const struct cmd_context *context, struct cmd_run *runs,
                    size_t count);

/* Does asking where the run stands cost no server anything? */
bool cmd_run_at_hand(const struct cmd_run *run);

/* ---- points.c, for runs.c ---- */
/* Of a point without events of its own: those that the sweep has for it. */
int cmd_point_log(struct cmd_run *point, struct mlb_error *err);
/* Read the points of a run; there are none if it is no sweep. */
int cmd_points_read(struct cmd_run *sweep, struct mlb_error *err);
/* The jobs of a run that has not ended: one, or of a sweep the arrays and
 * single jobs of its open points. Added to ids. */
void cmd_run_jobs(const struct cmd_run *run, struct mlb_strings *ids);
/* Note in the logs of a run and of its open points; fields are consumed. A
 * point that has no directory is given one. */
int cmd_run_note(const struct cmd_run *run, const char *event, json_t *fields,
                 struct mlb_error *err);
/* The state of a sweep from those of its points. */
void cmd_points_sum(struct cmd_run *sweep);
void cmd_points_clear(struct cmd_run *sweep);

/* Find, read and query one run by what the user typed. */
int cmd_run_get(const struct cmd_context *context, const char *which,
                struct cmd_run *run, struct mlb_error *err);

/* The path of the newest checkpoint by its name, which is not yet to say
 * that it is sound; NULL if there is none. Caller frees. */
char *cmd_newest_checkpoint(const struct mlb_run *run);

/* Wait for the end of a run; tells changes of state on standard error
 * unless quiet. Returns the job's exit code, or 1 if it failed without. */
int cmd_wait_for(const struct cmd_context *context, const char *which,
                 bool quiet);

/* "2026-11-23 15:04:05" in local time, "-" for 0. Added to out. */
void cmd_add_time(struct mlb_text *out, double time);

/* Escape sequences to colour a state; "" when standard output is no
 * terminal or NO_COLOR is set. */
const char *cmd_colour(enum mlb_state state);
const char *cmd_colour_end(void);

int cmd_submit(int argc, char **argv);
int cmd_plan(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_logs(int argc, char **argv);
int cmd_wait(int argc, char **argv);
int cmd_cancel(int argc, char **argv);
int cmd_hold(int argc, char **argv);
int cmd_interrupt(int argc, char **argv);
int cmd_release(int argc, char **argv);
int cmd_init(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_help(int argc, char **argv);
int cmd_dataset(int argc, char **argv);
int cmd_checkpoint(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_top(int argc, char **argv);

/* The table of subcommands, for main, help and completion. */
struct cmd_row {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
};
extern const struct cmd_row cmd_table[];    /* ends with name NULL */

#endif
