/* SPDX-License-Identifier: BSD-3-Clause */
/* run/evidence: the facts of an attempt, and its part of its logs. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/fields.h"
#include "base/files.h"
#include "run/evidence.h"

struct fixture {
    struct mlb_run run;
    struct mlb_events events;
    struct evidence v;
};

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    char *out;

    f->run.id = xstrdup("x.1");
    f->run.path = xstrdup("/tmp/mlb-evidence-XXXXXX");
    *state = f;
    if (!mkdtemp(f->run.path))
        return -1;
    out = run_path(&f->run, "out");
    int rc = files_mkdirs(out, NULL);
    free(out);
    out = run_path(&f->run, "events");
    rc += files_mkdirs(out, NULL);
    free(out);
    return rc;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    int rc = files_remove_tree(f->run.path, NULL);

    evidence_clear(&f->v);
    events_clear(&f->events);
    run_clear(&f->run);
    free(f);
    return rc;
}

static void add_log(struct fixture *f, const char *name, const char *bytes)
{
    char *path = xasprintf("%s/out/%s", f->run.path, name);

    assert_int_equal(files_append(path, bytes, strlen(bytes), NULL), 0);
    free(path);
}

/* fields is consumed; time < 0: none. */
static void add_event(struct fixture *f, const char *name, double time,
                      json_t *fields)
{
    json_object_set_new(fields, "time", json_real(time));
    assert_int_equal(events_append(f->run.path, "w", name, fields, NULL), 0);
}

static void add_start(struct fixture *f, long attempt, long rank,
                      long long from)
{
    add_event(f, "task-start", 5, json_pack("{s:I, s:I, s:s, s:I}",
              "attempt", (json_int_t)attempt, "rank", (json_int_t)rank,
              "node", rank % 2 ? "odd" : "even", "log_from",
              (json_int_t)from));
}

static void add_end(struct fixture *f, long attempt, long rank, double time,
                    int exit)
{
    add_event(f, "task-end", time, json_pack(
              "{s:I, s:I, s:s, s:i, s:i, s:f}", "attempt",
              (json_int_t)attempt, "rank", (json_int_t)rank, "node",
              rank % 2 ? "odd" : "even", "exit", exit, "signal",
              exit > 128 ? exit - 128 : 0, "max_rss", 1000.0));
}

static void gather(struct fixture *f, long attempt)
{
    evidence_clear(&f->v);
    events_clear(&f->events);
    assert_int_equal(events_read(f->run.path, &f->events, NULL), 0);
    evidence_gather(&f->run, &f->events, attempt, NULL, &f->v);
}

static void test_order(void **state)
{
    static const char *const names[] = {
        "out/rank-00001.log", "out/batch.log", "out/rank-00000.log",
        "out/rank-00003.log", "out/rank-00002.log",
    };
    struct fixture *f = *state;

    for (long rank = 0; rank < 4; rank++) {
        char name[32];
        snprintf(name, sizeof(name), "rank-%05ld.log", rank);
        add_start(f, 1, rank, 0);
        add_log(f, name, "words\n");
    }
    add_log(f, "batch.log", "words\n");
    add_end(f, 1, 0, 10, 143);       /* ended for the sake of rank 1, */
    add_end(f, 1, 1, 11, 3);         /* which a slow clock puts later */
    add_end(f, 1, 2, 12, 0);
    gather(f, 1);
    assert_int_equal(f->v.log_count, 5);
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(f->v.logs[i].name, names[i]);
    assert_int_equal(f->v.facts.first.rank, 1);
    assert_int_equal(f->v.facts.first.exit, 3);
    assert_string_equal(f->v.facts.first.node, "odd");
    assert_true(f->v.facts.first.before);
    assert_non_null(strstr(f->v.facts.text, "without a word"));
    assert_int_equal(evidence_rank(&f->v, 3)->ended, false);
    assert_null(evidence_rank(&f->v, 4));
}

static void test_asked_before(void **state)
{
    struct fixture *f = *state;

    add_end(f, 1, 0, 10, 1);
    add_event(f, "checkpoint-asked", 9, json_pack("{s:i}", "attempt", 1));
    gather(f, 1);
    assert_int_equal(f->v.facts.first.rank, 0);
    assert_false(f->v.facts.first.before);
}

static void test_attempts(void **state)
{
    struct fixture *f = *state;

    add_event(f, "attempt-start", 1, json_pack("{s:i, s:i}", "attempt", 1,
                                               "log_from", 0));
    add_event(f, "attempt-start", 20, json_pack("{s:i, s:i}", "attempt", 2,
                                                "log_from", 4));
    add_log(f, "batch.log", "one\ntwo\n");
    add_log(f, "rank-00000.log", "first\nsecond\nthird\n");
    add_start(f, 1, 0, 0);
    add_end(f, 1, 0, 10, 1);
    add_start(f, 2, 0, 6);
    add_end(f, 2, 0, 30, 1);
    add_start(f, 3, 0, 13);
    assert_int_equal(evidence_last_attempt(&f->events), 0);
    gather(f, 2);
    assert_int_equal(evidence_last_attempt(&f->events), 2);
    assert_int_equal(f->v.logs[0].length, 7);
    assert_memory_equal(f->v.logs[0].bytes, "second\n", 7);
    assert_int_equal(evidence_line(&f->v, 0, 1), 2);
    assert_memory_equal(f->v.logs[1].bytes, "two\n", 4);
    gather(f, 1);
    assert_int_equal(f->v.logs[0].length, 6);
    assert_memory_equal(f->v.logs[1].bytes, "one\n", 4);
    assert_int_equal(f->v.logs[1].length, 4);
    /* Submitted again, but it did not come to another attempt. */
    gather(f, 0);
    assert_int_equal(f->v.log_count, 1);
    assert_memory_equal(f->v.logs[0].bytes, "two\n", 4);
}

