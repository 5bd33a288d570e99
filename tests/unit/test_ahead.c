/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading ahead: whatever the order, the right bytes, and what cannot be
 * read or is damaged is the error of the array that it belongs to. */
#include "config.h"

#include "store_fixture.h"

#include <fcntl.h>
#include <sys/wait.h>

#include "store/container.h"
#include "store/fault.h"
#include "store/io.h"
#include "store/place.h"

#define ARRAYS 60
#define BYTES ((size_t)48 * MIB)
#define FILE_BYTES ((size_t)13 * MIB + 777)

static unsigned char *data, *back;

static int setup(void **state)
{
    (void)state;
    data = malloc(BYTES);
    back = malloc(BYTES);
    assert_true(data && back);
    for (size_t i = 0; i < BYTES; i++)
        data[i] = (unsigned char)(i * 13 + i / 509 + i / 70001);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(data);
    free(back);
    return 0;
}

/* Have a file's bytes only on the disk. */
static void forget(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(fsync(fd), 0);
    assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    close(fd);
}

static int take(void *to, uint64_t at, const void *bytes, size_t length)
{
    memcpy((char *)to + at, bytes, length);
    return 0;
}

static int stop(void *to, uint64_t at, const void *bytes, size_t length)
{
    (void)to;
    (void)bytes;
    (void)length;
    return at >= MIB ? 3 : 0;
}

static void read_right(struct io *io, uint64_t offset, size_t length,
                       uint64_t ahead)
{
    struct io_range range = { offset, length };

    memset(back, 0xee, length);
    assert_int_equal(io_read(io, &range, ahead, take, back), 0);
    assert_memory_equal(back, data + offset, length);
}

