/* SPDX-License-Identifier: BSD-3-Clause */
/* run/state: one row a case: event log, scheduler's answer, state. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/text.h"
#include "run/state.h"

#define SILENT { .answer = MLB_SILENT }
#define NO_ONE { .answer = MLB_NOT_ASKED }
#define DOWN { .answer = MLB_SILENT, .why = "no answer in 10 s" }
#define ABSENT { .answer = MLB_ABSENT, .why = "no accounting here" }
#define UNKNOWN_JOB { .answer = MLB_ANSWERED }
#define SAYS(s, r, x)                                                         \
    { .answer = MLB_ANSWERED, .known = true, .state = MLB_STATE_##s,          \
      .reason = r, .exit_code = x }
#define RETURNS(s)                                                            \
    { .answer = MLB_ANSWERED, .known = true, .state = MLB_STATE_##s,          \
      .may_return = true, .exit_code = -1 }

#define ENDING(s)                                                             \
    { .answer = MLB_ANSWERED, .known = true, .state = MLB_STATE_RUNNING,      \
      .ending = MLB_STATE_##s, .exit_code = -1 }

/* Events as NAME [KEY=VALUE]..., separated by ';'. Times count 1, 2, ...;
 * "t=N" is another one, j= job, a= attempt, s= state, x= exit. */
struct row {
    const char *events;
    struct mlb_witness live;
    enum mlb_state state;
    int exit_code;
    const char *text;            /* is in the text; "" is all of it */
    struct mlb_witness history;
};

#define START "submitted j=7;attempt-start j=7 a=1;"
#define END(s, x) START "attempt-end a=1 s=" s " x=" x " text=cause"

#define AGAIN(how)                                                            \
    END("timeout", "143") ";restart a=1 do=" how " text=2nd"

