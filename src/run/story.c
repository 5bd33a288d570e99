/* SPDX-License-Identifier: BSD-3-Clause */
/* Which events of a run's log tell of its last submission. */
#include "config.h"

#include <string.h>

#include "base/state.h"
#include "run/story.h"

bool event_is(const struct mlb_event *e, const char *name)
{
    return e && strcmp(e->name, name) == 0;
}

const char *event_text(const struct mlb_event *e, const char *name)
{
    const char *s = e ? json_string_value(json_object_get(e->fields, name))
                      : NULL;

    return s ? s : "";
}

/* Does e belong to the last submission? By the job id where both say it: the
 * agent's clock may be behind the submitter's, and a job may start before
 * "submitted" is written. */
static bool is_ours(const struct mlb_event *e, const struct story *story)
{
    const char *job = event_text(e, "job");
    const char *ours = event_text(story->submitted, "job");

    if (!story->submitted)
        return true;
    return *job && *ours ? strcmp(job, ours) == 0 : e > story->submitted;
}

/* The end of the attempt that started, if that is known to have started. */
static bool is_its_end(const struct mlb_event *e, const struct story *story)
{
    const struct mlb_event *start = story->start;
    const char *job = event_text(e, "job");

    if (!event_is(e, "attempt-end") ||
        state_find(event_text(e, "state")) == MLB_STATE_UNKNOWN)
        return false;
    if (!start)
        return is_ours(e, story);
    if (*job && strcmp(job, event_text(start, "job")) != 0)
        return false;
    return start->attempt < 0 ? e > start : e->attempt == start->attempt;
}

/* What was said about going on after the attempt that ended: the last word,
 * for a requeue that was refused may lead to a resubmission, or to none. */
static void tell_next(const struct mlb_events *events, struct story *story)
{
    for (size_t i = 0; story->end && i < events->count; i++) {
        const struct mlb_event *e = &events->items[i];
        if ((event_is(e, "restart") || event_is(e, "not-restarted")) &&
            (e->attempt < 0 ? e > story->end
                            : e->attempt == story->end->attempt))
            story->next = e;
    }
}

/* The last submission: after the most attempts, for the clock of a node that
 * submitted its run again may be behind. */
static const struct mlb_event *find_submitted(const struct mlb_events *events)
{
    const struct mlb_event *found = NULL;
    json_int_t most = 0;

    for (size_t i = 0; i < events->count; i++) {
        const struct mlb_event *e = &events->items[i];
        json_int_t before =
            json_integer_value(json_object_get(e->fields, "attempts"));
        if (!event_is(e, "submitted") || before < most)
            continue;
        most = before;
        found = e;
    }
    return found;
}

/* Attempts are counted over the whole run, so the number orders them
 * whatever the clocks of their nodes say. */
void story_tell(struct story *story, const struct mlb_events *events)
{
    *story = (struct story){ .submitted = NULL };
    story->submitted = find_submitted(events);
    for (size_t i = 0; i < events->count; i++) {
        const struct mlb_event *e = &events->items[i];
        if (event_is(e, "attempt-start") && is_ours(e, story) &&
            (!story->start || e->attempt >= story->start->attempt))
            story->start = e;
        if (event_is(e, "cancel") &&
            (!story->submitted || e > story->submitted))
            story->cancel = e;
        if (event_is(e, "cancel-failed"))
            story->cancel = NULL;
    }
    for (size_t i = 0; i < events->count; i++)
        if (is_its_end(&events->items[i], story))
            story->end = &events->items[i];
    tell_next(events, story);
}
