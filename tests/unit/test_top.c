/* SPDX-License-Identifier: BSD-3-Clause */
/* mlbatch-top: rates from samples, and runs followed while they grow. */
#include "config.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/files.h"
#include "cmd/top.h"
#include "run/events.h"

#define SECOND INT64_C(1000000000)

static void no_values(int64_t values[METRIC_COUNT])
{
    for (int i = 0; i < METRIC_COUNT; i++)
        values[i] = METRIC_MISSING;
}

static void near(double value, double wanted)
{
    assert_true(fabs(value - wanted) <= 1e-6 * fabs(wanted));
}

static void test_rates(void **state)
{
    struct top_task task = { 0 };
    int64_t values[METRIC_COUNT];

    (void)state;
    no_values(values);
    assert_true(isnan(top_rate(&task, TOP_CPU, 2)));
    for (int i = 0; i < 40; i++) {
        values[METRIC_CPU_TIME] = i * 2 * SECOND;
        values[METRIC_SAMPLES] = i / 5 * 100;
        top_sample(&task, NULL, (100 + i) * SECOND, values);
    }
    near(top_rate(&task, TOP_CPU, 2), 2e9);
    near(top_rate(&task, TOP_SAMPLES, 10), 20);
    assert_true(isnan(top_rate(&task, TOP_READ, 5)));
    /* Nothing happened is not unknown. */
    values[METRIC_READ_BYTES] = 7;
    top_sample(&task, NULL, 140 * SECOND, values);
    assert_true(isnan(top_rate(&task, TOP_READ, 5)));
    top_sample(&task, NULL, 141 * SECOND, values);
    assert_true(top_rate(&task, TOP_READ, 5) == 0);
    /* The last sample does not have it: not the rate of before. */
    values[METRIC_CPU_TIME] = METRIC_MISSING;
    top_sample(&task, NULL, 142 * SECOND, values);
    assert_true(isnan(top_rate(&task, TOP_CPU, 2)));
}

/* Counters that go back, a clock that stands, another writer: no rate out of
 * what does not belong together, and none below 0. */
static void test_breaks(void **state)
{
    struct top_task task = { 0 };
    int64_t values[METRIC_COUNT];
    const char first = 1, second = 2;

    (void)state;
    no_values(values);
    for (int i = 0; i < 3; i++) {
        values[METRIC_CPU_TIME] = (10 + i) * SECOND;
        top_sample(&task, &first, (i + 1) * SECOND, values);
    }
    near(top_rate(&task, TOP_CPU, 2), 1e9);
    values[METRIC_CPU_TIME] = SECOND;
    top_sample(&task, &first, 4 * SECOND, values);
    assert_true(isnan(top_rate(&task, TOP_CPU, 2)));
    values[METRIC_CPU_TIME] = 2 * SECOND;
    top_sample(&task, &first, 5 * SECOND, values);
    near(top_rate(&task, TOP_CPU, 2), 1e9);
    top_sample(&task, &first, 5 * SECOND, values);
    assert_true(isnan(top_rate(&task, TOP_CPU, 2)));
    values[METRIC_CPU_TIME] = 9 * SECOND;
    top_sample(&task, &second, 6 * SECOND, values);
    assert_true(isnan(top_rate(&task, TOP_CPU, 2)));
    /* The first leader's journal is read to its end after the second's. */
    values[METRIC_CPU_TIME] = SECOND;
    top_sample(&task, &first, 3 * SECOND, values);
    assert_ptr_equal(task.writer, &second);
}

static void test_losses(void **state)
{
    struct top_task task = { 0 };

    (void)state;
    top_loss(&task, "accuracy", 0.5);
    assert_int_equal(task.loss_rank, 0);
    top_loss(&task, "val_Loss", 3);
    near(task.loss, 3);
    top_loss(&task, "loss", 2);
    top_loss(&task, "val_loss", 3);
    near(task.loss, 2);
    top_loss(&task, "loss", NAN);
    assert_true(isnan(task.loss));
}

