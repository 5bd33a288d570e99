/* SPDX-License-Identifier: BSD-3-Clause */
/* cmd/poll_cache: one question for all who wait, and no answer too old. */
#include "config.h"

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

#include "base/fields.h"
#include "base/files.h"
#include "cmd/poll_cache.h"

static size_t calls, asked;
static bool silent;
static enum mlb_state says;

static int query(const struct mlb_site *site, struct mlb_job_status *jobs,
                 size_t count, struct mlb_error *err)
{
    (void)site;
    calls++;
    asked = count;
    if (silent)
        return mlb_error_set(err, MLB_ERR_UNREACHABLE, "silent");
    for (size_t i = 0; i < count; i++) {
        jobs[i].known = true;
        jobs[i].state = says;
        jobs[i].exit_code = 3;
        jobs[i].start = 70;
        jobs[i].may_return = true;
        snprintf(jobs[i].reason, sizeof(jobs[i].reason), "a reason of %s",
                 jobs[i].id);
        snprintf(jobs[i].nodes, sizeof(jobs[i].nodes), "n[1-2]");
    }
    return 0;
}

static const struct mlb_scheduler server = { .name = "server",
                                             .query = query };
static const struct mlb_scheduler files = { .name = "server",
                                            .at_hand = true, .query = query };

static char *store, *path;

static int set_up(void **state)
{
    char name[] = "/tmp/mlb-poll-XXXXXX";

    (void)state;
    assert_non_null(mkdtemp(name));
    store = xstrdup(name);
    path = xasprintf("%s/.poll-server-%ld", store, (long)geteuid());
    calls = asked = 0;
    silent = false;
    says = MLB_STATE_RUNNING;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    files_remove_tree(store, NULL);
    free(store);
    free(path);
    return 0;
}

/* Ask for one job: 0 or -1. */
static int look_at(const struct mlb_scheduler *scheduler, const char *id,
                   const char *token, long age, struct mlb_job_status *job)
{
    struct poll_request r = { .scheduler = scheduler, .store = store,
                              .age = age };
    struct mlb_error err;

    *job = (struct mlb_job_status){ .id = id, .token = token,
                                    .submitted = 5, .exit_code = -1 };
    return poll_cache_query(&r, job, 1, &err);
}

/* The answers become so many seconds older. */
static void grow_old(long seconds)
{
    struct mlb_fields f = MLB_FIELDS_INIT;
    struct mlb_strings lines = MLB_STRINGS_INIT;

    assert_int_equal(fields_read(&f, path, NULL), 0);
    char *key = xstrdup(fields_get(&f, "for"));
    fields_get_all(&f, "answer", &lines);
    fields_clear(&f);
    fields_add(&f, "for", key);
    for (size_t i = 0; i < lines.count; i++) {
        long long time, wanted;
        int end = 0;
        assert_int_equal(sscanf(lines.items[i], "%lld %lld%n", &time, &wanted,
                                &end), 2);
        fields_addf(&f, "answer", "%lld %lld%s", time - seconds,
                    wanted - seconds, lines.items[i] + end);
    }
    assert_int_equal(fields_write(&f, path, NULL), 0);
    strings_clear(&lines);
    fields_clear(&f);
    free(key);
}

static void test_share(void **state)
{
    struct mlb_job_status first, second;

    (void)state;
    assert_int_equal(look_at(&server, "7", "t", 100, &first), 0);
    assert_int_equal(calls, 1);
    says = MLB_STATE_FAILED;
    assert_int_equal(look_at(&server, "7", "t", 100, &second), 0);
    assert_int_equal(calls, 1);
    assert_true(second.known && second.may_return);
    assert_int_equal(second.state, MLB_STATE_RUNNING);
    assert_int_equal(second.exit_code, 3);
    assert_int_equal(second.start, 70);
    assert_int_equal(second.submitted, 5);
    assert_string_equal(second.reason, "a reason of 7");
    assert_string_equal(second.nodes, "n[1-2]");
    assert_string_equal(second.token, "t");
    /* The same id with another token is another job. */
    assert_int_equal(look_at(&server, "7", "u", 100, &second), 0);
    assert_int_equal(calls, 2);
    assert_int_equal(asked, 2);
}

