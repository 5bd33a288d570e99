/* SPDX-License-Identifier: BSD-3-Clause */
/* Containers written by several: the same file whoever writes what, sums
 * that fit, files written over, failures and kill -9 at every operation. */
#include "config.h"

#include "fault_fixture.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "store/crc.h"
#include "store/fault.h"
#include "store/layout.h"
#include "store/place.h"
#include "store/staging.h"

#define ARRAYS 40
#define MOST (7u * MIB + 4711)
#define SCALE 4                        /* of the number of elements */

static unsigned char *data;            /* of all arrays, page-aligned */

static int setup(void **state)
{
    (void)state;
    data = aligned_alloc(4096, MOST / 4096 * 4096 + 4096 * 64);
    for (size_t i = 0; i < MOST + 4096; i++)
        data[i] = (unsigned char)(i * 13 + i / 509 + i / 70001);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(data);
    return 0;
}

/* Sizes of all kinds: large, empty, small, odd. */
static uint64_t elements(size_t array)
{
    static const uint64_t sizes[] = { 7, 0, 1000, MIB / 2 + 5, 1, 1024, 4095,
                                      MIB };

    return array == 3 ? MOST / SCALE : sizes[array % 8] * (array % 3 + 1) / 3;
}

/* Array number i of all, salted, so that two files differ. */
static const unsigned char *bytes_of(size_t array, unsigned salt)
{
    return data + (array == 3 ? 0 : (array * 4096 + salt * 512) % MIB);
}

static struct container_writer *begin_all(const char *path, unsigned salt)
{
    struct container_writer *w = begin(path);
    char name[32];

    for (size_t i = 0; i < ARRAYS; i++) {
        snprintf(name, sizeof(name), "/a%zu/b%zu", i % 5, i);
        add(w, name, i % 2 ? MLB_F32 : MLB_U32, elements(i),
            bytes_of(i, salt));
    }
    return w;
}

/* Every array in so many parts, cut anywhere: part k of writer k. */
static size_t cut(const struct staging *s, unsigned writers, unsigned salt,
                  struct staging_part *parts)
{
    size_t count = 0;

    for (size_t i = 0; i < ARRAYS; i++) {
        uint64_t bytes = elements(i) * SCALE;
        for (unsigned k = 0; k < writers; k++) {
            uint64_t from = bytes * k / writers;
            uint64_t to = bytes * (k + 1) / writers;
            parts[count++] = (struct staging_part){
                .array = i, .offset = from, .length = to - from,
                .file_offset = staging_offset(s, i) + from,
                .data = bytes_of(i, salt) + from,
                .padding = to == bytes && k == writers - 1
                               ? staging_padding(s, i) : 0,
            };
        }
    }
    return count;
}

/* What one writer does, in a process of its own: sums go into shared
 * memory. */
struct work {
    const char *path;
    struct staging_part mine[ARRAYS];
    uint32_t crcs[256];
};

static int write_mine(struct work *w, const struct staging_part *parts,
                      unsigned writers, unsigned number)
{
    for (size_t i = 0; i < ARRAYS; i++)
        w->mine[i] = parts[i * writers + number];
    return staging_write(w->path, w->mine, ARRAYS, w->crcs, NULL);
}

/* Enter the sums of all writers, array by array. */
static void enter(struct staging *s, const struct work *works,
                  unsigned writers)
{
    uint64_t at[8] = { 0 };
    struct mlb_error err = { 0 };

    for (size_t i = 0; i < ARRAYS; i++)
        for (unsigned k = 0; k < writers; k++) {
            const struct staging_part *p = &works[k].mine[i];
            assert_ok(staging_sum(s, p, works[k].crcs + at[k], &err), err);
            at[k] += staging_sums(p);
        }
}



