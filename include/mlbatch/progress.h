/* SPDX-License-Identifier: BSD-3-Clause */
/* Telling the agent how training goes, and hearing what it asks for.
 *
 * All calls are cheap (no system call) and safe without an agent: then they
 * do nothing and the questions are answered "no". Call them from one thread.
 * MLB_CHANNEL in the environment names the agent's shared memory.
 *
 * Schedulers end a job with SIGTERM to every process, whose default is to
 * die before anything can be saved. So the first call of any of these
 * functions under an agent makes SIGTERM mean "should stop", unless the
 * program has a handler of its own by then. */
#ifndef MLBATCH_PROGRESS_H
#define MLBATCH_PROGRESS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Step number step is done (counted over the whole run, also after a
 * resume); samples: how many this rank went through in it. */
void mlb_progress_step(uint64_t step, uint64_t samples);

/* A named value at a step, e.g. "loss" or "test/accuracy". Names to 47
 * bytes, longer ones are cut; NaN and infinities are kept as they are. If
 * the agent falls behind by more than 1,000 values the oldest are dropped,
 * and counted as dropped in the record. */
void mlb_progress_metric(const char *name, uint64_t step, double value);

/* Is it time to save a checkpoint? True once when the agent asks for one
 * (the end of the walltime is near, a signal came) or when the job's
 * checkpoint.every has gone by since the last time it was true. In a
 * parallel program ask on rank 0 and tell the others. */
int mlb_progress_should_save(void);

/* Was this program asked to stop? Save, then exit with status 0 or 75
 * (EX_TEMPFAIL: "not done, go on later"). Stays true. */
int mlb_progress_should_stop(void);

#ifdef __cplusplus
}
#endif

#endif
