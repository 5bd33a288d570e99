/* SPDX-License-Identifier: BSD-3-Clause */
/* What the pbs*.c files share. Nobody else includes this. */
#ifndef SCHEDULER_PBS_PARTS_H
#define SCHEDULER_PBS_PARTS_H

#include "base/text.h"
#include "mlbatch/error.h"

#include "scheduler/pbs_text.h"
#include "scheduler/scheduler.h"

/* ---- pbs_run.c: one command of PBS, and what its failure means. ---- */

struct pbs_answer {
    struct mlb_text out, errors;
    int code;                    /* exit status; 128 + signal if killed */
};
#define PBS_ANSWER_INIT { MLB_TEXT_INIT, MLB_TEXT_INIT, 0 }
void pbs_answer_clear(struct pbs_answer *answer);

/* Run argv with input (NULL: none) in /, with an environment that no value
 * of the user's can break. 0 if it ran and spoke with a server, whatever it
 * answered: code and errors tell. -1 with MLB_ERR_UNREACHABLE if there was no
 * answer or not all of it, with MLB_ERR_UNSUPPORTED if there is no such
 * program. argv must not hold a list of jobs that may be empty: qstat takes
 * that for all. */
int pbs_run(char *const *argv, const struct mlb_text *input,
            struct pbs_answer *answer, struct mlb_error *err);

/* The first line of what the command said, as the reason of a no:
 * MLB_ERR_NOT_FOUND for a job that is not there or has ended, else
 * MLB_ERR_REFUSED. Returns -1. */
int pbs_refused(const struct pbs_answer *answer, const char *what,
                struct mlb_error *err);

/* ---- pbs_query.c ---- */

/* Ask for jobs by id, one qstat for all: each with its id, state and
 * variables, finished ones too as far as PBS keeps them. ids must not be
 * empty. What is said of jobs that it does not have is in answer->errors.
 * *history (may be NULL): does PBS keep jobs that have ended? */
int pbs_ask(const struct mlb_strings *ids, struct pbs_answer *answer,
            bool *history, struct mlb_error *err);

int pbs_query(const struct mlb_site *site, struct mlb_job_status *jobs,
              size_t count, struct mlb_error *err);
int pbs_history(const struct mlb_site *site, struct mlb_job_status *jobs,
                size_t count, struct mlb_error *err);
int pbs_find(const struct mlb_plan *plan, const struct mlb_site *site,
             char *id, struct mlb_error *err);

/* ---- pbs.c ---- */

/* The job of that id into job, whose spans are of answer. */
int pbs_look(const char *id, struct pbs_answer *answer, struct pbs_job *job,
             struct mlb_error *err);

/* ---- pbs_explain.c ---- */
int pbs_explain(const struct mlb_site *site, const char *id,
                struct mlb_waiting *waiting, struct mlb_error *err);

/* ---- pbs_submit.c ---- */
int pbs_submit(const struct mlb_plan *plan, const struct mlb_site *site,
               char *id, struct mlb_error *err);

/* The commands that set the environment of a job to that of from (as environ
 * is), but for what each node has its own of; added to out. For tests, too. */
void pbs_exports(char *const *from, struct mlb_text *out);

#endif
