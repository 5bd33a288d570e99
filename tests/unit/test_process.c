/* SPDX-License-Identifier: BSD-3-Clause */
/* base/process: programs started by argv, their output, status and names. */
#include "config.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/process.h"

struct result {
    struct mlb_text out, errors;
    int status;
};
#define RESULT_INIT { MLB_TEXT_INIT, MLB_TEXT_INIT, -1 }

static void result_clear(struct result *r)
{
    text_clear(&r->out);
    text_clear(&r->errors);
}

static int shell(const char *script, struct result *r)
{
    char *argv[] = { "sh", "-c", (char *)script, NULL };
    struct process_call call = { .argv = argv, .out = &r->out,
                                 .errors = &r->errors };

    return process_run(&call, &r->status, NULL);
}

static void test_output(void **state)
{
    struct result r = RESULT_INIT;

    (void)state;
    assert_int_equal(shell("printf out; printf err >&2; exit 3", &r), 0);
    assert_string_equal(r.out.data, "out");
    assert_string_equal(r.errors.data, "err");
    assert_int_equal(process_exit_code(r.status), 3);
    result_clear(&r);
}

/* Words reach the program as they are, whatever a shell would make of them;
 * standard input is empty. */
static void test_argv(void **state)
{
    static char odd[] = "$(id) `id` 'a' \"b\" *\n\\ ;&|";
    char *argv[] = { "printf", "%s", odd, NULL };
    char *cat[] = { "cat", NULL };
    struct result r = RESULT_INIT;
    struct process_call call = { .argv = argv, .out = &r.out };

    (void)state;
    assert_int_equal(process_run(&call, &r.status, NULL), 0);
    assert_string_equal(r.out.data, odd);
    text_clear(&r.out);
    call.argv = cat;
    assert_int_equal(process_run(&call, &r.status, NULL), 0);
    assert_int_equal(r.status, 0);
    assert_int_equal(r.out.length, 0);
    result_clear(&r);
}

/* More than a pipe holds, on both at once, and more than is wanted. */
static void test_much(void **state)
{
    struct result r = RESULT_INIT;
    char *argv[] = { "sh", "-c", "head -c 300000 /dev/zero; echo x >&2", NULL };
    struct process_call call = { .argv = argv, .out = &r.out,
                                 .errors = &r.errors, .limit = 100000 };

    (void)state;
    assert_int_equal(shell("head -c 300000 /dev/zero | tee /dev/stderr", &r),
                     0);
    assert_int_equal(r.out.length, 300000);
    assert_int_equal(r.errors.length, 300000);
    result_clear(&r);
    assert_int_equal(process_run(&call, &r.status, NULL), 0);
    assert_int_equal(r.status, 0);
    assert_true(r.out.length <= 100000);
    assert_string_equal(r.errors.data, "x\n");
    result_clear(&r);
}

/* A part of an answer that has to be whole is none; one of just the limit
 * is whole. */
static void test_whole(void **state)
{
    struct result r = RESULT_INIT;
    struct mlb_error err = { 0 };
    char *argv[] = { "sh", "-c", "printf 123456789; echo error >&2", NULL };
    struct process_call call = { .argv = argv, .out = &r.out,
                                 .errors = &r.errors, .limit = 9,
                                 .whole = true };

    (void)state;
    assert_int_equal(process_run(&call, &r.status, &err), 0);
    assert_string_equal(r.out.data, "123456789");
    result_clear(&r);
    call.limit = 8;
    assert_int_equal(process_run(&call, &r.status, &err), -1);
    assert_int_equal(err.code, MLB_ERR_FAILED);
    assert_string_equal(err.text, "sh said more than 8 bytes");
    result_clear(&r);
}

/* An environment of one's own, and nothing else. */
static void test_environment(void **state)
{
    struct result r = RESULT_INIT;
    struct mlb_strings environment = MLB_STRINGS_INIT;
    char *argv[] = { "env", "-0", NULL };
    struct process_call call = { .argv = argv, .out = &r.out,
                                 .environment = &environment };

    (void)state;
    strings_push(&environment, "A= \n\"$HOME\xff");
    assert_int_equal(process_run(&call, &r.status, NULL), 0);
    assert_int_equal(r.out.length, strlen(environment.items[0]) + 1);
    assert_string_equal(r.out.data, environment.items[0]);
    strings_clear(&environment);
    result_clear(&r);
}

