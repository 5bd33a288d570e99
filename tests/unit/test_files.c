/* SPDX-License-Identifier: BSD-3-Clause */
/* base/files: whole or not there, also with many writers. */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/files.h"
#include "base/process.h"

static char *directory;

static int make_directory(void **state)
{
    char name[] = "/tmp/test_files.XXXXXX";

    (void)state;
    if (!mkdtemp(name))
        return -1;
    directory = xstrdup(name);
    return 0;
}

static int remove_directory(void **state)
{
    int rc = files_remove_tree(directory, NULL);

    (void)state;
    free(directory);
    return rc;
}

/* A path in the directory of the test; freed by the caller. */
static char *in(const char *name)
{
    return xasprintf("%s/%s", directory, name);
}

static void expect_content(const char *path, const void *bytes, size_t length)
{
    struct mlb_text t = MLB_TEXT_INIT;
    struct mlb_error err;

    if (files_read(path, 1 << 20, &t, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(t.length, length);
    assert_memory_equal(t.data, bytes, length);
    text_clear(&t);
}

static void expect_names(const char *const *names)
{
    struct mlb_strings list = MLB_STRINGS_INIT;
    size_t i = 0;

    assert_int_equal(files_list(directory, &list, NULL), 0);
    for (; i < list.count && names[i]; i++)
        assert_string_equal(list.items[i], names[i]);
    assert_int_equal(i, list.count);
    assert_null(names[i]);
    strings_clear(&list);
}

static void test_publish(void **state)
{
    struct mlb_error err;
    struct stat st;
    char *path = in("a");

    (void)state;
    umask(022);
    assert_int_equal(files_publish(path, "one\0two", 7, 0640, &err), 0);
    expect_content(path, "one\0two", 7);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(files_publish(path, "", 0, 0600, &err), 0);
    expect_content(path, "", 0);
    /* No temporary file is left, neither on success nor on failure. */
    free(path);
    path = in("dir");
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(files_publish(path, "x", 1, 0600, &err), -1);
    assert_int_equal(err.code, MLB_ERR_IO);
    expect_names((const char *const[]){ "a", "dir", NULL });
    free(path);
    path = in("none/a");
    assert_int_equal(files_publish(path, "x", 1, 0600, &err), -1);
    assert_non_null(strstr(err.text, "No such file"));
    free(path);
}

static void test_publish_new(void **state)
{
    struct mlb_error err;
    char *path = in("new");

    (void)state;
    assert_int_equal(files_publish_new(path, "1", 1, 0600, &err), 0);
    assert_int_equal(files_publish_new(path, "2", 1, 0600, &err), -1);
    assert_int_equal(errno, EEXIST);
    assert_int_equal(err.code, MLB_ERR_FAILED);
    expect_content(path, "1", 1);
    expect_names((const char *const[]){ "new", NULL });
    free(path);
}

/* A process that was killed left its temporary files, and its pid is ours. */
static void test_publish_left_behind(void **state)
{
    struct mlb_error err;
    char *path = in("left");

    (void)state;
    for (int i = 0; i < 64; i++) {
        char *tmp = xasprintf("%s.tmp-%s-%ld-%d", path, process_host(),
                              (long)getpid(), i);
        assert_int_equal(files_append(tmp, "old", 3, &err), 0);
        free(tmp);
    }
    assert_int_equal(files_publish(path, "1", 1, 0600, &err), 0);
    expect_content(path, "1", 1);
    free(path);
}

static int wait_for(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Of many processes that publish the same new file exactly one wins. */
static void test_race(void **state)
{
    pid_t pids[8];
    int winners = 0;
    char *path = in("race");

    (void)state;
    for (int i = 0; i < 8; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0)
            _exit(files_publish_new(path, &i, sizeof(i), 0600, NULL) == 0);
    }
    for (int i = 0; i < 8; i++)
        winners += wait_for(pids[i]);
    assert_int_equal(winners, 1);
    expect_names((const char *const[]){ "race", NULL });
    free(path);
}

/* Lines that several processes append stay whole. */
static void test_append(void **state)
{
    enum { WRITERS = 4, LINES = 200, WIDTH = 100 };
    pid_t pids[WRITERS];
    char *path = in("log");
    struct mlb_text t = MLB_TEXT_INIT;

    (void)state;
    for (int i = 0; i < WRITERS; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] > 0)
            continue;
        char line[WIDTH];
        memset(line, 'a' + i, WIDTH - 1);
        line[WIDTH - 1] = '\n';
        int rc = 0;
        for (int k = 0; k < LINES; k++)
            rc |= files_append(path, line, WIDTH, NULL);
        _exit(rc != 0);
    }
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(wait_for(pids[i]), 0);
    assert_int_equal(files_read(path, 1 << 20, &t, NULL), 0);
    assert_int_equal(t.length, WRITERS * LINES * WIDTH);
    for (size_t i = 0; i < t.length; i += WIDTH) {
        for (int k = 1; k < WIDTH - 1; k++)
            assert_int_equal(t.data[i + (size_t)k], t.data[i]);
        assert_int_equal(t.data[i + WIDTH - 1], '\n');
    }
    text_clear(&t);
    free(path);
}

