/* SPDX-License-Identifier: BSD-3-Clause */
/* run/record: a run's events, sealed and read back. */
#include "config.h"

#include "seal_fixture.h"

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
    "\"state\":\"failed\",\"text\":\"rank 0: exit code 3\"}\n"
    "{\"time\":8.6,\"event\":\"restart\",\"attempt\":1,\"cause\":\"failed\","
    "\"action\":\"requeue\",\"count\":1,\"text\":\"1st of 3\"}\n"
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
    states = get(c, "/attempts/text", SEALED_TEXT, 2);
    assert_string_equal(states, "rank 0: exit code 3");
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

/* ---- with journals ---- */

#define SECOND INT64_C(1000000000)
#define EPOCH 1700000000

static void add_event(const char *dir, double time, const char *name,
                      json_t *fields)
{
    json_object_set_new(fields, "time", json_real(EPOCH + time));
    assert_int_equal(events_append(dir, "w", name, fields, NULL), 0);
}

static void start(const char *dir, long attempt, double time)
{
    add_event(dir, time, "attempt-start",
              json_pack("{s:i, s:[s]}", "attempt", (int)attempt, "nodes",
                        "n1"));
}

static void end(const char *dir, long attempt, double time)
{
    add_event(dir, time, "attempt-end",
              json_pack("{s:i, s:s, s:i}", "attempt", (int)attempt, "state",
                        "completed", "exit", 0));
}

/* What a node's sampler does: ticks from..to, of a task and a GPU, by a
 * clock that is ahead. */
struct sampler {
    const char *dir;
    long attempt, rank;
    const char *node;
    int from, to;
    double ahead;
    int gap_from, gap_to;    /* no ticks there */
    int64_t less;            /* what it counts begins at that less */
};

static void sample(const struct sampler *s)
{
    struct journal_entity task = { .scope = METRIC_TASK, .rank = s->rank };
    struct journal_entity gpu = { .scope = METRIC_GPU, .name = "GPU-1",
                                  .product = "H 100", .capacity = 80 };
    struct journal *j = journal_create(s->dir, s->attempt, s->node, NULL);
    struct metric_status status;
    int64_t values[METRIC_COUNT];

    assert_non_null(j);
    int t = journal_add(j, &task), g = journal_add(j, &gpu);
    metric_status_set(&status, METRIC_OK, METRIC_FINE, "perf", NULL);
    journal_set_status(j, t, METRIC_CPU_TIME, &status);
    metric_status_set(&status, METRIC_UNAVAILABLE, METRIC_NO_PMU, "papi",
                      "no PMU here");
    journal_set_status(j, t, METRIC_CYCLES, &status);
    for (int64_t n = s->from; n < s->to; n++) {
        if (n >= s->gap_from && n < s->gap_to)
            continue;
        for (int m = 0; m < METRIC_COUNT; m++)
            values[m] = METRIC_MISSING;
        values[METRIC_CPU_TIME] = n * SECOND / 2;
        values[METRIC_INSTRUCTIONS] = n * SECOND / 2 - s->less;
        values[METRIC_RUN_DELAY] = n * SECOND / 2 - s->less / 9;
        values[METRIC_RSS] = 1000 + n % 7;
        journal_put(j, t, values);
        for (int m = 0; m < METRIC_COUNT; m++)
            values[m] = METRIC_MISSING;
        values[METRIC_GPU_USE] = 50 + 10 * (n % 2);
        journal_put(j, g, values);
        int64_t ahead = (int64_t)(s->ahead * 1e9);
        assert_int_equal(journal_tick(j, (5000 + n) * SECOND,
                                      (EPOCH + n) * SECOND + ahead, NULL), 0);
    }
    journal_close(j);
}

static struct record *open_record(const char *dir)
{
    struct mlb_error err = { 0 };
    struct record *r = record_open(dir, &err);

    if (!r)
        fail_msg("%s", err.text);
    return r;
}

static size_t count_journals(const char *dir)
{
    struct mlb_strings names = MLB_STRINGS_INIT;
    char *path = xasprintf("%s/journal", dir);

    assert_int_equal(files_list(path, &names, NULL), 0);
    size_t n = names.count;
    strings_clear(&names);
    free(path);
    return n;
}

