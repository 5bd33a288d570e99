/* SPDX-License-Identifier: BSD-3-Clause */
/* The I/O engine: all engines write and read the same; failures on demand,
 * full disks and kill -9 at every operation. */
#include "config.h"

#include "fault_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <hdf5.h>

#include "mlbatch/checkpoint.h"
#include "store/crc.h"
#include "store/fault.h"
#include "store/io.h"
#include "store/place.h"
#include "store/writer.h"

#define MOST (9u * MIB)
#define SKIPPED 77

static unsigned char data[MOST + 8192], back[MOST + 8192];

static int setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (unsigned char)(i * 13 + i / 509 + i / 70001);
    return 0;
}

static int open_new(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    return fd;
}

/* Write data at offset as commit.c does. -1 with errno. */
static int write_data(int fd, const struct io_options *o, uint64_t offset,
                      size_t length)
{
    struct io *io = io_open(fd, length, o);
    uint32_t crc = 0;
    int rc = 0;

    if (!io)
        return -1;
    for (size_t at = 0, n; at < length && rc == 0; at += n) {
        unsigned char *buffer = io_next(io);
        size_t lead = io_lead(io, offset + at);
        n = io_piece(io) - lead;
        n = length - at < n ? length - at : n;
        if (!buffer) {
            rc = -1;
            break;
        }
        io_copy(buffer + lead, data + at, n, &crc);
        rc = io_write(io, n, offset + at);
    }
    if (rc == 0)
        rc = io_finish(io);
    int saved = errno;
    io_close(io);
    if (rc == 0)
        assert_int_equal(crc, crc_update(0, data, length));
    errno = saved;
    return rc;
}

static int take(void *to, uint64_t at, const void *bytes, size_t length)
{
    memcpy((char *)to + at, bytes, length);
    return 0;
}

static int read_back(int fd, const struct io_options *o, uint64_t offset,
                     size_t length)
{
    struct io_range range = { offset, length };
    struct io *io = io_open(fd, length, o);

    if (!io)
        return -1;
    memset(back, 0xee, length);
    int rc = io_read(io, &range, 0, take, back);
    int saved = errno;
    io_close(io);
    errno = saved;
    return rc;
}

/* One engine writes, plain calls check, and it reads the same. */
static void round_trip(const char *path, const struct io_options *o,
                       uint64_t offset, size_t length)
{
    static const unsigned char edge[64] = "not to be touched";
    unsigned char found[64];
    int fd = open_new(path);

    assert_int_equal(place_pwrite(fd, edge, 64, offset + length), 0);
    if (offset >= 64)
        assert_int_equal(place_pwrite(fd, edge, 64, offset - 64), 0);
    assert_int_equal(write_data(fd, o, offset, length), 0);
    assert_int_equal(place_pread(fd, back, length, offset), 0);
    assert_memory_equal(back, data, length);
    assert_int_equal(place_pread(fd, found, 64, offset + length), 0);
    assert_memory_equal(found, edge, 64);
    if (offset >= 64) {
        assert_int_equal(place_pread(fd, found, 64, offset - 64), 0);
        assert_memory_equal(found, edge, 64);
    }
    assert_int_equal(read_back(fd, o, offset, length), 0);
    assert_memory_equal(back, data, length);
    close(fd);
}

static void sizes_with(const char *path, const struct io_options *o)
{
    static const size_t around[] = { 1, 4096, 8192, MIB, 2 * MIB, 4 * MIB,
                                     MOST };
    static const uint64_t offsets[] = { 0, 4096, 12288, 1000 };

    for (size_t i = 0; i < sizeof(around) / sizeof(around[0]); i++)
        for (int by = -1; by <= 1; by++)
            if (around[i] + (size_t)by > 0)
                round_trip(path, o, offsets[(i + (size_t)(by + 1)) % 4],
                           around[i] + (size_t)by);
}

static bool is_there(const char *path, const struct io_options *o)
{
    int fd = open_new(path);
    struct io *io = io_open(fd, MIB, o);
    bool there = io != NULL;

    if (!there)
        assert_int_equal(errno, ENOTSUP);
    io_close(io);
    close(fd);
    return there;
}

static void every_engine_in(const char *path)
{
    for (int engine = IO_BEST; engine <= IO_PLAIN; engine++)
        for (int buffered = 0; buffered <= 1; buffered++) {
            struct io_options o = { engine, buffered };
            if (is_there(path, &o))
                sizes_with(path, &o);
            else if (engine == IO_URING)
                print_message("skipped: io_uring is not there\n");
            else
                fail_msg("engine %d is not there", engine);
        }
}

static void every_engine_writes_the_same(void **state)
{
    every_engine_in(in(state, "file"));
}

static void memory_file_systems_do(void **state)
{
    char path[64];

    (void)state;
    snprintf(path, sizeof(path), "/dev/shm/mlb-test-io-%ld", (long)getpid());
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        print_message("skipped: /dev/shm cannot be written\n");
        skip();
    }
    close(fd);
    every_engine_in(path);
    unlink(path);
}

