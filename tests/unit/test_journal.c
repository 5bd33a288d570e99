/* SPDX-License-Identifier: BSD-3-Clause */
/* run/journal: what is written comes back, whatever became of the file. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/checksum.h"
#include "base/files.h"
#include "base/text.h"
#include "run/journal.h"
#include "store/crc.h"

#define SECOND INT64_C(1000000000)
#define START (INT64_C(1700000000) * SECOND)
#define UP (INT64_C(5000) * SECOND)      /* the monotonic clock at START */

static int setup(void **state)
{
    *state = strdup("/tmp/mlb-journal-XXXXXX");
    return *state && mkdtemp(*state) ? 0 : -1;
}

static int teardown(void **state)
{
    int rc = files_remove_tree(*state, NULL);

    free(*state);
    return rc;
}

static struct journal *create(const char *dir)
{
    struct mlb_error err = { 0 };
    struct journal *j = journal_create(dir, 2, "n 1\n", &err);

    if (!j)
        fail_msg("%s", err.text);
    return j;
}

static char *first_path(const char *dir)
{
    return xasprintf("%s/journal/2-n=201=0A-0.mbj", dir);
}

static struct journal_reader *open_first(const char *dir)
{
    struct mlb_error err = { 0 };
    char *path = first_path(dir);
    struct journal_reader *r = journal_open(path, &err);

    if (!r)
        fail_msg("%s", err.text);
    free(path);
    return r;
}

static void tick(struct journal *j, int64_t n)
{
    assert_int_equal(journal_tick(j, UP + n * SECOND, START + n * SECOND,
                                  NULL), 0);
}

static int add_task(struct journal *j, long rank)
{
    struct journal_entity e = { .scope = METRIC_TASK, .rank = rank,
                                .pid = 100 + rank,
                                .capacity = METRIC_MISSING };

    return journal_add(j, &e);
}

/* Noisy, with missing ones, huge steps, and falls. */
static int64_t sample_value(int entity, int64_t n, int metric)
{
    uint64_t x = (uint64_t)n * 2654435761u + (uint64_t)metric * 40503u +
                 (uint64_t)entity;

    if ((n + metric + entity) % 11 == 0)
        return METRIC_MISSING;
    if (metric == METRIC_READ_CHARS)
        return n % 2 ? INT64_MAX : INT64_MIN + 1;
    if (metric == METRIC_RSS)
        return (int64_t)(x % 1000000) - 500000;
    return n * 1000000 + (int64_t)(x >> 3 & 1023);
}

static void put(struct journal *j, int entity, int64_t n)
{
    int64_t values[METRIC_COUNT];

    for (int m = 0; m < METRIC_COUNT; m++)
        values[m] = sample_value(entity, n, m);
    journal_put(j, entity, values);
}

static void put_status(struct journal *j, int entity, enum metric_id metric,
                       const char *reason, int coverage)
{
    struct metric_status s;

    metric_status_set(&s, METRIC_ESTIMATED, METRIC_CONTENDED, "papi", reason);
    s.coverage = coverage;
    journal_set_status(j, entity, metric, &s);
}

static void assert_sample(const struct journal_item *item, int64_t n)
{
    for (int m = 0; m < METRIC_COUNT; m++)
        if (item->values[m] != sample_value(item->entity, n, m))
            fail_msg("tick %lld, entity %d, metric %d: %lld", (long long)n,
                     item->entity, m, (long long)item->values[m]);
}

static void next(struct journal_reader *r, struct journal_item *item,
                 enum journal_what what)
{
    memset(item, 0x5a, sizeof(*item));
    enum journal_what got = journal_next(r, item);
    if (got != what)
        fail_msg("item of kind %d, not %d", got, what);
    assert_int_equal(item->what, what);
}

static void test_checksum(void **state)
{
    char bytes[100];

    (void)state;
    assert_int_equal(checksum_update(0, "123456789", 9), 0xe3069283);
    for (size_t n = 0; n < sizeof(bytes); n++) {
        bytes[n] = (char)(n * 37 + 200);
        assert_int_equal(checksum_update(77, bytes, n),
                         crc_update(77, bytes, n));
    }
}

static const struct journal_entity gpu = {
    .scope = METRIC_GPU, .rank = -1, .pid = 3, .name = "GPU-8f a\nb",
    .product = "H\"100", .capacity = INT64_C(80) << 30,
};

