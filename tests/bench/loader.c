/* SPDX-License-Identifier: BSD-3-Clause */
/* What reading a data set costs against the bare system and libhdf5.
 *
 *     loader DIRECTORY [MIB [ROUNDS]]
 *
 * A data set of MIB MiB in rows of 3 KiB, read in shuffled batches of 256.
 * Prints lines "name value": ratios of rates, all measured in turn in this
 * process, medians of the rounds. Cold means that the page cache was told to
 * forget the files before. */
#include "config.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <hdf5.h>
#ifdef HAVE_LIBURING
#include <liburing.h>
#endif

#include "loader_data.h"
#include "store/huge.h"
#include "store/rows.h"
#include "store/sampler.h"

#define DEPTH ROWS_DEPTH         /* of the raw reads */
#define SEQUENTIAL ((size_t)1 << 20)
#define MOST_ROUNDS 99

static struct bench_data data;
static struct mlb_dataset *dataset, *texts;
static unsigned char *buffer;    /* of a batch, and for raw reads */
static uint64_t *order;          /* a shuffled one of all rows */
static hid_t rows_set, vlen_set, vlen_type;
static size_t align;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void forget(void)
{
    if (posix_fadvise(data.fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
        bench_fail("fadvise");
}

/* Each of these reads n rows and returns how long that took. */

static double bare_pread(size_t n)
{
    double start = now();

    for (size_t i = 0; i < n; i++)
        if (pread(data.fd, buffer + i % BATCH * ROW, ROW,
                  (off_t)(data.rows_at + order[i] * ROW)) != ROW)
            bench_fail("pread");
    return now() - start;
}

static double dataset_read(size_t n)
{
    struct mlb_error err = { 0 };
    double start = now();

    for (size_t i = 0; i < n; i += BATCH)
        if (mlb_dataset_read(dataset, "x", order + i, BATCH, buffer,
                             &err) < 0)
            bench_say(&err);
    return now() - start;
}

static double h5_read(size_t n)
{
    hsize_t count[2] = { 1, ROW };
    hid_t space = H5Dget_space(rows_set);
    hid_t memory = H5Screate_simple(2, count, NULL);
    double start = now();

    for (size_t i = 0; i < n; i++) {
        hsize_t from[2] = { order[i], 0 };
        H5Sselect_hyperslab(space, H5S_SELECT_SET, from, NULL, count, NULL);
        if (H5Dread(rows_set, H5T_NATIVE_UCHAR, memory, space, H5P_DEFAULT,
                    buffer + i % BATCH * ROW) < 0)
            bench_fail("H5Dread");
    }
    double took = now() - start;
    H5Sclose(space);
    H5Sclose(memory);
    return took;
}

static double load(struct mlb_loader *l, size_t n)
{
    struct mlb_error err = { 0 };
    double start = now();

    for (size_t i = 0; i < n;) {
        int64_t rows = mlb_loader_next(l, &err);
        if (rows < 0)
            bench_say(&err);
        i += (size_t)rows;
    }
    return now() - start;
}

static struct mlb_loader *make_loader(enum mlb_loader_mode mode, int raw,
                                      uint32_t block)
{
    const struct mlb_loader_options o = {
        .global_batch = BATCH, .seed = 1, .shuffle = 1, .world_size = 1,
        .mode = mode, .no_verify = raw, .block = block, .drop_last = 1,
    };
    struct mlb_error err = { 0 };
    struct mlb_loader *l = mlb_loader_create(dataset, &o, &err);

    if (!l)
        bench_say(&err);
    return l;
}

#ifdef HAVE_LIBURING
struct raw {
    struct io_uring ring;
    int fd;
    bool fixed;
};

static void raw_open(struct raw *r)
{
    struct iovec all = { buffer, BUFFER };

    r->fd = open(data.path, O_RDONLY | O_DIRECT);
    if (r->fd < 0 || io_uring_queue_init(DEPTH, &r->ring, 0) < 0)
        bench_fail("io_uring");
    r->fixed = io_uring_register_buffers(&r->ring, &all, 1) == 0;
}

/* Read length bytes at each of n places, qd of them in flight. */
static double raw_read(const uint64_t *places, size_t n, size_t length,
                       size_t depth)
{
    struct raw r;
    size_t sent = 0, done = 0;

    raw_open(&r);
    double start = now();
    while (done < n) {
        for (; sent < n && sent - done < depth; sent++) {
            uint64_t from = places[sent] / align * align;
            uint64_t end = (places[sent] + length + align - 1) / align * align;
            unsigned char *to = buffer + sent * (length + 2 * align) %
                                (BUFFER - 2 * length) / align * align;
            struct io_uring_sqe *sqe = io_uring_get_sqe(&r.ring);
            if (r.fixed)
                io_uring_prep_read_fixed(sqe, r.fd, to,
                                         (unsigned)(end - from), from, 0);
            else
                io_uring_prep_read(sqe, r.fd, to, (unsigned)(end - from),
                                   from);
        }
        struct io_uring_cqe *cqe;
        unsigned head, seen = 0;
        io_uring_submit_and_wait(&r.ring, 1);
        io_uring_for_each_cqe(&r.ring, head, cqe) {
            if (cqe->res < (int)length)
                bench_fail("raw read");
            seen++;
        }
        io_uring_cq_advance(&r.ring, seen);
        done += seen;
    }
    double took = now() - start;
    io_uring_queue_exit(&r.ring);
    close(r.fd);
    return took;
}
#else
static double raw_read(const uint64_t *places, size_t n, size_t length,
                       size_t depth)
{
    (void)places, (void)n, (void)length, (void)depth;
    fputs("loader: built without liburing\n", stderr);
    exit(77);
}
#endif

static double raw_rows(size_t n)
{
    uint64_t *places = bench_room(n, sizeof(*places));

    for (size_t i = 0; i < n; i++)
        places[i] = data.rows_at + order[i] * ROW;
    double took = raw_read(places, n, ROW, DEPTH);
    free(places);
    return took;
}

static double raw_sequential(size_t n)
{
    size_t reads = n * ROW / SEQUENTIAL;
    uint64_t *places = bench_room(reads, sizeof(*places));

    for (size_t i = 0; i < reads; i++)
        places[i] = data.rows_at / align * align + i * SEQUENTIAL;
    double took = raw_read(places, reads, SEQUENTIAL, 16);
    free(places);
    return took * (double)(n * ROW) / (double)(reads * SEQUENTIAL);
}

/* One sample after the other on both sides. */
static double ragged_read(size_t n)
{
    struct mlb_error err = { 0 };
    uint64_t offsets[2];
    double start = now();

    for (size_t i = 0; i < n; i++) {
        uint64_t id = order[i] % data.texts;
        if (mlb_dataset_read_ragged(texts, "t", &id, 1, offsets, buffer,
                                    BUFFER, &err) < 0)
            bench_say(&err);
    }
    return now() - start;
}

static double vlen_read(size_t n)
{
    hsize_t one = 1;
    hid_t space = H5Dget_space(vlen_set);
    hid_t memory = H5Screate_simple(1, &one, NULL);
    double start = now();

    for (size_t i = 0; i < n; i++) {
        hsize_t id = order[i] % data.texts;
        hvl_t text;
        H5Sselect_elements(space, H5S_SELECT_SET, 1, &id);
        if (H5Dread(vlen_set, vlen_type, memory, space, H5P_DEFAULT,
                    &text) < 0)
            bench_fail("H5Dread");
        memcpy(buffer, text.p, text.len * 2);
        H5Dvlen_reclaim(vlen_type, memory, H5P_DEFAULT, &text);
    }
    double took = now() - start;
    H5Sclose(space);
    H5Sclose(memory);
    return took;
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

enum {
    WARM_PREAD, READ_PREAD, WARM_H5, COLD_RAW, COLD_H5, SHARE, MAPPED_SHARE,
    RAGGED, BLOCKS, RESULTS
};
static const char *const names[RESULTS] = {
    "rows_warm_over_pread", "rows_read_over_pread", "rows_warm_over_h5dread",
    "rows_cold_over_raw", "rows_cold_over_h5dread", "verify_share",
    "verify_share_mapped", "ragged_over_vlen", "block_shuffle_over_sequential",
};
static double results[RESULTS][MOST_ROUNDS];

/* What checking costs a loader that is in memory over three epochs, in the
 * first of which it compares. */
static double mapped_share(void)
{
    double took[2];

    for (int raw = 0; raw < 2; raw++) {
        struct mlb_loader *l = make_loader(MLB_LOADER_MAPPED, raw, 0);
        took[raw] = 0;
        for (int epoch = 0; epoch < 3; epoch++)
            took[raw] += load(l, data.rows / BATCH * BATCH);
        mlb_loader_destroy(l);
    }
    return 100 * (took[0] - took[1]) / took[0];
}

/* Everything warm: the rows are in the page cache. */
static void measure_warm(size_t round, size_t n)
{
    struct mlb_loader *l = make_loader(MLB_LOADER_MAPPED, 0, 0);

    load(l, n / 4);
    double pread = bare_pread(n), read = dataset_read(n), loaded = load(l, n);
    double h5 = h5_read(n / 8) * 8;
    double ragged = ragged_read(n / 4), vlen = vlen_read(n / 4);
    mlb_loader_destroy(l);
    results[WARM_PREAD][round] = pread / loaded;
    results[READ_PREAD][round] = pread / read;
    results[WARM_H5][round] = h5 / loaded;
    results[MAPPED_SHARE][round] = mapped_share();
    results[RAGGED][round] = vlen / ragged;
}

/* A loader that is in its stride. */
static double load_cold(int no_verify, uint32_t block, size_t n)
{
    struct mlb_loader *l = make_loader(MLB_LOADER_DIRECT, no_verify, block);

    forget();
    load(l, 8 * BATCH);
    double took = load(l, n);
    mlb_loader_destroy(l);
    return took;
}

static void measure_cold(size_t round, size_t n)
{
    forget();
    double h5 = h5_read(n / 16) * 16;
    forget();
    double raw = raw_rows(n), loaded = load_cold(0, 0, n);
    double unchecked = load_cold(1, 0, n);
    double sequential = raw_sequential(4 * n);
    double blocks = load_cold(0, BLOCK, 4 * n);
    results[COLD_RAW][round] = raw / loaded;
    results[COLD_H5][round] = h5 / loaded;
    results[SHARE][round] = 100 * (loaded - unchecked) / loaded;
    results[BLOCKS][round] = sequential / blocks;
}

static void prepare(const char *directory, size_t mib)
{
    struct mlb_error err = { 0 };
    struct sampler s;

    bench_write(&data, directory, mib);
    dataset = mlb_dataset_open(data.rows_directory, &err);
    texts = mlb_dataset_open(data.texts_directory, &err);
    buffer = huge_map(BUFFER);
    if (!dataset || !texts || !buffer)
        bench_say(&err);
    huge_touch(buffer, 0, BUFFER);
    order = bench_room(data.rows, sizeof(*order));
    bench_find(&data, &rows_set, &vlen_set);
    vlen_type = H5Tvlen_create(H5T_NATIVE_USHORT);
    for (uint64_t i = 0; i < data.texts; i++)        /* warm up */
        order[i] = i;
    ragged_read(data.texts);
    vlen_read(data.texts);
    struct rows *rows = rows_open(&data.fd, 1, NULL);
    align = rows_align(rows);
    rows_close(rows);
    sampler_init(&s, data.rows, 7, 0);
    sampler_fill(&s, 0, data.rows, order);
}

int main(int argc, char **argv)
{
    size_t mib = argc > 2 ? strtoul(argv[2], NULL, 10) : 1024;
    size_t rounds = argc > 3 ? strtoul(argv[3], NULL, 10) : 5;

    if (argc < 2 || mib < 64 || rounds < 1 || rounds > MOST_ROUNDS) {
        fputs("usage: loader DIRECTORY [MIB [ROUNDS]], MIB at least 64\n",
              stderr);
        return 2;
    }
#ifndef HAVE_LIBURING
    raw_read(NULL, 0, 0, 0);
#endif
    prepare(argv[1], mib);
    size_t n = data.rows / 8 / BATCH * BATCH;
    for (size_t r = 0; r < rounds; r++) {
        measure_cold(r, n);
        measure_warm(r, 2 * n);
    }
    for (int i = 0; i < RESULTS; i++) {
        qsort(results[i], rounds, sizeof(double), compare);
        printf("%s %.2f\n", names[i], results[i][rounds / 2]);
    }
    mlb_dataset_close(dataset);
    mlb_dataset_close(texts);
    bench_remove(&data);
    return 0;
}
