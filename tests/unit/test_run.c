/* SPDX-License-Identifier: BSD-3-Clause */
/* run/run: claiming numbers, finding and listing runs, their submission. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/files.h"
#include "run/run.h"

/* A store of its own for each test. */
static int setup(void **state)
{
    *state = strdup("/tmp/mlb-run-XXXXXX");
    return *state && mkdtemp(*state) ? 0 : -1;
}

static int teardown(void **state)
{
    int rc = files_remove_tree(*state, NULL);

    free(*state);
    return rc;
}

static void create(const char *store, const char *name, const char *id)
{
    struct mlb_run run = MLB_RUN_INIT;
    struct mlb_error err = { 0 };

    if (run_create(store, name, &run, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(run.id, id);
    run_clear(&run);
}

static void assert_finds(const char *store, const char *which, const char *id)
{
    struct mlb_run run = MLB_RUN_INIT;
    struct mlb_error err = { 0 };

    if (run_find(store, which, &run, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(run.id, id);
    assert_true(files_is_dir(run.path));
    assert_int_equal(run.path[0], '/');
    run_clear(&run);
}

/* Not found, with a message that holds hint. */
static void assert_misses(const char *store, const char *which,
                          const char *hint)
{
    struct mlb_run run = MLB_RUN_INIT;
    struct mlb_error err = { 0 };

    assert_int_equal(run_find(store, which, &run, &err), -1);
    assert_int_equal(err.code, MLB_ERR_NOT_FOUND);
    assert_null(run.id);
    if (!strstr(err.text, hint))
        fail_msg("\"%s\" does not hold \"%s\"", err.text, hint);
}

static void make_dir(const char *store, const char *part)
{
    char *path = xasprintf("%s/%s", store, part);

    assert_int_equal(files_mkdirs(path, NULL), 0);
    free(path);
}

static void test_create(void **state)
{
    static const char *const parts[] = { "", "events", "out", "checkpoints",
                                         "claims", "code" };
    struct mlb_run run = MLB_RUN_INIT;
    struct stat st;
    char *store = xasprintf("%s/not/there/yet/", (char *)*state);

    assert_int_equal(run_create(store, "digits", &run, NULL), 0);
    assert_string_equal(run.id, "digits.1");
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        char *path = run_path(&run, parts[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_true(S_ISDIR(st.st_mode));
        assert_int_equal(st.st_mode & 0777, 0700);
        free(path);
    }
    run_clear(&run);
    create(store, "digits", "digits.2");
    create(store, "digits.2", "digits.2.1");
    create(store, "digits", "digits.3");
    create(store, "", "=.1");
    create(store, "../up", "=2E.=2Fup.1");
    free(store);
}

/* What is in a number's place, be it what it may, is passed over. */
static void test_create_foreign(void **state)
{
    char *link = xasprintf("%s/runs/a.2", (char *)*state);
    char *file = xasprintf("%s/runs/a.3", (char *)*state);

    create(*state, "a", "a.1");
    assert_int_equal(symlink("/tmp", link), 0);
    assert_int_equal(files_append(file, "x", 1, NULL), 0);
    make_dir(*state, "runs/a.007");
    make_dir(*state, "runs/a.1234567890123");
    make_dir(*state, "runs/a.9x");
    create(*state, "a", "a.4");
    make_dir(*state, "runs/a.999999999");
    struct mlb_run run = MLB_RUN_INIT;
    struct mlb_error err = { 0 };
    assert_int_equal(run_create(*state, "a", &run, &err), -1);
    assert_int_equal(err.code, MLB_ERR_FAILED);
    free(link);
    free(file);
}

static void test_create_fails(void **state)
{
    struct mlb_run run = MLB_RUN_INIT;
    struct mlb_error err = { 0 };
    char *path = xasprintf("%s/runs", (char *)*state);

    assert_int_equal(files_append(path, "x", 1, NULL), 0);
    assert_int_equal(run_create(*state, "a", &run, &err), -1);
    assert_int_equal(err.code, MLB_ERR_IO);
    assert_null(run.path);
    free(path);
}

static void test_find(void **state)
{
    struct mlb_run run = MLB_RUN_INIT;
    const char *store = *state;

    assert_misses(store, "digits", "no run digits in");
    for (int i = 0; i < 11; i++) {
        run_clear(&run);
        assert_int_equal(run_create(store, "digits", &run, NULL), 0);
    }
    create(store, "v1", "v1.1");
    create(store, "v1.2", "v1.2.1");
    create(store, "my job", "my=20job.1");
    assert_finds(store, "digits", "digits.11");
    assert_finds(store, "digits.9", "digits.9");
    assert_finds(store, "v1", "v1.1");
    assert_finds(store, "v1.2", "v1.2.1");          /* no run 2 of v1 */
    assert_finds(store, "my job", "my=20job.1");
    assert_finds(store, "my job.1", "my=20job.1");
    assert_finds(store, "my=20job", "my=20job.1");
    assert_finds(store, run.path, "digits.11");
    char *slash = xasprintf("%s/../digits.3/", run.path);
    assert_finds(store, slash, "digits.3");
    assert_misses(store, "digits.12", "the latest of that name is digits.11");
    assert_misses(store, "digit", "did you mean digits?");
    assert_misses(store, "digist.3", "did you mean digits.3?");
    assert_misses(store, "nothing-like-it", "no run nothing-like-it in");
    assert_misses(store, "", "no run");
    assert_misses(store, "..", "no run");
    assert_misses(store, "../runs", "no run");
    assert_misses(store, store, "no run");
    free(slash);
    run_clear(&run);
}

static void test_find_no_link(void **state)
{
    char *link = xasprintf("%s/runs/a.2", (char *)*state);

    create(*state, "a", "a.1");
    assert_int_equal(symlink("a.1", link), 0);
    assert_finds(*state, "a", "a.1");
    assert_misses(*state, "a.2", "a.1");
    assert_finds(*state, link, "a.1");      /* a path may be over links */
    free(link);
}

static void test_list(void **state)
{
    static const char *const expected[] = {
        "a.1", "a.2", "a.10", "a.b.1", "a.b.3", "ab.1", "b.1",
    };
    static const char *const made[] = {
        "b.1", "a.10", "a.b.3", "a.2", "ab.1", "a.1", "a.b.1",
        "none", ".1", "a.", "a.0", "a.01", "a.-1", "a.1.tmp",
    };
    struct mlb_strings ids = MLB_STRINGS_INIT;

    assert_int_equal(run_list(*state, &ids, NULL), 0);
    assert_int_equal(ids.count, 0);
    for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
        char *part = xasprintf("runs/%s", made[i]);
        make_dir(*state, part);
        free(part);
    }
    assert_int_equal(run_list(*state, &ids, NULL), 0);
    assert_int_equal(ids.count, sizeof(expected) / sizeof(expected[0]));
    for (size_t i = 0; i < ids.count; i++)
        assert_string_equal(ids.items[i], expected[i]);
    strings_clear(&ids);
}

#define PROCESSES 8
#define CLAIMS 50

/* Run in a child: the ids it got go to fd, a line each. */
static void claim_many(const char *store, int fd)
{
    for (int i = 0; i < CLAIMS; i++) {
        struct mlb_run run = MLB_RUN_INIT;
        if (run_create(store, "race", &run, NULL) < 0)
            _exit(1);
        dprintf(fd, "%s\n", run.id);
        run_clear(&run);
    }
    _exit(0);
}

static void test_race(void **state)
{
    char *log = xasprintf("%s/log", (char *)*state);
    FILE *f = fopen(log, "a+");
    bool seen[PROCESSES * CLAIMS * 2] = { false };
    struct mlb_strings ids = MLB_STRINGS_INIT;
    int count = 0, number;

    assert_non_null(f);
    for (int i = 0; i < PROCESSES; i++)
        if (fork() == 0)
            claim_many(*state, fileno(f));
    for (int i = 0, status; i < PROCESSES; i++) {
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    rewind(f);
    while (fscanf(f, "race.%d\n", &number) == 1) {
        assert_in_range(number, 1, PROCESSES * CLAIMS * 2 - 1);
        assert_false(seen[number]);
        seen[number] = true;
        count++;
    }
    assert_int_equal(count, PROCESSES * CLAIMS);
    assert_int_equal(run_list(*state, &ids, NULL), 0);
    assert_int_equal(ids.count, PROCESSES * CLAIMS);
    strings_clear(&ids);
    fclose(f);
    free(log);
}

static void write_fields(const struct mlb_run *run, const char *part,
                         const char *const pairs[])
{
    struct mlb_fields f = MLB_FIELDS_INIT;
    char *path = run_path(run, part);

    for (; *pairs; pairs += 2)
        fields_add(&f, pairs[0], pairs[1]);
    assert_int_equal(fields_write(&f, path, NULL), 0);
    fields_clear(&f);
    free(path);
}

static void assert_submission(const struct mlb_run *run, const char *scheduler,
                              const char *id)
{
    struct mlb_submission got = { 0 };

    assert_int_equal(run_submission(run, &got, NULL), 0);
    assert_string_equal(got.scheduler, scheduler);
    assert_string_equal(got.id, id);
    submission_forget(&got);
}

static void test_submission(void **state)
{
    struct mlb_run run = MLB_RUN_INIT;
    struct mlb_error err = { 0 };
    struct mlb_submission none = { 0 };

    assert_int_equal(run_create(*state, "a", &run, NULL), 0);
    assert_submission(&run, "", "");
    write_fields(&run, "plan",
                 (const char *const[]){ "scheduler", "slurm", "token", "t1",
                                        NULL });
    assert_submission(&run, "slurm", "");
    write_fields(&run, "claims/t0",
                 (const char *const[]){ "job", "8", NULL });
    assert_submission(&run, "slurm", "");
    /* An answer to an earlier submission is none to this one. */
    write_fields(&run, "submission",
                 (const char *const[]){ "token", "t0", "id", "8", NULL });
    assert_submission(&run, "slurm", "");
    write_fields(&run, "claims/t1",
                 (const char *const[]){ "job", "9", "host", "n1", NULL });
    assert_submission(&run, "slurm", "9");
    write_fields(&run, "submission",
                 (const char *const[]){ "token", "t1", "id", "10", NULL });
    assert_submission(&run, "slurm", "10");
    write_fields(&run, "plan",
                 (const char *const[]){ "token", "../submission", NULL });
    assert_submission(&run, "", "");
    char *path = run_path(&run, "submission");
    assert_int_equal(files_append(path, "x", 1, NULL), 0);
    assert_int_equal(run_submission(&run, &none, &err), -1);
    assert_int_equal(err.code, MLB_ERR_BAD_INPUT);
    assert_null(none.id);
    free(path);
    run_clear(&run);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_create),
        TEST(test_create_foreign),
        TEST(test_create_fails),
        TEST(test_find),
        TEST(test_find_no_link),
        TEST(test_list),
        TEST(test_race),
        TEST(test_submission),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
