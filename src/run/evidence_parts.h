/* SPDX-License-Identifier: BSD-3-Clause */
/* What the evidence*.c files share. Nobody else includes this. */
#ifndef RUN_EVIDENCE_PARTS_H
#define RUN_EVIDENCE_PARTS_H

#include "run/evidence.h"

/* Add the end of what a file of the run has between the bytes from and to
 * (-1: its end), from the start of a line. There must be room. */
void evidence_read_log(struct evidence *evidence, const char *name, long rank,
                       long long from, long long to);

#endif
