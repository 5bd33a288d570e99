/* SPDX-License-Identifier: BSD-3-Clause */
/* Slurm's way to write many host names: "node[1-3,07-09],login". */
#ifndef AGENT_HOSTLIST_H
#define AGENT_HOSTLIST_H

#include "base/text.h"
#include "mlbatch/error.h"

#define HOSTLIST_MAX 65536           /* names, at most */

/* The names that list stands for, in order, added to out. Brackets hold
 * numbers and ranges; a range is as wide as its first number is written
 * ("07-10" gives 07 08 09 10). Several brackets give every combination, the
 * last one running fastest. "" gives none.
 * MLB_ERR_BAD_INPUT if it is malformed or too long; out is then as before. */
int hostlist_expand(const char *list, struct mlb_strings *out,
                    struct mlb_error *err);

#endif
