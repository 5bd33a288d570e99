/* SPDX-License-Identifier: BSD-3-Clause */
/* Making a run and handing it to the scheduler, once and only once. */
#ifndef CMD_SUBMISSION_H
#define CMD_SUBMISSION_H

#include "cmd/prepare.h"

/* Some of a sweep's points, in as many arrays as the scheduler needs. */
struct sweep_part {
    struct mlb_array array;
    char token[33];
};
struct sweep_parts {
    struct sweep_part *items;
    size_t count;
};

struct cmd_submission {
    struct cmd_prepared prepared;
    struct mlb_run run;                     /* set by send, or by again */
    bool again;
    bool restart;                           /* by the run's own agent */
    struct sweep_parts parts;               /* of a new sweep */
    long attempts;                          /* that began before */
    bool locked;                            /* the run, with its lock */
    char id[SCHEDULER_ID_SIZE];             /* the scheduler's, after send */
};
#define CMD_SUBMISSION_INIT { .prepared = CMD_PREPARED_INIT }
void submission_clear(struct cmd_submission *s);

/* Ready a submission: checked and planned, nothing on disk yet. Both return
 * an exit code, having told the user why. again refuses a run that has not
 * ended. */
int submission_new(struct cmd_submission *s,
                   const struct cmd_context *context,
                   const struct cmd_request *request);
int submission_again(struct cmd_submission *s,
                     const struct cmd_context *context, const char *which,
                     const struct cmd_request *changes);

/* As again, but whatever became of the run: for the points of a sweep. */
int submission_reread(struct cmd_submission *s,
                      const struct cmd_context *context,
                      const struct cmd_run *run,
                      const struct cmd_request *changes);

/* Make the run's directory, write what the node needs, submit. A new run
 * that is refused leaves nothing behind; one whose scheduler did not answer
 * is left "not submitted". Returns an exit code. */
int submission_send(struct cmd_submission *s,
                    const struct cmd_context *context, long patience);

#endif
