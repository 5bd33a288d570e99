/* SPDX-License-Identifier: BSD-3-Clause */
/* A person's wish that an attempt end as if its time were over, or as if it
 * were preempted: file RUN_DIR/interrupt-ATTEMPT. A file, since a signal
 * would need the scheduler's help and could not tell the two apart. */
#ifndef RUN_INTERRUPT_H
#define RUN_INTERRUPT_H

#include "base/state.h"
#include "mlbatch/error.h"

/* as is MLB_STATE_TIMEOUT or MLB_STATE_PREEMPTED. */
int interrupt_publish(const char *run_dir, long attempt, enum mlb_state as,
                      struct mlb_error *err);
/* MLB_STATE_UNKNOWN: nobody wishes so. */
enum mlb_state interrupt_read(const char *run_dir, long attempt);
void interrupt_remove(const char *run_dir, long attempt);

#endif