static void reading_past_the_end_is_an_error(void **state)
{
    for (int engine = IO_BEST; engine <= IO_PLAIN; engine++) {
        struct io_options o = { .engine = engine };
        int fd = open_new(in(state, "short"));
        if (!is_there(in(state, "other"), &o)) {
            close(fd);
            continue;
        }
        assert_int_equal(place_pwrite(fd, data, 2 * MIB + 5, 0), 0);
        assert_int_equal(read_back(fd, &o, 0, 2 * MIB + 5), 0);
        assert_int_equal(read_back(fd, &o, 0, 2 * MIB + 6), -1);
        assert_int_equal(errno, ENODATA);
        close(fd);
    }
}

static void the_probe_names_what_is_used(void **state)
{
    struct mlb_error err = { 0 };
    char text[64];

    assert_ok(io_probe(*state, text, sizeof(text), &err), err);
    assert_has(text, ", ");
    assert_int_equal(count_files(*state), 0);
    assert_int_equal(io_probe(in(state, "none"), text, sizeof(text), &err),
                     -1);
    assert_int_equal(err.code, MLB_ERR_IO);
}

static enum io_engine forced;          /* by the next two */

/* The outcome of writing a file: 0, or errno. */
static int write_it(void **state)
{
    struct io_options o = { .engine = forced };
    int fd = open_new(in(state, "faulty"));

    if (!is_there(in(state, "other"), &o))
        return SKIPPED;
    if (write_data(fd, &o, 4096, MOST) < 0)
        return errno;
    if (place_sync(fd, false) < 0)
        return errno;
    if (read_back(fd, &o, 4096, MOST) < 0)
        return errno;
    return memcmp(back, data, MOST) == 0 ? 0 : 255;
}

static void faults_end_as_they_should(void **state)
{
    static const struct {
        const char *faults;
        int outcome;
    } cases[] = {
        { "", 0 },
        { "write:1:short", 0 }, { "write:3:short,write:4:short", 0 },
        { "write:5:short,read:2:short", 0 }, { "write:2:EINTR", 0 },
        { "read:1:EINTR,read:4:short", 0 },
        { "write:1:EIO", EIO }, { "write:4:ENOSPC", ENOSPC },
        { "write:5:EIO,fsync:1:ENOSPC", EIO }, { "fsync:1:EIO", EIO },
        { "read:4:EIO", EIO }, { "write:2:short,write:4:ENOSPC", ENOSPC },
        { "any:5:kill", 1000 + SIGKILL }, { "any:400:kill", 0 },
    };

    for (forced = IO_URING; forced <= IO_PLAIN; forced++)
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            int rc = in_child(cases[i].faults, write_it, state);
            if (rc != SKIPPED && rc != cases[i].outcome)
                fail_msg("engine %d, %s: %d", forced, cases[i].faults, rc);
        }
}

/* A checkpoint of some MB, large and small tensors, that tells its step. */
static int save(void **state, uint64_t step, struct mlb_error *err)
{
    struct mlb_tensor t[] = {
        { "a/large", MLB_U8, 1, { 3 * MIB + 77 }, data + step },
        { "b/small", MLB_F32, 1, { 100 }, data + step },
        { "c/middle", MLB_U8, 1, { MIB }, data + 2 * step },
        { "d/large", MLB_F64, 2, { 1024, 257 }, data + 3 * step },
    };
    struct mlb_saver_options options = { .directory = *state,
                                         .retention = { .last = 2 } };
    struct mlb_saver *s = mlb_saver_open(&options, err);
    struct mlb_checkpoint *c = s ? mlb_checkpoint_create(s, step, err)
                                 : NULL;
    int rc = c ? 0 : -1;

    for (size_t i = 0; c && i < sizeof(t) / sizeof(t[0]); i++)
        if (mlb_checkpoint_add(c, &t[i], NULL, err) < 0)
            rc = -1;
    if (c && mlb_checkpoint_publish(c, err) < 0)
        rc = -1;
    mlb_saver_close(s);
    return rc;
}

/* The newest checkpoint is sound and what was saved. Its step. */
static uint64_t newest(void **state)
{
    struct mlb_error err = { 0 };
    char note[256];
    struct mlb_checkpoint_reader *r =
        mlb_checkpoint_latest(*state, note, sizeof(note), &err);
    struct mlb_tensor t = { .name = "a/large", .dtype = MLB_U8, .rank = 1,
                            .shape = { 3 * MIB + 77 } };

    if (!r)
        fail_msg("%s", err.text);
    assert_string_equal(note, "");
    assert_ok(mlb_checkpoint_verify(r, &err), err);
    uint64_t step = mlb_checkpoint_step(r);
    assert_ok(mlb_checkpoint_load(r, &t, NULL, back, &err), err);
    assert_memory_equal(back, data + step, 3 * MIB + 77);
    mlb_checkpoint_close(r);
    return step;
}

static uint64_t next_step;             /* of save_next */

static int save_next(void **state)
{
    struct mlb_error err = { 0 };

    return save(state, next_step, &err) < 0 ? (int)err.code : 0;
}

