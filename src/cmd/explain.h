/* SPDX-License-Identifier: BSD-3-Clause */
/* What the explain*.c files share: each adds to one JSON object what it
 * knows, and the text is made from that. */
#ifndef CMD_EXPLAIN_H
#define CMD_EXPLAIN_H

#include <jansson.h>

#include "cmd/cmd.h"

/* Why attempt (0: none had started) ended: state, cause, text, rank, node,
 * exit, signal, evidence, advice, looked_at; of one that completed only the
 * first and the text. state NULL: as its attempt-end event says. */
void explain_end(const struct cmd_run *run, long attempt,
                 const struct mlb_run_state *state, json_t *out);

/* What the run asks for: one of what is asked of the scheduler. */
#define EXPLAIN_THE_SAME "the same"

/* Why a run waits: waiting, an object with the scheduler's reason, what it
 * means, the start it expects, and what it says of smaller requests. */
void explain_wait(const struct cmd_context *context,
                  const struct cmd_run *run, json_t *out);

/* How a run that runs gets on: running, an object. */
void explain_running(const struct cmd_run *run, json_t *out);

void explain_print(const struct cmd_run *run, const json_t *o);

#endif