static void test_read(void **state)
{
    struct mlb_text t = MLB_TEXT_INIT;
    struct mlb_error err;
    char *path = in("r");

    (void)state;
    assert_int_equal(files_read(path, 10, &t, &err), -1);
    assert_int_equal(err.code, MLB_ERR_NOT_FOUND);
    assert_int_equal(files_read(directory, 10, &t, &err), -1);
    assert_int_equal(err.code, MLB_ERR_IO);
    assert_int_equal(files_publish(path, "0123456789", 10, 0600, &err), 0);
    text_add(&t, "before ");
    assert_int_equal(files_read(path, 10, &t, &err), 0);
    assert_string_equal(t.data, "before 0123456789");
    assert_int_equal(files_read(path, 9, &t, &err), -1);
    assert_int_equal(err.code, MLB_ERR_BAD_INPUT);
    assert_non_null(strstr(err.text, "longer than 9 bytes"));
    text_clear(&t);
    free(path);
}

static void test_mkdirs(void **state)
{
    struct mlb_error err;
    char *path = in("x/y/z");
    struct stat st;

    (void)state;
    assert_int_equal(files_mkdirs(path, &err), 0);
    assert_true(files_is_dir(path));
    assert_false(files_is_file(path));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(files_mkdirs(path, &err), 0);
    free(path);
    path = in("file");
    assert_int_equal(files_publish(path, "", 0, 0600, &err), 0);
    assert_true(files_is_file(path));
    assert_int_equal(files_mkdirs(path, &err), -1);
    free(path);
    path = in("file/below");
    assert_int_equal(files_mkdirs(path, &err), -1);
    assert_int_equal(err.code, MLB_ERR_IO);
    assert_false(files_is_file(path));
    free(path);
    /* The reason told is that of the first directory that cannot be made. */
    uid_t user = geteuid();
    if (user == 0)
        assert_int_equal(seteuid(65534), 0);
    assert_int_equal(files_mkdirs("/mlb-no-such/below", &err), -1);
    assert_null(strstr(err.text, "No such file"));
    assert_int_equal(seteuid(user), 0);
}

/* Links go, what they point to stays. */
static void test_remove_tree(void **state)
{
    struct mlb_error err;
    char *deep = in("t/a/b"), *file = in("t/a/f"), *link = in("t/a/l");
    char *kept = in("kept"), *inside = in("kept/f"), *top = in("t");

    (void)state;
    assert_int_equal(files_mkdirs(deep, &err), 0);
    assert_int_equal(files_mkdirs(kept, &err), 0);
    assert_int_equal(files_publish(file, "1", 1, 0400, &err), 0);
    assert_int_equal(files_publish(inside, "2", 1, 0600, &err), 0);
    assert_int_equal(symlink(kept, link), 0);
    assert_int_equal(files_remove_tree(top, &err), 0);
    expect_names((const char *const[]){ "kept", NULL });
    expect_content(inside, "2", 1);
    assert_int_equal(files_remove_tree(top, &err), 0);   /* not there */
    free(deep);
    free(file);
    free(link);
    free(kept);
    free(inside);
    free(top);
}

static void test_list(void **state)
{
    struct mlb_strings list = MLB_STRINGS_INIT;
    struct mlb_error err;
    char *path = in("none");

    (void)state;
    assert_int_equal(files_list(path, &list, &err), 0);
    assert_int_equal(list.count, 0);
    free(path);
    for (const char *const *n = (const char *const[]){ "b", "a", ".c",
                                                       NULL }; *n; n++) {
        path = in(*n);
        assert_int_equal(files_publish(path, "", 0, 0600, &err), 0);
        assert_int_equal(files_list(path, &list, &err), -1);
        free(path);
    }
    strings_push(&list, "zz");   /* what is there stays in front */
    assert_int_equal(files_list(directory, &list, &err), 0);
    assert_int_equal(list.count, 4);
    assert_string_equal(list.items[0], "zz");
    assert_string_equal(list.items[1], ".c");
    assert_string_equal(list.items[3], "b");
    strings_clear(&list);
}

static void test_absolute(void **state)
{
    static const struct { const char *path, *absolute; } rows[] = {
        { "/", "/" }, { "//", "/" }, { "/a/b", "/a/b" },
        { "/a/./b/", "/a/b" }, { "/a/../b", "/b" }, { "/..", "/" },
        { "/../../a", "/a" }, { "/a//b///c", "/a/b/c" },
        { "/a/...", "/a/..." }, { "/a/..b", "/a/..b" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *absolute = files_absolute(rows[i].path);
        assert_string_equal(absolute, rows[i].absolute);
        free(absolute);
    }
    char *here = getcwd(NULL, 0), *before = here;
    assert_int_equal(chdir(directory), 0);
    here = getcwd(NULL, 0);
    char *expected = xasprintf("%s/x", here);
    char *absolute = files_absolute("./y/../x");
    assert_string_equal(absolute, expected);
    assert_int_equal(chdir(before), 0);
    free(absolute);
    free(expected);
    free(here);
    free(before);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_directory, \
                                                remove_directory)
    const struct CMUnitTest tests[] = {
        TEST(test_publish),
        TEST(test_publish_new),
        TEST(test_publish_left_behind),
        TEST(test_race),
        TEST(test_append),
        TEST(test_read),
        TEST(test_mkdirs),
        TEST(test_remove_tree),
        TEST(test_list),
        TEST(test_absolute),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