/* A part that begins beyond its file: somebody cut it. All of it counts. */
static void test_cut_file(void **state)
{
    struct fixture *f = *state;

    add_start(f, 1, 0, 1000);
    add_end(f, 1, 0, 10, 1);
    add_log(f, "rank-00000.log", "all\n");
    gather(f, 1);
    assert_int_equal(f->v.logs[0].length, 4);
}

static void test_long_log(void **state)
{
    struct fixture *f = *state;
    struct mlb_text t = MLB_TEXT_INIT;
    int last = 0;

    while (t.length < 4 * EVIDENCE_TAIL)
        text_addf(&t, "line %d\n", ++last);
    add_log(f, "rank-00000.log", t.data);
    text_clear(&t);
    add_end(f, 1, 0, 10, 1);
    gather(f, 1);
    const struct diagnose_log *log = &f->v.logs[0];
    assert_true(log->length <= EVIDENCE_TAIL);
    assert_true(log->length > EVIDENCE_TAIL - 20);
    int line = 0;
    assert_int_equal(sscanf(log->bytes, "line %d\n", &line), 1);
    assert_int_equal(evidence_line(&f->v, 0, 1), line);
    assert_int_equal(evidence_line(&f->v, 0, 3), line + 2);
}

static void test_one_endless_line(void **state)
{
    struct fixture *f = *state;
    char *line = xmalloc(2 * EVIDENCE_TAIL + 1);

    memset(line, 'x', 2 * EVIDENCE_TAIL);
    line[2 * EVIDENCE_TAIL] = '\0';
    add_log(f, "batch.log", line);
    free(line);
    gather(f, 0);
    assert_int_equal(f->v.logs[0].length, EVIDENCE_TAIL);
    assert_int_equal(evidence_line(&f->v, 0, 1), 1);
}

static void test_escapes(void **state)
{
    static const struct {
        const char *log, *plain;
    } cases[] = {
        { "\033[1;31mred\033[0m\n", "red\n" },
        { "\033]8;;file:///x\033\\link\033]0;t\a!\n", "link!\n" },
        { "\033", "" }, { "\033[", "" }, { "\033]x", "" },
        { "\033[12\nnext\n", "\nnext\n" }, { "\033]t\nnext", "\nnext" },
        { "\033\n", "\n" }, { "a\033Mb", "ab" },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *path = run_path(&f->run, "out/batch.log");
        unlink(path);
        free(path);
        add_log(f, "batch.log", cases[i].log);
        gather(f, 0);
        assert_int_equal(f->v.logs[0].length, strlen(cases[i].plain));
        assert_memory_equal(f->v.logs[0].bytes, cases[i].plain,
                            f->v.logs[0].length);
    }
}

static void test_not_files(void **state)
{
    struct fixture *f = *state;
    char *batch = run_path(&f->run, "out/batch.log");
    char *rank = run_path(&f->run, "out/rank-00000.log");

    assert_int_equal(mkfifo(batch, 0600), 0);
    assert_int_equal(symlink("/etc/passwd", rank), 0);
    add_end(f, 1, 0, 10, 1);
    gather(f, 1);
    assert_int_equal(f->v.log_count, 0);
    free(batch);
    free(rank);
}

static void test_many_ranks(void **state)
{
    struct fixture *f = *state;

    for (long rank = 0; rank < 200; rank++) {
        char name[32];
        snprintf(name, sizeof(name), "rank-%05ld.log", rank);
        add_log(f, name, "words\n");
        add_end(f, 1, rank, 10 + (double)rank, rank == 150 ? 7 : 143);
    }
    gather(f, 1);
    assert_int_equal(f->v.rank_count, 200);
    assert_int_equal(f->v.log_count, EVIDENCE_LOGS);
    assert_int_equal(f->v.logs[0].rank, 150);
}

static void test_memory_limit(void **state)
{
    struct fixture *f = *state;
    struct mlb_fields plan = MLB_FIELDS_INIT;
    char *path = run_path(&f->run, "plan");

    fields_add(&plan, "memory_per_node", "4000");
    fields_add(&plan, "tasks_per_node", "4");
    assert_int_equal(fields_write(&plan, path, NULL), 0);
    fields_clear(&plan);
    free(path);
    add_end(f, 1, 0, 10, 137);
    gather(f, 1);
    assert_true(f->v.facts.memory_limit == 1000);
    assert_true(f->v.facts.first.max_rss == 1000);
    assert_false(f->v.facts.first.before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_order),
        TEST(test_asked_before),
        TEST(test_attempts),
        TEST(test_cut_file),
        TEST(test_long_log),
        TEST(test_one_endless_line),
        TEST(test_escapes),
        TEST(test_not_files),
        TEST(test_many_ranks),
        TEST(test_memory_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
