/* SPDX-License-Identifier: BSD-3-Clause */
/* Saves that cannot be: a disk with any room left but enough, a limit of
 * file sizes, and each operation that can fail failing. The error says what
 * and where, nothing is left of it, and what was there before still is. */
#include "config.h"

#include "store_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "step_fixture.h"
#include "store/fault.h"
#include "store/place.h"

#define SKIPPED 77

static const struct shapes shapes = { { MIB + 77, 400, MIB / 2, 5000 } };

static const char *first_name = "step-000000000001.h5";

/* A step is whole and right. */
static bool is_whole(const char *directory, uint64_t step)
{
    char *path = xasprintf("%s/step-%012" PRIu64 ".h5", directory, step);
    struct container *c = container_open(path, CONTAINER_CHECKPOINT, NULL);
    bool whole = c && container_verify(c, NULL) == 0;

    if (whole)
        assert_right(c, path, &shapes);
    container_close(c);
    free(path);
    return whole;
}

static int in_child(int (*work)(void **), void **state)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0)
        _exit(work(state));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status))
        fail_msg("the child was killed by signal %d", WTERMSIG(status));
    return WEXITSTATUS(status);
}

/* Take all room of a file system but so many pages. */
static bool fill_disk(const char *path, off_t but)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    off_t size = 0;

    for (off_t step = MIB; fd >= 0 && step >= 4096; step /= 2)
        while (fallocate(fd, 0, size, step) == 0)
            size += step;
    bool done = fd >= 0 && size >= but &&
                ftruncate(fd, size - but) == 0;
    if (fd >= 0)
        close(fd);
    return done;
}

/* What a save that has only so much room does. 0: as it should. */
static int save_into(const char *directory, off_t room, bool *fits)
{
    struct mlb_error err = { 0 };
    char *filler = xasprintf("%s/filler", directory);
    char *second = xasprintf("%s/step-%012d.h5", directory, 2);
    int problem = 0;

    if (!fill_disk(filler, room))
        return 1;
    int rc = save_over(directory, NULL, 2, &shapes, &err);
    *fits = rc == 0;
    if (rc < 0 && (err.code != MLB_ERR_IO ||
                   !strstr(err.text, "No space left") ||
                   !strstr(err.text, second)))
        problem = 2;
    if (!is_whole(directory, 1) || (rc == 0 && !is_whole(directory, 2)))
        problem = 3;
    unlink(filler);
    unlink(second);
    /* What was taken and failed was given back. */
    if (count_files(directory) != 1)
        problem = 4;
    if (problem)
        print_message("room for %ld bytes: %d, %s\n", (long)room, problem,
                      rc < 0 ? err.text : "");
    free(filler);
    free(second);
    return problem;
}

