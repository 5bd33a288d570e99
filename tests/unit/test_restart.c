/* SPDX-License-Identifier: BSD-3-Clause */
/* run/restart: one row a case: what happened, how it ended, what follows. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/files.h"
#include "run/restart.h"

/* What is in the log: 's' a person's submission ('s0':
 * before the first attempt, by a clock that is late), 'r' a resubmission, 'T' a
 * restart after a timeout, 'P' one after a preemption; a number is the next
 * attempt's end with its newest checkpoint, "-" one without any. */
struct row {
    const char *log;
    long attempt;
    enum mlb_state state;
    long saved;
    bool again;
    long count;
    const char *text;            /* is in the text */
};

#define TIMEOUT MLB_STATE_TIMEOUT

static const struct row rows[] = {
    { "s", 1, TIMEOUT, 10, true, 1,
      "restart 1 of at most 2 after \"timeout\"" },
    /* nobody asked, or nothing to ask for */
    { "s", 1, MLB_STATE_COMPLETED, 10, false, 0, "" },
    { "s", 1, MLB_STATE_CANCELLED, 10, false, 0, "" },
    { "s", 1, MLB_STATE_FAILED, 10, false, 0,
      "restart.on does not name \"failed\"" },
    /* so often for each end */
    { "s 10 T r", 2, TIMEOUT, 20, true, 2, "restart 2 of" },
    { "s 10 T r 20 T r", 3, TIMEOUT, 30, false, 0,
      "restart.max: 2 restarts after \"timeout\" were made already" },
    { "s 10 T r 20 T r", 3, MLB_STATE_PREEMPTED, 30, true, 1, "restart 1" },
    { "s 10 P r 20 P r", 3, TIMEOUT, 30, true, 1, "restart 1" },
    /* a person's word starts the count anew */
    { "s 10 T r 20 T r 30 s", 4, TIMEOUT, 40, true, 1, "restart 1" },
    /* ... whatever the clocks say: the order of the log means nothing */
    { "10 T r 20 T r s", 3, TIMEOUT, 30, true, 1, "restart 1" },
    { "10 T r 20 T r s0", 3, TIMEOUT, 30, false, 0, "restart.max: 2" },
    /* without a newer checkpoint only once in a row */
    { "s", 1, TIMEOUT, -1, true, 1, "" },
    { "s - T r", 2, TIMEOUT, -1, false, 0, "no newer checkpoint" },
    { "s - T r", 2, TIMEOUT, 5, true, 2, "" },
    { "s 10 T r", 2, TIMEOUT, 10, true, 2, "" },
    { "s 10 P r 10 T r", 3, TIMEOUT, 10, false, 0, "no newer checkpoint" },
    { "s 10 P r 10 T r", 3, TIMEOUT, 11, true, 2, "" },
    /* an attempt that ended without a word holds nothing against the next */
    { "s 10 T r", 3, TIMEOUT, 10, true, 2, "" },
};

static struct mlb_event *add(struct mlb_events *events, const char *name,
                             json_t *fields)
{
    struct mlb_event *e = &events->items[events->count];

    *e = (struct mlb_event){ .time = (double)++events->count, .attempt = -1,
                             .rank = -1, .fields = fields };
    json_object_set_new(fields, "event", json_string(name));
    e->name = json_string_value(json_object_get(fields, "event"));
    return e;
}

static struct mlb_events make_events(const char *log)
{
    struct mlb_events events = { .items = xcalloc(32, sizeof(*events.items)) };
    char *copy = xstrdup(log), *save = NULL;
    long attempt = 0;

    for (char *w = strtok_r(copy, " ", &save); w;
         w = strtok_r(NULL, " ", &save)) {
        assert_true(events.count < 32);
        if (*w == 's' || *w == 'r')
            add(&events, "submitted", json_pack("{s:b, s:I}", "restart",
                                                *w == 'r', "attempts",
                                                w[1] ? (json_int_t)0
                                                     : attempt));
        else if (*w == 'T' || *w == 'P')
            add(&events, "restart",
                json_pack("{s:s}", "cause",
                          *w == 'T' ? "timeout" : "preempted"))
                ->attempt = attempt;
        else
            add(&events, "attempt-end",
                json_pack("{s:i}", "saved", *w == '-' ? -1 : atoi(w)))
                ->attempt = ++attempt;
    }
    free(copy);
    return events;
}

static void test_rows(void **unused)
{
    struct restart_policy policy = { MLB_STRINGS_INIT, 2 };

    (void)unused;
    strings_push(&policy.on, "timeout");
    strings_push(&policy.on, "preempted");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        struct mlb_events events = make_events(row->log);
        struct restart_end end = { row->attempt, row->state,
                                   { row->saved, 0 } };
        struct restart out;
        restart_decide(&events, &policy, &end, &out);
        if (out.again != row->again || out.count != row->count ||
            !strstr(out.text, row->text) || (!*row->text && !row->again &&
                                             *out.text))
            fail_msg("row %zu (%s): again %d, count %ld, %s", i, row->log,
                     out.again, out.count, out.text);
        events_clear(&events);
    }
    strings_clear(&policy.on);
}

static void test_no_policy(void **unused)
{
    const struct restart_policy none = { MLB_STRINGS_INIT, 2 };
    const struct restart_end end = { 1, TIMEOUT, { 3, 0 } };
    struct mlb_events events = make_events("s");
    struct restart out;

    (void)unused;
    restart_decide(&events, &none, &end, &out);
    assert_false(out.again);
    assert_string_equal(out.text, "");
    events_clear(&events);
}

static void touch(const char *dir, const char *name)
{
    char *path = xasprintf("%s/checkpoints/%s", dir, name);

    assert_int_equal(files_publish(path, "", 0, 0600, NULL), 0);
    free(path);
}

/* Only names of published checkpoints count; files of a program's own are
 * known by their time. */
static void test_look(void **unused)
{
    char dir[] = "test_restart.XXXXXX";
    struct restart_saved saved;

    (void)unused;
    assert_non_null(mkdtemp(dir));
    restart_look(dir, &saved);
    assert_int_equal(saved.step, -1);
    assert_true(saved.at == 0);
    char *folder = xasprintf("%s/checkpoints", dir);
    assert_int_equal(files_mkdirs(folder, NULL), 0);
    touch(dir, "model.pt");
    restart_look(dir, &saved);
    assert_int_equal(saved.step, -1);
    assert_true(saved.at > 1e9);
    touch(dir, "step-000000000120.h5");
    touch(dir, "step-000000000090.h5");
    touch(dir, ".step-000000000900.h5");
    touch(dir, "step-000000000800.h5.part");
    touch(dir, "step-x.h5");
    restart_look(dir, &saved);
    assert_int_equal(saved.step, 120);
    touch(dir, "step-000000000121.d");
    restart_look(dir, &saved);
    assert_int_equal(saved.step, 121);
    assert_int_equal(files_remove_tree(dir, NULL), 0);
    free(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_no_policy),
        cmocka_unit_test(test_look),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