static void test_node(void **state)
{
    struct top_gpu gpus[2] = { { "a", 50 }, { "b", 100 } };
    struct top_node node = { .seen = 100, .interval = 1, .gpus = gpus,
                             .gpu_count = 2 };

    (void)state;
    near(top_gpu_use(&node), 75);
    gpus[1].use = METRIC_MISSING;
    assert_true(isnan(top_gpu_use(&node)));
    node.gpu_count = 0;
    assert_true(isnan(top_gpu_use(&node)));
    assert_true(top_silent(&node, 105) == 0);
    near(top_silent(&node, 110), 10);
    node.interval = 30;
    assert_true(top_silent(&node, 150) == 0);
}

/* ---- a run that grows ---- */

struct world {
    char directory[32];
    struct top_run run;
    struct journal *journal;
    int tasks[2], gpu;
};

static void event(const struct world *w, const char *writer,
                  const char *name, json_t *fields)
{
    assert_int_equal(events_append(w->run.run.path, writer, name, fields,
                                   NULL), 0);
}

static void tick(const struct world *w, int second)
{
    int64_t values[METRIC_COUNT];

    for (int i = 0; i < 2; i++) {
        no_values(values);
        values[METRIC_CPU_TIME] = (i + 1) * second * SECOND / 2;
        values[METRIC_RSS] = (i + 1) << 20;
        if (i == 0)
            values[METRIC_STEP] = second;
        journal_put(w->journal, w->tasks[i], values);
    }
    no_values(values);
    values[METRIC_GPU_USE] = 40;
    journal_put(w->journal, w->gpu, values);
    assert_int_equal(journal_tick(w->journal, second * SECOND,
                                  second * SECOND, NULL), 0);
}

static void begin(struct world *w)
{
    struct journal_entity task = { .scope = METRIC_TASK, .pid = 7,
                                   .capacity = METRIC_MISSING },
                          gpu = { .scope = METRIC_GPU, .rank = -1,
                                  .name = "GPU-1", .capacity = 1 };

    *w = (struct world){ .directory = "/tmp/mlb-top-XXXXXX" };
    assert_non_null(mkdtemp(w->directory));
    w->run = (struct top_run){
        .run = { xstrdup("r.1"), xasprintf("%s/r.1", w->directory) },
    };
    char *events = run_path(&w->run.run, "events");
    char *journals = run_path(&w->run.run, "journal");
    assert_int_equal(files_mkdirs(events, NULL), 0);
    assert_int_equal(files_mkdirs(journals, NULL), 0);
    free(events);
    free(journals);
    event(w, "batch-n1", "attempt-start", json_pack("{s:i}", "attempt", 1));
    w->journal = journal_create(w->run.run.path, 1, "n1", NULL);
    assert_non_null(w->journal);
    for (int i = 0; i < 2; i++) {
        task.rank = i;
        w->tasks[i] = journal_add(w->journal, &task);
    }
    w->gpu = journal_add(w->journal, &gpu);
}

static void end(struct world *w)
{
    journal_close(w->journal);
    top_run_clear(&w->run);
    assert_int_equal(files_remove_tree(w->directory, NULL), 0);
}

static void make_view(struct world *w, struct top_view *view)
{
    view->runs = &w->run;
    view->run_count = 1;
    while (top_run_poll(&w->run))
        ;
    top_view_make(view, top_now());
}

static void test_follow(void **state)
{
    struct world w;
    struct top_view view = { 0 };

    (void)state;
    begin(&w);
    tick(&w, 1);
    make_view(&w, &view);
    assert_int_equal(view.row_count, 2);
    assert_string_equal(view.rows[0].cells[TOP_CPU_USE], "-");
    assert_string_equal(view.rows[0].cells[TOP_RSS], "1.0 MiB");
    tick(&w, 2);
    event(&w, "node-n1", "metric",
          json_pack("{s:i, s:i, s:s, s:i, s:f}", "attempt", 1, "rank", 1,
                    "name", "loss", "step", 5, "value", 0.25));
    make_view(&w, &view);
    assert_string_equal(view.rows[0].cells[TOP_CPU_USE], "50.0");
    assert_string_equal(view.rows[1].cells[TOP_CPU_USE], "100.0");
    assert_string_equal(view.rows[0].cells[TOP_NODE], "n1");
    assert_string_equal(view.rows[0].cells[TOP_STEP], "2");
    assert_string_equal(view.rows[1].cells[TOP_STEP], "5");
    assert_string_equal(view.rows[0].cells[TOP_LOSS], "-");
    assert_string_equal(view.rows[1].cells[TOP_LOSS], "0.25");
    assert_string_equal(view.rows[0].cells[TOP_GPU], "40");
    assert_string_equal(view.rows[0].cells[TOP_READ_RATE], "-");
    assert_string_equal(view.rows[0].cells[TOP_STATE], "running");
    /* A line is there when its newline is. */
    char *path = xasprintf("%s/events/node-n1.jsonl", w.run.run.path);
    const char torn[] = "{\"time\":1,\"event\":\"task-end\",\"attempt\":1,";
    assert_int_equal(files_append(path, torn, sizeof(torn) - 1, NULL), 0);
    make_view(&w, &view);
    assert_string_equal(view.rows[1].cells[TOP_STATE], "running");
    assert_int_equal(files_append(path, "\"rank\":1}\n", 10, NULL), 0);
    make_view(&w, &view);
    assert_string_equal(view.rows[1].cells[TOP_STATE], "ended");
    assert_string_equal(view.rows[1].cells[TOP_CPU_USE], "-");
    assert_string_equal(view.rows[1].cells[TOP_LOSS], "0.25");
    event(&w, "batch-n1", "attempt-end", json_pack("{s:i}", "attempt", 1));
    make_view(&w, &view);
    assert_int_equal(view.row_count, 0);
    free(path);
    top_view_clear(&view);
    end(&w);
}

