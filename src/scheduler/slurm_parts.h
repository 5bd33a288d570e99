/* SPDX-License-Identifier: BSD-3-Clause */
/* What the slurm*.c files share. Nobody else includes this. */
#ifndef SCHEDULER_SLURM_PARTS_H
#define SCHEDULER_SLURM_PARTS_H

#include <slurm/slurm.h>
#include <slurm/slurmdb.h>

#include "plan/plan.h"
#include "scheduler/scheduler.h"

/* libslurm's own names start so, too: ours must never take their place. */
#pragma GCC visibility push(hidden)

/* ---- slurm_session.c: around every call of libslurm. ---- */

/* Make libslurm ready (once a process) and silent until slurm_leave, and
 * see that a controller answers. MLB_ERR_UNSUPPORTED: there is no Slurm
 * here; MLB_ERR_UNREACHABLE: there is, but it does not answer. On failure
 * there is nothing to leave. */
int slurm_enter(struct mlb_error *err);
void slurm_leave(void);
/* The same without a look for a controller: for what others answer. */
int slurm_enter_unasked(struct mlb_error *err);

/* The one translation of slurm's errors: number is slurm's (or the system's)
 * errno, "what: slurm's words (a hint)" goes to err. Returns -1. */
int slurm_failed(struct mlb_error *err, const char *what, int number);

/* ---- slurm_request.c: a plan as the message to the controller. ---- */
struct slurm_request {
    job_desc_msg_t message;      /* its strings belong to the members below */
    struct mlb_strings environment, owned;
    char *argv[2];
};
/* MLB_ERR_BAD_INPUT if an option is wrong. Clear it in any case. */
int slurm_request_build(struct slurm_request *request,
                        const struct mlb_plan *plan, struct mlb_error *err);
void slurm_request_clear(struct slurm_request *request);
/* A string that lives as long as the request. */
char *slurm_request_keep(struct slurm_request *request, const char *s);

/* ---- slurm_options.c: native options of sbatch over the request. ---- */
int slurm_options_apply(struct slurm_request *request,
                        const struct mlb_strings *options,
                        struct mlb_error *err);

/* ---- slurm_values.c: values as sbatch writes them. -1 with
 * MLB_ERR_BAD_INPUT and the value. ---- */
struct slurm_warning {
    uint16_t flags, signal, time;
};
int slurm_bad_value(struct mlb_error *err, const char *value,
                    const char *wanted);
int slurm_parse_mail(const char *value, uint16_t *mail,
                     struct mlb_error *err);
int slurm_parse_begin(const char *value, time_t *to, struct mlb_error *err);
int slurm_parse_memory(const char *value, uint64_t *megabytes,
                       struct mlb_error *err);
int slurm_parse_minutes(const char *value, uint32_t *minutes,
                        struct mlb_error *err);
int slurm_parse_signal(const char *value, struct slurm_warning *warning,
                       struct mlb_error *err);

/* ---- slurm_table.c: the options that are known, one row each. ---- */
enum slurm_argument { ARGUMENT_NONE, ARGUMENT_OPTIONAL, ARGUMENT_NEEDED };

struct slurm_option {
    const char *name;            /* "qos" */
    int letter;                  /* 'q' or 0 */
    enum slurm_argument argument;
    /* Read value (NULL: none given) into the message, at field where one
     * function serves many options. -1 with MLB_ERR_BAD_INPUT. */
    int (*set)(struct slurm_request *request, size_t field,
               const char *value, struct mlb_error *err);
    size_t field;
    const char *variable;        /* sbatch tells the job by this, or NULL */
};
extern const struct slurm_option slurm_options[];    /* ends with no name */

/* ---- slurm_history.c, slurm_limits.c, slurm_query.c: in the table. ---- */
int slurm_find(const struct mlb_plan *plan, const struct mlb_site *site,
               char *id, struct mlb_error *err);
int slurm_query(const struct mlb_site *site, struct mlb_job_status *jobs,
                size_t count, struct mlb_error *err);
int slurm_history(const struct mlb_site *site, struct mlb_job_status *jobs,
                  size_t count, struct mlb_error *err);
