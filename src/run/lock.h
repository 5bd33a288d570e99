/* SPDX-License-Identifier: BSD-3-Clause */
/* One process at a time: a lock file in a run's directory.
 *
 * record.lock is of who seals the record: of two at once, the later would
 * read the old one, the earlier publish its own and remove the journals that
 * are in it, and the later's rename take that away. submit.lock is of who
 * submits the run again: of two at once, both would find that it has ended.
 * The file is made in one step and says who has it (fields host, pid, start,
 * boot, space), since not every network file system has flock. It is taken
 * over from a process that is known to be no more, and after ten minutes from
 * anyone: what it is held for takes seconds. */
#ifndef RUN_LOCK_H
#define RUN_LOCK_H

#include "mlbatch/error.h"

#define LOCK_RECORD "record.lock"
#define LOCK_SUBMIT "submit.lock"

/* Wait up to patience seconds for the lock name of run_dir. 0, or -1 with
 * err: MLB_ERR_FAILED says who has it, else it could not be made. */
int lock_take(const char *run_dir, const char *name, int patience,
              struct mlb_error *err);

/* Is it still this process's? 0, or -1 with err. */
int lock_check(const char *run_dir, const char *name, struct mlb_error *err);

/* Give it back, if it is this process's. */
void lock_release(const char *run_dir, const char *name);

#endif
