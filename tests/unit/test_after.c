/* SPDX-License-Identifier: BSD-3-Clause */
/* run/after: one row a case: event log, and how a run that waits reads it. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/text.h"
#include "run/after.h"

/* Each is an event; "attempt-end STATE" has a state, "submitted JOB" and
 * "attempt-start JOB" a job. Separated by ';'. */
static const struct {
    const char *events;
    enum mlb_state end;
} rows[] = {
    { "", MLB_STATE_UNKNOWN },
    { "created", MLB_STATE_UNKNOWN },
    { "created;submitted 7", MLB_STATE_UNKNOWN },
    { "submitted 7;attempt-start 7", MLB_STATE_UNKNOWN },
    { "submitted 7;attempt-start 7;attempt-end completed",
      MLB_STATE_COMPLETED },
    { "submitted 7;attempt-start 7;attempt-end failed;sealed",
      MLB_STATE_FAILED },
    { "submitted 7;attempt-end cancelled", MLB_STATE_CANCELLED },
    /* An attempt that another one follows is no end. */
    { "submitted 7;attempt-start 7;attempt-end timeout;restart",
      MLB_STATE_UNKNOWN },
    { "submitted 7;attempt-start 7;attempt-end timeout;restart;sealed",
      MLB_STATE_UNKNOWN },
    { "submitted 7;attempt-start 7;attempt-end timeout;restart;"
      "not-restarted", MLB_STATE_TIMEOUT },
    { "submitted 7;attempt-start 7;attempt-end timeout;restart;submitted 8",
      MLB_STATE_UNKNOWN },
    { "submitted 7;attempt-start 7;attempt-end timeout;restart;submitted 8;"
      "attempt-start 8", MLB_STATE_UNKNOWN },
    { "submitted 7;attempt-start 7;attempt-end timeout;restart;submitted 8;"
      "attempt-start 8;attempt-end completed", MLB_STATE_COMPLETED },
};

static void read_events(const char *text, struct mlb_events *events)
{
    char *copy = xstrdup(text), *save = NULL;
    double time = 0;

    *events = (struct mlb_events)MLB_EVENTS_INIT;
    events->items = xcalloc(16, sizeof(*events->items));
    for (char *w = strtok_r(copy, ";", &save); w;
         w = strtok_r(NULL, ";", &save)) {
        char *value = strchr(w, ' ');
        if (value)
            *value++ = '\0';
        json_t *fields = json_pack("{s:s, s:s*, s:s*}", "event", w, "job",
                                   value, "state", value);
        events->items[events->count++] = (struct mlb_event){
            .time = ++time, .fields = fields, .attempt = -1, .rank = -1,
            .name = json_string_value(json_object_get(fields, "event")),
        };
        /* An end is told apart by its attempt's job. */
        if (strcmp(w, "attempt-end") == 0)
            json_object_del(fields, "job");
    }
    free(copy);
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct mlb_events events;
        read_events(rows[i].events, &events);
        if (after_end(&events) != rows[i].end)
            fail_msg("row %zu: %s", i, rows[i].events);
        events_clear(&events);
    }
}

static void test_conditions(void **state)
{
    (void)state;
    assert_true(after_is_met("ok", MLB_STATE_COMPLETED));
    assert_false(after_is_met("ok", MLB_STATE_FAILED));
    assert_false(after_is_met("notok", MLB_STATE_COMPLETED));
    assert_true(after_is_met("notok", MLB_STATE_CANCELLED));
    assert_true(after_is_met("any", MLB_STATE_COMPLETED));
    assert_true(after_is_met("any", MLB_STATE_OUT_OF_MEMORY));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_conditions),
    };

    return cmocka_run_group_tests_name("after", tests, NULL, NULL);
}