static struct record_rows get_rows(const struct record *r, enum metric_id m,
                                   size_t index)
{
    struct record_rows rows;
    struct mlb_error err = { 0 };

    if (record_rows(r, m, index, &rows, &err) < 0)
        fail_msg("%s", err.text);
    return rows;
}

static void free_rows(struct record_rows *rows)
{
    free(rows->time);
    free(rows->value);
    free(rows->high);
}

static void test_journal(void **state)
{
    start(*state, 1, 0);
    sample(&(struct sampler){ .dir = *state, .attempt = 1, .node = "n1",
                              .from = 1, .to = 101 });
    struct record *r = open_record(*state);
    assert_int_equal(r->damage.count, 0);
    assert_int_equal(r->task_count, 1);
    assert_int_equal(r->node_count, 1);
    assert_int_equal(r->gpu_count, 1);
    assert_int_equal(count_journals(*state), 1);
    /* It never told its end: up to the last sample, and said so. */
    const struct record_task *t = &r->tasks[0];
    assert_true(t->total[METRIC_CPU_TIME] == 50 * SECOND);
    assert_int_equal(t->state[METRIC_CPU_TIME], METRIC_PARTIAL);
    assert_int_equal(r->status[METRIC_CPU_TIME].cause, METRIC_LOST);
    assert_true(t->peak_rss == 1006);
    assert_int_equal(t->state[METRIC_CYCLES], METRIC_UNAVAILABLE);
    assert_true(t->total[METRIC_CYCLES] == METRIC_MISSING);
    assert_string_equal(r->status[METRIC_CYCLES].reason, "no PMU here");
    assert_string_equal(r->status[METRIC_CYCLES].source, "papi");
    assert_int_equal(r->have[METRIC_CYCLES], 0);
    assert_int_equal(r->of[METRIC_CYCLES], 1);
    assert_int_equal(r->status[METRIC_FP_OPS].cause, METRIC_NOT_TOLD);
    assert_string_equal(r->gpus[0].product, "H 100");
    assert_true(r->gpus[0].total[METRIC_GPU_USE] == 60);
    assert_float_equal(r->gpus[0].mean[METRIC_GPU_USE], 55, 1e-9);
    assert_float_equal(r->gpus[0].seconds, 99, 1e-6);
    assert_int_equal(r->nodes[0].ticks, 100);
    assert_int_equal(r->nodes[0].late, 0);
    assert_float_equal(r->nodes[0].clock_off, 0, 1e-9);
    struct record_rows rows = get_rows(r, METRIC_CPU_TIME, 0);
    assert_int_equal(rows.count, 99);
    for (size_t i = 0; i < rows.count; i++) {
        assert_float_equal(rows.time[i], 2.0 + (double)i, 1e-6);
        assert_float_equal(rows.value[i], 5e8, 1);
    }
    free_rows(&rows);
    struct record_curve curve;
    assert_int_equal(record_total_curve(r, 1, METRIC_GPU_USE, &curve, NULL),
                     0);
    assert_true(curve.count > 50 && curve.count <= 512);
    free(curve.time);
    free(curve.value);
    assert_int_equal(record_total_curve(r, 1, METRIC_FP_OPS, &curve, NULL),
                     -1);
    record_close(r);
}

/* The task's own word counts; what is newer than the record makes a new
 * one; what has ended needs its journal no more. */