/* Who finds them old asks for what the others wait for as well. */
static void test_together(void **state)
{
    struct mlb_job_status job;

    (void)state;
    look_at(&server, "7", "t", 100, &job);
    look_at(&server, "8", "u", 100, &job);
    assert_int_equal(calls, 2);
    assert_int_equal(asked, 2);
    grow_old(60);
    look_at(&server, "8", "u", 50, &job);
    assert_int_equal(calls, 3);
    assert_int_equal(asked, 2);
    look_at(&server, "7", "t", 50, &job);
    assert_int_equal(calls, 3);
    /* What nobody has waited for in ten minutes is left out. */
    grow_old(550);
    look_at(&server, "8", "u", 50, &job);
    assert_int_equal(calls, 4);
    assert_int_equal(asked, 1);
    /* So is what has ended. */
    says = MLB_STATE_COMPLETED;
    look_at(&server, "8", "u", 0, &job);
    grow_old(60);
    look_at(&server, "8", "u", 50, &job);
    look_at(&server, "9", "v", 50, &job);
    assert_int_equal(asked, 1);
}

static void test_age(void **state)
{
    struct mlb_job_status job;

    (void)state;
    look_at(&server, "7", "t", 100, &job);
    says = MLB_STATE_PENDING;
    look_at(&server, "7", "t", 0, &job);
    assert_int_equal(calls, 2);
    look_at(&server, "7", "t", 100, &job);
    assert_int_equal(calls, 2);
    assert_int_equal(job.state, MLB_STATE_RUNNING);
    /* Asked anew, in the same second, and for all. */
    look_at(&server, "7", "t", -1, &job);
    assert_int_equal(calls, 3);
    assert_int_equal(job.state, MLB_STATE_PENDING);
    look_at(&server, "7", "t", 100, &job);
    assert_int_equal(job.state, MLB_STATE_PENDING);
    assert_int_equal(calls, 3);
    grow_old(200);
    look_at(&server, "7", "t", 180, &job);
    assert_int_equal(calls, 4);
    /* An answer from the future: the clock was set back. */
    grow_old(-1000);
    look_at(&server, "7", "t", 180, &job);
    assert_int_equal(calls, 5);
    look_at(&files, "7", "t", 180, &job);
    look_at(&files, "7", "t", 180, &job);
    assert_int_equal(calls, 7);
}

static void test_silence(void **state)
{
    struct mlb_job_status job;

    (void)state;
    silent = true;
    assert_int_equal(look_at(&server, "7", "t", 100, &job), -1);
    assert_false(job.known);
    assert_int_equal(access(path, F_OK), -1);
    silent = false;
    assert_int_equal(look_at(&server, "7", "t", 100, &job), 0);
    assert_int_equal(calls, 2);
    /* ... and an answer that is there is not lost by it. */
    silent = true;
    grow_old(50);
    assert_int_equal(look_at(&server, "7", "t", 10, &job), -1);
    assert_int_equal(look_at(&server, "7", "t", 100, &job), 0);
    assert_int_equal(calls, 3);
}

/* Make the file what it should not be; then it must be as if there was
 * none, and the answer must be kept in its place. */
static void test_hostile(void **state)
{
    struct mlb_job_status job;
    struct mlb_text t = MLB_TEXT_INIT;
    struct stat st;
    char *other = xasprintf("%s/other", store);

    (void)state;
    look_at(&server, "7", "t", 100, &job);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(files_read(path, 65536, &t, NULL), 0);
    for (int i = 0; i < 6; i++) {
        calls = 0;
        unlink(path);
        unlink(other);
        size_t part = i == 0 ? t.length - 3 : i == 1 ? 0 : t.length;
        assert_int_equal(files_publish(i == 2 || i == 3 ? other : path,
                                       t.data, part, 0600, NULL), 0);
        if (i == 2)
            assert_int_equal(symlink(other, path), 0);
        if (i == 3)
            assert_int_equal(link(other, path), 0);
        if (i == 4)
            assert_int_equal(chmod(path, 0620), 0);
        if (i == 5) {
            unlink(path);
            assert_int_equal(mkfifo(path, 0600), 0);
        }
        assert_int_equal(look_at(&server, "7", "t", 100, &job), 0);
        assert_int_equal(calls, 1);
        look_at(&server, "7", "t", 100, &job);
        assert_int_equal(calls, 1);
        assert_int_equal(lstat(path, &st), 0);
        assert_true(S_ISREG(st.st_mode));
    }
    text_clear(&t);
    free(other);
}

/* No place to keep them: everybody asks. */
static void test_no_place(void **state)
{
    struct mlb_job_status job;

    (void)state;
    files_remove_tree(store, NULL);
    assert_int_equal(look_at(&server, "7", "t", 100, &job), 0);
    assert_int_equal(look_at(&server, "7", "t", 100, &job), 0);
    assert_int_equal(calls, 2);
    assert_true(job.known);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_share),   TEST(test_together), TEST(test_age),
        TEST(test_silence), TEST(test_hostile),  TEST(test_no_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
