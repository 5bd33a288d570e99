/* SPDX-License-Identifier: BSD-3-Clause */
/* run/events: lines appended by many, read and merged, torn ones counted. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/files.h"
#include "run/events.h"

/* A run's directory with nothing but events/. */
static int setup(void **state)
{
    *state = strdup("/tmp/mlb-events-XXXXXX");
    if (!*state || !mkdtemp(*state))
        return -1;
    char *path = xasprintf("%s/events", (char *)*state);
    int rc = files_mkdirs(path, NULL);
    free(path);
    return rc;
}

static int teardown(void **state)
{
    int rc = files_remove_tree(*state, NULL);

    free(*state);
    return rc;
}

static void write_log(const char *dir, const char *name, const char *bytes,
                      size_t length)
{
    char *path = xasprintf("%s/events/%s", dir, name);

    assert_int_equal(files_append(path, bytes, length, NULL), 0);
    free(path);
}

static void write_text(const char *dir, const char *name, const char *text)
{
    write_log(dir, name, text, strlen(text));
}

static void test_append(void **state)
{
    struct mlb_events events = MLB_EVENTS_INIT;
    double before = (double)time(NULL);

    assert_int_equal(events_append(*state, "w", "created",
                                   json_pack("{s:s}", "user", "me"), NULL), 0);
    assert_int_equal(events_append(*state, "w", "task-end",
                                   json_pack("{s:i, s:i, s:i, s:s}",
                                             "attempt", 2, "rank", 3, "exit",
                                             0, "event", "not-this"),
                                   NULL), 0);
    assert_int_equal(events_append(*state, "v", "cancel", NULL, NULL), 0);
    assert_int_equal(events_read(*state, &events, NULL), 0);
    assert_int_equal(events.count, 3);
    assert_int_equal(events.torn, 0);
    const struct mlb_event *e = &events.items[0];
    assert_string_equal(e->name, "created");
    assert_int_equal(e->attempt, -1);
    assert_int_equal(e->rank, -1);
    assert_true(e->time >= before - 1 && e->time <= before + 60);
    assert_string_equal(json_string_value(json_object_get(e->fields, "user")),
                        "me");
    e = events_last(&events, "task-end");
    assert_int_equal(e->attempt, 2);
    assert_int_equal(e->rank, 3);
    assert_ptr_equal(events_last(&events, "cancel"), &events.items[2]);
    assert_null(events_last(&events, "not-this"));
    events_clear(&events);
    events_clear(&events);
}

static void test_append_refuses(void **state)
{
    struct mlb_events events = MLB_EVENTS_INIT;
    struct mlb_error err = { 0 };
    char *big = xmalloc(2 << 20);

    memset(big, 'x', (2 << 20) - 1);
    big[(2 << 20) - 1] = '\0';
    assert_int_equal(events_append(*state, "w", "a", json_array(), &err), -1);
    assert_int_equal(err.code, MLB_ERR_USAGE);
    assert_int_equal(events_append(*state, "w", "a",
                                   json_pack("{s:s}", "text", big), &err), -1);
    assert_int_equal(err.code, MLB_ERR_USAGE);
    assert_int_equal(events_append("/none", "w", "a", NULL, &err), -1);
    assert_int_equal(err.code, MLB_ERR_IO);
    assert_int_equal(events_read(*state, &events, NULL), 0);
    assert_int_equal(events.count, 0);
    free(big);
}

static void test_time_given(void **state)
{
    struct mlb_events events = MLB_EVENTS_INIT;

    events_append(*state, "w", "metric", json_pack("{s:f}", "time", 12.25),
                  NULL);
    assert_int_equal(events_read(*state, &events, NULL), 0);
    assert_true(events.items[0].time == 12.25);
    events_clear(&events);
}

static void test_merge(void **state)
{
    static const char *const order[] = { "e0", "a1", "a2", "b1", "b2", "c1",
                                         "a9" };
    struct mlb_events events = MLB_EVENTS_INIT;

    write_text(*state, "b.jsonl", "{\"time\":5,\"event\":\"b1\"}\n"
                                  "{\"time\":5.0,\"event\":\"b2\"}\n");
    write_text(*state, "a.jsonl", "{\"time\":5,\"event\":\"a1\"}\n"
                                  "{\"event\":\"a2\",\"time\":5}\n"
                                  "{\"time\":9.5,\"event\":\"a9\"}\n");
    write_text(*state, "c.jsonl", "{\"time\":5.000001,\"event\":\"c1\"}\n"
                                  "{\"time\":-1,\"event\":\"e0\"}\n");
    write_text(*state, "d.json", "{\"time\":1,\"event\":\"no\"}\n");
    write_text(*state, ".jsonl", "{\"time\":1,\"event\":\"no\"}\n");
    char *link = xasprintf("%s/events/l.jsonl", (char *)*state);
    assert_int_equal(symlink("a.jsonl", link), 0);
    free(link);
    char *dir = xasprintf("%s/events/d.jsonl", (char *)*state);
    assert_int_equal(files_mkdirs(dir, NULL), 0);
    free(dir);
    assert_int_equal(events_read(*state, &events, NULL), 0);
    assert_int_equal(events.count, sizeof(order) / sizeof(order[0]));
    for (size_t i = 0; i < events.count; i++)
        assert_string_equal(events.items[i].name, order[i]);
    assert_int_equal(events.torn, 0);
    events_clear(&events);
}