static void test_attempts(void **state)
{
    start(*state, 1, 0);
    sample(&(struct sampler){ .dir = *state, .attempt = 1, .node = "n1",
                              .from = 1, .to = 31 });
    add_event(*state, 30.5, "task-end",
              json_pack("{s:i, s:i, s:s, s:{s:i}, s:{s:[s,s,i], s:i}}",
                        "attempt", 1, "rank", 0, "node", "n1", "totals",
                        "cpu_time", 17, "missing", "no PMU", "fp_ops",
                        "cycles", 3, "x", 1));
    end(*state, 1, 31);
    record_close(open_record(*state));
    assert_int_equal(count_journals(*state), 0);
    start(*state, 2, 40);
    sample(&(struct sampler){ .dir = *state, .attempt = 2, .node = "n1",
                              .from = 41, .to = 51 });
    struct record *r = open_record(*state);
    assert_int_equal(count_journals(*state), 1);
    assert_int_equal(r->damage.count, 0);
    assert_int_equal(r->attempt_count, 2);
    assert_int_equal(r->task_count, 2);
    assert_int_equal(r->node_count, 2);
    assert_int_equal(r->gpu_count, 2);
    assert_true(r->tasks[0].total[METRIC_CPU_TIME] == 17);
    assert_int_equal(r->tasks[0].state[METRIC_CPU_TIME], METRIC_OK);
    assert_true(r->tasks[0].peak_rss == 1006);
    assert_string_equal(r->status[METRIC_FP_OPS].reason, "no PMU");
    assert_string_equal(r->status[METRIC_CYCLES].reason, "no PMU");
    struct record_rows rows = get_rows(r, METRIC_RSS, 0);
    assert_int_equal(rows.count, 30);
    free_rows(&rows);
    rows = get_rows(r, METRIC_GPU_USE, 1);
    assert_int_equal(rows.count, 10);
    free_rows(&rows);
    record_close(r);
    /* That it was sealed is no news. */
    char *path = xasprintf("%s/record.h5", (char *)*state);
    struct stat before, after;
    assert_int_equal(stat(path, &before), 0);
    add_event(*state, 60, "sealed", json_pack("{s:i}", "exit", 0));
    record_close(open_record(*state));
    assert_int_equal(stat(path, &after), 0);
    assert_true(before.st_ino == after.st_ino);
    /* A damaged record takes with it what only it had; the rest is told. */
    FILE *f = fopen(path, "r+");
    fseek(f, 3000, SEEK_SET);
    fputc('x' ^ 0x55, f);
    fclose(f);
    r = open_record(*state);
    assert_true(r->damage.count > 0);
    assert_int_equal(r->tasks[0].total[METRIC_CPU_TIME], 17);
    rows = get_rows(r, METRIC_RSS, 1);
    assert_int_equal(rows.count, 10);
    free_rows(&rows);
    record_close(r);
    free(path);
}

/* Bounded however long; counters still exact at the end. */
static void test_halving(void **state)
{
    start(*state, 1, 0);
    sample(&(struct sampler){ .dir = *state, .attempt = 1, .node = "n1",
                              .from = 1, .to = 10001 });
    struct record *r = open_record(*state);
    struct record_rows rows = get_rows(r, METRIC_CPU_TIME, 0);
    assert_true(rows.count > 2000 && rows.count <= 4096);
    for (size_t i = 0; i < rows.count; i++)
        assert_float_equal(rows.value[i], 5e8, 1);
    free_rows(&rows);
    rows = get_rows(r, METRIC_RSS, 0);
    for (size_t i = 0; i < rows.count; i++)
        assert_true(rows.value[i] <= rows.high[i] && rows.high[i] <= 1006);
    free_rows(&rows);
    assert_true(r->tasks[0].total[METRIC_CPU_TIME] == 5000 * SECOND);
    record_close(r);
}

/* A leader dies, the next one takes over: seconds without samples are a
 * gap, those that both sampled count once. */
static void test_leaders(void **state)
{
    struct sampler s = { .dir = *state, .attempt = 1, .node = "n1",
                         .from = 1, .to = 40 };
    size_t gaps = 0;

    start(*state, 1, 0);
    sample(&s);
    s.from = 60, s.to = 90;
    sample(&s);
    s.from = 85, s.to = 100;
    s.less = 40 * SECOND;        /* began to count anew */
    sample(&s);
    struct record *r = open_record(*state);
    assert_int_equal(r->node_count, 1);
    assert_int_equal(r->task_count, 1);
    struct record_rows rows = get_rows(r, METRIC_CPU_TIME, 0);
    for (size_t i = 0; i < rows.count; i++) {
        gaps += isnan(rows.value[i]);
        if (!isnan(rows.value[i]))
            assert_true(rows.value[i] >= 0);
        assert_true(i == 0 || rows.time[i] > rows.time[i - 1]);
    }
    assert_true(gaps >= 1);
    free_rows(&rows);
    rows = get_rows(r, METRIC_RSS, 0);
    assert_int_equal(rows.count, 39 + 1 + 40);
    free_rows(&rows);
    assert_int_equal(r->tasks[0].state[METRIC_CPU_TIME], METRIC_PARTIAL);
    assert_true(r->tasks[0].total[METRIC_INSTRUCTIONS] >= 44 * SECOND);
    assert_true(r->tasks[0].total[METRIC_RUN_DELAY] <= 50 * SECOND);
    record_close(r);
}

