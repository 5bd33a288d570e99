/* SPDX-License-Identifier: BSD-3-Clause */
/* How an attempt ended and why. */
#include "config.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/text.h"
#include "base/units.h"

#include "agent/cause.h"

#define NEAR_LIMIT 90.0              /* seconds before the walltime's end */

static long whole(const struct mlb_event *event, const char *name)
{
    return (long)json_integer_value(json_object_get(event->fields, name));
}

static const char *word(const struct mlb_event *event, const char *name)
{
    const char *s = json_string_value(json_object_get(event->fields, name));

    return s ? s : "";
}

/* Did it end when its time did? Where the scheduler does not tell the end it
 * is reckoned from the attempt's start, which is later than the job's by
 * what a prolog took. A short walltime must not look like one long end. */
static bool is_near_limit(const struct ending *ending)
{
    double window = NEAR_LIMIT;

    if (ending->walltime > 0 && (double)ending->walltime / 4 < window)
        window = (double)ending->walltime / 4;
    return ending->limit > 0 && ending->ended >= ending->limit - window;
}

/* Who cancelled this submission, NULL if nobody did. One may be cancelled
 * before its agent has begun: what counts is when it was submitted. */
static const struct mlb_event *find_cancel(const struct mlb_events *events)
{
    const struct mlb_event *cancel = NULL;

    for (size_t i = 0; i < events->count; i++) {
        const struct mlb_event *e = &events->items[i];
        if (strcmp(e->name, "submitted") == 0 ||
            strcmp(e->name, "cancel-failed") == 0)
            cancel = NULL;
        else if (strcmp(e->name, "cancel") == 0)
            cancel = e;
    }
    return cancel;
}

/* Ended by SIGTERM: how launchers end the ranks beside one that failed. */
static bool was_terminated(const struct mlb_event *e)
{
    return whole(e, "signal") == SIGTERM || whole(e, "exit") == 128 + SIGTERM;
}

/* The first rank that failed by itself; clocks of nodes differ, but not by
 * as much as the others' being terminated for it tells apart. */
static const struct mlb_event *find_failure(const struct mlb_events *events,
                                            long attempt)
{
    const struct mlb_event *found = NULL;

    for (size_t i = 0; i < events->count; i++) {
        const struct mlb_event *e = &events->items[i];
        if (strcmp(e->name, "task-end") != 0 || e->attempt != attempt ||
            whole(e, "exit") == 0)
            continue;
        if (!found || (was_terminated(found) && !was_terminated(e)))
            found = e;
    }
    return found;
}

static void add_failure(const struct mlb_event *e, long tasks,
                        struct mlb_text *out)
{
    const char *text = word(e, "text");
    long signum = whole(e, "signal");

    if (*text) {
        text_add(out, text);
        if (tasks > 1)
            text_addf(out, " (rank %ld on %s)", e->rank, word(e, "node"));
        return;
    }
    text_addf(out, "rank %ld on %s: ", e->rank, word(e, "node"));
    if (signum > 0)
        text_addf(out, "killed by signal %ld (%s)", signum,
                  strsignal((int)signum));
    else
        text_addf(out, "exited with %ld", whole(e, "exit"));
}

/* Does a code look like the end of something that was told to stop? */
static bool is_stop_code(int code)
{
    return code == EX_TEMPFAIL || code == 128 + SIGTERM ||
           code == 128 + SIGKILL;
}

static void add_limit(const struct ending *ending, struct mlb_text *out)
{
    text_add(out, "the walltime");
    if (ending->walltime > 0) {
        text_add(out, " of ");
        units_add_clock(out, ending->walltime);
    }
    text_add(out, " was over");
}

/* Who faked an end of this attempt, "" if that is not known. */
static const char *interrupted_by(const struct mlb_events *events,
                                  long attempt)
{
    const char *by = "";

    for (size_t i = 0; i < events->count; i++)
        if (strcmp(events->items[i].name, "interrupt") == 0 &&
            events->items[i].attempt == attempt)
            by = word(&events->items[i], "by");
    return by;
}

/* What the scheduler's own line in the log tells beside "time limit". */
static enum mlb_state told_state(const struct ending *ending,
                                 struct mlb_text *out)
{
    static const struct {
        enum mlb_state state;
        const char *text;
    } texts[] = {
        { MLB_STATE_PREEMPTED, "preempted by the scheduler" },
        { MLB_STATE_NODE_FAILURE, "the scheduler lost a node of the job" },
        { MLB_STATE_CANCELLED, "cancelled by another command than mlbatch" },
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (ending->told == texts[i].state) {
            text_add(out, texts[i].text);
            return ending->told;
        }
    return MLB_STATE_UNKNOWN;
}

/* Did the kernel end the first rank that failed, as it does when memory runs
 * out? */
static bool is_out_of_memory(const struct mlb_events *events, long attempt,
                             struct mlb_text *out)
{
    const struct mlb_event *e = find_failure(events, attempt);

    if (!e || whole(e, "oom_kills") <= 0 ||
        (whole(e, "signal") != SIGKILL && whole(e, "exit") != 128 + SIGKILL))
        return false;
    text_addf(out, "rank %ld on %s was killed for lack of memory", e->rank,
              word(e, "node"));
    return true;
}

/* The state of an attempt whose launch line did not end with 0. */
static enum mlb_state stopped_state(const struct mlb_events *events,
                                    const struct ending *ending,
                                    struct mlb_text *out)
{
    const struct mlb_event *cancel = find_cancel(events);
    bool near = is_near_limit(ending);
    /* Whoever ends a job for its time sends SIGTERM first. */
    bool ended_gently = is_stop_code(ending->code) &&
                        ending->code != 128 + SIGKILL;

