/* SPDX-License-Identifier: BSD-3-Clause */
/* Handing a sweep to the scheduler, as one array or as few as may be. */
#ifndef CMD_SWEEP_H
#define CMD_SWEEP_H

#include "cmd/submission.h"

#define SWEEP_PARTS_INIT { NULL, 0 }
void sweep_parts_clear(struct sweep_parts *parts);

/* Part points (count of them, ascending) by the size of the scheduler's
 * arrays (0: 1001), each part with a token of its own. */
void sweep_parts_make(const long *points, long count, long array_size,
                      long at_once, struct sweep_parts *parts);

/* The records of RUN/sweep, of all points; each is in a part. Added to out. */
void sweep_records(const struct cmd_submission *s, struct mlb_text *out);

/* RUN/plan of a sweep (run/points.h): that of a point, with marks where they
 * differ. -1 with err if it cannot be planned. */
int sweep_template(struct cmd_submission *s,
                   const struct cmd_context *context,
                   struct mlb_fields *fields, struct mlb_error *err);

/* Submit the parts one after the other and write down each that the scheduler
 * took: -1 with err at the first that it did not. s->id is the last one's. */
int sweep_submit(struct cmd_submission *s, const struct cmd_context *context,
                 const struct sweep_parts *parts,
                 const struct scheduler_retry *retry, struct mlb_error *err);

/* submit --failed-of: ready the points of an ended sweep, or the run, that
 * did not complete, and submit them. Returns an exit code. */
int sweep_failed_of(struct cmd_submission *s,
                    const struct cmd_context *context, const char *which,
                    const struct cmd_request *changes, long patience);

#endif