/* Another attempt has nothing of the one before. */
static void test_attempts(void **state)
{
    struct world w;
    struct top_view view = { 0 };

    (void)state;
    begin(&w);
    tick(&w, 1);
    tick(&w, 2);
    make_view(&w, &view);
    assert_int_equal(view.row_count, 2);
    event(&w, "batch-n1", "attempt-start", json_pack("{s:i}", "attempt", 2));
    event(&w, "node-n2", "task-start",
          json_pack("{s:i, s:i, s:s}", "attempt", 2, "rank", 0, "node",
                    "n2"));
    tick(&w, 3);
    make_view(&w, &view);
    assert_int_equal(view.row_count, 1);
    assert_string_equal(view.rows[0].cells[TOP_NODE], "n2");
    assert_string_equal(view.rows[0].cells[TOP_CPU_USE], "-");
    assert_string_equal(view.rows[0].cells[TOP_RSS], "-");
    top_view_clear(&view);
    end(&w);
}

/* A node that wrote long ago: no rates, and a word on it. */
static void test_silence(void **state)
{
    struct world w;
    struct top_view view = { 0 };
    struct timespec old[2] = { { 0, UTIME_OMIT }, { 0, 0 } };

    (void)state;
    begin(&w);
    tick(&w, 1);
    tick(&w, 2);
    char *path = run_path(&w.run.run, "journal/1-n1-0.mbj");
    char *journals = run_path(&w.run.run, "journal");
    struct mlb_strings names = MLB_STRINGS_INIT;
    assert_int_equal(files_list(journals, &names, NULL), 0);
    assert_int_equal(names.count, 1);
    free(path);
    path = xasprintf("%s/%s", journals, names.items[0]);
    clock_gettime(CLOCK_REALTIME, &old[1]);
    old[1].tv_sec -= 600;
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
    make_view(&w, &view);
    assert_int_equal(view.row_count, 2);
    assert_string_equal(view.rows[0].cells[TOP_CPU_USE], "-");
    assert_string_equal(view.rows[0].cells[TOP_RSS], "-");
    assert_string_equal(view.rows[0].cells[TOP_STEP], "2");
    assert_memory_equal(view.rows[0].cells[TOP_STATE], "silent for 10 min",
                        17);
    /* It speaks again. */
    tick(&w, 3);
    make_view(&w, &view);
    assert_string_equal(view.rows[0].cells[TOP_STATE], "running");
    assert_string_equal(view.rows[0].cells[TOP_CPU_USE], "50.0");
    strings_clear(&names);
    free(journals);
    free(path);
    top_view_clear(&view);
    end(&w);
}

/* Every prefix and every flipped byte of a journal: it ends, and no number
 * is made up. */
