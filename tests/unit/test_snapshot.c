/* SPDX-License-Identifier: BSD-3-Clause */
/* run_snapshot: git work trees of all kinds, listed files, what goes wrong.
 * The repositories are made here with the git that is installed. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/files.h"
#include "base/process.h"
#include "run/run.h"
#include "run/tracked.h"

#define KIB 1024

/* base/work is where the code is, base/store where the run is. */
struct place {
    char *base, *work;
    struct mlb_run run;
    char *got;               /* what get read last */
};

/* Run a script for the test's own preparations, in p->work. */
static int shell(const struct place *p, const char *script)
{
    char *argv[] = { "sh", "-ec", (char *)script, NULL };
    struct process_call call = { .argv = argv, .directory = p->work };
    int status = -1;

    return process_run(&call, &status, NULL) < 0 ? -1 : status;
}

static int setup(void **state)
{
    struct place *p = xcalloc(1, sizeof(*p));

    *state = p;
    p->base = strdup("/tmp/mlb-snapshot-XXXXXX");
    if (!mkdtemp(p->base))
        return -1;
    p->work = xasprintf("%s/work", p->base);
    p->got = xstrdup("");
    char *store = xasprintf("%s/store", p->base);
    int rc = files_mkdirs(p->work, NULL);
    if (rc == 0)
        rc = run_create(store, "r", &p->run, NULL);
    free(store);
    return rc;
}

static int teardown(void **state)
{
    struct place *p = *state;
    int rc = files_remove_tree(p->base, NULL);

    run_clear(&p->run);
    free(p->got);
    free(p->work);
    free(p->base);
    free(p);
    return rc;
}

/* Snapshot of the directory (below work) with the files, a blank between. */
static int snapshot(const struct place *p, const char *directory,
                    const char *files, struct mlb_error *err)
{
    struct mlb_strings list = MLB_STRINGS_INIT;
    char *copy = xstrdup(files), *save = NULL;
    char *path = xasprintf("%s/%s", p->work, directory);

    for (char *file = strtok_r(copy, " ", &save); file;
         file = strtok_r(NULL, " ", &save))
        strings_push(&list, file);
    int rc = run_snapshot(&p->run, path, &list, err);
    free(path);
    free(copy);
    strings_clear(&list);
    return rc;
}

static void assert_taken(const struct place *p, const char *directory,
                         const char *files)
{
    struct mlb_error err = { 0 };

    if (snapshot(p, directory, files, &err) < 0)
        fail_msg("%s", err.text);
}

/* The text of a file in code/, "" without one. Kept until the next call. */
static const char *get(struct place *p, const char *part)
{
    struct mlb_text t = MLB_TEXT_INIT;
    char *path = xasprintf("%s/code/%s", p->run.path, part);

    files_read(path, 16 << 20, &t, NULL);
    free(path);
    free(p->got);
    p->got = text_detach(&t);
    return p->got;
}

static bool has(const struct place *p, const char *part)
{
    struct stat st;
    char *path = xasprintf("%s/code/%s", p->run.path, part);
    bool there = lstat(path, &st) == 0;

    free(path);
    return there;
}

/* Unpack code.tar into base/unpacked, apply the diff, compare with work. */
static void assert_restores(const struct place *p, const char *compare)
{
    char *script = xasprintf(
        "mkdir -p ../unpacked && cd ../unpacked && tar xf %s/code/code.tar && "
        "if [ -e %s/code/diff.patch ]; then git apply %s/code/diff.patch; fi; "
        "%s", p->run.path, p->run.path, p->run.path, compare);

    assert_int_equal(shell(p, script), 0);
    free(script);
}

#define GIT "git -c user.name=x -c user.email=x@localhost "
#define INIT "git init -q . && git config core.fsync none; "

static void test_git(void **state)
{
    struct place *p = *state;

    assert_int_equal(shell(p, INIT "mkdir sub; echo a > a; echo b > sub/b; "
                              "printf '\\0\\1' > bin; ln -s a link; "
                              "chmod +x a; git add .; " GIT "commit -qm x; "
                              "echo more >> a; printf '\\0\\2' > bin; "
                              "rm -r sub; echo new > untracked; "
                              "git rev-parse HEAD > ../head"), 0);
    assert_taken(p, ".", "");
    assert_restores(p, "diff -r --no-dereference -x .git -x untracked . "
                       "../work && test ! -e untracked && "
                       "cmp ../store/runs/r.1/code/commit ../head");
    assert_int_equal(strlen(get(p, "commit")), 41);
    assert_false(has(p, "README"));
    assert_false(has(p, "tree"));
}

/* From below, the whole work tree; nothing changed, no diff. */
static void test_git_below(void **state)
{
    struct place *p = *state;

    assert_int_equal(shell(p, INIT "mkdir -p a/b; echo x > top; echo y > a/y; "
                              "git add .; " GIT "commit -qm x"), 0);
    assert_taken(p, "a/b", "");
    assert_restores(p, "test -e top && test -e a/y");
    assert_false(has(p, "diff.patch"));
    assert_false(has(p, "README"));
}