static void write_everything(const char *dir)
{
    struct journal *j = create(dir);

    assert_int_equal(add_task(j, 7), 0);
    assert_int_equal(journal_add(j, &gpu), 1);
    put_status(j, 0, METRIC_CYCLES, "2 of 4 \"sets\"\n", 50);
    put(j, 0, 0);
    journal_note(j, "leader", "pid 12\tand a\nline");
    tick(j, 0);
    put_status(j, 0, METRIC_CYCLES, "2 of 4 \"sets\"\n", 50);
    put_status(j, 0, METRIC_FP_OPS, "2 of 4 \"sets\"\n", 25);
    put(j, 1, 1);
    put(j, 0, 1);
    journal_end(j, 0);
    tick(j, 1);
    journal_close(j);
}

static void read_entities(struct journal_reader *r)
{
    struct journal_item item;

    next(r, &item, JOURNAL_ENTITY);
    assert_int_equal(item.about.scope, METRIC_TASK);
    assert_int_equal(item.about.rank, 7);
    assert_int_equal(item.about.pid, 107);
    assert_true(item.about.capacity == METRIC_MISSING);
    next(r, &item, JOURNAL_ENTITY);
    assert_int_equal(item.entity, 1);
    assert_int_equal(item.about.rank, -1);
    assert_string_equal(item.about.name, gpu.name);
    assert_string_equal(item.about.product, gpu.product);
    assert_true(item.about.capacity == gpu.capacity);
}

static void test_everything(void **state)
{
    struct journal_item item;

    write_everything(*state);
    struct journal_reader *r = open_first(*state);
    assert_int_equal(journal_attempt(r), 2);
    assert_string_equal(journal_node(r), "n 1\n");
    assert_int_equal(strlen(journal_boot(r)), 36);
    read_entities(r);
    next(r, &item, JOURNAL_STATUS);
    assert_int_equal(item.metric, METRIC_CYCLES);
    assert_int_equal(item.status.state, METRIC_ESTIMATED);
    assert_int_equal(item.status.cause, METRIC_CONTENDED);
    assert_int_equal(item.status.coverage, 50);
    assert_string_equal(item.status.source, "papi");
    assert_string_equal(item.status.reason, "2 of 4 \"sets\"\n");
    next(r, &item, JOURNAL_SAMPLE);
    assert_sample(&item, 0);
    next(r, &item, JOURNAL_NOTE);
    assert_string_equal(item.name, "leader");
    assert_string_equal(item.text, "pid 12\tand a\nline");
    next(r, &item, JOURNAL_TICK);
    assert_true(item.monotonic == UP && item.real == START);
    next(r, &item, JOURNAL_STATUS);          /* that of cycles is the same */
    assert_int_equal(item.metric, METRIC_FP_OPS);
    assert_int_equal(item.status.coverage, 25);
    next(r, &item, JOURNAL_SAMPLE);
    assert_int_equal(item.entity, 1);
    assert_sample(&item, 1);
    next(r, &item, JOURNAL_SAMPLE);
    assert_sample(&item, 1);
    next(r, &item, JOURNAL_END);
    assert_int_equal(item.entity, 0);
    next(r, &item, JOURNAL_TICK);
    assert_true(item.monotonic == UP + SECOND);
    next(r, &item, JOURNAL_NONE);
    next(r, &item, JOURNAL_NONE);
    assert_int_equal(journal_damaged(r) + journal_torn(r), 0);
    journal_reader_close(r);
}

static void test_files(void **state)
{
    struct stat st;
    char *dir = xasprintf("%s/journal", (char *)*state);
    char *path = first_path(*state);
    struct mlb_error err = { 0 };

    struct journal *a = create(*state), *b = create(*state);
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    journal_close(a);
    journal_close(b);
    struct mlb_strings names = MLB_STRINGS_INIT;
    assert_int_equal(files_list(dir, &names, NULL), 0);
    assert_int_equal(names.count, 2);
    strings_clear(&names);
    /* A link where the directory should be leads nowhere. */
    assert_int_equal(files_remove_tree(dir, NULL), 0);
    assert_int_equal(symlink("/tmp", dir), 0);
    assert_null(journal_create(*state, 1, "n", &err));
    assert_int_equal(err.code, MLB_ERR_IO);
    unlink(dir);
    assert_null(journal_create("/none/such", 1, "n", &err));
    assert_null(journal_open(path, &err));
    assert_int_equal(err.code, MLB_ERR_NOT_FOUND);
    assert_null(journal_open("/dev/null", &err));
    assert_int_equal(err.code, MLB_ERR_BAD_INPUT);
    free(path);
    free(dir);
}

