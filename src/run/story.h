/* SPDX-License-Identifier: BSD-3-Clause */
/* What a run's event log says of its last submission. */
#ifndef RUN_STORY_H
#define RUN_STORY_H

#include <stdbool.h>

#include "run/events.h"

/* Each an event of the log, or NULL. */
struct story {
    const struct mlb_event *submitted;
    const struct mlb_event *start;   /* of its last attempt */
    const struct mlb_event *end;     /* of that attempt */
    const struct mlb_event *next;    /* its restart or not-restarted */
    const struct mlb_event *cancel;  /* that did not fail */
};

/* Told by the job ids and the numbers of attempts in the events, and by their
 * order only where they have none: clocks of nodes differ. */
void story_tell(struct story *story, const struct mlb_events *events);

/* Is it an event of that name? NULL is none. */
bool event_is(const struct mlb_event *e, const char *name);
/* A field's text, "" if there is none or e is NULL. */
const char *event_text(const struct mlb_event *e, const char *name);

#endif
