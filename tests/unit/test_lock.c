/* SPDX-License-Identifier: BSD-3-Clause */
/* run/lock: one process at a time, whoever had it before. */
#include "config.h"

#include <fcntl.h>
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
#include "base/process.h"
#include "run/lock.h"

#define LONG_AGO 1700000000

static int setup(void **state)
{
    char dir[] = "/tmp/mlb-lock-XXXXXX";

    *state = mkdtemp(dir) ? xstrdup(dir) : NULL;
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    files_remove_tree(*state, NULL);
    free(*state);
    return 0;
}

static void write_lock(const char *dir, const char *host, long pid,
                       unsigned long long begun)
{
    struct mlb_fields f = MLB_FIELDS_INIT;
    char *path = xasprintf("%s/record.lock", dir), space[64] = "";

    assert_true(readlink("/proc/self/ns/pid", space, sizeof(space) - 1) > 0);
    fields_add(&f, "host", host);
    fields_add(&f, "boot", process_boot_id());
    fields_add(&f, "space", space);
    fields_addf(&f, "pid", "%ld", pid);
    fields_addf(&f, "start", "%llu", begun);
    assert_int_equal(fields_write(&f, path, NULL), 0);
    fields_clear(&f);
    free(path);
}

/* Taken over from the dead, here and after long also from elsewhere; not
 * from the living. */
static void test_lock(void **state)
{
    const struct timespec old[2] = { { .tv_sec = LONG_AGO },
                                     { .tv_sec = LONG_AGO } };
    char *path = xasprintf("%s/record.lock", (char *)*state);
    struct mlb_error err;

    write_lock(*state, process_host(), getpid(), 1);
    assert_int_equal(lock_take(*state, LOCK_RECORD, 1, &err), 0);
    assert_int_equal(lock_check(*state, LOCK_RECORD, &err), 0);
    lock_release(*state, LOCK_RECORD);
    assert_int_equal(access(path, F_OK), -1);
    write_lock(*state, process_host(), getppid(),
               process_start_time(getppid()));
    assert_int_equal(lock_take(*state, LOCK_RECORD, 0, &err), -1);
    assert_non_null(strstr(err.text, "record.lock"));
    write_lock(*state, "elsewhere", 1, 1);
    assert_int_equal(lock_take(*state, LOCK_RECORD, 0, &err), -1);
    assert_non_null(strstr(err.text, "elsewhere"));
    lock_release(*state, LOCK_RECORD);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
    assert_int_equal(lock_take(*state, LOCK_RECORD, 1, &err), 0);
    lock_release(*state, LOCK_RECORD);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lock, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
