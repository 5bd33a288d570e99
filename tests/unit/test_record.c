/* SPDX-License-Identifier: BSD-3-Clause */
/* run/record: a run's events, sealed and read back. */
#include "config.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/files.h"
#include "base/text.h"
#include "run/events.h"
#include "run/record.h"
#include "store/sealed.h"

#define UNTOLD INT64_MIN

static int setup(void **state)
{
    *state = strdup("/tmp/mlb-record-XXXXXX");
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

static void write_file(const char *dir, const char *part, const char *text)
{
    char *path = xasprintf("%s/%s", dir, part);

    assert_int_equal(files_append(path, text, strlen(text), NULL), 0);
    free(path);
}

static struct sealed *seal(const char *dir)
{
    struct mlb_error err = { 0 };
    char *path = xasprintf("%s/record.h5", dir);

    if (record_seal(dir, &err) < 0)
        fail_msg("%s", err.text);
    struct sealed *c = sealed_open(path, &err);
    if (!c)
        fail_msg("%s", err.text);
    free(path);
    return c;
}

/* All of an array, which has count values. Caller frees. */
static void *get(struct sealed *c, const char *name, enum sealed_type type,
                 size_t count)
{
    struct sealed_array a;
    struct sealed_rows all = { 0, count };

    if (!sealed_find(c, name, &a))
        fail_msg("no %s", name);
    assert_int_equal(a.type, type);
    assert_int_equal(a.shape[0], count);
    void *data = xcalloc(count + 1, a.width ? a.width : 8);
    assert_int_equal(sealed_read(c, name, &all, data, NULL), 0);
    return data;
}

static void assert_whole(struct sealed *c, const char *name,
                         const int64_t *expected, size_t count)
{
    int64_t *data = get(c, name, SEALED_I64, count);

    for (size_t i = 0; i < count; i++)
        if (data[i] != expected[i])
            fail_msg("%s[%zu] is %lld", name, i, (long long)data[i]);
    free(data);
}

/* NaN is equal to NaN here. */
static void assert_real(struct sealed *c, const char *name,
                        const double *expected, size_t count)
{
    double *data = get(c, name, SEALED_F64, count);

    for (size_t i = 0; i < count; i++)
        if (data[i] != expected[i] &&
            !(isnan(data[i]) && isnan(expected[i])))
            fail_msg("%s[%zu] is %g", name, i, data[i]);
    free(data);
}

#define WHOLE(c, name, ...)                                                   \
    assert_whole(c, name, (const int64_t[]){ __VA_ARGS__ },                   \
                 sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t))
#define REAL(c, name, ...)                                                    \
    assert_real(c, name, (const double[]){ __VA_ARGS__ },                     \
                sizeof((const double[]){ __VA_ARGS__ }) / sizeof(double))

static void test_empty(void **state)
{
    struct sealed *c = seal(*state);

    assert_whole(c, "/attempts/attempt", NULL, 0);
    assert_real(c, "/attempts/start", NULL, 0);
    assert_whole(c, "/tasks/max_rss", NULL, 0);
    free(get(c, "/attempts/state", SEALED_TEXT, 0));
    free(get(c, "/job", SEALED_U8, 0));
    free(get(c, "/events", SEALED_U8, 0));
    sealed_close(c);
}

static const char log_text[] =
    "{\"time\":1,\"event\":\"attempt-start\",\"attempt\":1}\n"
    "{\"time\":2,\"event\":\"task-start\",\"attempt\":1,\"rank\":1}\n"
    "{\"time\":2,\"event\":\"task-start\",\"attempt\":1,\"rank\":0}\n"
    "{\"time\":3,\"event\":\"metric\",\"attempt\":1,\"rank\":0,"
    "\"name\":\"loss\",\"step\":1,\"value\":0.5}\n"
    "{\"time\":4,\"event\":\"metric\",\"attempt\":1,\"rank\":0,"
    "\"name\":\"test/loss\",\"step\":1,\"value\":3}\n"
    "{\"time\":5,\"event\":\"metric\",\"attempt\":1,"
    "\"name\":\"loss\",\"step\":2,\"value\":\"-inf\"}\n"
    "{\"time\":6,\"event\":\"metric\",\"attempt\":1,\"rank\":0,"
    "\"name\":\"loss\",\"value\":\"nan\"}\n"
    "{\"time\":7,\"event\":\"task-end\",\"attempt\":1,\"rank\":0,\"exit\":3,"
    "\"signal\":0,\"seconds\":1.5,\"user_seconds\":1,"
    "\"max_rss\":9007199254740993}\n"
    "{\"time\":8.5,\"event\":\"attempt-end\",\"attempt\":1,\"exit\":3,"
    "\"state\":\"failed\"}\n"
    "{\"time\":9,\"event\":\"attempt-start\",\"attempt\":2}\n";

