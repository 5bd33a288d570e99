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

#define SILENT { .answered = false }
#define UNKNOWN_JOB { .answered = true, .known = false }
#define SAYS(s, r, x)                                                         \
    { .answered = true, .known = true, .state = MLB_STATE_##s, .reason = r,   \
      .exit_code = x }

#define ENDING(s)                                                             \
    { .answered = true, .known = true, .state = MLB_STATE_RUNNING,            \
      .ending = MLB_STATE_##s, .exit_code = -1 }

/* Events as NAME [KEY=VALUE]..., separated by ';'. Times count 1, 2, ...;
 * "t=N" is another one, j= job, a= attempt, s= state, x= exit. */
struct row {
    const char *events;
    struct mlb_witness witness;
    enum mlb_state state;
    int exit_code;
    const char *text;            /* is in the text; "" is all of it */
};

#define START "submitted j=7;attempt-start j=7 a=1;"
#define END(s, x) START "attempt-end a=1 s=" s " x=" x " text=cause"

#define AGAIN(how)                                                            \
    END("timeout", "143") ";restart a=1 do=" how " text=2nd"

static const struct row rows[] = {
    /* 5: not submitted */
    { "", SILENT, MLB_STATE_NOT_SUBMITTED, -1, "" },
    { "created", UNKNOWN_JOB, MLB_STATE_NOT_SUBMITTED, -1, "" },
    { "created;not-submitted text=refused", UNKNOWN_JOB,
      MLB_STATE_NOT_SUBMITTED, -1, "refused" },
    /* ... but the submitter may have died before it wrote so */
    { "created", SAYS(PENDING, "Priority", -1), MLB_STATE_PENDING, -1,
      "Priority" },
    { "created;attempt-start j=7 a=1", SILENT, MLB_STATE_UNKNOWN, -1,
      "started at 1970-01-01 00:00:02 UTC, the scheduler did not answer" },
    { "attempt-start a=1;attempt-end a=1 s=completed x=0", UNKNOWN_JOB,
      MLB_STATE_COMPLETED, 0, "" },
    /* 1: the end that the agent told */
    { END("completed", "0"), SILENT, MLB_STATE_COMPLETED, 0, "cause" },
    { END("completed", "0"), UNKNOWN_JOB, MLB_STATE_COMPLETED, 0, "cause" },
    { END("completed", "0"), SAYS(FAILED, "x", 1), MLB_STATE_COMPLETED, 0,
      "cause" },
    { END("completed", "0"), SAYS(RUNNING, "", -1), MLB_STATE_COMPLETED, 0,
      "cause" },
    { END("completed", "0"), SAYS(CANCELLED, "", -1), MLB_STATE_COMPLETED, 0,
      "cause" },
    { END("failed", "3"), SAYS(TIMEOUT, "TimeLimit", 0), MLB_STATE_FAILED, 3,
      "cause" },
    { END("failed", "128"), SAYS(TIMEOUT, "", 0), MLB_STATE_FAILED, 128,
      "cause" },
    { END("timeout", "143"), SAYS(CANCELLED, "", 0), MLB_STATE_TIMEOUT, 143,
      "cause" },
    /* ... refined if it was a signal */
    { END("failed", "143"), SAYS(TIMEOUT, "TimeLimit", 0), MLB_STATE_TIMEOUT,
      143, "cause" },
    { END("failed", "137"), SAYS(OUT_OF_MEMORY, "", 0),
      MLB_STATE_OUT_OF_MEMORY, 137, "cause" },
    { END("cancelled", "143"), SAYS(PREEMPTED, "", 0), MLB_STATE_PREEMPTED,
      143, "cause" },
    { END("cancelled", "0"), SAYS(NODE_FAILURE, "", 0),
      MLB_STATE_NODE_FAILURE, 0, "cause" },
    { END("failed", "143"), SAYS(CANCELLED, "", 0), MLB_STATE_CANCELLED, 143,
      "cause" },
    { END("failed", "143"), SAYS(FAILED, "", 1), MLB_STATE_FAILED, 143,
      "cause" },
    { END("failed", "143"), ENDING(CANCELLED), MLB_STATE_CANCELLED, 143,
      "cause" },
    { END("failed", "1"), ENDING(CANCELLED), MLB_STATE_FAILED, 1, "cause" },
    { START, ENDING(CANCELLED), MLB_STATE_RUNNING, -1, "" },
    { END("failed", "143"), SAYS(COMPLETED, "", 0), MLB_STATE_FAILED, 143,
      "cause" },
    { START "attempt-end a=1 s=failed", SAYS(TIMEOUT, "TimeLimit", 9),
      MLB_STATE_TIMEOUT, 9, "TimeLimit" },
    /* ... of the last submission and the last attempt */
    { END("failed", "1") ";submitted j=8", SAYS(PENDING, "Resources", -1),
      MLB_STATE_PENDING, -1, "Resources" },
    { END("failed", "1") ";submitted j=8", SILENT, MLB_STATE_UNKNOWN, -1,
      "submitted at 1970-01-01 00:00:04 UTC, the scheduler did not" },
    { END("failed", "1") ";submitted j=8;attempt-start j=8 a=2",
      SAYS(RUNNING, "", -1), MLB_STATE_RUNNING, -1, "" },
    { END("failed", "1")
      ";submitted j=8;attempt-start j=8 a=2;attempt-end a=2 s=completed x=0",
      SILENT, MLB_STATE_COMPLETED, 0, "" },
    { END("timeout", "0") ";attempt-start j=7 a=2", SAYS(RUNNING, "", -1),
      MLB_STATE_RUNNING, -1, "" },
    { END("timeout", "0"), SAYS(PENDING, "BeginTime", -1), MLB_STATE_PENDING,
      -1, "BeginTime" },
    /* ... a duplicate's attempt is not ours */
    { START "attempt-start j=9 a=2;attempt-end j=9 a=2 s=failed x=1",
      SAYS(RUNNING, "", -1), MLB_STATE_RUNNING, -1, "" },
    { START "attempt-end j=9 a=1 s=failed x=1", SAYS(RUNNING, "", -1),
      MLB_STATE_RUNNING, -1, "" },
    /* ... whatever the clocks say */
    { "attempt-start j=7 a=1;attempt-end a=1 s=completed x=0;submitted j=7",
      UNKNOWN_JOB, MLB_STATE_COMPLETED, 0, "" },
    { "attempt-end a=2 s=completed x=0;submitted j=7;attempt-start j=7 a=2;"
      "attempt-start j=7 a=1;attempt-end a=1 s=timeout x=1",
      SILENT, MLB_STATE_COMPLETED, 0, "" },
    /* ... the start may be lost, the end without sense */
    { "submitted j=7;attempt-end a=1 s=failed x=2", SILENT, MLB_STATE_FAILED,
      2, "" },
    { START "attempt-end a=1 s=nonsense x=2", SILENT, MLB_STATE_UNKNOWN, -1,
      "started at" },
    /* ... a restart was promised: it is not the run's end */
    { AGAIN("requeue"), SILENT, MLB_STATE_PENDING, -1, "will go on: 2nd" },
    { AGAIN("requeue"), SAYS(RUNNING, "", -1), MLB_STATE_PENDING, -1,
      "will go on: 2nd" },
    { AGAIN("requeue"), ENDING(TIMEOUT), MLB_STATE_PENDING, -1,
      "will go on: 2nd" },
    { AGAIN("requeue"), SAYS(PENDING, "BeginTime", -1), MLB_STATE_PENDING, -1,
      "will go on: 2nd; BeginTime" },
    { AGAIN("requeue") ";attempt-start j=7 a=2", SAYS(RUNNING, "", -1),
      MLB_STATE_RUNNING, -1, "" },
    { AGAIN("requeue")
      ";attempt-start j=7 a=2;attempt-end a=2 s=completed x=0", SILENT,
      MLB_STATE_COMPLETED, 0, "" },
    { AGAIN("requeue")
      ";attempt-start j=7 a=2;attempt-end a=2 s=timeout x=3 text=cause", SILENT,
      MLB_STATE_TIMEOUT, 3, "cause" },
    { AGAIN("resubmit"), SAYS(RUNNING, "", -1), MLB_STATE_PENDING, -1,
      "will go on: 2nd" },
    { AGAIN("resubmit") ";submitted j=8", SAYS(PENDING, "Priority", -1),
      MLB_STATE_PENDING, -1, "Priority" },
    { AGAIN("resubmit") ";submitted j=8", SILENT, MLB_STATE_UNKNOWN, -1,
      "submitted at" },
    { AGAIN("resubmit") ";submitted j=8;attempt-start j=8 a=2",
      SAYS(RUNNING, "", -1), MLB_STATE_RUNNING, -1, "" },
    { START "attempt-end a=1 s=timeout;restart a=1", SILENT,
      MLB_STATE_PENDING, -1, "will go on" },
    /* ... of another attempt it says nothing */
    { START "restart a=0 text=2nd;attempt-end a=1 s=failed x=1", SILENT,
      MLB_STATE_FAILED, 1, "" },
    { START "restart a=1 text=2nd", UNKNOWN_JOB, MLB_STATE_UNKNOWN, -1,
      "the scheduler no longer knows it" },
    /* ... the promise was taken back, or made anew */
    { AGAIN("requeue") ";not-restarted a=1 text=refused", SILENT,
      MLB_STATE_TIMEOUT, 143, "cause; not started again: refused" },
    { AGAIN("requeue") ";not-restarted a=1;restart a=1 text=3rd", SILENT,
      MLB_STATE_PENDING, -1, "will go on: 3rd" },
    { END("failed", "1") ";not-restarted a=1 text=max", UNKNOWN_JOB,
      MLB_STATE_FAILED, 1, "cause; not started again: max" },
    /* ... it was not kept */
    { AGAIN("requeue"), UNKNOWN_JOB, MLB_STATE_TIMEOUT, 143,
      "was to go on (2nd), but the scheduler no longer knows its job" },
    { AGAIN("requeue"), SAYS(FAILED, "x", 9), MLB_STATE_TIMEOUT, 143,
      "was to go on (2nd), but its job has ended: failed" },
    { AGAIN("resubmit"), SAYS(COMPLETED, "", 0), MLB_STATE_TIMEOUT, 143,
      "was to go on (2nd), but its job has ended: completed" },
    { START "attempt-end a=1 s=timeout;restart a=1 do=resubmit", UNKNOWN_JOB,
      MLB_STATE_TIMEOUT, -1, "was to go on (resubmit), but" },
    { AGAIN("requeue") ";cancel by=ann", SAYS(CANCELLED, "", -1),
      MLB_STATE_CANCELLED, 143, "cancelled by ann" },
    { AGAIN("requeue") ";cancel by=ann", UNKNOWN_JOB, MLB_STATE_CANCELLED,
      143, "cancelled by ann" },
    /* 2: the scheduler knows it */
    { START, SAYS(RUNNING, NULL, -1), MLB_STATE_RUNNING, -1, "" },
    { "submitted j=7", SAYS(PENDING, "Priority", -1), MLB_STATE_PENDING, -1,
      "Priority" },
    { START, SAYS(NODE_FAILURE, NULL, -1), MLB_STATE_NODE_FAILURE, -1,
      "ended without a word from the agent" },
    { START, SAYS(FAILED, "NonZeroExitCode", 9), MLB_STATE_FAILED, 9,
      "NonZeroExitCode; ended without a word from the agent" },
    { "submitted j=7", SAYS(CANCELLED, "by admin", 0), MLB_STATE_CANCELLED,
      0, "by admin" },
    /* 3: it answers, and does not know it */
    { START, UNKNOWN_JOB, MLB_STATE_UNKNOWN, -1,
      "started at 1970-01-01 00:00:02 UTC, the scheduler no longer knows it" },
    { "submitted j=7", UNKNOWN_JOB, MLB_STATE_UNKNOWN, -1,
      "submitted at 1970-01-01 00:00:01 UTC, the scheduler does not know" },
    { START "cancel by=ann", UNKNOWN_JOB, MLB_STATE_CANCELLED, -1,
      "cancelled by ann" },
    { START "cancel by=ann;cancel-failed", UNKNOWN_JOB, MLB_STATE_UNKNOWN, -1,
      "started at 1970-01-01 00:00:02 UTC, the scheduler no longer knows it" },
    { "submitted j=7;cancel", UNKNOWN_JOB, MLB_STATE_CANCELLED, -1,
      "cancelled" },
    { "submitted j=7;cancel;submitted j=8", UNKNOWN_JOB, MLB_STATE_UNKNOWN,
      -1, "submitted at" },
    /* 4: no answer */
    { START, SILENT, MLB_STATE_UNKNOWN, -1, "the scheduler did not answer" },
    { START "cancel by=ann", SILENT, MLB_STATE_UNKNOWN, -1, "did not answer" },
    { START, SAYS(UNKNOWN, NULL, -1), MLB_STATE_UNKNOWN, -1, "" },
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
        run_state(&events, &row->witness, &state);
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
    run_state(&events, &silent, &state);
    assert_int_equal(state.attempts, 2);
    assert_int_equal(state.step, 20);
    assert_true(state.submitted == 6 && state.started == 7 &&
                state.ended == 9);
    events.count = 3;
    run_state(&events, &silent, &state);
    assert_int_equal(state.attempts, 1);
    assert_int_equal(state.step, -1);
    assert_true(state.submitted == 2 && state.started == 3 &&
                state.ended == 0);
    events.count = 9;
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
    run_state(&events, &silent, &state);
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
        cmocka_unit_test(test_long_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