int slurm_limits(const struct mlb_site *site, struct mlb_limits *limits,
                 struct mlb_error *err);

/* ---- slurm_query.c: what is the same for the controller's answers and for
 * those of accounting. ---- */

/* Ids are used again: a controller that was killed forgets its latest jobs
 * and gives their ids to others. The comment tells whose a job is. */
bool slurm_is_ours(const char *comment, const char *token);

/* The statuses by id, so that a user's many jobs and a store's many runs
 * meet in one pass. Those without an id of Slurm are left out. Returns how
 * many; caller frees *entries. lookup: the first of that id, or where it
 * would be. */
struct slurm_entry {
    uint32_t id;
    size_t which;                /* statuses[which] */
};
size_t slurm_index(const struct mlb_job_status *statuses, size_t count,
                   struct slurm_entry **entries);
size_t slurm_lookup(const struct slurm_entry *entries, size_t count,
                    uint32_t id);
/* Fill the statuses from the controller's answer, given at now. */
void slurm_answer(const job_info_msg_t *jobs, time_t now,
                  struct mlb_job_status *statuses, size_t count);
/* A wait status as Slurm gives it, as our exit code: -1 if nobody exited. */
int slurm_exit_code(uint32_t status, enum mlb_state state);
/* What the caller did not set is not known. */
void slurm_forget(struct mlb_job_status *statuses, size_t count);
/* Is this an end (a base state) after which Slurm starts a job again? */
bool slurm_is_returnable(uint32_t base);
/* All jobs of this user, or the one of that id if it is not 0: 1 if there is
 * an answer (*jobs; free it), 0 if the answer is that there is none. */
int slurm_load(uint32_t id, job_info_msg_t **jobs, struct mlb_error *err);
/* Why it waits, or ended, in Slurm's word; or "". The job's or static. */
const char *slurm_reason(const slurm_job_info_t *job);
void slurm_fill(const slurm_job_info_t *job, time_t now,
                struct mlb_job_status *status);

/* ---- slurm_array.c ---- */

/* The statuses of ids "ARRAY_INDEX" from the controller's answer. */
void slurm_array_answer(const job_info_msg_t *jobs, time_t now,
                        struct mlb_job_status *statuses, size_t count);
/* The record of one index in the answer about an array; with NO_VAL that of
 * what has not split up, else the first. NULL if there is none. */
const slurm_job_info_t *slurm_array_record(const job_info_msg_t *jobs,
                                           uint32_t index);
/* ARRAY of such an id, and the index; 0 if it is none. */
uint32_t slurm_array_id(const char *text, uint32_t *index);

/* A job's state as ours. For tests, too. */
enum mlb_state slurm_state(uint32_t job_state);
/* An id as a number; 0 if it is none. */
uint32_t slurm_id(const char *text);

/* ---- slurm_history.c ---- */

/* Which of count records of the status's id, in the order in which they were
 * submitted (a job that was requeued has several, an id that was used again
 * too), is the last of this submission? count if none is. */
size_t slurm_choose(const slurmdb_job_rec_t *const *records, size_t count,
                    const struct mlb_job_status *status);
/* Fill the statuses from records of accounting in any order. */
void slurm_recall(const slurmdb_job_rec_t **records, size_t count,
                  struct mlb_job_status *statuses, size_t status_count);

/* ---- slurm_explain.c: members of the table. ---- */
int slurm_explain(const struct mlb_site *site, const char *id,
                  struct mlb_waiting *waiting, struct mlb_error *err);
int slurm_test(const struct mlb_plan *plan, const struct mlb_site *site,
               time_t *start, struct mlb_error *err);

/* ---- slurm_reasons.c ---- */
/* What lets a job that waits start? */
enum slurm_hope {
    HOPE_NONE,                   /* somebody has to do something */
    HOPE_TIME,
    HOPE_SIZE,                   /* time; or a smaller request */
};
/* Add what a reason means, nothing if it is not known. */
enum slurm_hope slurm_reason_describe(const char *reason,
                                      struct mlb_text *out);

#pragma GCC visibility pop

#endif
