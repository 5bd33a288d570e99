/* SPDX-License-Identifier: BSD-3-Clause */
/* What the explain*.c files share: each adds to one JSON object what it
 * knows, and the text is made from that. */
#ifndef CMD_EXPLAIN_H
#define CMD_EXPLAIN_H

#include <jansson.h>

#include "cmd/cmd.h"

/* Why attempt (0: none had started) ended: cause, text, rank, node, exit,
 * signal, evidence, advice, looked_at. state NULL: as its attempt-end event
 * says. */
void explain_end(const struct cmd_run *run, long attempt,
                 const struct mlb_run_state *state, json_t *out);

#endif