/* Listed files come along: they may be untracked. */
static void test_git_and_files(void **state)
{
    struct place *p = *state;

    assert_int_equal(shell(p, INIT "echo x > x; git add .; " GIT
                              "commit -qm x; echo u > u"), 0);
    assert_taken(p, ".", "u .");
    assert_string_equal(get(p, "tree/u"), "u\n");
    assert_string_equal(get(p, "tree/x"), "x\n");
    assert_true(has(p, "code.tar"));
    assert_false(has(p, "tree/.git"));
}

/* What is set for the user must not be started or change what is stored,
 * nor a variable lead elsewhere. */
static void test_git_settings(void **state)
{
    struct place *p = *state;

    assert_int_equal(shell(p, INIT "echo x > x; git add .; " GIT
                              "commit -qm x; echo y > x; "
                              "printf '#!/bin/sh\\ntouch %s/ran\\ncat\\n' "
                              "\"$PWD\" > ../prog; chmod +x ../prog; "
                              "for k in core.pager core.fsmonitor "
                              "diff.external; do "
                              "git config $k \"$PWD/../prog\"; done; "
                              "mkdir ../hooks; cp ../prog "
                              "../hooks/post-index-change; "
                              "git config core.hooksPath \"$PWD/../hooks\"; "
                              "git config diff.noprefix true; "
                              "git config color.ui always"), 0);
    setenv("GIT_DIR", "/none", 1);
    setenv("GIT_INDEX_FILE", "/none", 1);
    assert_taken(p, ".", "");
    unsetenv("GIT_DIR");
    unsetenv("GIT_INDEX_FILE");
    assert_restores(p, "cmp x ../work/x");
    assert_int_equal(shell(p, "test ! -e ran"), 0);
    assert_false(has(p, "README"));
}

static void test_git_no_commit(void **state)
{
    struct place *p = *state;

    assert_int_equal(shell(p, INIT "echo x > x; git add ."), 0);
    assert_taken(p, ".", "x");
    assert_non_null(strstr(get(p, "README"), "could not be stored:"));
    assert_false(has(p, "code.tar"));
    assert_false(has(p, "commit"));
    assert_string_equal(get(p, "tree/x"), "x\n");
}

static void test_git_broken(void **state)
{
    struct place *p = *state;

    assert_int_equal(shell(p, "echo 'gitdir: /none/such' > .git"), 0);
    assert_taken(p, ".", "");
    assert_non_null(strstr(get(p, "README"), "/none/such"));
}

static void test_git_missing(void **state)
{
    struct place *p = *state;
    char *path = xstrdup(getenv("PATH"));

    assert_int_equal(shell(p, INIT), 0);
    setenv("PATH", "/none", 1);
    assert_taken(p, ".", "");
    setenv("PATH", path, 1);
    assert_non_null(strstr(get(p, "README"), "cannot run git"));
    free(path);
}

static void test_git_linked(void **state)
{
    struct place *p = *state;

    assert_int_equal(shell(p, INIT "echo x > x; git add .; " GIT
                              "commit -qm x; git worktree add -q "
                              "../other; echo z >> ../other/x"), 0);
    assert_taken(p, "../other", "");
    assert_restores(p, "cmp x ../other/x");
    assert_false(has(p, "README"));
}

/* Over 64 MiB: found out from the index, or, where that cannot be read so,
 * by the limit on what git may write. Our own limit is as it was. */
static void test_git_large(void **state)
{
    struct place *p = *state;
    struct rlimit before, after;

    getrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(shell(p, INIT "truncate -s 65M big; "
                              "git config core.compression 0; git add .; " GIT
                              "commit -qm x; mkdir -p .git/lfs; "
                              "echo n > n; git add n"), 0);
    assert_taken(p, ".", "");
    assert_non_null(strstr(get(p, "README"), "over 64 MiB"));
    assert_false(has(p, "code.tar"));
    assert_true(has(p, "diff.patch"));
    char *commit = xstrdup(get(p, "commit"));
    assert_int_equal(strlen(commit), 41);
    assert_int_equal(shell(p, "rmdir .git/lfs"), 0);
    assert_taken(p, ".", "");
    assert_non_null(strstr(get(p, "README"), "over 64 MiB"));
    assert_string_equal(get(p, "commit"), commit);
    free(commit);
    getrlimit(RLIMIT_FSIZE, &after);
    assert_true(before.rlim_cur == after.rlim_cur);
}

static void test_large_diff(void **state)
{
    struct place *p = *state;

    assert_int_equal(shell(p, INIT "echo x > x; git add .; " GIT
                              "commit -qm x; head -c 60000000 /dev/urandom "
                              "> y; git config core.compression 0; "
                              "git add y"), 0);
    assert_taken(p, ".", "");
    assert_non_null(strstr(get(p, "README"), "uncommitted changes: over"));
    assert_false(has(p, "diff.patch"));
    assert_true(has(p, "code.tar"));
}

