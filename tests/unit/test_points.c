/* SPDX-License-Identifier: BSD-3-Clause */
/* run/points: records, what becomes of them on the node, ids and parts. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/files.h"
#include "run/after.h"
#include "run/events.h"
#include "run/points.h"

#define MARK "0123456789abcdef0123456789abcdef"

static int set_up(void **state)
{
    char store[] = "/tmp/mlb-points-XXXXXX";

    if (!mkdtemp(store))
        return -1;
    *state = strdup(store);
    return 0;
}

static int tear_down(void **state)
{
    int rc = files_remove_tree(*state, NULL);

    free(*state);
    return rc;
}

/* A sweep s.1 of count points: the value k of each is its number. */
static void make_sweep(const char *store, long count, struct mlb_run *run)
{
    struct mlb_fields *records = xcalloc((size_t)count, sizeof(*records));
    struct mlb_fields plan = MLB_FIELDS_INIT;
    struct mlb_text text = MLB_TEXT_INIT;

    assert_int_equal(run_create(store, "s", run, NULL), 0);
    for (long i = 0; i < count; i++) {
        records[i] = (struct mlb_fields)MLB_FIELDS_INIT;
        fields_add(&records[i], "token", i < 2 ? "tok0" : "tok2");
        fields_addf(&records[i], "value", "k=%ld", i);
        fields_add(&records[i], "value", "t=a=b\n" MARK "#");
    }
    points_format(records, count, &text);
    char *path = run_path(run, "sweep");
    assert_int_equal(files_publish(path, text.data, text.length, 0600, NULL),
                     0);
    free(path);
    fields_add(&plan, "run", "s.1/" MARK "#");
    fields_add(&plan, "scheduler", "slurm");
    fields_add(&plan, "token", "tok0");
    fields_add(&plan, "mark", MARK);
    fields_add(&plan, "command", "<" MARK ".k.> " MARK ".t." MARK ".k. "
               MARK ".no. " MARK);
    fields_add(&plan, "env", "MLB_RUN_DIR=/x/points/" MARK "#");
    path = run_path(run, "plan");
    assert_int_equal(fields_write(&plan, path, NULL), 0);
    free(path);
    for (long i = 0; i < count; i++)
        fields_clear(&records[i]);
    free(records);
    fields_clear(&plan);
    text_clear(&text);
}

static void test_records(void **state)
{
    struct mlb_run run = MLB_RUN_INIT;
    struct mlb_fields record = MLB_FIELDS_INIT;
    struct mlb_error err;

    make_sweep(*state, 12, &run);
    assert_int_equal(points_count(run.path), 12);
    assert_int_equal(points_count(*state), 0);
    assert_int_equal(points_read(run.path, 11, &record, &err), 0);
    assert_string_equal(fields_get(&record, "value"), "k=11");
    fields_clear(&record);
    assert_int_equal(points_read(run.path, 12, &record, &err), -1);
    assert_int_equal(err.code, MLB_ERR_NOT_FOUND);
    assert_int_equal(points_read(run.path, -1, &record, &err), -1);
    /* Cut off and damaged files are told, whatever is asked. */
    char *path = run_path(&run, "sweep");
    assert_int_equal(truncate(path, 300), 0);
    assert_int_equal(points_read(run.path, 11, &record, &err), -1);
    assert_int_equal(err.code, MLB_ERR_BAD_INPUT);
    assert_int_equal(truncate(path, 20), 0);
    assert_int_equal(points_count(run.path), 0);
    free(path);
    run_clear(&run);
}

static void test_make(void **state)
{
    struct mlb_run run = MLB_RUN_INIT, point;
    struct mlb_fields plan = MLB_FIELDS_INIT;
    struct mlb_events events = MLB_EVENTS_INIT;

    make_sweep(*state, 3, &run);
    assert_int_equal(events_append(run.path, "submit", "submitted",
                                   json_pack("{s:s, s:s}", "scheduler",
                                             "slurm", "job", "7"), NULL), 0);
    points_run(&run, 2, &point);
    assert_string_equal(point.id, "s.1/2");
    /* As when a job is started twice at once. */
    for (int i = 0; i < 2; i++)
        assert_int_equal(points_make(&point, "7_2", NULL), 0);
    char *path = run_path(&point, "plan");
    assert_int_equal(fields_read(&plan, path, NULL), 0);
    assert_string_equal(fields_get(&plan, "run"), "s.1/2");
    assert_string_equal(fields_get(&plan, "token"), "tok2");
    assert_string_equal(fields_get(&plan, "env"), "MLB_RUN_DIR=/x/points/2");
    /* What a value brings in is not looked at again. */
    assert_string_equal(fields_get(&plan, "command"),
                        "<2> a=b\n" MARK "#2 " MARK ".no. " MARK);
    assert_null(fields_get(&plan, "mark"));
    assert_int_equal(events_read(point.path, &events, NULL), 0);
    assert_int_equal(events.count, 1);
    assert_string_equal(json_string_value(json_object_get(
                            events.items[0].fields, "job")), "7_2");
    events_clear(&events);
    fields_clear(&plan);
    free(path);
    run_clear(&point);
    run_clear(&run);
}