static const struct row rows[] = {
    /* 5: not submitted */
    { "", SILENT, MLB_STATE_NOT_SUBMITTED, -1, "", NO_ONE },
    { "created", UNKNOWN_JOB, MLB_STATE_NOT_SUBMITTED, -1, "", NO_ONE },
    { "created;not-submitted text=refused", UNKNOWN_JOB,
      MLB_STATE_NOT_SUBMITTED, -1, "refused", NO_ONE },
    /* ... but the submitter may have died before it wrote so */
    { "created", SAYS(PENDING, "Priority", -1), MLB_STATE_PENDING, -1,
      "Priority", NO_ONE },
    { "created;attempt-start j=7 a=1", SILENT, MLB_STATE_UNKNOWN, -1,
      "started at 1970-01-01 00:00:02 UTC, the scheduler did not answer",
      NO_ONE },
    { "attempt-start a=1;attempt-end a=1 s=completed x=0", UNKNOWN_JOB,
      MLB_STATE_COMPLETED, 0, "", NO_ONE },
    /* 1: the end that the agent told */
    { END("completed", "0"), SILENT, MLB_STATE_COMPLETED, 0, "cause", NO_ONE },
    { END("completed", "0"), UNKNOWN_JOB, MLB_STATE_COMPLETED, 0, "cause",
      NO_ONE },
    { END("completed", "0"), SAYS(FAILED, "x", 1), MLB_STATE_COMPLETED, 0,
      "cause", NO_ONE },
    { END("completed", "0"), SAYS(RUNNING, "", -1), MLB_STATE_COMPLETED, 0,
      "cause", NO_ONE },
    { END("completed", "0"), SAYS(CANCELLED, "", -1), MLB_STATE_COMPLETED, 0,
      "cause", NO_ONE },
    { END("failed", "3"), SAYS(TIMEOUT, "TimeLimit", 0), MLB_STATE_FAILED, 3,
      "cause", NO_ONE },
    { END("failed", "128"), SAYS(TIMEOUT, "", 0), MLB_STATE_FAILED, 128,
      "cause", NO_ONE },
    { END("timeout", "143"), SAYS(CANCELLED, "", 0), MLB_STATE_TIMEOUT, 143,
      "cause", NO_ONE },
    /* ... refined if it was a signal */
    { END("failed", "143"), SAYS(TIMEOUT, "TimeLimit", 0), MLB_STATE_TIMEOUT,
      143, "cause", NO_ONE },
    { END("failed", "137"), SAYS(OUT_OF_MEMORY, "", 0),
      MLB_STATE_OUT_OF_MEMORY, 137, "cause", NO_ONE },
    { END("cancelled", "143"), SAYS(PREEMPTED, "", 0), MLB_STATE_PREEMPTED,
      143, "cause", NO_ONE },
    { END("cancelled", "0"), SAYS(NODE_FAILURE, "", 0),
      MLB_STATE_NODE_FAILURE, 0, "cause", NO_ONE },
    { END("failed", "143"), SAYS(CANCELLED, "", 0), MLB_STATE_CANCELLED, 143,
      "cause", NO_ONE },
    { END("failed", "143"), SAYS(FAILED, "", 1), MLB_STATE_FAILED, 143,
      "cause", NO_ONE },
    { END("failed", "143"), ENDING(CANCELLED), MLB_STATE_CANCELLED, 143,
      "cause", NO_ONE },
    { END("failed", "1"), ENDING(CANCELLED), MLB_STATE_FAILED, 1, "cause",
      NO_ONE },
    { START, ENDING(CANCELLED), MLB_STATE_RUNNING, -1, "", NO_ONE },
    { END("failed", "143"), SAYS(COMPLETED, "", 0), MLB_STATE_FAILED, 143,
      "cause", NO_ONE },
    { START "attempt-end a=1 s=failed", SAYS(TIMEOUT, "TimeLimit", 9),
      MLB_STATE_TIMEOUT, 9, "TimeLimit", NO_ONE },
    /* ... of the last submission and the last attempt */
    { END("failed", "1") ";submitted j=8", SAYS(PENDING, "Resources", -1),
      MLB_STATE_PENDING, -1, "Resources", NO_ONE },
    { END("failed", "1") ";submitted j=8", SILENT, MLB_STATE_UNKNOWN, -1,
      "submitted at 1970-01-01 00:00:04 UTC, the scheduler did not", NO_ONE },
    { END("failed", "1") ";submitted j=8;attempt-start j=8 a=2",
      SAYS(RUNNING, "", -1), MLB_STATE_RUNNING, -1, "", NO_ONE },
    { END("failed", "1")
      ";submitted j=8;attempt-start j=8 a=2;attempt-end a=2 s=completed x=0",
      SILENT, MLB_STATE_COMPLETED, 0, "", NO_ONE },
    { END("timeout", "0") ";attempt-start j=7 a=2", SAYS(RUNNING, "", -1),
      MLB_STATE_RUNNING, -1, "", NO_ONE },
    { END("timeout", "0"), SAYS(PENDING, "BeginTime", -1), MLB_STATE_PENDING,
      -1, "BeginTime", NO_ONE },
    /* ... a duplicate's attempt is not ours */
    { START "attempt-start j=9 a=2;attempt-end j=9 a=2 s=failed x=1",
      SAYS(RUNNING, "", -1), MLB_STATE_RUNNING, -1, "", NO_ONE },
    { START "attempt-end j=9 a=1 s=failed x=1", SAYS(RUNNING, "", -1),
      MLB_STATE_RUNNING, -1, "", NO_ONE },
    /* ... whatever the clocks say */
    { "attempt-start j=7 a=1;attempt-end a=1 s=completed x=0;submitted j=7",
      UNKNOWN_JOB, MLB_STATE_COMPLETED, 0, "", NO_ONE },
    { "attempt-end a=2 s=completed x=0;submitted j=7;attempt-start j=7 a=2;"
      "attempt-start j=7 a=1;attempt-end a=1 s=timeout x=1",
      SILENT, MLB_STATE_COMPLETED, 0, "", NO_ONE },
    /* ... the start may be lost, the end without sense */
    { "submitted j=7;attempt-end a=1 s=failed x=2", SILENT, MLB_STATE_FAILED,
      2, "", NO_ONE },
    { START "attempt-end a=1 s=nonsense x=2", SILENT, MLB_STATE_UNKNOWN, -1,
      "started at", NO_ONE },
    /* ... a restart was promised: it is not the run's end */
    { AGAIN("requeue"), SILENT, MLB_STATE_PENDING, -1, "will go on: 2nd",
      NO_ONE },
    { AGAIN("requeue"), SAYS(RUNNING, "", -1), MLB_STATE_PENDING, -1,
      "will go on: 2nd", NO_ONE },
    { AGAIN("requeue"), ENDING(TIMEOUT), MLB_STATE_PENDING, -1,
      "will go on: 2nd", NO_ONE },
    { AGAIN("requeue"), SAYS(PENDING, "BeginTime", -1), MLB_STATE_PENDING, -1,
      "will go on: 2nd; BeginTime", NO_ONE },
    { AGAIN("requeue") ";attempt-start j=7 a=2", SAYS(RUNNING, "", -1),
      MLB_STATE_RUNNING, -1, "", NO_ONE },
    { AGAIN("requeue")
      ";attempt-start j=7 a=2;attempt-end a=2 s=completed x=0", SILENT,
      MLB_STATE_COMPLETED, 0, "", NO_ONE },
    { AGAIN("requeue")
      ";attempt-start j=7 a=2;attempt-end a=2 s=timeout x=3 text=cause", SILENT,
      MLB_STATE_TIMEOUT, 3, "cause", NO_ONE },
    { AGAIN("resubmit"), SAYS(RUNNING, "", -1), MLB_STATE_PENDING, -1,
      "will go on: 2nd", NO_ONE },
    { AGAIN("resubmit") ";submitted j=8", SAYS(PENDING, "Priority", -1),
      MLB_STATE_PENDING, -1, "Priority", NO_ONE },
    { AGAIN("resubmit") ";submitted j=8", SILENT, MLB_STATE_UNKNOWN, -1,
      "submitted at", NO_ONE },
    { AGAIN("resubmit") ";submitted j=8;attempt-start j=8 a=2",
      SAYS(RUNNING, "", -1), MLB_STATE_RUNNING, -1, "", NO_ONE },
    { START "attempt-end a=1 s=timeout;restart a=1", SILENT,
      MLB_STATE_PENDING, -1, "will go on", NO_ONE },
    /* ... of another attempt it says nothing */
    { START "restart a=0 text=2nd;attempt-end a=1 s=failed x=1", SILENT,
      MLB_STATE_FAILED, 1, "", NO_ONE },
    { START "restart a=1 text=2nd", UNKNOWN_JOB, MLB_STATE_UNKNOWN, -1,
      "the scheduler no longer knows it", NO_ONE },
    /* ... the promise was taken back, or made anew */
    { AGAIN("requeue") ";not-restarted a=1 text=refused", SILENT,
      MLB_STATE_TIMEOUT, 143, "cause; not started again: refused", NO_ONE },
    { AGAIN("requeue") ";not-restarted a=1;restart a=1 text=3rd", SILENT,
      MLB_STATE_PENDING, -1, "will go on: 3rd", NO_ONE },
    { END("failed", "1") ";not-restarted a=1 text=max", UNKNOWN_JOB,
      MLB_STATE_FAILED, 1, "cause; not started again: max", NO_ONE },
    /* ... it was not kept */
    { AGAIN("requeue"), UNKNOWN_JOB, MLB_STATE_TIMEOUT, 143,
      "was to go on (2nd), but the scheduler no longer knows its job", NO_ONE },
    { AGAIN("requeue"), SAYS(FAILED, "x", 9), MLB_STATE_TIMEOUT, 143,
      "was to go on (2nd), but its job has ended: failed", NO_ONE },
    { AGAIN("resubmit"), SAYS(COMPLETED, "", 0), MLB_STATE_TIMEOUT, 143,
      "was to go on (2nd), but its job has ended: completed", NO_ONE },
    { START "attempt-end a=1 s=timeout;restart a=1 do=resubmit", UNKNOWN_JOB,
      MLB_STATE_TIMEOUT, -1, "was to go on (resubmit), but", NO_ONE },
    { AGAIN("requeue") ";cancel by=ann", SAYS(CANCELLED, "", -1),
      MLB_STATE_CANCELLED, 143, "cancelled by ann", NO_ONE },
    { AGAIN("requeue") ";cancel by=ann", UNKNOWN_JOB, MLB_STATE_CANCELLED,
      143, "cancelled by ann", NO_ONE },
    /* 2: the scheduler knows it */
    { START, SAYS(RUNNING, NULL, -1), MLB_STATE_RUNNING, -1, "", NO_ONE },
    { "submitted j=7", SAYS(PENDING, "Priority", -1), MLB_STATE_PENDING, -1,
      "Priority", NO_ONE },
    { START, SAYS(NODE_FAILURE, NULL, -1), MLB_STATE_NODE_FAILURE, -1,
      "ended without a word from the agent", NO_ONE },
    { START, SAYS(FAILED, "NonZeroExitCode", 9), MLB_STATE_FAILED, 9,
      "NonZeroExitCode; ended without a word from the agent", NO_ONE },
    { "submitted j=7", SAYS(CANCELLED, "by admin", 0), MLB_STATE_CANCELLED,
      0, "by admin", NO_ONE },
    /* 3: it answers, and does not know it */
    { START, UNKNOWN_JOB, MLB_STATE_UNKNOWN, -1,
      "started at 1970-01-01 00:00:02 UTC, the scheduler no longer knows it",
      NO_ONE },
    { "submitted j=7", UNKNOWN_JOB, MLB_STATE_UNKNOWN, -1,
      "submitted at 1970-01-01 00:00:01 UTC, the scheduler does not know",
      NO_ONE },
    { START "cancel by=ann", UNKNOWN_JOB, MLB_STATE_CANCELLED, -1,
      "cancelled by ann", NO_ONE },
    { START "cancel by=ann;cancel-failed", UNKNOWN_JOB, MLB_STATE_UNKNOWN, -1,
      "started at 1970-01-01 00:00:02 UTC, the scheduler no longer knows it",
      NO_ONE },
    { "submitted j=7;cancel", UNKNOWN_JOB, MLB_STATE_CANCELLED, -1,
      "cancelled", NO_ONE },
    { "submitted j=7;cancel;submitted j=8", UNKNOWN_JOB, MLB_STATE_UNKNOWN,
      -1, "submitted at", NO_ONE },
    /* 4: no answer */
    { START, SILENT, MLB_STATE_UNKNOWN, -1, "the scheduler did not answer",
      NO_ONE },
    { START "cancel by=ann", SILENT, MLB_STATE_UNKNOWN, -1, "did not answer",
      NO_ONE },
    { START, SAYS(UNKNOWN, NULL, -1), MLB_STATE_UNKNOWN, -1,
      "the scheduler knows no state of it", NO_ONE },
    { START, SAYS(UNKNOWN, "runs on n3, ask there", -1), MLB_STATE_UNKNOWN, -1,
      "runs on n3, ask there", NO_ONE },
    /* ... and the text says who was silent, and why */
    { START, NO_ONE, MLB_STATE_UNKNOWN, -1, "the scheduler was not asked",
      NO_ONE },
    { START, DOWN, MLB_STATE_UNKNOWN, -1,
      "the scheduler did not answer (no answer in 10 s)", NO_ONE },
    { START, DOWN, MLB_STATE_UNKNOWN, -1,
      "did not answer (no answer in 10 s); accounting did not answer", SILENT },
    { START, DOWN, MLB_STATE_UNKNOWN, -1,
      "(no answer in 10 s); accounting does not know it", UNKNOWN_JOB },
    { START, UNKNOWN_JOB, MLB_STATE_UNKNOWN, -1,
      "no longer knows it; accounting did not answer (no answer in 10 s)",
      DOWN },
    { START, UNKNOWN_JOB, MLB_STATE_UNKNOWN, -1,
      "no longer knows it; no accounting here", ABSENT },
    { START, UNKNOWN_JOB, MLB_STATE_UNKNOWN, -1,
      "no longer knows it; accounting does not know it", UNKNOWN_JOB },
    /* 0: purged by the scheduler, known to accounting */
    { START, UNKNOWN_JOB, MLB_STATE_TIMEOUT, -1,
      "ended without a word from the agent", SAYS(TIMEOUT, "", -1) },
    { START, UNKNOWN_JOB, MLB_STATE_FAILED, 9, "ended without a word",
      SAYS(FAILED, NULL, 9) },
    { "submitted j=7", UNKNOWN_JOB, MLB_STATE_CANCELLED, -1,
      "cancelled by root", SAYS(CANCELLED, "cancelled by root", -1) },
    { START "cancel by=ann", UNKNOWN_JOB, MLB_STATE_CANCELLED, -1,
      "cancelled by ann", SAYS(CANCELLED, "cancelled by root", -1) },
    { START "cancel by=ann", UNKNOWN_JOB, MLB_STATE_COMPLETED, 0,
      "ended without a word", SAYS(COMPLETED, "", 0) },
    { "created", UNKNOWN_JOB, MLB_STATE_FAILED, 2, "ended without a word",
      SAYS(FAILED, "", 2) },
    { "created", UNKNOWN_JOB, MLB_STATE_UNKNOWN, -1,
      "accounting calls it running", SAYS(RUNNING, "", -1) },
    { END("failed", "143"), UNKNOWN_JOB, MLB_STATE_TIMEOUT, 143, "cause",
      SAYS(TIMEOUT, "", -1) },
    { END("failed", "3"), UNKNOWN_JOB, MLB_STATE_FAILED, 3, "cause",
      SAYS(TIMEOUT, "", -1) },
    { END("completed", "0"), UNKNOWN_JOB, MLB_STATE_COMPLETED, 0, "cause",
      SAYS(FAILED, "", 1) },
    /* ... and when the scheduler is down */
    { START, DOWN, MLB_STATE_TIMEOUT, -1, "ended without a word",
      SAYS(TIMEOUT, "", -1) },
    { END("failed", "143"), DOWN, MLB_STATE_OUT_OF_MEMORY, 143, "cause",
      SAYS(OUT_OF_MEMORY, "", -1) },
    { START, SAYS(UNKNOWN, "?", -1), MLB_STATE_FAILED, 1, "ended without",
      SAYS(FAILED, "", 1) },
    /* ... but it is late: the scheduler's own word is before it */
    { START, SAYS(RUNNING, "", -1), MLB_STATE_RUNNING, -1, "",
      SAYS(FAILED, "", 1) },
    { "submitted j=7", SAYS(PENDING, "Priority", -1), MLB_STATE_PENDING, -1,
      "Priority", SAYS(PREEMPTED, "", -1) },
    { START, SAYS(COMPLETED, "", 0), MLB_STATE_COMPLETED, 0, "ended without",
      SAYS(RUNNING, "", -1) },
    { START, SAYS(FAILED, "", 4), MLB_STATE_FAILED, 4, "ended without",
      SAYS(TIMEOUT, "", -1) },
    /* ... and no witness that something still runs */
    { START, UNKNOWN_JOB, MLB_STATE_UNKNOWN, -1,
      "no longer knows it; accounting calls it running",
      SAYS(RUNNING, "", -1) },
    { START, DOWN, MLB_STATE_UNKNOWN, -1, "; accounting calls it running",
      SAYS(RUNNING, "", -1) },
    { START "cancel by=ann", UNKNOWN_JOB, MLB_STATE_CANCELLED, -1,
      "cancelled by ann", SAYS(RUNNING, "", -1) },
    /* ... an end that Slurm may undo is none, until the job is forgotten */
    { START, RETURNS(NODE_FAILURE), MLB_STATE_PENDING, -1,
      "node failure; may be started again", NO_ONE },
    { START, SAYS(NODE_FAILURE, "", -1), MLB_STATE_NODE_FAILURE, -1,
      "ended without a word", NO_ONE },
    { END("failed", "143"), RETURNS(PREEMPTED), MLB_STATE_PREEMPTED, 143,
      "cause", NO_ONE },
    { START, DOWN, MLB_STATE_UNKNOWN, -1,
      "(no answer in 10 s); accounting calls it node failure",
      RETURNS(NODE_FAILURE) },
    { START, UNKNOWN_JOB, MLB_STATE_NODE_FAILURE, -1, "ended without a word",
      RETURNS(NODE_FAILURE) },
    /* ... who promised to go on is believed while nobody says otherwise */
    { AGAIN("requeue"), DOWN, MLB_STATE_PENDING, -1, "will go on: 2nd",
      SAYS(TIMEOUT, "", -1) },
    { AGAIN("requeue"), RETURNS(PREEMPTED), MLB_STATE_PENDING, -1,
      "will go on: 2nd", NO_ONE },
    { AGAIN("requeue"), UNKNOWN_JOB, MLB_STATE_TIMEOUT, 143,
      "was to go on (2nd), but its job has ended: cancelled",
      SAYS(CANCELLED, "", -1) },
    { AGAIN("requeue"), UNKNOWN_JOB, MLB_STATE_TIMEOUT, 143,
      "was to go on (2nd), but the scheduler no longer knows its job", DOWN },
};

