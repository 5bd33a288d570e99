/* SPDX-License-Identifier: BSD-3-Clause */
/* Containers: round trips, names, full disks, dead writers. */
#include "config.h"

#include "store_fixture.h"

#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <hdf5.h>

#include "store/container.h"
#include "store/crc.h"
#include "store/layout.h"
#include "store/place.h"

static void crc_is_standard_crc32c(void **state)
{
    uint32_t crc;
    unsigned char zeros[32] = { 0 };

    (void)state;
    assert_int_equal(crc_update(0, "123456789", 9), 0xe3069283);
    /* RFC 3720, B.4: 32 bytes of zeros. */
    assert_int_equal(crc_update(0, zeros, 32), 0x8a9136aa);
    crc = crc_update(0, "1234", 4);
    assert_int_equal(crc_update(crc, "56789", 5), 0xe3069283);
    assert_int_equal(crc_update(0, "", 0), 0);
}

static void sums_of_two_parts_make_that_of_the_whole(void **state)
{
    static unsigned char bytes[MIB + 4099];
    static const size_t lengths[] = { 0, 1, 2, 7, 255, 4096, 65537, MIB - 1,
                                      MIB };
    size_t count = sizeof(lengths) / sizeof(lengths[0]);

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)(i * i / 7 + i);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < count; k++) {
            size_t first = lengths[i] % 4099, second = lengths[k];
            uint32_t a = crc_update(0, bytes, first);
            uint32_t b = crc_update(0, bytes + first, second);
            assert_int_equal(crc_combine(a, b, second),
                             crc_update(0, bytes, first + second));
        }
    /* Lengths of more than 32 bits: 2^33 and 1 zeros, joined in two ways. */
    uint32_t x = crc_update(0, "x", 1), one = crc_update(0, "\0", 1);
    uint32_t zeros = one;
    for (int i = 0; i < 33; i++)
        zeros = crc_combine(zeros, zeros, UINT64_C(1) << i);
    uint64_t n = UINT64_C(1) << 33;
    assert_int_equal(crc_combine(crc_combine(x, zeros, n), one, 1),
                     crc_combine(x, crc_combine(zeros, one, 1), n + 1));
}

static void every_type_comes_back(void **state)
{
    const char *path = in(state, "types.h5");
    unsigned char data[64 * 16], back[64 * 16];
    struct container_writer *w = begin(path);
    struct mlb_error err = { 0 };
    char name[32];

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (unsigned char)(i * 37);
    for (int d = MLB_F64; d <= MLB_C128; d++) {
        snprintf(name, sizeof(name), "/all/%s", mlb_dtype_name(d));
        add(w, name, d, 64, data);
    }
    publish(w);
    struct container *c = open_it(path);
    assert_int_equal(container_count(c), MLB_C128);
    for (int d = MLB_F64; d <= MLB_C128; d++) {
        snprintf(name, sizeof(name), "/all/%s", mlb_dtype_name(d));
        const struct container_info *a = container_find(c, name);
        assert_ptr_equal(a, container_get(c, (size_t)d - 1));
        assert_int_equal(a->dtype, d);
        assert_int_equal(a->bytes, 64 * mlb_dtype_size(d));
        assert_int_equal(a->offset % mlb_dtype_size(d), 0);
        assert_ok(container_read(c, a, NULL, back, &err), err);
        assert_memory_equal(back, data, a->bytes);
    }
    container_close(c);
}

/* What libhdf5 makes of the 16-bit floats, and of names and shapes. */
static void hdf5_reads_the_same(void **state)
{
    static const uint16_t bf16[4] = { 0x3f80, 0xc000, 0x4049, 0x7f80 };
    static const uint16_t f16[4] = { 0x3c00, 0xc000, 0x4248, 0x7c00 };
    static const float means[2][4] = {
        { 1.0f, -2.0f, 3.140625f, __builtin_inff() },
        { 1.0f, -2.0f, 3.140625f, __builtin_inff() },
    };
    const char *names[2] = { "/a/bf16", "/a/deep/er/f16" };
    const char *path = in(state, "floats.h5");
    struct container_writer *w = begin(path);
    float back[4];

    add(w, names[0], MLB_BF16, 4, bf16);
    add(w, names[1], MLB_F16, 4, f16);
    publish(w);
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    assert_true(file >= 0);
    for (int i = 0; i < 2; i++) {
        hid_t set = H5Dopen2(file, names[i], H5P_DEFAULT);
        assert_true(set >= 0);
        assert_true(H5Dread(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL,
                            H5P_DEFAULT, back) >= 0);
        for (int k = 0; k < 4; k++)
            assert_true(back[k] == means[i][k]);
        H5Dclose(set);
    }
    H5Fclose(file);
}

