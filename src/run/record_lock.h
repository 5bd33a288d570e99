/* SPDX-License-Identifier: BSD-3-Clause */
/* One seal of a run at a time: RUN/record.lock.
 *
 * Two that sealed at once could lose a series: the later reads the old
 * record, the earlier publishes its own and removes the journals that are in
 * it, and the later's rename takes that away. The file is made in one step
 * and says who has it (fields host, pid, start, boot, space), since not every
 * network file system has flock. It is taken over from a process that is
 * known to be no more, and after ten minutes from anyone: a seal takes
 * seconds. */
#ifndef RUN_RECORD_LOCK_H
#define RUN_RECORD_LOCK_H

#include "mlbatch/error.h"

/* Wait up to patience seconds for the lock of run_dir. 0, or -1 with err:
 * MLB_ERR_FAILED says who has it, else it could not be made. */
int record_lock(const char *run_dir, int patience, struct mlb_error *err);

/* Is it still this process's? 0, or -1 with err. */
int record_lock_check(const char *run_dir, struct mlb_error *err);

/* Give it back, if it is this process's. */
void record_unlock(const char *run_dir);

#endif