/* One event from its text. */
static struct mlb_event make_event(char *text, double time)
{
    static const struct {
        char letter;
        const char *key;
        bool number;
    } keys[] = { { 'j', "job", false },     { 'a', "attempt", true },
                 { 's', "state", false },   { 'x', "exit", true },
                 { 't', "text", false },    { 'b', "by", false },
                 { 'd', "action", false } };
    char *save = NULL, *name = strtok_r(text, " ", &save);
    struct mlb_event e = { .time = time, .attempt = -1, .rank = -1,
                           .fields = json_pack("{s:s}", "event", name) };

    e.name = json_string_value(json_object_get(e.fields, "event"));
    for (char *word; (word = strtok_r(NULL, " ", &save));) {
        const char *value = strchr(word, '=') + 1;
        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
            if (keys[i].letter == word[0])
                json_object_set_new(e.fields, keys[i].key,
                                    keys[i].number ? json_integer(atoi(value))
                                                   : json_string(value));
        if (word[0] == 'a')
            e.attempt = atoi(value);
    }
    return e;
}

static struct mlb_events make_events(const char *text)
{
    struct mlb_events events = { .items = xcalloc(16, sizeof(*events.items)) };
    char *copy = xstrdup(text), *save = NULL;

    for (char *part = strtok_r(copy, ";", &save); part;
         part = strtok_r(NULL, ";", &save)) {
        size_t n = events.count++;
        assert_true(n < 16);
        events.items[n] = make_event(part, (double)n + 1);
    }
    free(copy);
    return events;
}