static void test_damage(void **state)
{
    struct world w;
    struct mlb_text whole = MLB_TEXT_INIT;
    struct mlb_strings names = MLB_STRINGS_INIT;

    (void)state;
    begin(&w);
    for (int i = 1; i < 6; i++)
        tick(&w, i);
    char *journals = run_path(&w.run.run, "journal");
    assert_int_equal(files_list(journals, &names, NULL), 0);
    char *path = xasprintf("%s/%s", journals, names.items[0]);
    assert_int_equal(files_read(path, 1 << 20, &whole, NULL), 0);
    for (size_t i = 0; i < 2 * whole.length; i++) {
        size_t length = i < whole.length ? i : whole.length;
        char *copy = xmalloc(whole.length);
        struct top_view view = { 0 };
        struct world other = w;
        memcpy(copy, whole.data, whole.length);
        if (i >= whole.length)
            copy[i - whole.length] ^= 0x10;
        int fd = open(path, O_WRONLY | O_TRUNC);
        assert_int_equal(files_write_all(fd, copy, length), 0);
        close(fd);
        other.run = (struct top_run){
            .run = { xstrdup("r.1"), xstrdup(w.run.run.path) },
            .named = true,
        };
        make_view(&other, &view);
        for (size_t k = 0; k < view.row_count; k++) {
            const struct top_row *row = &view.rows[k];
            if (!isnan(row->cpu))
                near(row->cpu, row->task->rank ? 100 : 50);
        }
        top_view_clear(&view);
        top_run_clear(&other.run);
        free(copy);
    }
    strings_clear(&names);
    text_clear(&whole);
    free(path);
    free(journals);
    end(&w);
}

/* Not a journal at all is told, and one that becomes one is read. */
static void test_problems(void **state)
{
    struct world w;
    struct top_view view = { 0 };
    struct mlb_strings problems = MLB_STRINGS_INIT;

    (void)state;
    begin(&w);
    tick(&w, 1);
    char *path = run_path(&w.run.run, "journal/1-n2-0.mbj");
    assert_int_equal(files_append(path, "x", 1, NULL), 0);
    make_view(&w, &view);
    assert_int_equal(view.row_count, 2);
    top_run_problems(&w.run, &problems);
    assert_int_equal(problems.count, 1);
    assert_non_null(strstr(problems.items[0], "1-n2-0.mbj"));
    strings_clear(&problems);
    remove(path);
    struct journal *late = journal_create(w.run.run.path, 1, "n2", NULL);
    const struct journal_entity task = { .scope = METRIC_TASK, .rank = 7 };
    journal_add(late, &task);
    assert_int_equal(journal_tick(late, SECOND, SECOND, NULL), 0);
    make_view(&w, &view);
    assert_int_equal(view.row_count, 3);
    top_run_problems(&w.run, &problems);
    assert_int_equal(problems.count, 0);
    journal_close(late);
    free(path);
    top_view_clear(&view);
    end(&w);
}

static void test_order(void **state)
{
    struct world w;
    struct top_view view = { .sort = TOP_CPU_USE };
    int widths[TOP_COLUMNS];
    struct mlb_text t = MLB_TEXT_INIT;

    (void)state;
    begin(&w);
    tick(&w, 1);
    tick(&w, 2);
    make_view(&w, &view);
    assert_int_equal(view.rows[0].task->rank, 1);
    view.reverse = true;
    make_view(&w, &view);
    assert_int_equal(view.rows[0].task->rank, 0);
    view.sort = TOP_STEP;
    make_view(&w, &view);
    assert_int_equal(view.rows[1].task->rank, 1);    /* has none: last */
    view.filter = "1";
    make_view(&w, &view);
    assert_int_equal(view.row_count, 2);             /* the node n1 */
    view.filter = "N2";
    make_view(&w, &view);
    assert_int_equal(view.row_count, 0);
    view.filter = NULL;
    make_view(&w, &view);
    top_widths(&view, 40, widths);
    top_add_line(&t, (const char *const *)view.rows[0].cells, widths);
    assert_true(t.length <= 40);
    assert_non_null(strstr(t.data, "r.1"));
    assert_int_equal(top_column_find("step"), TOP_STEP);
    assert_int_equal(top_column_find("STEP"), -1);
    text_clear(&t);
    top_view_clear(&view);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rates),    cmocka_unit_test(test_breaks),
        cmocka_unit_test(test_losses),   cmocka_unit_test(test_node),
        cmocka_unit_test(test_follow),   cmocka_unit_test(test_attempts),
        cmocka_unit_test(test_silence),  cmocka_unit_test(test_damage),
        cmocka_unit_test(test_problems), cmocka_unit_test(test_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
