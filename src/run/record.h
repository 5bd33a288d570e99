/* SPDX-License-Identifier: BSD-3-Clause */
/* The sealed record of a run: RUN/record.h5, readable by h5py and h5dump. */
#ifndef RUN_RECORD_H
#define RUN_RECORD_H

#include "mlbatch/error.h"

/* Write record.h5 anew from the event log and job.conf, over all attempts so
 * far (replacing the file in one rename: a record grows with each attempt).
 * Tables as one array a column:
 *   /attempts/{attempt,start,end,exit,state}   state: [rows, 16] bytes, its
 *   name and NULs   /tasks/{attempt,rank,exit,signal,seconds,user_seconds,
 *   system_seconds,max_rss}, also of tasks that never told their end
 *   /metrics/NAME/{step,value,rank,time}, by time; a NAME that cannot be
 *   groups of HDF5 ("a//b") is encoded with text_encode_name
 *   /job (bytes of job.conf)  /events (bytes of the merged event log)
 * What was not told is NaN in floating columns and INT64_MIN in whole ones,
 * never 0. */
int record_seal(const char *run_dir, struct mlb_error *err);

#endif