static struct work *share(unsigned writers)
{
    struct work *works = mmap(NULL, writers * sizeof(*works),
                              PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_true(works != MAP_FAILED);
    return works;
}

/* Write all arrays by so many processes. */
static void write_by(const char *path, const char *slot, unsigned writers,
                     unsigned salt)
{
    static struct staging_part parts[ARRAYS * 8];
    struct work *works = share(writers);
    struct mlb_error err = { 0 };
    pid_t pids[8];
    int status;
    struct staging *s = staging_create(begin_all(path, salt), slot, &err);

    if (!s)
        fail_msg("%s", err.text);
    cut(s, writers, salt, parts);
    for (unsigned k = 0; k < writers; k++) {
        works[k].path = staging_path(s);
        pids[k] = fork();
        if (pids[k] == 0)
            _exit(write_mine(&works[k], parts, writers, k) < 0);
    }
    for (unsigned k = 0; k < writers; k++) {
        assert_int_equal(waitpid(pids[k], &status, 0), pids[k]);
        assert_int_equal(status, 0);
    }
    enter(s, works, writers);
    assert_ok(staging_publish(s, false, &err), err);
    munmap(works, writers * sizeof(*works));
}

static void check_all(const char *path, unsigned salt)
{
    struct mlb_error err = { 0 };
    struct container *c = open_it(path);
    unsigned char *back = malloc(MOST);

    assert_ok(container_verify(c, &err), err);
    assert_int_equal(container_count(c), ARRAYS);
    for (size_t i = 0; i < ARRAYS; i++) {
        const struct container_info *a = container_get(c, i);
        assert_int_equal(a->bytes, elements(i) * SCALE);
        assert_ok(container_read(c, a, NULL, back, &err), err);
        assert_memory_equal(back, bytes_of(i, salt), a->bytes);
    }
    free(back);
    container_close(c);
}

/* A whole file, without what every file has for itself. */
static unsigned char *slurp(const char *path, size_t *size)
{
    *size = size_of(path);
    unsigned char *all = malloc(*size);

    get_bytes(path, 0, all, *size);
    for (uint64_t at = 0; at <= LAYOUT_SECOND; at += LAYOUT_SECOND) {
        struct layout_record *r = (struct layout_record *)(void *)(all + at);
        memset(r->uuid, 0, sizeof(r->uuid));
        r->created = 0;
        r->crc = 0;
    }
    return all;
}

static void assert_same(const char *one, const char *other)
{
    size_t n, m;
    unsigned char *a = slurp(one, &n), *b = slurp(other, &m);

    assert_int_equal(n, m);
    for (size_t i = 0; i < n; i++)
        if (a[i] != b[i])
            fail_msg("%s and %s differ at %zu", one, other, i);
    free(a);
    free(b);
}

static void any_number_of_writers_makes_the_same_file(void **state)
{
    static const unsigned writers[] = { 1, 2, 3, 4, 7 };
    const char *one = in(state, "one.h5");
    char first[4096], name[32];

    snprintf(first, sizeof(first), "%s", one);
    publish(begin_all(first, 1));
    check_all(first, 1);
    for (size_t i = 0; i < sizeof(writers) / sizeof(writers[0]); i++) {
        snprintf(name, sizeof(name), "by%u.h5", writers[i]);
        write_by(in(state, name), NULL, writers[i], 1);
        check_all(in(state, name), 1);
        assert_same(first, in(state, name));
    }
}

struct job {
    struct work work;
    const struct staging_part *parts;
    unsigned writers, number;
    int rc;
};

static void *run_job(void *argument)
{
    struct job *j = argument;

    j->rc = write_mine(&j->work, j->parts, j->writers, j->number);
    return NULL;
}

static void threads_write_at_once(void **state)
{
    enum { WRITERS = 3 };
    static struct staging_part parts[ARRAYS * WRITERS];
    static struct job jobs[WRITERS];
    static struct work works[WRITERS];
    pthread_t threads[WRITERS];
    struct mlb_error err = { 0 };
    struct staging *s = staging_create(begin_all(in(state, "x.h5"), 1), NULL,
                                       &err);

    assert_non_null(s);
    cut(s, WRITERS, 1, parts);
    for (unsigned k = 0; k < WRITERS; k++) {
        jobs[k] = (struct job){ .parts = parts, .writers = WRITERS,
                                .number = k };
        jobs[k].work.path = staging_path(s);
        assert_int_equal(pthread_create(&threads[k], NULL, run_job,
                                        &jobs[k]), 0);
    }
    for (unsigned k = 0; k < WRITERS; k++) {
        pthread_join(threads[k], NULL);
        assert_int_equal(jobs[k].rc, 0);
        works[k] = jobs[k].work;
    }
    enter(s, works, WRITERS);
    assert_ok(staging_publish(s, false, &err), err);
    check_all(in(state, "x.h5"), 1);
}

/* Arrays of whole pages that are neighbours in memory, too, which are
 * written from there; and the same from elsewhere, which are copied. */
static void pages_are_written_from_where_they_are(void **state)
{
    enum { BYTES = 5 * MIB / 2, COUNT = 3 };
    unsigned char *other = malloc(COUNT * BYTES + 1);
    char first[4096], name[16];

    memcpy(other + 1, data, MOST);
    snprintf(first, sizeof(first), "%s", in(state, "pages.h5"));
    for (int copied = 0; copied <= 1; copied++) {
        struct container_writer *w = begin(copied ? in(state, "copied.h5")
                                                  : first);
        for (size_t i = 0; i < COUNT; i++) {
            snprintf(name, sizeof(name), "/p%zu", i);
            add(w, name, MLB_U8, i < 2 ? BYTES : MOST - 2 * BYTES,
                (copied ? other + 1 : data) + i * BYTES);
        }
        publish(w);
    }
    assert_same(first, in(state, "copied.h5"));
    struct mlb_error err = { 0 };
    struct container *c = open_it(first);
    assert_ok(container_verify(c, &err), err);
    container_close(c);
    free(other);
}

static void sums_must_be_entered_in_order(void **state)
{
    static struct staging_part parts[ARRAYS * 2];
    static uint32_t crcs[64];
    struct mlb_error err = { 0 };
    struct staging *s = staging_create(begin_all(in(state, "x.h5"), 0), NULL,
                                       &err);

    assert_non_null(s);
    cut(s, 2, 0, parts);
    struct staging_part p = parts[7];           /* second half of number 3 */
    assert_int_equal(p.array, 3);
    assert_int_equal(staging_sum(s, &p, crcs, &err), -1);
    assert_int_equal(err.code, MLB_ERR_USAGE);
    assert_has(err.text, "/a3/b3");
    p = parts[6];
    assert_ok(staging_sum(s, &p, crcs, &err), err);
    assert_int_equal(staging_sum(s, &p, crcs, &err), -1);
    p = parts[7];
    p.length++;
    assert_int_equal(staging_sum(s, &p, crcs, &err), -1);
    p.length = UINT64_MAX;
    assert_int_equal(staging_sum(s, &p, crcs, &err), -1);
    p.array = ARRAYS;
    assert_int_equal(staging_sum(s, &p, crcs, &err), -1);
    assert_int_equal(staging_publish(s, false, &err), -1);
    assert_int_equal(err.code, MLB_ERR_USAGE);
    assert_has(err.text, "bytes were written");
    assert_int_equal(count_files(*state), 0);
}

static void an_abandoned_file_is_gone(void **state)
{
    struct mlb_error err = { 0 };
    struct staging *s = staging_create(begin_all(in(state, "x.h5"), 0), NULL,
                                       &err);

    assert_non_null(s);
    assert_int_equal(count_files(*state), 1);
    /* Until it is published nobody takes it for a file of ours. */
    assert_null(container_open(staging_path(s), 0, &err));
    staging_abandon(s);
    assert_int_equal(count_files(*state), 0);
    staging_abandon(NULL);
}

static ino_t inode_of(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return st.st_ino;
}

static void a_slot_is_written_over(void **state)
{
    const char *new = in(state, "new.h5"), *slot = in(state, "slot.h5");

    publish(begin_all(new, 1));
    publish(begin_all(slot, 2));
    ino_t inode = inode_of(slot);
    int fd = open(slot, O_RDONLY);
    flip_bit(slot, 4500);           /* what libhdf5 wrote is written, too */
    write_by(in(state, "by2.h5"), slot, 2, 1);
    assert_int_equal(inode_of(in(state, "by2.h5")), inode);
    close(fd);
    assert_int_equal(count_files(*state), 2);
    check_all(in(state, "by2.h5"), 1);
    assert_same(new, in(state, "by2.h5"));
}

/* In a process that has made no such file yet. */
static int take_slot(void **state)
{
    ino_t inode = inode_of(in(state, "slot.h5"));
    /* Kept open, so that no new file can get the number. */
    int fd = open(in(state, "slot.h5"), O_RDONLY);

    write_by(in(state, "next.h5"), in(state, "slot.h5"), 1, 1);
    close(fd);
    return inode_of(in(state, "next.h5")) == inode ? 0 : 3;
}

static int make_slot(void **state)
{
    publish(begin_all(in(state, "slot.h5"), 2));
    return 0;
}

/* What is in no array is taken from the slot, if it is sound. */
static void a_fresh_process_learns_from_the_slot(void **state)
{
    assert_int_equal(in_child("", make_slot, state), 0);
    assert_int_equal(in_child("", take_slot, state), 0);
    check_all(in(state, "next.h5"), 1);
    assert_int_equal(unlink(in(state, "next.h5")), 0);
    assert_int_equal(in_child("", make_slot, state), 0);
    flip_bit(in(state, "slot.h5"), 4500);
    assert_int_equal(in_child("", take_slot, state), 3);
    assert_false(files_is_file(in(state, "slot.h5")));
    check_all(in(state, "next.h5"), 1);
}

static void other_slots_are_removed(void **state)
{
    const char *slot = in(state, "slot.h5");
    struct mlb_error err = { 0 };
    char path[4096];

    for (int i = 0; i < 5; i++) {
        if (i == 0)
            make_sample(slot);
        else if (i == 1)
            write_file(slot, "not one of ours");
        else
            publish(begin_all(slot, 2));
        if (i == 2)
            assert_int_equal(truncate(slot, 1 << 20), 0);
        if (i == 3)
            assert_int_equal(link(slot, in(state, "kept.h5")), 0);
        if (i == 4)
            flip_bit(slot, 40);
        snprintf(path, sizeof(path), "%s/x%d.h5", (const char *)*state, i);
        struct staging *s = staging_create(begin_all(path, 1), slot, &err);
        assert_non_null(s);
        assert_false(files_is_file(slot));
        staging_abandon(s);
    }
    /* Another name of it keeps its bytes. */
    check_all(in(state, "kept.h5"), 2);
    write_by(in(state, "y.h5"), in(state, "nothing.h5"), 1, 1);
    check_all(in(state, "y.h5"), 1);
    assert_int_equal(count_files(*state), 2);
}

/* One writer, whose failures are the exit status. */
static int recycle_once(void **state)
{
    static struct staging_part parts[ARRAYS];
    static uint32_t crcs[256], *crc = crcs;
    struct staging *s = staging_create(begin_all(in(state, "next.h5"), 1),
                                       in(state, "slot.h5"), NULL);

    if (!s)
        return 1;
    cut(s, 1, 1, parts);
    if (staging_write(staging_path(s), parts, ARRAYS, crcs, NULL) < 0) {
        staging_abandon(s);
        return 1;
    }
    for (size_t i = 0; i < ARRAYS; i++) {
        if (staging_sum(s, &parts[i], crc, NULL) < 0)
            return 2;
        crc += staging_sums(&parts[i]);
    }
    return staging_publish(s, false, NULL) < 0;
}

/* Neither name ever has anything but the old or the new file. */
static void killed_at_any_operation(void **state)
{
    char faults[32];
    unsigned n = 0;
    int rc;

    do {
        if (!files_is_file(in(state, "slot.h5")))
            publish(begin_all(in(state, "slot.h5"), 2));
        snprintf(faults, sizeof(faults), "any:%u:kill", ++n);
        rc = in_child(faults, recycle_once, state);
        assert_true(rc == 0 || rc == 1000 + SIGKILL);
        if (files_is_file(in(state, "slot.h5")))
            check_all(in(state, "slot.h5"), 2);
        if (rc == 0 || files_is_file(in(state, "next.h5")))
            check_all(in(state, "next.h5"), 1);
        unlink(in(state, "next.h5"));
        place_clean(*state);
    } while (rc != 0 && n < 1000);
    assert_int_equal(rc, 0);
    assert_true(n > 10);
    assert_int_equal(count_files(*state), 0);
}

static void failures_are_errors_and_leave_nothing(void **state)
{
    static const char *const faults[] = {
        "write:1:EIO", "write:2:ENOSPC", "write:5:EIO", "write:9:EIO",
        "fsync:1:EIO", "fsync:2:EIO", "fsync:3:ENOSPC", "fsync:4:EIO",
        "fsync:5:EIO", "rename:2:EIO",
    };

    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        publish(begin_all(in(state, "slot.h5"), 2));
        if (in_child(faults[i], recycle_once, state) != 1)
            fail_msg("%s: no error", faults[i]);
        assert_int_equal(count_files(*state), 0);
    }
    publish(begin_all(in(state, "slot.h5"), 2));
    assert_int_equal(in_child("write:3:short,write:7:EINTR,rename:1:EIO,"
                              "write:12:short", recycle_once, state), 0);
    check_all(in(state, "next.h5"), 1);
    assert_int_equal(count_files(*state), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        /* First: later ones know the structure. */
        IN_DIRECTORY(a_fresh_process_learns_from_the_slot),
        IN_DIRECTORY(any_number_of_writers_makes_the_same_file),
        IN_DIRECTORY(threads_write_at_once),
        IN_DIRECTORY(pages_are_written_from_where_they_are),
        IN_DIRECTORY(sums_must_be_entered_in_order),
        IN_DIRECTORY(an_abandoned_file_is_gone),
        IN_DIRECTORY(a_slot_is_written_over),
        IN_DIRECTORY(other_slots_are_removed),
        IN_DIRECTORY(killed_at_any_operation),
        IN_DIRECTORY(failures_are_errors_and_leave_nothing),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