static void scalars_and_empty_arrays(void **state)
{
    const char *path = in(state, "odd.h5");
    struct container_writer *w = begin(path);
    struct mlb_error err = { 0 };
    double pi = 3.25, back = 0;
    struct container_array a = { .name = "/pi", .dtype = MLB_F64,
                                 .data = &pi };

    assert_ok(container_add(w, &a, &err), err);
    a = (struct container_array){ .name = "/none", .dtype = MLB_F32,
                                  .rank = 3, .shape = { 4, 0, 7 } };
    assert_ok(container_add(w, &a, &err), err);
    publish(w);
    struct container *c = open_it(path);
    const struct container_info *none = container_find(c, "/none");
    assert_int_equal(none->bytes, 0);
    assert_int_equal(none->rank, 3);
    assert_int_equal(none->shape[2], 7);
    assert_ok(container_read(c, none, NULL, NULL, &err), err);
    assert_ok(container_read(c, container_find(c, "/pi"), NULL, &back, &err),
              err);
    assert_true(back == pi);
    assert_ok(container_verify(c, &err), err);
    assert_null(container_find(c, "/p"));
    container_close(c);
    /* A file without any array is one, too. */
    publish(begin(in(state, "nothing.h5")));
    c = open_it(in(state, "nothing.h5"));
    assert_int_equal(container_count(c), 0);
    assert_null(container_find(c, "/pi"));
    assert_ok(container_verify(c, &err), err);
    container_close(c);
}

/* Counts up; fails at *(uint64_t *)from. */
static int count_up(void *from, uint64_t offset, void *out, size_t length,
                    struct mlb_error *err)
{
    const uint64_t *stop = from;
    uint64_t *to = out;

    if (offset >= *stop)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "stopped");
    for (size_t i = 0; i < length / 8; i++)
        to[i] = offset / 8 + i;
    return 0;
}

static void sources_and_ranges(void **state)
{
    const char *path = in(state, "stream.h5");
    struct mlb_error err = { 0 };
    uint64_t stop = UINT64_MAX, count = 300000, *back = calloc(count, 8);
    struct container_array a = { .name = "/n", .dtype = MLB_U64, .rank = 1,
                                 .shape = { count }, .source = count_up,
                                 .from = &stop };
    struct container_writer *w = begin(path);

    assert_ok(container_add(w, &a, &err), err);
    publish(w);
    struct container *c = open_it(path);
    const struct container_info *n = container_get(c, 0);
    const struct container_range ranges[] = {
        { 0, 8 }, { MIB - 8, 16 }, { 8, MIB }, { MIB, MIB },
        { count * 8 - 8, 8 }, { count * 8, 0 }, { 0, count * 8 },
    };
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        assert_ok(container_read(c, n, &ranges[i], back, &err), err);
        for (uint64_t k = 0; k < ranges[i].length / 8; k++)
            assert_int_equal(back[k], ranges[i].offset / 8 + k);
    }
    const struct container_range over = { count * 8 - 8, 16 };
    const struct container_range far = { UINT64_MAX - 3, 8 };
    assert_int_equal(container_read(c, n, &over, back, &err), -1);
    assert_int_equal(err.code, MLB_ERR_USAGE);
    assert_int_equal(container_read_raw(c, n, &far, back, &err), -1);
    container_close(c);
    free(back);
    /* A source that fails leaves nothing behind. */
    stop = MIB;
    w = begin(in(state, "failed.h5"));
    assert_ok(container_add(w, &a, &err), err);
    assert_int_equal(container_publish(w, false, &err), -1);
    assert_string_equal(err.text, "/n: stopped");
    assert_int_equal(count_files(*state), 1);
}

