/* SPDX-License-Identifier: BSD-3-Clause */
/* A run's state from two witnesses: its event log and the scheduler. */
#include "config.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "run/state.h"

/* What the log says of the last submission. */
struct story {
    const struct mlb_event *submitted;
    const struct mlb_event *start;   /* of its last attempt */
    const struct mlb_event *end;     /* of that attempt */
    const struct mlb_event *next;    /* its restart or not-restarted */
    const struct mlb_event *cancel;
};

static bool is_named(const struct mlb_event *e, const char *name)
{
    return e && strcmp(e->name, name) == 0;
}

static const char *get_text(const struct mlb_event *e, const char *name)
{
    const char *s = e ? json_string_value(json_object_get(e->fields, name))
                      : NULL;

    return s ? s : "";
}

static int get_exit(const struct mlb_event *e)
{
    const json_t *value = e ? json_object_get(e->fields, "exit") : NULL;

    return json_is_integer(value) ? (int)json_integer_value(value) : -1;
}

/* One line; what does not fit is cut as in any error's text. */
static void set_text(struct mlb_run_state *state, const char *text)
{
    struct mlb_error line;

    mlb_error_set(&line, MLB_OK, "%s", text);
    static_assert(sizeof(line.text) == sizeof(state->text), "one line");
    memcpy(state->text, line.text, sizeof(state->text));
    for (char *p = state->text; *p; p++)
        if (*p == '\n' || *p == '\r' || *p == '\t')
            *p = ' ';
}

/* "started at 2024-05-01 10:00:00 UTC, the scheduler ...". */
static void set_text_since(struct mlb_run_state *state, const char *what,
                           double since, const char *then)
{
    char clock[64] = "?", line[200];
    time_t seconds = (time_t)since;
    struct tm tm;

    if (gmtime_r(&seconds, &tm))
        strftime(clock, sizeof(clock), "%Y-%m-%d %H:%M:%S UTC", &tm);
    snprintf(line, sizeof(line), "%s at %s, %s", what, clock, then);
    set_text(state, line);
}

/* Does e belong to the last submission? By the job id where both say it: the
 * agent's clock may be behind the submitter's, and a job may start before
 * "submitted" is written. */
static bool is_ours(const struct mlb_event *e, const struct story *story)
{
    const char *job = get_text(e, "job");
    const char *ours = get_text(story->submitted, "job");

    if (!story->submitted)
        return true;
    return *job && *ours ? strcmp(job, ours) == 0 : e > story->submitted;
}

/* The end of the attempt that started, if that is known to have started. */
static bool is_its_end(const struct mlb_event *e, const struct story *story)
{
    const struct mlb_event *start = story->start;
    const char *job = get_text(e, "job");

    if (!is_named(e, "attempt-end") ||
        state_find(get_text(e, "state")) == MLB_STATE_UNKNOWN)
        return false;
    if (!start)
        return is_ours(e, story);
    if (*job && strcmp(job, get_text(start, "job")) != 0)
        return false;
    return start->attempt < 0 ? e > start : e->attempt == start->attempt;
}

/* What was said about going on after the attempt that ended: the last word,
 * for a requeue that was refused may lead to a resubmission, or to none. */
static void tell_next(const struct mlb_events *events, struct story *story)
{
    for (size_t i = 0; story->end && i < events->count; i++) {
        const struct mlb_event *e = &events->items[i];
        if ((is_named(e, "restart") || is_named(e, "not-restarted")) &&
            (e->attempt < 0 ? e > story->end
                            : e->attempt == story->end->attempt))
            story->next = e;
    }
}

/* Attempts are counted over the whole run, so the number orders them
 * whatever the clocks of their nodes say. */
static void tell(const struct mlb_events *events, struct story *story)
{
    story->submitted = events_last(events, "submitted");
    for (size_t i = 0; i < events->count; i++) {
        const struct mlb_event *e = &events->items[i];
        if (is_named(e, "attempt-start") && is_ours(e, story) &&
            (!story->start || e->attempt >= story->start->attempt))
            story->start = e;
        if (is_named(e, "cancel") &&
            (!story->submitted || e > story->submitted))
            story->cancel = e;
        if (is_named(e, "cancel-failed"))
            story->cancel = NULL;
    }
    for (size_t i = 0; i < events->count; i++)
        if (is_its_end(&events->items[i], story))
            story->end = &events->items[i];
    tell_next(events, story);
}

/* Numbers that do not depend on the state. */
static void count(const struct mlb_events *events, struct mlb_run_state *state)
{
    for (size_t i = 0; i < events->count; i++) {
        const struct mlb_event *e = &events->items[i];
        const json_t *step = json_object_get(e->fields, "step");
        if (is_named(e, "attempt-start"))
            state->attempts++;
        if (is_named(e, "metric") && json_is_integer(step))
            state->step = (long)json_integer_value(step);
    }
}

/* "LEFT: RIGHT", or the one that is not empty. */
static void set_pair(struct mlb_run_state *state, const char *left,
                     const char *between, const char *right)
{
    char *line = xasprintf("%s%s%s", left, *left && *right ? between : "",
                           right);

    set_text(state, line);
    free(line);
}

static bool is_refining(enum mlb_state state)
{
    return state == MLB_STATE_TIMEOUT || state == MLB_STATE_PREEMPTED ||
           state == MLB_STATE_NODE_FAILURE ||
           state == MLB_STATE_OUT_OF_MEMORY || state == MLB_STATE_CANCELLED;
}