static void a_failed_save_leaves_the_old_one(void **state)
{
    static const char *const faults[] = {
        "write:1:EIO", "write:2:ENOSPC", "write:5:EIO", "write:8:EIO",
        "fsync:1:EIO", "fsync:2:ENOSPC", "allocate:1:ENOSPC",
        "rename:1:EIO",
    };
    struct mlb_error err = { 0 };

    assert_ok(save(state, 1, &err), err);
    next_step = 2;
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        if (in_child(faults[i], save_next, state) != MLB_ERR_IO)
            fail_msg("%s: no error", faults[i]);
        assert_int_equal(newest(state), 1);
        assert_int_equal(count_files(*state), 1);
    }
    assert_int_equal(in_child("write:1:short,write:6:short,write:9:short",
                              save_next, state), 0);
    assert_int_equal(newest(state), 2);
}

static void killed_at_any_operation(void **state)
{
    struct mlb_error err = { 0 };
    char faults[32];
    unsigned n = 0;
    uint64_t before = 1;
    int rc;

    assert_ok(save(state, 1, &err), err);
    do {
        next_step = before + 1;
        snprintf(faults, sizeof(faults), "any:%u:kill", ++n);
        rc = in_child(faults, save_next, state);
        assert_true(rc == 0 || rc == 1000 + SIGKILL);
        uint64_t now = newest(state);
        assert_true(now == before || now == next_step);
        assert_true(rc != 0 || now == next_step);
        before = now;
    } while (rc != 0 && n < 1000);
    assert_int_equal(rc, 0);
    assert_true(n > 10);
    place_clean(*state);
    assert_true(count_files(*state) <= 2);
    print_message("killed at %u operations\n", n - 1);
}

/* A limit of file sizes stops the engine with the system's own error. */
static int write_over_limit(void **state)
{
    struct rlimit limit = { 5 * MIB, 5 * MIB };

    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
        return SKIPPED;
    return write_it(state);
}

static int write_small_disk(void **state)
{
    if (unshare(CLONE_NEWNS) < 0 ||
        mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", *state, "tmpfs", 0, "size=4m") < 0)
        return SKIPPED;
    return write_it(state);
}

static void full_disks_and_limits_are_errors(void **state)
{
    for (forced = IO_BEST; forced <= IO_PLAIN; forced++) {
        int rc = in_child("", write_over_limit, state);
        assert_true(rc == EFBIG || (forced == IO_URING && rc == SKIPPED));
        rc = in_child("", write_small_disk, state);
        if (rc == SKIPPED)
            print_message("skipped: no small file system, or no engine\n");
        else
            assert_int_equal(rc, ENOSPC);
    }
}

/* libhdf5, too, finds in a large array what was written past it. */
static void hdf5_reads(const char *path, const char *name, size_t length)
{
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    hid_t set = H5Dopen2(file, name, H5P_DEFAULT);

    assert_true(set >= 0);
    assert_true(H5Dread(set, H5T_NATIVE_UCHAR, H5S_ALL, H5S_ALL, H5P_DEFAULT,
                        back) >= 0);
    assert_memory_equal(back, data, length);
    H5Dclose(set);
    H5Fclose(file);
}

/* A container written by each engine has the same arrays. */
static void containers_do_not_tell_the_engine(void **state)
{
    for (int engine = IO_URING; engine <= IO_PLAIN; engine++) {
        struct mlb_error err = { 0 };
        struct io_options o = { .engine = engine };
        char name[16];
        snprintf(name, sizeof(name), "c%d.h5", engine);
        if (!is_there(in(state, "other"), &o))
            continue;
        struct container_writer *w = begin(in(state, name));
        w->io = o;
        add(w, "/x/odd", MLB_U8, 5 * MIB + 4097, data);
        add(w, "/x/small", MLB_U8, 4097, data + 5);
        add(w, "/x/round", MLB_F32, MIB, data + 9);
        publish(w);
        struct container *c = open_it(in(state, name));
        struct container_range part = { MIB - 1, 3 * MIB + 2 };
        assert_ok(container_verify(c, &err), err);
        assert_ok(container_read(c, container_find(c, "/x/odd"), &part, back,
                                 &err), err);
        assert_memory_equal(back, data + MIB - 1, part.length);
        assert_ok(container_read(c, container_find(c, "/x/round"), NULL,
                                 back, &err), err);
        assert_memory_equal(back, data + 9, 4 * MIB);
        container_close(c);
        hdf5_reads(in(state, name), "/x/odd", 5 * MIB + 4097);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(every_engine_writes_the_same),
        IN_DIRECTORY(memory_file_systems_do),
        IN_DIRECTORY(reading_past_the_end_is_an_error),
        IN_DIRECTORY(the_probe_names_what_is_used),
        IN_DIRECTORY(faults_end_as_they_should),
        IN_DIRECTORY(a_failed_save_leaves_the_old_one),
        IN_DIRECTORY(killed_at_any_operation),
        IN_DIRECTORY(full_disks_and_limits_are_errors),
        IN_DIRECTORY(containers_do_not_tell_the_engine),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
