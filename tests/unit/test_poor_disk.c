/* SPDX-License-Identifier: BSD-3-Clause */
/* File systems that can little: no locks, no O_DIRECT (or one that is said
 * to be there and is not), no allocation, no rename that keeps what is
 * there. Files are saved and loaded there as elsewhere. The functions of
 * libc that would tell are our own here; libhdf5 gets them, too. */
#include "config.h"

#include "store_fixture.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

#include "mlbatch/checkpoint.h"
#include "step_fixture.h"
#include "store/writer.h"

static const struct shapes shapes = { { 3 * MIB + 77, 400, MIB, 5000 } };

/* What the file system refuses now, and how often it did. */
static bool no_direct, lies_about_direct, no_lock, no_allocation, no_keeping;
static unsigned refused_direct, refused_transfer, refused_allocation,
    refused_keeping;

static void find_real(const char *name, void *real)
{
    void *found = dlsym(RTLD_NEXT, name);

    if (!found)
        abort();
    memcpy(real, &found, sizeof(found));
}

static int refuse(unsigned *count, int error)
{
    (*count)++;
    errno = error;
    return -1;
}

int open(const char *path, int flags, ...)
{
    int (*real)(const char *, int, ...);
    va_list list;

    va_start(list, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;
    va_end(list);
    if (no_direct && flags & O_DIRECT)
        return refuse(&refused_direct, EINVAL);
    find_real("open", &real);
    return real(path, flags, mode);
}

static bool is_direct(int fd)
{
    return lies_about_direct && fcntl(fd, F_GETFL) & O_DIRECT;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
    ssize_t (*real)(int, const void *, size_t, off_t);

    if (is_direct(fd))
        return refuse(&refused_transfer, EINVAL);
    find_real("pwrite", &real);
    return real(fd, bytes, length, offset);
}

ssize_t pread(int fd, void *bytes, size_t length, off_t offset)
{
    ssize_t (*real)(int, void *, size_t, off_t);

    if (is_direct(fd))
        return refuse(&refused_transfer, EINVAL);
    find_real("pread", &real);
    return real(fd, bytes, length, offset);
}

int flock(int fd, int operation)
{
    static unsigned refused;
    int (*real)(int, int);

    if (no_lock)
        return refuse(&refused, ENOLCK);
    find_real("flock", &real);
    return real(fd, operation);
}

int fallocate(int fd, int mode, off_t offset, off_t length)
{
    int (*real)(int, int, off_t, off_t);

    if (no_allocation)
        return refuse(&refused_allocation, EOPNOTSUPP);
    find_real("fallocate", &real);
    return real(fd, mode, offset, length);
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to,
              unsigned flags)
{
    int (*real)(int, const char *, int, const char *, unsigned);

    if (no_keeping)
        return refuse(&refused_keeping, EINVAL);
    find_real("renameat2", &real);
    return real(from_fd, from, to_fd, to, flags);
}

static int be_rich(void **state)
{
    no_direct = lies_about_direct = no_lock = no_allocation = false;
    no_keeping = false;
    refused_direct = refused_transfer = refused_allocation = 0;
    refused_keeping = 0;
    return remove_directory(state);
}

/* Save two steps, one of them over a slot; load both; no third of the same
 * name. */
static void save_and_load(void **state)
{
    struct mlb_error err = { 0 };
    char note[256];

    assert_ok(save_over(*state, NULL, 1, &shapes, &err), err);
    assert_int_equal(rename(in(state, "step-000000000001.h5"),
                            in(state, ".mlb-slot-0.h5")), 0);
    assert_ok(save_over(*state, NULL, 2, &shapes, &err), err);
    assert_ok(save_over(*state, in(state, ".mlb-slot-0.h5"), 3, &shapes,
                        &err), err);
    assert_int_equal(count_files(*state), 2);
    assert_int_equal(save_over(*state, NULL, 3, &shapes, &err), -1);
    assert_int_equal(err.code, MLB_ERR_FAILED);
    assert_has(err.text, "is there already");
    assert_int_equal(count_files(*state), 2);
    for (int step = 2; step <= 3; step++) {
        char name[64];
        snprintf(name, sizeof(name), "step-%012d.h5", step);
        struct container *c = container_open(in(state, name), 0, &err);
        if (!c)
            fail_msg("%s", err.text);
        assert_right(c, name, &shapes);
        assert_ok(container_verify(c, &err), err);
        container_close(c);
    }
    struct mlb_checkpoint_reader *r = mlb_checkpoint_latest(
        *state, note, sizeof(note), &err);
    if (!r)
        fail_msg("%s", err.text);
    assert_int_equal(mlb_checkpoint_step(r), 3);
    mlb_checkpoint_close(r);
}

static void without_o_direct_and_locks(void **state)
{
    no_direct = no_lock = true;
    save_and_load(state);
    assert_true(refused_direct > 0);
}

static void without_allocation(void **state)
{
    no_allocation = true;
    save_and_load(state);
    assert_true(refused_allocation > 0);
}

static void without_a_rename_that_keeps(void **state)
{
    no_keeping = true;
    save_and_load(state);
    assert_true(refused_keeping > 0);
}

static void without_anything(void **state)
{
    no_direct = no_lock = no_allocation = no_keeping = true;
    save_and_load(state);
}

/* O_DIRECT can be asked for, and then each read and write says no. */
static void where_o_direct_is_a_lie(void **state)
{
    lies_about_direct = true;
    for (int engine = IO_THREADS; engine <= IO_PLAIN; engine++) {
        struct mlb_error err = { 0 };
        uint64_t step = 4;
        char name[32];
        snprintf(name, sizeof(name), "lie-%d.h5", engine);
        struct container_writer *w = begin_step(in(state, name), &shapes,
                                                &step);
        w->io.engine = engine;
        assert_ok(container_publish(w, false, &err), err);
        struct container *c = container_open(in(state, name), 0, &err);
        assert_non_null(c);
        assert_right(c, name, &shapes);
        assert_ok(container_verify(c, &err), err);
        container_close(c);
    }
    if (refused_transfer == 0)
        print_message("skipped in part: no O_DIRECT here\n");
}

#define POOR(f)                                                              \
    cmocka_unit_test_setup_teardown(f, make_directory, be_rich)

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOR(without_o_direct_and_locks), POOR(without_allocation),
        POOR(without_a_rename_that_keeps), POOR(without_anything),
        POOR(where_o_direct_is_a_lie),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