/* Rule 1, and rule 4 with an end. Why somebody sent a signal is known to
 * the scheduler better than to who got it. */
static void from_end(const struct story *story,
                     const struct mlb_witness *witness,
                     struct mlb_run_state *state)
{
    enum mlb_state end = state_find(get_text(story->end, "state"));
    int code = get_exit(story->end);
    bool by_signal = end == MLB_STATE_CANCELLED ||
                     (end == MLB_STATE_FAILED && (code < 0 || code > 128));
    const char *reason = witness->reason ? witness->reason : "";

    state->state = end;
    state->exit_code = code;
    state->ended = story->end->time;
    set_text(state, get_text(story->end, "text"));
    if (is_named(story->next, "not-restarted")) {
        char *cause = xstrdup(state->text);
        set_pair(state, cause, "; not started again: ",
                 get_text(story->next, "text"));
        free(cause);
    }
    if (!witness->answered || !witness->known)
        return;
    enum mlb_state word = witness->ending != MLB_STATE_UNKNOWN
                              ? witness->ending : witness->state;
    if (by_signal && is_refining(word))
        state->state = word;
    if (code < 0)
        state->exit_code = witness->exit_code;
    if (!state->text[0] && end != MLB_STATE_COMPLETED)
        set_text(state, reason);
}

static void from_cancel(const struct story *story,
                        struct mlb_run_state *state)
{
    const char *by = get_text(story->cancel, "by");
    char line[128] = "cancelled";

    if (*by)
        snprintf(line, sizeof(line), "cancelled by %.100s", by);
    state->state = MLB_STATE_CANCELLED;
    set_text(state, line);
}

/* Rule 2. */
static void from_witness(const struct story *story,
                         const struct mlb_witness *witness,
                         struct mlb_run_state *state)
{
    const char *reason = witness->reason ? witness->reason : "";
    bool final = state_is_final(witness->state);

    if (final && story->cancel && witness->state != MLB_STATE_COMPLETED) {
        from_cancel(story, state);
        return;
    }
    state->state = witness->state;
    state->exit_code = final ? witness->exit_code : -1;
    /* Cancelled before it started: no agent was there to say a word. */
    if (!final || (!story->start && witness->state == MLB_STATE_CANCELLED)) {
        set_text(state, reason);
        return;
    }
    char line[200];
    snprintf(line, sizeof(line), "%s%sended without a word from the agent",
             reason, *reason ? "; " : "");
    set_text(state, line);
}

/* Rule 1 with a restart that may still come: the agent's last word. */
static void from_promise(const struct story *story,
                         const struct mlb_witness *witness, bool known,
                         struct mlb_run_state *state)
{
    const char *text = get_text(story->next, "text");

    state->state = MLB_STATE_PENDING;
    set_pair(state, "will go on", ": ", text);
    if (known && witness->state == MLB_STATE_PENDING && witness->reason &&
        *witness->reason) {
        char *why = xstrdup(state->text);
        set_pair(state, why, "; ", witness->reason);
        free(why);
    }
}

/* Rule 1 with a restart that did not come: the end stands. */
static void from_broken(const struct story *story,
                        const struct mlb_witness *witness, bool known,
                        struct mlb_run_state *state)
{
    const char *text = get_text(story->next, "text");
    const char *but = known ? "its job has ended: "
                            : "the scheduler no longer knows its job";
    char *line = xasprintf("was to go on (%s), but %s%s",
                           *text ? text : get_text(story->next, "action"),
                           but, known ? state_name(witness->state) : "");

    from_end(story, &(struct mlb_witness){ .exit_code = -1 }, state);
    set_text(state, line);
    free(line);
    if (story->cancel)
        from_cancel(story, state);
}

/* Rules 3 and 4 without an end. */
static void from_silence(const struct story *story, bool answered,
                         struct mlb_run_state *state)
{
    if (answered && story->cancel) {
        from_cancel(story, state);
    } else if (story->start) {
        set_text_since(state, "started", story->start->time,
                       answered ? "the scheduler no longer knows it"
                                : "the scheduler did not answer");
    } else {
        set_text_since(state, "submitted", story->submitted->time,
                       answered ? "the scheduler does not know it"
                                : "the scheduler did not answer");
    }
}

void run_state(const struct mlb_events *events,
               const struct mlb_witness *witness,
               struct mlb_run_state *state)
{
    struct story story = { 0 };
    bool known = witness->answered && witness->known &&
                 witness->state != MLB_STATE_UNKNOWN;

    *state = (struct mlb_run_state){ .exit_code = -1, .step = -1 };
    count(events, state);
    tell(events, &story);
    state->submitted = story.submitted ? story.submitted->time : 0;
    state->started = story.start ? story.start->time : 0;
    bool gone = witness->answered &&
                (!witness->known || (known && state_is_final(witness->state)));
    if (is_named(story.next, "restart")) {
        (gone ? from_broken : from_promise)(&story, witness, known, state);
    } else if (story.end && !(known && witness->state == MLB_STATE_PENDING)) {
        /* An ended attempt whose job waits again was requeued. */
        from_end(&story, witness, state);
    } else if (known) {
        from_witness(&story, witness, state);
    } else if (story.submitted || story.start) {
        from_silence(&story, witness->answered && !witness->known, state);
        if (witness->answered && witness->known && witness->reason)
            set_text(state, witness->reason);
    } else {
        state->state = MLB_STATE_NOT_SUBMITTED;
        set_text(state, get_text(events_last(events, "not-submitted"),
                                 "text"));
    }
}