/* An hour ahead: seen, said, and not believed. */
static void test_clock(void **state)
{
    start(*state, 1, 0);
    sample(&(struct sampler){ .dir = *state, .attempt = 1, .node = "n1",
                              .from = 1, .to = 61, .ahead = 3600 });
    sample(&(struct sampler){ .dir = *state, .attempt = 1, .node = "n2",
                              .rank = 1, .from = 1, .to = 61 });
    end(*state, 1, 62);
    struct record *r = open_record(*state);
    assert_int_equal(r->node_count, 2);
    assert_float_equal(r->nodes[0].clock_off, 3600, 5);
    assert_float_equal(r->nodes[1].clock_off, 0, 1e-9);
    assert_int_equal(r->damage.count, 1);
    assert_non_null(strstr(r->damage.items[0], "ahead"));
    struct record_rows rows = get_rows(r, METRIC_RSS, 0);
    assert_int_equal(rows.count, 60);
    assert_true(rows.time[59] < 70);
    free_rows(&rows);
    record_close(r);
}

/* Killed anywhere: the record of before and the journals, or the new one. */
static void test_killed(void **state)
{
    start(*state, 1, 0);
    sample(&(struct sampler){ .dir = *state, .attempt = 1, .node = "n1",
                              .from = 1, .to = 2001 });
    record_close(open_record(*state));
    end(*state, 1, 2001);
    for (int delay = 0; delay < 40; delay++) {
        pid_t pid = fork();
        if (pid == 0) {
            struct itimerval t = { .it_value.tv_usec = 1 + delay * 300 };
            signal(SIGALRM, SIG_DFL);
            setitimer(ITIMER_REAL, &t, NULL);
            record_seal(*state, NULL);
            _exit(0);
        }
        waitpid(pid, NULL, 0);
        char *path = xasprintf("%s/record.h5", (char *)*state);
        struct mlb_error err = { 0 };
        struct sealed *s = sealed_open(path, &err);
        if (!s)
            fail_msg("%s", err.text);
        sealed_close(s);
        free(path);
    }
    struct record *r = open_record(*state);
    struct record_rows rows = get_rows(r, METRIC_RSS, 0);
    assert_int_equal(rows.count, 2000);
    free_rows(&rows);
    assert_int_equal(count_journals(*state), 0);
    record_close(r);
}

/* Several seal the same run at once, again and again: whoever comes last
 * knows what the others have taken out of the journals. */
static void test_at_once(void **state)
{
    for (long attempt = 1; attempt <= 5; attempt++) {
        double from = (double)attempt * 100;
        pid_t pids[4];
        start(*state, attempt, from);
        sample(&(struct sampler){ .dir = *state, .attempt = attempt,
                                  .node = "n1", .from = (int)from + 1,
                                  .to = (int)from + 51 });
        end(*state, attempt, from + 51);
        for (int i = 0; i < 4; i++) {
            pids[i] = fork();
            if (pids[i] == 0)
                _exit(record_seal(*state, NULL) < 0);
        }
        for (int i = 0; i < 4; i++) {
            int status;
            assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
            assert_int_equal(status, 0);
        }
        assert_int_equal(count_journals(*state), 0);
    }
    struct record *r = open_record(*state);
    assert_int_equal(r->attempt_count, 5);
    for (size_t task = 0; task < 5; task++) {
        struct record_rows rows = get_rows(r, METRIC_RSS, task);
        assert_int_equal(rows.count, 50);
        free_rows(&rows);
    }
    record_close(r);
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
        TEST(test_journal),
        TEST(test_attempts),
        TEST(test_halving),
        TEST(test_leaders),
        TEST(test_clock),
        TEST(test_killed),
        TEST(test_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