static int save_to_small_disks(void **state)
{
    const char *directory = *state;
    bool fits = false;
    int problem = 0, failed = 0;

    if (unshare(CLONE_NEWNS) < 0 ||
        mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", directory, "tmpfs", 0, "size=5m") < 0)
        return SKIPPED;
    if (save_over(directory, NULL, 1, &shapes, NULL) < 0)
        return 10;
    /* Little, where libhdf5 fails; then more. */
    for (off_t room = 0; room < 32 * 4096 && !problem; room += 4096)
        problem = save_into(directory, room, &fits);
    for (off_t room = 32 * 4096; !fits && !problem; room += 24 * 4096) {
        problem = save_into(directory, room, &fits);
        failed++;
    }
    return problem ? problem : fits && failed > 3 ? 0 : 11;
}

static void no_room_is_an_error(void **state)
{
    int rc = in_child(save_to_small_disks, state);

    if (rc == SKIPPED) {
        print_message("skipped: a small file system needs root\n");
        skip();
    }
    assert_int_equal(rc, 0);
}

static int save_over_limit(void **state)
{
    struct mlb_error err = { 0 };

    for (rlim_t most = 0; most <= 3 * MIB; most += 64 * 1024 + 1) {
        struct rlimit limit = { most, RLIM_INFINITY };
        if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
            return SKIPPED;
        if (save_over(*state, NULL, 2, &shapes, &err) == 0)
            return most > MIB ? 0 : 1;
        if (err.code != MLB_ERR_IO || !strstr(err.text, "ulimit -f") ||
            !strstr(err.text, "step-000000000002.h5"))
            return 2;
        if (count_files(*state) != 1)
            return 3;
    }
    return 4;
}

static void a_limit_of_file_sizes_is_an_error(void **state)
{
    assert_int_equal(save_over(*state, NULL, 1, &shapes, NULL), 0);
    assert_int_equal(in_child(save_over_limit, state), 0);
    assert_true(is_whole(*state, 1) && is_whole(*state, 2));
}

static bool over_slot;                 /* by try_fault */

/* A save with that fault. 0: it went well; 1: as it should fail; else not
 * so. Files that may be there: the first, the second if it is whole. */
static int try_fault(void **state)
{
    struct mlb_error err = { 0 };
    const char *slot = over_slot ? in(state, ".mlb-slot-0.h5") : NULL;

    fault_reset();
    int rc = save_over(*state, slot, 2, &shapes, &err);
    if (rc < 0 && (err.code != MLB_ERR_IO || !strstr(err.text, *state)))
        print_message("%s: %s\n", getenv("MLB_FAULTS"), err.text);
    unsetenv("MLB_FAULTS");
    fault_reset();
    return rc == 0 ? 0
           : err.code == MLB_ERR_IO && strstr(err.text, *state) &&
                     !strstr(err.text, "Success")
               ? 1
               : 2;
}

/* Each operation of a kind in turn, with that effect, until there is none
 * of that number. */
static unsigned try_each(void **state, const char *op, const char *effect,
                         bool must_fail)
{
    unsigned n = 0;
    int rc;

    do {
        char fault[64];
        snprintf(fault, sizeof(fault), "%s:%u:%s", op, ++n, effect);
        assert_int_equal(save_over(*state, NULL, 1, &shapes, NULL), 0);
        if (over_slot) {
            assert_int_equal(save_over(*state, NULL, 9, &shapes, NULL), 0);
            assert_int_equal(rename(in(state, "step-000000000009.h5"),
                                    in(state, ".mlb-slot-0.h5")), 0);
        }
        setenv("MLB_FAULTS", fault, 1);
        rc = in_child(try_fault, state);
        unsetenv("MLB_FAULTS");
        bool second = is_whole(*state, 2);
        size_t expected = second ? 2 : 1;
        if (rc > 1 || !is_whole(*state, 1) || (rc == 0 && !second) ||
            count_files(*state) != expected)
            fail_msg("%s: %d, %zu files", fault, rc, count_files(*state));
        if (!must_fail && rc != 0)
            fail_msg("%s: failed", fault);
        unlink(in(state, first_name));
        unlink(in(state, "step-000000000002.h5"));
    } while (must_fail ? rc != 0 : n < 20);
    return n - 1;
}

static void each_failure_is_told_and_harmless(void **state)
{
    static const struct {
        const char *op, *effect;
    } faults[] = {
        { "write", "EIO" }, { "write", "ENOSPC" }, { "fsync", "EIO" },
        { "fsync", "ENOSPC" }, { "allocate", "ENOSPC" },
    };

    for (int slot = 0; slot < 2; slot++) {
        over_slot = slot;
        for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
            unsigned n = try_each(state, faults[i].op, faults[i].effect,
                                  true);
            assert_true(n >= 1 || (slot && faults[i].op[0] == 'a'));
        }
        try_each(state, "write", "short", false);
        try_each(state, "write", "EINTR", false);
    }
}

static void a_name_that_cannot_be_given(void **state)
{
    over_slot = false;
    assert_int_equal(try_each(state, "rename", "EIO", true), 1);
}

/* The kernel tells of a lost page once. Who asks again hears that all is
 * well, so nobody may: a failed sync is the end of that file. */
static void a_failed_sync_is_not_tried_again(void **state)
{
    struct mlb_error err = { 0 };
    char fault[32];

    for (int n = 1; n <= 2; n++) {
        snprintf(fault, sizeof(fault), "fsync:%d:EIO", n);
        setenv("MLB_FAULTS", fault, 1);
        fault_reset();
        int rc = save_over(*state, NULL, 2, &shapes, &err);
        unsetenv("MLB_FAULTS");
        fault_reset();
        assert_int_equal(rc, -1);
        assert_has(err.text, "cannot sync");
        assert_has(err.text, "Input/output error");
        assert_int_equal(count_files(*state), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(no_room_is_an_error),
        IN_DIRECTORY(a_limit_of_file_sizes_is_an_error),
        IN_DIRECTORY(each_failure_is_told_and_harmless),
        IN_DIRECTORY(a_name_that_cannot_be_given),
        IN_DIRECTORY(a_failed_sync_is_not_tried_again),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
