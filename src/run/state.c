/* SPDX-License-Identifier: BSD-3-Clause */
/* A run's state from its event log, the scheduler and its accounting. */
#include "config.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "run/state.h"
#include "run/story.h"

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
    char clock[64] = "?";
    time_t seconds = (time_t)since;
    struct tm tm;

    if (gmtime_r(&seconds, &tm))
        strftime(clock, sizeof(clock), "%Y-%m-%d %H:%M:%S UTC", &tm);
    char *line = xasprintf("%s at %s, %s", what, clock, then);
    set_text(state, line);
    free(line);
}

/* Numbers that do not depend on the state. */
static void count(const struct mlb_events *events, struct mlb_run_state *state)
{
    for (size_t i = 0; i < events->count; i++) {
        const struct mlb_event *e = &events->items[i];
        const json_t *step = json_object_get(e->fields, "step");
        if (event_is(e, "attempt-start"))
            state->attempts++;
        if (event_is(e, "metric") && json_is_integer(step))
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
    enum mlb_state end = state_find(event_text(story->end, "state"));
    int code = get_exit(story->end);
    bool by_signal = end == MLB_STATE_CANCELLED ||
                     (end == MLB_STATE_FAILED && (code < 0 || code > 128));
    const char *reason = witness->reason ? witness->reason : "";

    state->state = end;
    state->exit_code = code;
    state->ended = story->end->time;
    set_text(state, event_text(story->end, "text"));
    if (event_is(story->next, "not-restarted")) {
        char *cause = xstrdup(state->text);
        set_pair(state, cause, "; not started again: ",
                 event_text(story->next, "text"));
        free(cause);
    }
    state->refinable = by_signal && !story->cancel;
    if (!witness->known)
        return;
    enum mlb_state word = witness->ending != MLB_STATE_UNKNOWN
                              ? witness->ending : witness->state;
    if (by_signal && is_refining(word)) {
        state->state = word;
        state->refinable = false;
    }
    if (code < 0)
        state->exit_code = witness->exit_code;
    if (!state->text[0] && end != MLB_STATE_COMPLETED)
        set_text(state, reason);
}

static void from_cancel(const struct story *story,
                        struct mlb_run_state *state)
{
    const char *by = event_text(story->cancel, "by");
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
    if (final && witness->may_return) {
        char *line = xasprintf("%s; may be started again",
                               state_name(witness->state));
        state->state = MLB_STATE_PENDING;
        set_text(state, line);
        free(line);
        return;
    }
    state->state = witness->state;
    state->exit_code = final ? witness->exit_code : -1;
    state->ended = final ? witness->ended : 0;
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
    const char *text = event_text(story->next, "text");

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
    const char *text = event_text(story->next, "text");
    const char *but = known ? "its job has ended: "
                            : "the scheduler no longer knows its job";
    char *line = xasprintf("was to go on (%s), but %s%s",
                           *text ? text : event_text(story->next, "action"),
                           but, known ? state_name(witness->state) : "");

    from_end(story, &(struct mlb_witness){ .exit_code = -1 }, state);
    set_text(state, line);
    free(line);
    if (story->cancel)
        from_cancel(story, state);
}

/* Who of the two did not tell, and why. */
static char *describe_silence(const struct story *story,
                              const struct mlb_witness *live,
                              const struct mlb_witness *history)
{
    static const char *const words[] = {
        [MLB_NOT_ASKED] = "the scheduler was not asked",
        [MLB_ABSENT] = "there is no scheduler to ask",
        [MLB_SILENT] = "the scheduler did not answer",
    };
    struct mlb_text t = MLB_TEXT_INIT;
    bool told = live->answer == MLB_ANSWERED;

    if (told && live->known)
        text_add(&t, live->reason && *live->reason
                         ? live->reason
                         : "the scheduler knows no state of it");
    else if (told)
        text_add(&t, story->start ? "the scheduler no longer knows it"
                                  : "the scheduler does not know it");
    else
        text_addf(&t, "%s%s%s%s", words[live->answer],
                  live->why ? " (" : "", live->why ? live->why : "",
                  live->why ? ")" : "");
    if (history->answer == MLB_SILENT)
        text_addf(&t, "; accounting did not answer%s%s%s",
                  history->why ? " (" : "", history->why ? history->why : "",
                  history->why ? ")" : "");
    else if (history->answer == MLB_ABSENT && told)
        text_addf(&t, "; %s", history->why ? history->why
                                           : "there is no accounting");
    else if (history->answer == MLB_ANSWERED)
        text_addf(&t, history->known ? "; accounting calls it %s"
                                     : "; accounting does not know it",
                  state_name(history->state));
    return t.data;
}

/* Rules 3 and 4 without an end. */
static void from_silence(const struct story *story,
                         const struct mlb_witness *live,
                         const struct mlb_witness *history,
                         struct mlb_run_state *state)
{
    char *why = describe_silence(story, live, history);

    if (live->answer == MLB_ANSWERED && !live->known && story->cancel)
        from_cancel(story, state);
    else if (live->answer == MLB_ANSWERED && live->known)
        set_text(state, why);
    else if (story->start)
        set_text_since(state, "started", story->start->time, why);
    else if (story->submitted)
        set_text_since(state, "submitted", story->submitted->time, why);
    else
        set_text(state, why);
    free(why);
}

/* Rule 0: whose word counts. */
static struct mlb_witness weigh(const struct mlb_witness *live,
                                const struct mlb_witness *history)
{
    bool told = live->answer == MLB_ANSWERED;
    struct mlb_witness word = *live;

    if (told && live->known && live->state != MLB_STATE_UNKNOWN)
        return word;
    if (history->answer == MLB_ANSWERED && history->known &&
        state_is_final(history->state) && (told || !history->may_return)) {
        /* A scheduler that does not know it starts it no more. */
        word = *history;
        word.may_return = false;
    }
    return word;
}

/* The job that promised to go on has ended, or is known to no one. A
 * scheduler that is silent may have it. */
static bool is_gone(const struct mlb_witness *live,
                    const struct mlb_witness *word)
{
    return live->answer == MLB_ANSWERED &&
           (!word->known ||
            (state_is_final(word->state) && !word->may_return));
}

/* The story is told, and the state holds what does not depend on it. */
static void judge(const struct story *story, const struct mlb_witness *live,
                  const struct mlb_witness *history,
                  struct mlb_run_state *state)
{
    struct mlb_witness word = weigh(live, history);
    bool known = word.known && word.state != MLB_STATE_UNKNOWN;

    if (event_is(story->next, "restart")) {
        (is_gone(live, &word) ? from_broken : from_promise)(story, &word,
                                                            known, state);
    } else if (story->end && !(known && word.state == MLB_STATE_PENDING)) {
        /* An ended attempt whose job waits again was requeued. */
        from_end(story, &word, state);
    } else if (known) {
        from_witness(story, &word, state);
    } else {
        from_silence(story, live, history, state);
    }
}

void run_state(const struct mlb_events *events,
               const struct mlb_witness *live,
               const struct mlb_witness *history,
               struct mlb_run_state *state)
{
    struct story story;

    *state = (struct mlb_run_state){ .exit_code = -1, .step = -1 };
    count(events, state);
    story_tell(&story, events);
    state->submitted = story.submitted ? story.submitted->time : 0;
    state->started = story.start ? story.start->time : 0;
    if (story.submitted || story.start || story.end || live->known ||
        history->known) {
        judge(&story, live, history, state);
    } else {
        state->state = MLB_STATE_NOT_SUBMITTED;
        set_text(state, event_text(events_last(events, "not-submitted"),
                                 "text"));
    }
}