static void test_tracked_bytes(void **state)
{
    struct place *p = *state;

    assert_int_equal(tracked_bytes(p->work), -1);
    assert_int_equal(shell(p, INIT "head -c 1000 /dev/zero > a; : > b; "
                              "ln -s a c; git add ."), 0);
    assert_int_equal(tracked_bytes(p->work), KIB + 3 * 512);
    assert_int_equal(shell(p, "git update-index --index-version 4"), 0);
    assert_int_equal(tracked_bytes(p->work), -1);
    assert_int_equal(shell(p, "git update-index --index-version 2; "
                              "git add -N --intent-to-add .; i=.git/index; "
                              "head -c 100 $i > j; cat j > $i"), 0);
    assert_int_equal(tracked_bytes(p->work), -1);
    assert_int_equal(shell(p, "printf DIRC > .git/index"), 0);
    assert_int_equal(tracked_bytes(p->work), -1);
}

static void test_nothing(void **state)
{
    struct place *p = *state;

    assert_taken(p, ".", "");
    assert_non_null(strstr(get(p, "README"), "no code was stored"));
    assert_int_equal(run_snapshot(&p->run, p->work, NULL, NULL), 0);
}

static void test_files(void **state)
{
    struct place *p = *state;

    assert_int_equal(shell(p, "mkdir -p src/deep ../lib; echo a > a; "
                              "echo d > src/deep/d; ln -s ../../a src/l; "
                              "ln -s /etc src/etc; chmod 500 a; : > src/e; "
                              "mkfifo src/fifo; echo o > ../lib/o; "
                              "ln -s src/deep short; mkdir .git src/.git; "
                              "rmdir .git; : > 'src/odd\nname'"), 0);
    assert_taken(p, ".", "a src/ ./src/../a ../lib/o short/d");
    assert_string_equal(get(p, "tree/src/deep/d"), "d\n");
    assert_string_equal(get(p, "tree/short/d"), "d\n");
    assert_true(has(p, "tree/src/e"));
    assert_false(has(p, "tree/src/fifo"));
    assert_false(has(p, "tree/src/.git"));
    assert_non_null(strstr(get(p, "README"), "fifo: not a file"));
    char *outside = xasprintf("outside%s/lib/o", p->base);
    assert_string_equal(get(p, outside), "o\n");
    free(outside);
    char link[64] = "";
    char *path = xasprintf("%s/code/tree/src/etc", p->run.path);
    assert_int_equal(readlink(path, link, sizeof(link) - 1), 4);
    assert_string_equal(link, "/etc");
    free(path);
    path = xasprintf("%s/code/tree/a", p->run.path);
    assert_int_equal(access(path, X_OK | R_OK), 0);
    free(path);
}

/* The store below what is listed: the runs are not copied into the run. */
static void test_files_around_store(void **state)
{
    struct place *p = *state;

    assert_int_equal(shell(p, "echo a > a"), 0);
    assert_taken(p, "..", ".");
    assert_string_equal(get(p, "tree/work/a"), "a\n");
    assert_true(has(p, "tree/store"));
    assert_false(has(p, "tree/store/runs"));
    assert_non_null(strstr(get(p, "README"), "runs: holds the runs"));
}

/* A link that was kept is never written through. */
static void test_files_through_link(void **state)
{
    struct place *p = *state;
    struct mlb_error err = { 0 };
    char *script = xasprintf("mkdir ../real; echo x > ../real/x; "
                             "ln -s %s/real lib; mkdir ../store/runs/r.1/code/"
                             "tree; ln -s %s/work ../store/runs/r.1/code/tree/"
                             "lib", p->base, p->base);

    assert_int_equal(shell(p, script), 0);
    assert_int_equal(snapshot(p, ".", "lib lib/x", &err), -1);
    assert_int_equal(err.code, MLB_ERR_IO);
    assert_int_equal(shell(p, "test ! -e x"), 0);
    free(script);
}

static void test_fails(void **state)
{
    struct place *p = *state;
    struct mlb_error err = { 0 };

    assert_int_equal(snapshot(p, ".", "none.py", &err), -1);
    assert_int_equal(err.code, MLB_ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "none.py"));
    assert_int_equal(snapshot(p, "no/such", "", &err), -1);
    assert_int_equal(err.code, MLB_ERR_NOT_FOUND);
    assert_int_equal(shell(p, "truncate -s 1025M big"), 0);
    assert_int_equal(snapshot(p, ".", "big", &err), -1);
    assert_int_equal(err.code, MLB_ERR_USAGE);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest with_git[] = {
        TEST(test_git),          TEST(test_git_below),
        TEST(test_git_and_files), TEST(test_git_settings),
        TEST(test_git_no_commit), TEST(test_git_broken),
        TEST(test_git_missing),  TEST(test_git_linked),
        TEST(test_git_large),    TEST(test_large_diff),
        TEST(test_tracked_bytes),
    };
    const struct CMUnitTest without[] = {
        TEST(test_nothing),
        TEST(test_files),
        TEST(test_files_around_store),
        TEST(test_files_through_link),
        TEST(test_fails),
    };
    int failed = 0;

    if (process_exists("git"))
        failed = cmocka_run_group_tests(with_git, NULL, NULL);
    else
        puts("skipped: the tests with git, which is not installed");
    return failed + cmocka_run_group_tests(without, NULL, NULL);
}