/* Ticks with several keys in between, tasks that come and go. */
static void write_long(const char *dir, int64_t ticks)
{
    struct journal *j = create(dir);

    for (int i = 0; i < 3; i++)
        add_task(j, i);
    put_status(j, 1, METRIC_CYCLES, "half", 50);
    for (int64_t n = 0; n < ticks; n++) {
        for (int i = 0; i < 3; i++)
            if (i != 2 || n < ticks / 2)
                put(j, i, n);
        if (n == ticks / 2)
            journal_end(j, 2);
        tick(j, n);
    }
    journal_close(j);
}

/* Read to the end. Each sample must be what was put at its tick, with
 * nothing between it and the tick. Returns the samples. */
static int64_t read_long(struct journal_reader *r)
{
    static struct journal_item pending[16];
    struct journal_item item;
    int waiting = 0;
    int64_t samples = 0;

    while (journal_next(r, &item) != JOURNAL_NONE) {
        if (item.what == JOURNAL_NOTE && strcmp(item.name, "damaged") == 0)
            waiting = 0;
        if (item.what == JOURNAL_SAMPLE && waiting < 16)
            pending[waiting++] = item;
        if (item.what != JOURNAL_TICK)
            continue;
        int64_t n = (item.monotonic - UP) / SECOND;
        assert_true(item.real - item.monotonic == START - UP);
        for (int i = 0; i < waiting; i++)
            assert_sample(&pending[i], n);
        samples += waiting;
        waiting = 0;
    }
    return samples;
}

static void read_file(const char *path, struct mlb_text *t)
{
    assert_int_equal(files_read(path, 1u << 24, t, NULL), 0);
}

static void write_file(const char *path, const char *bytes, size_t length)
{
    int fd = open(path, O_WRONLY | O_TRUNC | O_CREAT, 0600);

    assert_int_equal(files_write_all(fd, bytes, length), 0);
    close(fd);
}

static void test_torn(void **state)
{
    char *path = first_path(*state);
    struct mlb_text t = MLB_TEXT_INIT;
    int64_t before = 0;

    write_long(*state, 70);
    read_file(path, &t);
    for (size_t n = 0; n <= t.length; n++) {
        write_file(path, t.data, n);
        struct journal_reader *r = journal_open(path, NULL);
        int64_t samples = r ? read_long(r) : 0;
        assert_true(samples >= before);
        before = samples;
        if (r) {
            assert_int_equal(journal_damaged(r), 0);
            assert_true(journal_torn(r) < n);
        }
        journal_reader_close(r);
    }
    assert_int_equal(before, 2 * 70 + 35);
    text_clear(&t);
    free(path);
}

static void flip(int fd, size_t at)
{
    char byte;

    assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
    byte ^= (char)(1 << (at % 8));
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
}

/* A wrong bit costs its block and those up to the next key, no more. */
static void test_flipped(void **state)
{
    char *path = first_path(*state);
    struct stat st;

    write_long(*state, 100);
    int fd = open(path, O_RDWR);
    assert_int_equal(fstat(fd, &st), 0);
    for (size_t n = 0; n < (size_t)st.st_size; n++) {
        flip(fd, n);
        struct journal_reader *r = journal_open(path, NULL);
        if (!r)
            fail_msg("byte %zu makes all of it useless", n);
        int64_t samples = read_long(r);
        if (samples < 2 * 100 + 50 - 3 * 64)
            fail_msg("byte %zu: only %lld samples", n, (long long)samples);
        assert_true(journal_damaged(r) + journal_torn(r) > 0 ||
                    samples == 2 * 100 + 50);
        journal_reader_close(r);
        flip(fd, n);
    }
    close(fd);
    free(path);
}

static void test_growing(void **state)
{
    char *from = first_path(*state), *path = xasprintf("%s/x", (char *)*state);
    struct mlb_text t = MLB_TEXT_INIT;
    struct journal_reader *r = NULL;
    int64_t samples = 0;

    write_long(*state, 130);
    read_file(from, &t);
    for (size_t n = 0; n < t.length;) {
        size_t part = 1 + (n * 7) % 150;
        part = part < t.length - n ? part : t.length - n;
        assert_int_equal(files_append(path, t.data + n, part, NULL), 0);
        n += part;
        if (!r)
            r = journal_open(path, NULL);
        if (r)
            samples += read_long(r);
    }
    assert_int_equal(samples, 2 * 130 + 65);
    assert_int_equal(journal_damaged(r) + journal_torn(r), 0);
    journal_reader_close(r);
    text_clear(&t);
    free(path);
    free(from);
}