static void test_rows(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        struct mlb_events events = make_events(row->events);
        struct mlb_run_state state;
        run_state(&events, &row->live, &row->history, &state);
        bool text_ok = *row->text ? strstr(state.text, row->text) != NULL
                                  : state.text[0] == '\0' ||
                                        state.state == MLB_STATE_UNKNOWN;
        if (state.state != row->state || state.exit_code != row->exit_code ||
            !text_ok)
            fail_msg("row %zu, %s: got \"%s\", exit %d, text \"%s\"", i,
                     row->events, state_name(state.state), state.exit_code,
                     state.text);
        events_clear(&events);
    }
}

static void test_numbers(void **unused)
{
    struct mlb_events events = make_events(
        "created;submitted j=1;attempt-start j=1 a=1;metric;"
        "attempt-end a=1 s=timeout x=0;submitted j=2;attempt-start j=2 a=2;"
        "metric;attempt-end a=2 s=completed x=0");
    struct mlb_witness silent = SILENT;
    struct mlb_run_state state;

    (void)unused;
    json_object_set_new(events.items[3].fields, "step", json_integer(40));
    json_object_set_new(events.items[7].fields, "step", json_integer(20));
    run_state(&events, &silent, &silent, &state);
    assert_int_equal(state.attempts, 2);
    assert_int_equal(state.step, 20);
    assert_true(state.submitted == 6 && state.started == 7 &&
                state.ended == 9);
    events.count = 3;
    run_state(&events, &silent, &silent, &state);
    assert_int_equal(state.attempts, 1);
    assert_int_equal(state.step, -1);
    assert_true(state.submitted == 2 && state.started == 3 &&
                state.ended == 0);
    events.count = 9;
    events_clear(&events);
}

