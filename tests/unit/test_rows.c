/* SPDX-License-Identifier: BSD-3-Clause */
/* The engine for rows: many reads at once come back right on each of its
 * ways, and what fails is told to whom it concerns. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>

#include "store_fixture.h"

#include "store/fault.h"
#include "store/huge.h"
#include "store/rows.h"

#define SIZE (3u * MIB + 777)        /* of the file, no multiple of anything */
#define READS 1500u                  /* more than are in flight at once */
#define SLOT ((size_t)16 << 10)

static const struct rows_options ways[] = {
    { ROWS_BEST, false },    { ROWS_URING, false },   { ROWS_URING, true },
    { ROWS_THREADS, false }, { ROWS_THREADS, true },  { ROWS_PLAIN, false },
    { ROWS_PLAIN, true },
};
#define WAYS (sizeof(ways) / sizeof(ways[0]))

static unsigned char byte_at(uint64_t at)
{
    return (unsigned char)(at * 7 + at / 4093);
}

static int make_file(const char *path)
{
    unsigned char *bytes = malloc(SIZE);
    FILE *f = fopen(path, "w");

    assert_non_null(bytes);
    assert_non_null(f);
    for (uint64_t i = 0; i < SIZE; i++)
        bytes[i] = byte_at(i);
    assert_int_equal(fwrite(bytes, 1, SIZE, f), SIZE);
    assert_int_equal(fclose(f), 0);
    free(bytes);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void set_faults(const char *faults)
{
    setenv("MLB_FAULTS", faults, 1);
    fault_reset();
}

/* The engine, or NULL if this machine has none of that kind. */
static struct rows *start(const int *fds, size_t count, size_t way)
{
    set_faults("");
    struct rows *r = rows_open(fds, count, &ways[way]);

    if (!r)
        assert_int_equal(errno, ENOTSUP);
    return r;
}

/* Read number i of those that go over the file, the last to its end. */
static struct rows_read make_read(const struct rows *r, uint64_t i,
                                  unsigned char *memory)
{
    size_t align = rows_align(r);
    uint64_t wanted = i % 50 == 49 ? SIZE - 100 : i * 104729 % (SIZE - 9000);
    uint64_t from = wanted / align * align;
    uint64_t needed = wanted + 100 + i % 8000 - from;

    if (from + needed > SIZE)
        needed = SIZE - from;
    return (struct rows_read){
        .offset = from, .needed = (uint32_t)needed,
        .length = (uint32_t)((needed + align - 1) / align * align),
        .to = memory + i * SLOT, .file = (uint32_t)(i % 2),
    };
}

static void assert_read(const struct rows_read *read)
{
    for (uint32_t k = 0; k < read->needed; k++)
        if (read->to[k] != byte_at(read->offset + k))
            fail_msg("byte %u of the read at %llu", k,
                     (unsigned long long)read->offset);
}

/* Two groups of reads from two descriptors. */
static void read_all(struct rows *r, struct rows_read *reads,
                     unsigned char *memory)
{
    struct rows_group groups[2] = {
        { .reads = reads, .count = READS / 2 },
        { .reads = reads + READS / 2, .count = READS - READS / 2 },
    };

    memset(memory, 0, READS * SLOT);
    for (uint64_t i = 0; i < READS; i++)
        reads[i] = make_read(r, i, memory);
    rows_push(r, &groups[0]);
    rows_push(r, &groups[1]);
    assert_int_equal(rows_wait(r, &groups[1]), 0);
    assert_int_equal(rows_wait(r, &groups[0]), 0);
    for (uint64_t i = 0; i < READS; i++)
        assert_read(&reads[i]);
}

static void what_is_read_is_right(void **state)
{
    int fd = make_file(in(state, "file")), fds[2] = { fd, dup(fd) };
    unsigned char *memory = huge_map(READS * SLOT);
    struct rows_read *reads = calloc(READS, sizeof(*reads));

    assert_non_null(memory);
    for (size_t way = 0; way < WAYS; way++) {
        struct rows_buffer buffer = { memory, READS * SLOT };
        struct rows *r = start(fds, 2, way);
        if (!r)
            continue;
        read_all(r, reads, memory);
        rows_set_buffers(r, &buffer, 1);
        read_all(r, reads, memory);
        struct rows_group none = { .count = 0 };
        rows_push(r, &none);
        assert_int_equal(rows_wait(r, &none), 0);
        rows_close(r);
    }
    rows_close(NULL);
    huge_unmap(memory, READS * SLOT);
    free(reads);
    close(fds[0]);
    close(fds[1]);
}

/* Closing, and cancelling, while much of it is on its way. */
static void leaving_early_is_fine(void **state)
{
    int fd = make_file(in(state, "file")), fds[2] = { fd, fd };
    unsigned char *memory = huge_map(READS * SLOT);
    struct rows_read *reads = calloc(READS, sizeof(*reads));

    for (size_t way = 0; way < WAYS; way++) {
        struct rows *r = start(fds, 2, way);
        for (int again = 0; r && again < 3; again++) {
            struct rows_group group = { .reads = reads, .count = READS };
            for (uint64_t i = 0; i < READS; i++)
                reads[i] = make_read(r, i, memory);
            rows_push(r, &group);
            rows_cancel(r);
        }
        if (r)
            read_all(r, reads, memory);
        struct rows_group group = { .reads = reads, .count = READS };
        if (r)
            rows_push(r, &group);
        rows_close(r);
    }
    huge_unmap(memory, READS * SLOT);
    free(reads);
    close(fd);
}

static void past_the_end_is_an_error(void **state)
{
    int fd = make_file(in(state, "file"));
    unsigned char *memory = huge_map(2 * SLOT);

    for (size_t way = 0; way < WAYS; way++) {
        struct rows *r = start(&fd, 1, way);
        struct rows_read reads[2] = {
            { .offset = SIZE / 4096 * 4096, .length = 8192, .needed = 5000,
              .to = memory },
            { .offset = 0, .length = 4096, .needed = 4096,
              .to = memory + SLOT },
        };
        struct rows_group bad = { .reads = reads, .count = 1 };
        struct rows_group good = { .reads = reads + 1, .count = 1 };
        if (!r)
            continue;
        rows_push(r, &bad);
        rows_push(r, &good);
        assert_int_equal(rows_wait(r, &bad), ENODATA);
        assert_int_equal(rows_wait(r, &good), 0);
        assert_read(&reads[1]);
        rows_close(r);
    }
    huge_unmap(memory, 2 * SLOT);
    close(fd);
}

/* One that fails is told to its group only; one that was short or
 * interrupted is made up for. */
static void failures_are_told(void **state)
{
    static const struct {
        const char *faults;
        int error;
    } cases[] = {
        { "read:3:EIO", EIO }, { "read:3:EINTR", 0 }, { "read:3:short", 0 },
    };
    int fd = make_file(in(state, "file")), fds[2] = { fd, fd };
    unsigned char *memory = huge_map(20 * SLOT);

    for (size_t k = 0; k < 3 * WAYS; k++) {
        int error = cases[k / WAYS].error;
        struct rows *r = start(fds, 2, k % WAYS);
        struct rows_read reads[20];
        struct rows_group a = { .reads = reads, .count = 10 };
        struct rows_group b = { .reads = reads + 10, .count = 10 };
        if (!r)
            continue;
        for (uint64_t i = 0; i < 20; i++)
            reads[i] = make_read(r, i, memory);
        set_faults(cases[k / WAYS].faults);
        rows_push(r, &a);
        rows_push(r, &b);
        int got = rows_wait(r, &a), other = rows_wait(r, &b);
        assert_int_equal(got ? got : other, error);
        assert_true(got == 0 || other == 0);
        for (uint64_t i = 0; i < 20 && !error; i++)
            assert_read(&reads[i]);
        rows_close(r);
    }
    set_faults("");
    huge_unmap(memory, 20 * SLOT);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(what_is_read_is_right),
        IN_DIRECTORY(leaving_early_is_fine),
        IN_DIRECTORY(past_the_end_is_an_error),
        IN_DIRECTORY(failures_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