/* Told once; what can be written later is, and the gap is known. */
static void test_full_disk(void **state)
{
    struct rlimit limit, old;
    struct mlb_error err = { 0 };
    struct journal_item item;
    char *path = first_path(*state);
    struct stat st;
    int64_t n = 0, failed = 0;

    struct journal *j = create(*state);
    add_task(j, 0);
    put(j, 0, n);
    tick(j, n++);
    assert_int_equal(stat(path, &st), 0);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    limit = (struct rlimit){ (rlim_t)st.st_size + 500, old.rlim_max };
    setrlimit(RLIMIT_FSIZE, &limit);
    for (; n < 20; n++) {
        put(j, 0, n);
        if (journal_tick(j, UP + n * SECOND, START + n * SECOND, &err) < 0)
            failed++;
    }
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(failed, 1);
    assert_int_equal(err.code, MLB_ERR_IO);
    assert_non_null(strstr(err.text, strerror(EFBIG)));
    put(j, 0, n);
    tick(j, n++);
    put(j, 0, n);
    tick(j, n++);
    journal_close(j);
    struct journal_reader *r = open_first(*state);
    int64_t ticks = 0, gaps = 0;
    while (journal_next(r, &item) != JOURNAL_NONE) {
        ticks += item.what == JOURNAL_TICK;
        if (item.what == JOURNAL_NOTE) {
            assert_string_equal(item.name, "gap");
            gaps += strtol(item.text, NULL, 10);
        }
    }
    assert_true(gaps > 0);
    assert_int_equal(ticks + gaps, n);
    assert_int_equal(journal_damaged(r), 0);
    journal_reader_close(r);
    r = open_first(*state);
    assert_int_equal(read_long(r), ticks);
    journal_reader_close(r);
    free(path);
}

/* Reasons that change all the time do not make it, or its reader, grow. */
static void test_statuses(void **state)
{
    struct journal *j = create(*state);
    struct journal_item item;
    char reason[32];
    int told = 0;

    for (int i = 0; i < 40; i++)
        add_task(j, i);
    for (int64_t n = 0; n < 300; n++) {
        for (int i = 0; i < 40; i++) {
            snprintf(reason, sizeof(reason), "took %d ms", (int)n * 7 + i);
            put_status(j, i, METRIC_CYCLES, reason, 100);
            put_status(j, i, METRIC_STALL_CYCLES, "always the same", 100);
        }
        tick(j, n);
    }
    journal_close(j);
    struct journal_reader *r = open_first(*state);
    while (journal_next(r, &item) != JOURNAL_NONE) {
        if (item.what != JOURNAL_STATUS)
            continue;
        told++;
        if (item.metric == METRIC_CYCLES) {
            assert_memory_equal(item.status.reason, "took ", 5);
        } else {
            assert_string_equal(item.status.reason, "always the same");
        }
    }
    assert_int_equal(told, 300 * 40 + 40);
    journal_reader_close(r);
}

static bool is_there(const char *dir, int k)
{
    char *path = xasprintf("%s/journal/2-n=201=0A-%d.mbj", dir, k);
    struct stat st;
    bool there = stat(path, &st) == 0;

    free(path);
    return there;
}

/* Each has a number of its own, the next one, also where one is missing. */
static void test_numbers(void **state)
{
    for (int k = 0; k < 70; k++) {
        assert_false(is_there(*state, k));
        journal_close(create(*state));
        assert_true(is_there(*state, k));
    }
    for (int k = 0; k < 70; k += 3) {
        char *path = xasprintf("%s/journal/2-n=201=0A-%d.mbj",
                               (char *)*state, k);
        assert_int_equal(unlink(path), 0);
        free(path);
    }
    for (int k = 0; k < 30; k++)
        journal_close(create(*state));
    struct mlb_strings names = MLB_STRINGS_INIT;
    char *path = xasprintf("%s/journal", (char *)*state);
    assert_int_equal(files_list(path, &names, NULL), 0);
    assert_int_equal(names.count, 70 - 24 + 30);
    strings_clear(&names);
    free(path);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checksum),
        TEST(test_everything),
        TEST(test_files),
        TEST(test_numbers),
        TEST(test_torn),
        TEST(test_flipped),
        TEST(test_growing),
        TEST(test_full_disk),
        TEST(test_statuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