static int open_data(void **state)
{
    int fd = open(in(state, "data"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC,
                  0600);

    assert_true(fd >= 0);
    assert_int_equal(place_pwrite(fd, data, FILE_BYTES, 0), 0);
    return fd;
}

static void read_in_all_orders(struct io *io)
{
    static const size_t lengths[] = { 1, 4095, 4096, MIB / 2 + 3, 2 * MIB,
                                      5 * MIB + 1 };
    size_t at = 0, n;
    struct io_range all = { 0, FILE_BYTES };

    for (size_t i = 0; at < FILE_BYTES; i++, at += n) {
        n = lengths[i % 6];
        n = n < FILE_BYTES - at ? n : FILE_BYTES - at;
        read_right(io, at, n, at + n + i * MIB < FILE_BYTES
                                  ? at + n + i * MIB : FILE_BYTES);
    }
    /* Some back, some on, and what was there a moment ago. */
    read_right(io, 100, MIB, FILE_BYTES);
    assert_true(io_holds(io, MIB + 101));
    assert_false(io_holds(io, FILE_BYTES));
    read_right(io, 8 * MIB, MIB, FILE_BYTES);
    assert_false(io_holds(io, MIB));
    read_right(io, 5, 10, 0);
    read_right(io, 7, 20, FILE_BYTES);
    assert_int_equal(io_read(io, &all, 0, stop, NULL), 3);
    read_right(io, 0, FILE_BYTES, 0);
}

static void any_order_gives_the_right_bytes(void **state)
{
    int fd = open_data(state);

    for (int engine = IO_BEST; engine <= IO_PLAIN; engine++)
        for (int buffered = 0; buffered <= 1; buffered++) {
            struct io_options o = { engine, buffered };
            struct io *io = io_open(fd, FILE_BYTES, &o);
            if (!io && engine == IO_URING)
                continue;
            assert_non_null(io);
            read_in_all_orders(io);
            /* And to the other direction, with reads still under way. */
            read_right(io, 0, 10, FILE_BYTES);
            unsigned char *to = io_next(io);
            memcpy(to, data + 2 * MIB, MIB);
            assert_int_equal(io_write(io, MIB, 2 * MIB), 0);
            read_right(io, 0, FILE_BYTES, 0);
            io_close(io);
        }
    close(fd);
}

static void a_parked_engine_is_its_owners_or_gone(void **state)
{
    int fd = open_data(state), one, two, status;
    struct io *io = io_open(fd, FILE_BYTES, NULL);

    read_right(io, 0, MIB, FILE_BYTES);
    io_park(io, &one);
    assert_null(io_resume(&two));
    pid_t pid = fork();
    if (pid == 0)
        _exit(io_resume(&one) ? 1 : 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_ptr_equal(io_resume(&one), io);
    assert_null(io_resume(&one));
    read_right(io, MIB, 3 * MIB, FILE_BYTES);
    io_park(io, &one);
    struct io *other = io_open(fd, FILE_BYTES, NULL);
    assert_null(io_resume(&one));
    read_right(other, MIB, 3 * MIB, FILE_BYTES);
    io_close(other);
    close(fd);
}

/* Arrays of all sizes, of bytes of data from i * 1000 on. */
static size_t array_bytes(size_t i)
{
    static const size_t bytes[] = { 2 * MIB, 100, 0, 5000, MIB, 3 * MIB + 77,
                                    4096, 40000, MIB - 1, 5 };

    return bytes[i % 10];
}

static void make_arrays(const char *path)
{
    struct container_writer *w = begin(path);
    char name[32];

    for (size_t i = 0; i < ARRAYS; i++) {
        snprintf(name, sizeof(name), "/a/t%zu", i);
        add(w, name, MLB_U8, array_bytes(i), data + i * 1000);
    }
    publish(w);
    forget(path);
}

/* 0, or -1: not readable, as its message says; all else fails the test. */
static int read_array(struct container *c, size_t i)
{
    const struct container_info *a = container_get(c, i);
    struct mlb_error err = { 0 };
    char name[32];

    memset(back, 0xee, a->bytes);
    if (container_read(c, a, NULL, back, &err) == 0) {
        assert_memory_equal(back, data + i * 1000, a->bytes);
        return 0;
    }
    snprintf(name, sizeof(name), "/a/t%zu", i);
    assert_has(err.text, name);
    return -1;
}

static void read_part(struct container *c, size_t i, uint64_t offset,
                      size_t length)
{
    struct container_range range = { offset, length };
    struct mlb_error err = { 0 };

    memset(back, 0xee, length + 1);
    assert_ok(container_read(c, container_get(c, i), &range, back, &err),
              err);
    assert_memory_equal(back, data + i * 1000 + offset, length);
    assert_int_equal(back[length], 0xee);
}

static void arrays_may_be_read_in_any_order(void **state)
{
    const char *path = in(state, "arrays.h5");
    struct mlb_error err = { 0 };

    make_arrays(path);
    struct container *c = open_it(path);
    for (size_t i = 0; i < ARRAYS; i++)
        assert_int_equal(read_array(c, i), 0);
    for (size_t i = ARRAYS; i-- > 0;)
        assert_int_equal(read_array(c, i), 0);
    for (size_t i = 0; i < 2 * ARRAYS; i++)
        assert_int_equal(read_array(c, i * 37 % ARRAYS), 0);
    for (size_t i = 5; i < ARRAYS; i += 10) {
        read_part(c, i, 0, 5);
        read_part(c, i, MIB - 1, 2);
        read_part(c, i, 3, 3 * MIB + 74);
        read_part(c, i, MIB, 2 * MIB);
        read_part(c, i, 3 * MIB, 77);
    }
    assert_ok(container_check_all(c, &err), err);
    assert_ok(container_verify(c, &err), err);
    container_close(c);
}

static void files_may_be_read_in_turn(void **state)
{
    const char *paths[] = { in(state, "one.h5"), in(state, "two.h5") };
    struct container *c[2];

    for (size_t k = 0; k < 2; k++) {
        make_arrays(paths[k]);
        c[k] = open_it(paths[k]);
    }
    for (size_t i = 0; i < 2 * ARRAYS; i++)
        assert_int_equal(read_array(c[i % 2], i / 2), 0);
    for (size_t i = 0; i < ARRAYS / 2; i++)
        assert_int_equal(read_array(c[0], i), 0);
    container_close(c[0]);
    for (size_t i = ARRAYS / 2; i < ARRAYS; i++)
        assert_int_equal(read_array(c[1], i), 0);
    container_close(c[1]);
}

static void only_the_damaged_array_is_refused(void **state)
{
    const char *path = in(state, "damaged.h5");
    const size_t bad = 25;
    struct mlb_error err = { 0 };

    make_arrays(path);
    struct container *c = open_it(path);
    flip_bit(path, container_get(c, bad)->offset + 2 * MIB + 5);
    forget(path);
    for (size_t i = 0; i < ARRAYS; i++)
        assert_int_equal(read_array(c, i), i == bad ? -1 : 0);
    for (size_t i = ARRAYS; i-- > 0;)
        assert_int_equal(read_array(c, i), i == bad ? -1 : 0);
    assert_int_equal(container_check_all(c, &err), -1);
    assert_int_equal(err.code, MLB_ERR_BAD_INPUT);
    assert_has(err.text, "/a/t25 is damaged in bytes 2097152 to 3145727");
    /* The blocks beside the damaged one can be had. */
    read_part(c, bad, 0, 2 * MIB);
    read_part(c, bad, 3 * MIB, 77);
    container_close(c);
}

/* In a child, with a table of faults: how many large arrays cannot be
 * read. */
static int failed_with(const char *faults, const char *path)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        struct container *c = open_it(path);
        int failed = 0;
        setenv("MLB_FAULTS", faults, 1);
        fault_reset();
        for (size_t i = 0; i < ARRAYS; i++)
            if (array_bytes(i) >= MIB)
                failed += read_array(c, i) < 0;
        container_close(c);
        _exit(failed);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void what_was_read_ahead_in_vain_is_read_again(void **state)
{
    const char *path = in(state, "faulty.h5");
    char faults[64];

    make_arrays(path);
    for (int i = 1; i <= 24; i++) {
        snprintf(faults, sizeof(faults), "read:%d:EIO,read:%d:short", i,
                 i + 5);
        forget(path);
        assert_int_equal(failed_with(faults, path), 0);
    }
    forget(path);
    int failed = failed_with("read:6:EIO,read:7:EIO,read:8:EIO,read:9:EIO,"
                             "read:10:EIO,read:11:EIO,read:12:EIO,"
                             "read:13:EIO,read:14:EIO,read:15:EIO,"
                             "read:16:EIO,read:17:EIO,read:18:EIO", path);
    assert_true(failed > 0 && failed < 13);
}

/* The engine that is open stays with the parent. */
static void a_child_reads_for_itself(void **state)
{
    const char *path = in(state, "fork.h5");
    int status = 0;

    make_arrays(path);
    struct container *c = open_it(path);
    for (size_t i = 0; i < ARRAYS / 2; i++)
        assert_int_equal(read_array(c, i), 0);
    pid_t pid = fork();
    for (size_t i = ARRAYS / 2; i < ARRAYS; i++)
        assert_int_equal(read_array(c, i), 0);
    container_close(c);
    if (pid == 0)
        _exit(0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(any_order_gives_the_right_bytes),
        IN_DIRECTORY(a_parked_engine_is_its_owners_or_gone),
        IN_DIRECTORY(arrays_may_be_read_in_any_order),
        IN_DIRECTORY(files_may_be_read_in_turn),
        IN_DIRECTORY(only_the_damaged_array_is_refused),
        IN_DIRECTORY(what_was_read_ahead_in_vain_is_read_again),
        IN_DIRECTORY(a_child_reads_for_itself),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