static void test_submission(void **state)
{
    struct mlb_run run = MLB_RUN_INIT, point;
    struct mlb_submission s;
    struct mlb_fields done = MLB_FIELDS_INIT;

    make_sweep(*state, 5, &run);
    fields_add(&done, "scheduler", "slurm");
    fields_add(&done, "id", "9");
    fields_add(&done, "token", "tok2");
    fields_add(&done, "part", "7 tok0 0 0-1");
    fields_add(&done, "part", "9 tok2 2 0,2");
    char *path = run_path(&run, "submission");
    assert_int_equal(fields_write(&done, path, NULL), 0);
    static const char *const ids[] = { "7_0", "7_1", "9_0", "", "9_2" };
    for (long i = 0; i < 5; i++) {
        points_run(&run, i, &point);
        assert_int_equal(run_submission(&point, &s, NULL), 0);
        assert_string_equal(s.id, ids[i]);
        assert_string_equal(s.token, i < 2 ? "tok0" : "tok2");
        assert_string_equal(s.scheduler, "slurm");
        submission_forget(&s);
        run_clear(&point);
    }
    assert_int_equal(run_submission(&run, &s, NULL), 0);
    assert_string_equal(s.id, "9");
    submission_forget(&s);
    free(path);
    fields_clear(&done);
    run_clear(&run);
}

static void test_find(void **state)
{
    struct mlb_run run = MLB_RUN_INIT, point = MLB_RUN_INIT;
    struct mlb_error err;
    const char *store = *state;

    make_sweep(store, 3, &run);
    char *path = xasprintf("%s/points/1", run.path);
    const char *const names[] = { "s.1/1", "s/1", path };
    for (size_t i = 0; i < 3; i++) {
        /* A path is one only once it is there. */
        if (i == 2)
            assert_int_equal(files_mkdirs(path, NULL), 0);
        assert_int_equal(run_find(store, names[i], &point, &err), 0);
        assert_string_equal(point.id, "s.1/1");
        assert_string_equal(point.path, path);
        assert_string_equal(point.sweep, run.path);
        run_clear(&point);
    }
    assert_int_equal(run_find(store, "s.1/3", &point, &err), -1);
    assert_string_equal(err.text, "s.1 has no point 3, but 0 to 2");
    assert_int_equal(run_find(store, "x/3", &point, &err), -1);
    assert_int_equal(run_find(store, "s.1/-1", &point, &err), -1);
    free(path);
    run_clear(&run);
}

/* A sweep ends when all of its points have. */
static void test_end(void **state)
{
    struct mlb_run run = MLB_RUN_INIT, point;
    static const char *const ends[] = { "completed", "failed", "timeout" };
    enum mlb_state wanted[] = { MLB_STATE_UNKNOWN, MLB_STATE_UNKNOWN,
                                MLB_STATE_FAILED };

    make_sweep(*state, 3, &run);
    for (long i = 0; i < 3; i++) {
        points_run(&run, i, &point);
        assert_int_equal(points_make(&point, "7_0", NULL), 0);
        assert_int_equal(events_append(point.path, "batch", "attempt-end",
                                       json_pack("{s:s}", "state", ends[i]),
                                       NULL), 0);
        assert_int_equal(after_end_of(run.path), wanted[i]);
        run_clear(&point);
    }
    run_clear(&run);
}

static void test_indices(void **state)
{
    static const long list[] = { 0, 1, 2, 4, 7, 8 };
    struct mlb_text text = MLB_TEXT_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
        indices_add(&text, list[i]);
    assert_string_equal(text.data, "0-2,4,7-8");
    for (long i = 0; i < 12; i++) {
        bool in = false;
        for (size_t j = 0; j < sizeof(list) / sizeof(list[0]); j++)
            in = in || list[j] == i;
        assert_int_equal(indices_have(text.data, i), in);
    }
    assert_false(indices_have("", 0));
    assert_false(indices_have("x", 0));
    assert_false(indices_have("1;3", 3));
    text_clear(&text);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_records), TEST(test_make), TEST(test_submission),
        TEST(test_find), TEST(test_end), cmocka_unit_test(test_indices),
    };

    return cmocka_run_group_tests_name("points", tests, NULL, NULL);
}