    if (cancel) {
        text_addf(out, "cancelled%s%s", *word(cancel, "by") ? " by " : "",
                  word(cancel, "by"));
        return MLB_STATE_CANCELLED;
    }
    if (ending->interrupted != MLB_STATE_UNKNOWN) {
        const char *by = interrupted_by(events, ending->attempt);
        text_addf(out, "mlbatch interrupt%s%s", *by ? " by " : "", by);
        return ending->interrupted;
    }
    if (is_out_of_memory(events, ending->attempt, out))
        return MLB_STATE_OUT_OF_MEMORY;
    enum mlb_state told = told_state(ending, out);
    if (told != MLB_STATE_UNKNOWN)
        return told;
    if (ending->timed_out || ending->told == MLB_STATE_TIMEOUT ||
        (ending->warned && is_stop_code(ending->code)) ||
        (near && (ending->asked || ended_gently))) {
        add_limit(ending, out);
        return MLB_STATE_TIMEOUT;
    }
    if (ending->asked)
        text_add(out, "asked to stop by the scheduler (SIGTERM)");
    return MLB_STATE_FAILED;
}

/* How far the ranks of an attempt have come, as they told themselves. */
struct ranks {
    long expected;               /* the world that the first one saw */
    long ended;                  /* with 0, each counted once */
    long missing;                /* one that did not, -1: none */
};

static bool is_rank_event(const struct mlb_event *e, const char *name,
                          long attempt)
{
    return e->attempt == attempt && strcmp(e->name, name) == 0;
}

static bool has_ended(const struct mlb_events *events, long attempt,
                      long rank)
{
    for (size_t i = 0; i < events->count; i++) {
        const struct mlb_event *e = &events->items[i];
        if (e->rank == rank && is_rank_event(e, "task-end", attempt))
            return whole(e, "exit") == 0;
    }
    return false;
}

static void count_ranks(const struct mlb_events *events, long attempt,
                        struct ranks *ranks)
{
    *ranks = (struct ranks){ .missing = -1 };
    for (size_t i = 0; i < events->count; i++) {
        const struct mlb_event *e = &events->items[i];
        bool start = is_rank_event(e, "task-start", attempt);
        if (start && ranks->expected == 0)
            ranks->expected = whole(e, "world");
        if (is_rank_event(e, "task-end", attempt) && whole(e, "exit") == 0)
            ranks->ended++;
    }
    if (ranks->ended >= ranks->expected)
        return;
    for (long rank = 0; rank < ranks->expected && ranks->missing < 0; rank++)
        if (!has_ended(events, attempt, rank))
            ranks->missing = rank;
}

/* Launchers may end with 0 although they could not start a rank, or lost one
 * with its node: srun of Slurm 22.05 does. True with the reason added. */
static bool is_incomplete(const struct mlb_events *events, long attempt,
                          struct mlb_text *out)
{
    struct ranks ranks;

    count_ranks(events, attempt, &ranks);
    if (ranks.expected == 0 && ranks.ended == 0)
        text_add(out, "the launch line ended with 0, but started no rank");
    else if (ranks.missing >= 0)
        text_addf(out, "the launch line ended with 0, but rank %ld did not",
                  ranks.missing);
    return out->length > 0;
}

/* Why its ranks were lost the scheduler may have told. */
static enum mlb_state incomplete_state(const struct ending *ending)
{
    return ending->told == MLB_STATE_PREEMPTED ||
                   ending->told == MLB_STATE_NODE_FAILURE
               ? ending->told
               : MLB_STATE_FAILED;
}

/* One line from text: control characters would break it. */
static void set_text(struct cause *cause, const struct mlb_text *text)
{
    struct mlb_error cut;

    mlb_error_set(&cut, MLB_ERR_FAILED, "%s", text->data);
    snprintf(cause->text, sizeof(cause->text), "%s", cut.text);
    for (char *p = cause->text; *p; p++)
        if ((unsigned char)*p < ' ')
            *p = ' ';
}

void cause_find(const struct mlb_events *events, const struct ending *ending,
                struct cause *cause)
{
    struct mlb_text text = MLB_TEXT_INIT;
    const struct mlb_event *failure = find_failure(events, ending->attempt);

    if (ending->failure) {
        cause->state = MLB_STATE_FAILED;
        text_add(&text, ending->failure);
    } else if (ending->code == 0 && ending->have_tasks &&
               is_incomplete(events, ending->attempt, &text)) {
        cause->state = incomplete_state(ending);
    } else if (ending->code == 0) {
        cause->state = MLB_STATE_COMPLETED;
        if (ending->asked || ending->timed_out)
            text_add(&text, "finished after it was asked to stop");
    } else {
        cause->state = stopped_state(events, ending, &text);
        bool stopped = text.length > 0;
        bool own = failure && !is_stop_code((int)whole(failure, "exit"));
        if (stopped && own)
            text_add(&text, "; ");
        if (own || (failure && !stopped))
            add_failure(failure, ending->tasks, &text);
        else if (!stopped)
            text_addf(&text, "the launch line exited with %d", ending->code);
    }
    set_text(cause, &text);
    text_clear(&text);
}
