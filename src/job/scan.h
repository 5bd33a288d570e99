/* SPDX-License-Identifier: BSD-3-Clause */
/* A look at configuration text before libconfig parses it. */
#ifndef JOB_SCAN_H
#define JOB_SCAN_H

#include "base/text.h"
#include "mlbatch/error.h"

/* Add to out a copy of text that libconfig 1.5 reads as it is meant, or
 * refuse with "NAME:LINE: ..." what it would read wrongly in silence:
 *
 * - a whole number of more than 32 bits without an L wraps: the L is added;
 *   one of more than 64 bits, or with leading zeros (octal in later
 *   versions), is refused;
 * - an unterminated comment hides the rest of the file;
 * - \x00 in a string vanishes;
 * - a comment on a last line without newline is an error: one is added;
 * - @include reads other files, which are not this job;
 * - brackets that do not match are all called "syntax error", and deep
 *   nesting costs stack, many settings quadratic time. */
int scan_text(const char *text, const char *name, struct mlb_text *out,
              struct mlb_error *err);

#endif
