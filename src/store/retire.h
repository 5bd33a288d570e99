/* SPDX-License-Identifier: BSD-3-Clause */
/* Removing versions of data sets. For the tools. */
#ifndef STORE_RETIRE_H
#define STORE_RETIRE_H

#include <stdbool.h>

#include "mlbatch/error.h"

/* Let go of a version: its tags first (latest goes to the newest of those
 * that stay), then its directory, which loses its name before its files, so
 * that no half of it is ever found. The last version takes the directory of
 * the data set with it. What an earlier call that was killed left is
 * removed, too. */
int retire_version(const char *store, const char *name, const char *version,
                   struct mlb_error *err);

/* Remove what imports that were cut off left of a data set without a
 * version. False: something stays, as one runs, or did on another host. */
bool retire_unfinished(const char *store, const char *name);

/* The version of a data set that was published last, but for one (or NULL).
 * Caller frees; NULL if there is none. */
char *retire_newest(const char *store, const char *name, const char *except);

#endif