static void names_and_shapes_are_checked(void **state)
{
    static const char *const wrong[] = {
        "", "x", "/", "//", "/x/", "/x//y", "/.", "/..", "/x/../y", "/a\nb",
        "/\xff", "/index", "/names/x", "/blocks", "/a/b/c", "/a/b", "/a",
    };
    struct container_writer *w = begin(in(state, "names.h5"));
    struct mlb_error err = { 0 };
    struct container_array a = { .name = "/x", .dtype = MLB_U8, .rank = 2,
                                 .shape = { UINT64_C(1) << 40,
                                            UINT64_C(1) << 30 },
                                 .data = "" };
    char longest[400];

    add(w, "/a/b", MLB_U8, 1, "x");
    add(w, "/a/\xc3\xa4.b-c d", MLB_U8, 1, "x");
    add(w, "/indexes", MLB_U8, 1, "x");
    assert_int_equal(container_add(w, &a, &err), -1);
    a.rank = MLB_MAX_RANK + 1;
    assert_int_equal(container_add(w, &a, &err), -1);
    a.rank = -1;
    assert_int_equal(container_add(w, &a, &err), -1);
    a.rank = 0;
    a.dtype = 0;
    assert_int_equal(container_add(w, &a, &err), -1);
    a.dtype = MLB_U8;
    memset(longest, 'n', sizeof(longest));
    longest[0] = '/';
    longest[LAYOUT_MAX_NAME + 1] = '\0';
    a.name = longest;
    assert_int_equal(container_add(w, &a, &err), -1);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        a.name = wrong[i];
        if (container_add(w, &a, &err) == 0)
            fail_msg("took \"%s\"", wrong[i]);
        assert_int_equal(err.code, MLB_ERR_USAGE);
    }
    longest[LAYOUT_MAX_NAME] = '\0';
    a.name = longest;
    assert_ok(container_add(w, &a, &err), err);
    publish(w);
    struct container *c = open_it(in(state, "names.h5"));
    assert_non_null(container_find(c, longest));
    assert_non_null(container_find(c, "/a/\xc3\xa4.b-c d"));
    container_close(c);
}

static void an_array_without_data_is_refused(void **state)
{
    struct container_writer *w = begin(in(state, "none.h5"));
    struct mlb_error err = { 0 };

    add(w, "/here", MLB_U8, 1, "x");
    add(w, "/nothing", MLB_U8, 0, NULL);
    add(w, "/missing", MLB_U8, 1, NULL);
    assert_int_equal(container_publish(w, false, &err), -1);
    assert_int_equal(err.code, MLB_ERR_USAGE);
    assert_string_equal(err.text, "/missing: no data");
    assert_int_equal(count_files(*state), 0);
}

static void many_arrays_lie_as_promised(void **state)
{
    enum { COUNT = 2000 };
    const char *path = in(state, "many.h5");
    struct container_writer *w = begin(path);
    struct mlb_error err = { 0 };
    char name[64];

    for (uint64_t i = 0; i < COUNT; i++) {
        snprintf(name, sizeof(name), "/l%" PRIu64 "/w%" PRIu64, i / 50, i);
        add(w, name, i % 3 ? MLB_F64 : MLB_U8, i * i % 1500, big);
    }
    publish(w);
    struct container *c = open_it(path);
    assert_int_equal(container_count(c), COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        const struct container_info *a = container_get(c, i);
        assert_int_equal(a->offset % (a->bytes >= 4096 ? 4096 :
                                      mlb_dtype_size(a->dtype)), 0);
        snprintf(name, sizeof(name), "/l%zu/w%zu", i / 50, i);
        assert_ptr_equal(container_find(c, name), a);
    }
    assert_ok(container_verify(c, &err), err);
    container_close(c);
}

static void published_is_not_replaced_unless_asked(void **state)
{
    const char *path = in(state, "once.h5");
    struct mlb_error err = { 0 };
    struct container_writer *w;

    make_sample(path);
    w = begin(path);
    add(w, "/other", MLB_I32, 5, small);
    assert_int_equal(container_publish(w, false, &err), -1);
    assert_int_equal(err.code, MLB_ERR_FAILED);
    assert_int_equal(count_files(*state), 1);
    struct container *c = open_it(path);
    assert_non_null(container_find(c, "/data/big"));
    w = begin(path);
    add(w, "/other", MLB_I32, 5, small);
    assert_ok(container_publish(w, true, &err), err);
    assert_int_equal(count_files(*state), 1);
    /* Who has the old one open still reads the old one. */
    assert_ok(container_verify(c, &err), err);
    container_close(c);
    c = open_it(path);
    assert_non_null(container_find(c, "/other"));
    container_close(c);
}