static void test_tables(void **state)
{
    char *states;

    write_file(*state, "events/n.jsonl", log_text);
    write_file(*state, "job.conf", "name = \"x\";\n");
    struct sealed *c = seal(*state);
    WHOLE(c, "/attempts/attempt", 1, 2);
    REAL(c, "/attempts/start", 1, 9);
    REAL(c, "/attempts/end", 8.5, NAN);
    WHOLE(c, "/attempts/exit", 3, UNTOLD);
    states = get(c, "/attempts/state", SEALED_TEXT, 2);
    assert_string_equal(states, "failed");
    assert_string_equal(states + 16, "");
    free(states);
    WHOLE(c, "/tasks/attempt", 1, 1);
    WHOLE(c, "/tasks/rank", 0, 1);
    WHOLE(c, "/tasks/exit", 3, UNTOLD);
    WHOLE(c, "/tasks/signal", 0, UNTOLD);
    WHOLE(c, "/tasks/max_rss", 9007199254740993, UNTOLD);
    REAL(c, "/tasks/seconds", 1.5, NAN);
    REAL(c, "/tasks/user_seconds", 1, NAN);
    REAL(c, "/tasks/system_seconds", NAN, NAN);
    WHOLE(c, "/metrics/loss/step", 1, 2, UNTOLD);
    REAL(c, "/metrics/loss/value", 0.5, -INFINITY, NAN);
    REAL(c, "/metrics/loss/time", 3, 5, 6);
    WHOLE(c, "/metrics/loss/rank", 0, UNTOLD, 0);
    REAL(c, "/metrics/test/loss/value", 3);
    char *text = get(c, "/job", SEALED_U8, 12);
    assert_memory_equal(text, "name = \"x\";\n", 12);
    free(text);
    struct sealed_array a;
    assert_true(sealed_find(c, "/events", &a));
    text = get(c, "/events", SEALED_U8, a.shape[0]);
    assert_memory_equal(text, "{\"time\":1,\"event\":\"attempt-start\"", 33);
    free(text);
    sealed_close(c);
}

/* A second seal replaces the first; with more in it. */
static void test_again(void **state)
{
    write_file(*state, "events/n.jsonl", log_text);
    sealed_close(seal(*state));
    write_file(*state, "events/n.jsonl",
               "{\"time\":10,\"event\":\"attempt-end\",\"attempt\":2,"
               "\"exit\":0,\"state\":\"completed\"}\n{\"torn");
    struct sealed *c = seal(*state);
    WHOLE(c, "/attempts/exit", 3, 0);
    REAL(c, "/attempts/end", 8.5, 10);
    sealed_close(c);
    struct mlb_strings names = MLB_STRINGS_INIT;
    assert_int_equal(files_list(*state, &names, NULL), 0);
    assert_int_equal(names.count, 2);        /* events, record.h5 */
    strings_clear(&names);
}

/* Names that HDF5 does not take, or that another's columns take. */
static void test_metric_names(void **state)
{
    static const struct {
        const char *name, *group;
    } rows[] = {
        { "a", "a" },           { "a/b", "a/b" },
        { "a/step", "a=2Fstep" }, { "step", "step" },
        { "step/x", "step/x" }, { "step/value/y", "step=2Fvalue=2Fy" },
        { "a//b", "a=2F=2Fb" }, { "/a", "=2Fa" },
        { "a/", "a=2F" },       { ".", "=2E" },
        { "a/..", "a=2F.." },   { "", "=" },
        { "x=1", "x=3D1" },     { "\n", "=0A" },
        { "\xc3\xa4 b", "\xc3\xa4 b" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(events_append(*state, "w", "metric",
                                       json_pack("{s:s, s:i, s:i}", "name",
                                                 rows[i].name, "step", (int)i,
                                                 "value", 1), NULL), 0);
    struct sealed *c = seal(*state);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *name = xasprintf("/metrics/%s/step", rows[i].group);
        WHOLE(c, name, (int64_t)i);
        free(name);
    }
    sealed_close(c);
}

static void test_fails(void **state)
{
    struct mlb_error err = { 0 };
    char *path = xasprintf("%s/record.h5/x", (char *)*state);

    assert_int_equal(record_seal("/none/such", &err), -1);
    assert_int_equal(err.code, MLB_ERR_IO);
    assert_int_equal(files_mkdirs(path, NULL), 0);
    assert_int_equal(record_seal(*state, &err), -1);
    assert_true(strlen(err.text) > 0);
    free(path);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_empty),
        TEST(test_tables),
        TEST(test_again),
        TEST(test_metric_names),
        TEST(test_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
