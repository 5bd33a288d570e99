/* SPDX-License-Identifier: BSD-3-Clause */
/* agent/nodefile: which host each node of a plan is, by PBS_NODEFILE. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/files.h"

#include "agent/nodefile.h"

/* The hosts, joined by blanks; or the error. Static. */
static const char *read_hosts(const char *text, long nodes)
{
    static char shown[512];
    char path[] = "/tmp/test_nodefile.XXXXXX";
    struct mlb_strings hosts = MLB_STRINGS_INIT;
    struct mlb_error err = { 0 };
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(files_write_all(fd, text, strlen(text)), 0);
    close(fd);
    setenv("PBS_NODEFILE", path, 1);
    shown[0] = '\0';
    if (nodefile_read(nodes, &hosts, &err) < 0) {
        assert_int_equal(err.code, MLB_ERR_BAD_INPUT);
        assert_non_null(strstr(err.text, path));
        strcpy(shown, strstr(err.text, " has "));
        assert_int_equal(hosts.count, 0);
    }
    for (size_t i = 0; i < hosts.count; i++) {
        strcat(shown, i ? " " : "");
        strcat(shown, hosts.items[i]);
    }
    strings_clear(&hosts);
    unlink(path);
    return shown;
}

static void test_hosts(void **state)
{
    static const struct {
        const char *text;
        long nodes;
        const char *hosts;
    } rows[] = {
        { "pbs1\n", 1, "pbs1" },
        { "pbs1\npbs1\npbs2\npbs2\n", 2, "pbs1 pbs2" },
        /* Two chunks of two ranks each, both on one host. */
        { "pbs1\npbs1\npbs1\npbs1\n", 2, "pbs1 pbs1" },
        { "a\na\nb\nb\na\na\n", 3, "a b a" },
        /* Torque deals CPUs out in turn. */
        { "b\na\nb\na\n", 2, "b a" },
        { "a.x.org\r\n\r\nb.x.org", 2, "a.x.org b.x.org" },
        { "a\na\na\n", 2, " has 3 lines of 1 hosts, which are not 2 nodes" },
        { "a\nb\nc\n", 2, " has 3 lines of 3 hosts, which are not 2 nodes" },
        { "", 1, " has 0 lines of 0 hosts, which are not 1 nodes" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(read_hosts(rows[i].text, rows[i].nodes),
                            rows[i].hosts);
}

static void test_none(void **state)
{
    struct mlb_strings hosts = MLB_STRINGS_INIT;
    struct mlb_error err = { 0 };

    (void)state;
    unsetenv("PBS_NODEFILE");
    assert_int_equal(nodefile_read(1, &hosts, &err), -1);
    assert_int_equal(err.code, MLB_ERR_NOT_FOUND);
    setenv("PBS_NODEFILE", "/no/such/file", 1);
    assert_int_equal(nodefile_read(1, &hosts, &err), -1);
    assert_int_equal(err.code, MLB_ERR_NOT_FOUND);
}

static void test_of_host(void **state)
{
    (void)state;
    assert_true(nodefile_is_of_host("PBS_NODENUM=1"));
    assert_true(nodefile_is_of_host("TMPDIR=/x"));
    assert_true(nodefile_is_of_host("nothing"));
    assert_false(nodefile_is_of_host("TMPDIRS=/x"));
    assert_false(nodefile_is_of_host("PATH=/bin"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_of_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