static void file_size_limit_is_an_error_not_a_signal(void **state)
{
    struct rlimit before, limit;
    struct mlb_error err = { 0 };
    struct container_writer *w = begin(in(state, "limited.h5"));

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    add(w, "/big", MLB_U8, sizeof(big), big);
    limit = before;
    limit.rlim_cur = MIB;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    int rc = container_publish(w, false, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(rc, -1);
    assert_int_equal(err.code, MLB_ERR_IO);
    assert_has(err.text, "ulimit -f");
    assert_int_equal(count_files(*state), 0);
}

/* In the child: a file system of 64 KiB to 2 MiB, too small for the file
 * either as a whole or for its metadata. 0: all as it should be. */
static int fill_small_disk(const char *directory, const char *size)
{
    char options[32], path[4096];
    struct mlb_error err = { 0 };

    snprintf(options, sizeof(options), "size=%s", size);
    snprintf(path, sizeof(path), "%s/full.h5", directory);
    if (unshare(CLONE_NEWNS) < 0 ||
        mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", directory, "tmpfs", 0, options) < 0)
        return 77;
    size_t open_files = count_files("/proc/self/fd");
    struct container_writer *w = begin(path);
    for (int i = 0; i < 200; i++) {
        char name[32];
        snprintf(name, sizeof(name), "/a/b%d", i);
        add(w, name, MLB_U8, i ? 100 : sizeof(big), big);
    }
    if (container_publish(w, false, &err) == 0)
        return 1;
    if (err.code != MLB_ERR_IO || !strstr(err.text, "No space"))
        return 2;
    if (count_files("/proc/self/fd") != open_files)
        return 3;
    return count_files(directory) == 0 ? 0 : 4;
}

static void full_disk_is_an_error_and_leaves_nothing(void **state)
{
    static const char *const sizes[] = { "16k", "64k", "128k", "1m", "2m" };

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        int status = 0;
        pid_t pid = fork();
        if (pid == 0)
            _exit(fill_small_disk(*state, sizes[i]));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
            print_message("skipped: cannot mount a small file system\n");
            skip();
        }
        assert_int_equal(status, 0);
    }
}

/* A source that kills its process at a given MiB. */
static int die_at(void *from, uint64_t offset, void *out, size_t length,
                  struct mlb_error *err)
{
    const uint64_t *at = from;

    (void)err;
    if (offset == *at)
        raise(SIGKILL);
    memset(out, 0, length);
    return 0;
}

static void a_killed_writer_leaves_only_what_is_cleaned(void **state)
{
    for (uint64_t at = 0; at < 4 * MIB; at += MIB) {
        int status = 0;
        pid_t pid = fork();
        if (pid == 0) {
            struct container_array a = {
                .name = "/x", .dtype = MLB_U8, .rank = 1,
                .shape = { 4 * MIB }, .source = die_at, .from = &at,
            };
            struct container_writer *w = begin(in(state, "killed.h5"));
            container_add(w, &a, NULL);
            container_publish(w, false, NULL);
            _exit(1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        assert_false(files_is_file(in(state, "killed.h5")));
        assert_int_equal(count_files(*state), 1);
        place_clean(*state);
        assert_int_equal(count_files(*state), 0);
    }
}

static void temporaries_of_the_living_stay(void **state)
{
    char mine[4096];
    struct mlb_error err = { 0 };

    assert_ok(place_temporary(*state, mine, sizeof(mine), &err), err);
    write_file(mine, "");
    write_file(in(state, ".mlb-tmp.1.1.0.00000000.elsewhere"), "");
    write_file(in(state, ".mlb-tmp.junk"), "");
    write_file(in(state, "ordinary"), "");
    place_clean(*state);
    assert_int_equal(count_files(*state), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc_is_standard_crc32c),
        cmocka_unit_test(sums_of_two_parts_make_that_of_the_whole),
        IN_DIRECTORY(every_type_comes_back),
        IN_DIRECTORY(hdf5_reads_the_same),
        IN_DIRECTORY(scalars_and_empty_arrays),
        IN_DIRECTORY(sources_and_ranges),
        IN_DIRECTORY(names_and_shapes_are_checked),
        IN_DIRECTORY(an_array_without_data_is_refused),
        IN_DIRECTORY(many_arrays_lie_as_promised),
        IN_DIRECTORY(published_is_not_replaced_unless_asked),
        IN_DIRECTORY(file_size_limit_is_an_error_not_a_signal),
        IN_DIRECTORY(full_disk_is_an_error_and_leaves_nothing),
        IN_DIRECTORY(a_killed_writer_leaves_only_what_is_cleaned),
        IN_DIRECTORY(temporaries_of_the_living_stay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