static void test_torn(void **state)
{
    static const char *const bad[] = {
        "x", "{", "[]", "1", "null", "{\"time\":1}", "{\"event\":\"a\"}",
        "{\"time\":\"1\",\"event\":\"a\"}", "{\"time\":1,\"event\":2}",
        "{\"time\":1e999,\"event\":\"a\"}", "{\"time\":1,\"event\":\"a\"} x",
        "{\"time\":1,\"event\":\"\xff\"}",
    };
    struct mlb_events events = MLB_EVENTS_INIT;
    size_t count = sizeof(bad) / sizeof(bad[0]);

    for (size_t i = 0; i < count; i++) {
        write_text(*state, "w.jsonl", bad[i]);
        write_text(*state, "w.jsonl", "\n\n{\"time\":1,\"event\":\"ok\"}\n");
    }
    write_log(*state, "w.jsonl", "\0{}\n", 4);
    char *deep = xmalloc(100000);
    memset(deep, '[', 99999);
    deep[99999] = '\n';
    write_log(*state, "w.jsonl", deep, 100000);
    free(deep);
    char *big = xmalloc(2 << 20);
    memset(big, ' ', 2 << 20);
    memcpy(big, "{\"time\":1,\"event\":\"big\"}", 24);
    big[(2 << 20) - 1] = '\n';
    write_log(*state, "w.jsonl", big, 2 << 20);
    free(big);
    /* Whole as it looks, the end of "12" may be missing. */
    write_text(*state, "w.jsonl", "{\"time\":1,\"event\":\"cut\"}");
    assert_int_equal(events_read(*state, &events, NULL), 0);
    assert_int_equal(events.count, count);
    assert_int_equal(events.torn, count + 4);
    assert_null(events_last(&events, "cut"));
    events_clear(&events);
}

/* The line after a torn one is whole. */
static void test_after_torn(void **state)
{
    struct mlb_events events = MLB_EVENTS_INIT;

    write_text(*state, "w.jsonl", "{\"time\":1,\"ev");
    assert_int_equal(events_append(*state, "w", "next", NULL, NULL), 0);
    assert_int_equal(events_append(*state, "w", "last", NULL, NULL), 0);
    assert_int_equal(events_read(*state, &events, NULL), 0);
    assert_int_equal(events.count, 2);
    assert_int_equal(events.torn, 1);
    assert_string_equal(events.items[0].name, "next");
    events_clear(&events);
}

static void test_none(void **state)
{
    struct mlb_events events = MLB_EVENTS_INIT;

    assert_int_equal(events_read(*state, &events, NULL), 0);
    assert_int_equal(events.count, 0);
    assert_int_equal(events_read("/none/such", &events, NULL), 0);
    assert_null(events_last(&events, "created"));
    events_clear(&events);
}

#define WRITERS 4
#define LINES 1000

/* Several processes append to one file; every line is whole, and each
 * writer's lines are in its order. */
static void test_many_writers(void **state)
{
    struct mlb_events events = MLB_EVENTS_INIT;
    long next[WRITERS] = { 0 };

    for (int w = 0; w < WRITERS; w++) {
        if (fork() > 0)
            continue;
        for (int i = 0; i < LINES; i++)
            if (events_append(*state, "node", "metric",
                              json_pack("{s:i, s:i}", "rank", w, "step", i),
                              NULL) < 0)
                _exit(1);
        _exit(0);
    }
    for (int w = 0, status; w < WRITERS; w++) {
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    assert_int_equal(events_read(*state, &events, NULL), 0);
    assert_int_equal(events.torn, 0);
    assert_int_equal(events.count, WRITERS * LINES);
    for (size_t i = 0; i < events.count; i++) {
        const struct mlb_event *e = &events.items[i];
        assert_in_range(e->rank, 0, WRITERS - 1);
        assert_int_equal(json_integer_value(json_object_get(e->fields,
                                                            "step")),
                         next[e->rank]++);
    }
    events_clear(&events);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_append),
        TEST(test_append_refuses),
        TEST(test_time_given),
        TEST(test_merge),
        TEST(test_torn),
        TEST(test_after_torn),
        TEST(test_none),
        TEST(test_many_writers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
