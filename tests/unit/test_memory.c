/* SPDX-License-Identifier: BSD-3-Clause */
/* How much memory there is, by what /proc and the control groups say. */
#include "config.h"

#include "store_fixture.h"

#include "store/memory.h"

static void put(void **state, const char *name, const char *text)
{
    char *path = xstrdup(in(state, name));

    for (char *p = path + strlen(*state) + 1; (p = strchr(p, '/')); p++) {
        *p = '\0';
        mkdir(path, 0700);
        *p = '/';
    }
    write_file(path, text);
    free(path);
}

static void without_a_limit_it_is_what_is_available(void **state)
{
    put(state, "proc/meminfo", "MemTotal: 900 kB\nMemAvailable:    800 kB\n");
    assert_int_equal(memory_available(*state), 800 * 1024);
    put(state, "proc/self/cgroup", "0::/a\n");
    assert_int_equal(memory_available(*state), 800 * 1024);
    put(state, "sys/fs/cgroup/a/memory.max", "max\n");
    put(state, "sys/fs/cgroup/a/memory.current", "5\n");
    assert_int_equal(memory_available(*state), 800 * 1024);
}

static void the_tightest_group_above_counts(void **state)
{
    put(state, "proc/meminfo", "MemAvailable: 800 kB\n");
    put(state, "proc/self/cgroup", "1:name=systemd:/x\n0::/job/step\n");
    put(state, "sys/fs/cgroup/job/step/memory.max", "500000\n");
    put(state, "sys/fs/cgroup/job/step/memory.current", "100000\n");
    assert_int_equal(memory_available(*state), 400000);
    put(state, "sys/fs/cgroup/job/memory.max", "300000\n");
    put(state, "sys/fs/cgroup/job/memory.current", "200000\n");
    assert_int_equal(memory_available(*state), 100000);
    /* Files in memory can go. */
    put(state, "sys/fs/cgroup/job/memory.stat",
        "anon 20000\nactive_file 30000\ninactive_file 50000\n");
    assert_int_equal(memory_available(*state), 180000);
    put(state, "sys/fs/cgroup/job/memory.current", "400000\n");
    assert_int_equal(memory_available(*state), 0);
}

static void groups_of_version_1_do(void **state)
{
    put(state, "proc/meminfo", "MemAvailable: 800 kB\n");
    put(state, "proc/self/cgroup", "3:cpu,memory:/not/mine\n0::/\n");
    put(state, "sys/fs/cgroup/memory/memory.limit_in_bytes", "70000\n");
    put(state, "sys/fs/cgroup/memory/memory.usage_in_bytes", "30000\n");
    assert_int_equal(memory_available(*state), 40000);
}

static void nonsense_is_nothing(void **state)
{
    static const char *const lines[] = {
        "", "\n", "0", "0:", "0::", "0::x\n", "4:memory:/a/../../b\n",
        "4:memory\n", ":::\n", "4::/\n",
    };

    assert_int_equal(memory_available(*state), 0);
    put(state, "proc/meminfo", "MemAvailable: many\n");
    assert_int_equal(memory_available(*state), 0);
    put(state, "proc/meminfo", "MemAvailable: 800 kB\n");
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        put(state, "proc/self/cgroup", lines[i]);
        assert_int_equal(memory_available(*state), 800 * 1024);
    }
    assert_true(memory_available("") > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(without_a_limit_it_is_what_is_available),
        IN_DIRECTORY(the_tightest_group_above_counts),
        IN_DIRECTORY(groups_of_version_1_do),
        IN_DIRECTORY(nonsense_is_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
