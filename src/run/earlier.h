/* SPDX-License-Identifier: BSD-3-Clause */
/* The code that an earlier run stored already. */
#ifndef RUN_EARLIER_H
#define RUN_EARLIER_H

#include <stdbool.h>

#include "run/run.h"

/* The commit that HEAD of the work tree TOP names, by reading .git/HEAD, the
 * ref and packed-refs. Caller frees. NULL if it cannot be told so (a linked
 * work tree, refs kept otherwise): git has to be asked. */
char *earlier_head(const char *top);

/* If the run before this one of the same job stored the tar of this commit,
 * make that file code/code.tar of this run, too: a commit names its content,
 * and stored files never change. */
bool earlier_tar(const struct mlb_run *run, const char *commit);

#endif