/* When it ended by the scheduler's word, and what is worth asking again. */
static void test_ends(void **unused)
{
    struct mlb_events events = make_events(START);
    struct mlb_witness nobody = NO_ONE, says = SAYS(TIMEOUT, "", -1);
    struct mlb_run_state state;

    (void)unused;
    says.ended = 77;
    run_state(&events, &says, &nobody, &state);
    assert_true(state.ended == 77);
    assert_false(state.refinable);
    events_clear(&events);
    events = make_events(END("failed", "143"));
    run_state(&events, &nobody, &nobody, &state);
    assert_true(state.refinable);
    assert_true(state.ended == 3);
    run_state(&events, &says, &nobody, &state);
    assert_false(state.refinable);
    assert_true(state.ended == 3);
    events_clear(&events);
    events = make_events(END("cancelled", "143") ";cancel by=ann");
    run_state(&events, &nobody, &nobody, &state);
    assert_false(state.refinable);
    events_clear(&events);
    events = make_events(END("failed", "1"));
    run_state(&events, &nobody, &nobody, &state);
    assert_false(state.refinable);
    events_clear(&events);
}

/* One line, cut to its size, whatever the events say. */
static void test_long_text(void **unused)
{
    struct mlb_events events = make_events(END("failed", "1"));
    struct mlb_witness silent = SILENT;
    struct mlb_run_state state;
    char text[1000];

    (void)unused;
    for (size_t i = 0; i < sizeof(text) - 1; i += 3)
        memcpy(text + i, i == 30 ? "\n\r\t" : "\xe2\x82\xac", 3);
    text[999] = '\0';
    json_object_set_new(events.items[2].fields, "text", json_string(text));
    run_state(&events, &silent, &silent, &state);
    assert_true(strlen(state.text) > 240);
    assert_true(strlen(state.text) < sizeof(state.text));
    assert_true(text_is_printable(state.text));
    events_clear(&events);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_long_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