/* Far more than a pipe holds, and a program that does not read it. */
static void test_input(void **state)
{
    char *cat[] = { "cat", NULL }, *none[] = { "true", NULL };
    struct result r = RESULT_INIT;
    struct mlb_text input = MLB_TEXT_INIT;
    struct process_call call = { .argv = cat, .input = &input,
                                 .out = &r.out };

    (void)state;
    for (int i = 0; i < 50000; i++)
        text_addf(&input, "line %d\n", i);
    assert_int_equal(process_run(&call, &r.status, NULL), 0);
    assert_int_equal(r.out.length, input.length);
    assert_memory_equal(r.out.data, input.data, input.length);
    call.argv = none;
    assert_int_equal(process_run(&call, &r.status, NULL), 0);
    assert_int_equal(r.status, 0);
    text_clear(&input);
    result_clear(&r);
}

/* One that says nothing, one that closes its output, one that never stops
 * talking: each is ended, and nothing of it is left. */
static void test_time_limit(void **state)
{
    const char *const scripts[] = { "exec sleep 600",
                                    "exec > /dev/null; exec sleep 600",
                                    "exec yes" };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        char *argv[] = { "sh", "-c", (char *)scripts[i], NULL };
        struct result r = RESULT_INIT;
        struct mlb_error err = { 0 };
        struct process_call call = { .argv = argv, .out = &r.out,
                                     .limit = 1000, .seconds = 1 };
        assert_int_equal(process_run(&call, &r.status, &err), -1);
        assert_int_equal(err.code, MLB_ERR_UNREACHABLE);
        assert_non_null(strstr(err.text, "over 1 s"));
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
        result_clear(&r);
    }
}

static void test_cannot_start(void **state)
{
    char *argv[] = { "mlb-no-such-program", NULL };
    char *true_argv[] = { "true", NULL };
    struct process_call call = { .argv = argv };
    struct mlb_error err = { 0 };
    int status = 0;

    (void)state;
    assert_int_equal(process_run(&call, &status, &err), -1);
    assert_int_equal(err.code, MLB_ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, argv[0]));
    call = (struct process_call){ .argv = true_argv, .directory = "/none" };
    assert_int_equal(process_run(&call, &status, &err), -1);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);    /* none is left */
}

static void test_directory(void **state)
{
    char *argv[] = { "pwd", NULL };
    struct result r = RESULT_INIT;
    struct process_call call = { .argv = argv, .out = &r.out,
                                 .directory = "/" };

    (void)state;
    assert_int_equal(process_run(&call, &r.status, NULL), 0);
    assert_string_equal(r.out.data, "/\n");
    result_clear(&r);
}

/* A blocked signal of ours must not stay blocked in the program. */
static void test_signal(void **state)
{
    struct result r = RESULT_INIT;
    struct mlb_text t = MLB_TEXT_INIT;
    sigset_t block, old;

    (void)state;
    sigemptyset(&block);
    sigaddset(&block, SIGTERM);
    sigprocmask(SIG_BLOCK, &block, &old);
    assert_int_equal(shell("kill -TERM $$; sleep 60", &r), 0);
    sigprocmask(SIG_SETMASK, &old, NULL);
    assert_true(WIFSIGNALED(r.status));
    assert_int_equal(process_exit_code(r.status), 128 + SIGTERM);
    process_add_status(&t, r.status);
    assert_non_null(strstr(t.data, "signal 15"));
    text_clear(&t);
    result_clear(&r);
    assert_int_equal(shell("exit 9", &r), 0);
    process_add_status(&t, r.status);
    assert_string_equal(t.data, "exited with 9");
    text_clear(&t);
    result_clear(&r);
}

static void test_start_time(void **state)
{
    unsigned long long ours = process_start_time(getpid());

    (void)state;
    assert_true(ours > 0);
    assert_true(process_start_time(getpid()) == ours);
    assert_true(process_start_time(1) <= ours);
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    waitpid(pid, NULL, 0);
    assert_true(process_start_time(pid) != ours);
    assert_int_equal(process_start_time(-1), 0);
}

static void test_names(void **state)
{
    (void)state;
    assert_true(process_exists("sh"));
    assert_true(process_exists("/bin/sh"));
    assert_false(process_exists("mlb-no-such-program"));
    assert_false(process_exists("/tmp"));
    assert_true(strlen(process_host()) > 0);
    assert_null(strchr(process_host(), '.'));
    assert_int_equal(strlen(process_boot_id()), 36);
    assert_ptr_equal(process_boot_id(), process_boot_id());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_output),
        cmocka_unit_test(test_argv),
        cmocka_unit_test(test_much),
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_input),
        cmocka_unit_test(test_time_limit),
        cmocka_unit_test(test_cannot_start),
        cmocka_unit_test(test_directory),
        cmocka_unit_test(test_signal),
        cmocka_unit_test(test_start_time),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
