/* SPDX-License-Identifier: BSD-3-Clause */
/* What saving costs against the disk itself and against libhdf5.
 *
 *     store DIRECTORY [MIB [ROUNDS]]
 *
 * All in one process and in turn, with the same tensors of 2 MiB. Prints
 * the medians of the rounds: raw/save in time (1: as fast as the disk),
 * H5Dwrite/save, the percentage of a save that checksums take, and then the
 * seconds of raw, save, H5Dwrite and of the engine with and without
 * checksums. */
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

#include "store/container.h"
#include "store/io.h"

#define MIB ((size_t)1 << 20)
#define TENSOR (2 * MIB)
#define MOST_ROUNDS 99

static char path[PATH_MAX];
static unsigned char *data;
static size_t bytes;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int open_new(int flags)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | flags, 0600);

    if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0 ||
        fallocate(fd, 0, 0, (off_t)bytes) < 0)
        fail(path);
    return fd;
}

static void end(int fd)
{
    if (fsync(fd) < 0 || close(fd) < 0)
        fail("fsync");
}

#ifdef HAVE_LIBURING
static void collect(struct io_uring *ring)
{
    struct io_uring_cqe *cqe;

    if (io_uring_wait_cqe(ring, &cqe) < 0 || cqe->res != (int)IO_PIECE)
        fail("raw write");
    io_uring_cqe_seen(ring, cqe);
}

/* The disk's own speed: as the engine, but nothing is copied or summed. */
static void write_raw(void)
{
    static unsigned char *buffers;
    struct iovec parts[IO_DEPTH];
    struct io_uring ring;
    int fd = open_new(O_DIRECT);

    if (!buffers) {
        buffers = aligned_alloc(TENSOR, IO_DEPTH * IO_PIECE);
        madvise(buffers, IO_DEPTH * IO_PIECE, MADV_HUGEPAGE);
        memcpy(buffers, data, IO_DEPTH * IO_PIECE);
    }
    for (size_t i = 0; i < IO_DEPTH; i++)
        parts[i] = (struct iovec){ buffers + i * IO_PIECE, IO_PIECE };
    if (io_uring_queue_init(IO_DEPTH, &ring, 0) < 0)
        fail("io_uring");
    int fixed = io_uring_register_buffers(&ring, parts, IO_DEPTH) == 0;
    for (size_t i = 0; i < bytes / IO_PIECE; i++) {
        if (i >= IO_DEPTH)
            collect(&ring);
        struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
        unsigned char *p = buffers + i % IO_DEPTH * IO_PIECE;
        if (fixed)
            io_uring_prep_write_fixed(sqe, fd, p, IO_PIECE, i * IO_PIECE,
                                      (int)(i % IO_DEPTH));
        else
            io_uring_prep_write(sqe, fd, p, IO_PIECE, i * IO_PIECE);
        if (io_uring_submit(&ring) != 1)
            fail("raw submit");
    }
    for (size_t i = 0; i < IO_DEPTH; i++)
        collect(&ring);
    io_uring_queue_exit(&ring);
    end(fd);
}
#else
static void write_raw(void)
{
    fputs("store: built without liburing\n", stderr);
    exit(77);
}
#endif

static void save(void)
{
    struct mlb_error err = { 0 };
    struct container_writer *w = container_create(path, CONTAINER_CHECKPOINT,
                                                  &err);
    char name[32];
    int rc = w ? 0 : -1;

    for (size_t i = 0; i < bytes / TENSOR && rc == 0; i++) {
        snprintf(name, sizeof(name), "/tensors/t%zu", i);
        struct container_array a = { .name = name, .dtype = MLB_F32,
                                     .rank = 1, .shape = { TENSOR / 4 },
                                     .data = data + i * TENSOR };
        rc = container_add(w, &a, &err);
    }
    if (rc < 0 || container_publish(w, false, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
}

static void write_hdf5(void)
{
    hsize_t count = TENSOR / 4;
    hid_t space = H5Screate_simple(1, &count, NULL);
    hid_t file = H5Fcreate(path, H5F_ACC_EXCL, H5P_DEFAULT, H5P_DEFAULT);
    char name[32];
    herr_t rc = file < 0 ? -1 : 0;

    for (size_t i = 0; i < bytes / TENSOR && rc >= 0; i++) {
        snprintf(name, sizeof(name), "t%zu", i);
        hid_t set = H5Dcreate2(file, name, H5T_IEEE_F32LE, space,
                               H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        rc = H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT,
                      data + i * TENSOR);
        H5Dclose(set);
    }
    H5Sclose(space);
    int fd = rc < 0 || H5Fclose(file) < 0 ? -1 : open(path, O_RDWR);
    if (fd < 0)
        fail("HDF5");
    end(fd);
}

static void write_engine(int sums)
{
    int fd = open_new(0);
    struct io *io = io_open(fd, bytes, NULL);
    volatile uint32_t kept = 0;

    for (size_t at = 0; io && at < bytes; at += io_piece(io)) {
        unsigned char *to = io_next(io);
        uint32_t crc = 0;
        if (to && sums)
            io_copy(to, data + at, io_piece(io), &crc);
        else if (to)
            memcpy(to, data + at, io_piece(io));
        kept ^= crc;
        if (!to || io_write(io, io_piece(io), at) < 0)
            fail("engine");
    }
    if (!io || io_finish(io) < 0)
        fail("engine");
    io_close(io);
    end(fd);
}

static void with_sums(void)
{
    write_engine(1);
}

static void without_sums(void)
{
    write_engine(0);
}

static double time_one(void (*work)(void))
{
    double start = now();

    work();
    double took = now() - start;
    if (unlink(path) < 0)
        fail(path);
    sync();          /* what removing leaves behind is nobody's share */
    return took;
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), compare);
    return values[count / 2];
}

enum { RAW, SAVE, HDF5, SUMS, NO_SUMS, WAYS };

int main(int argc, char **argv)
{
    void (*const ways[WAYS])(void) = { write_raw, save, write_hdf5,
                                       with_sums, without_sums };
    static double t[WAYS][MOST_ROUNDS], by_raw[MOST_ROUNDS],
        by_hdf5[MOST_ROUNDS], share[MOST_ROUNDS];
    size_t rounds = argc > 3 ? strtoul(argv[3], NULL, 10) : 5;

    bytes = (argc > 2 ? strtoul(argv[2], NULL, 10) : 1024) * MIB;
    if (argc < 2 || bytes < IO_DEPTH * IO_PIECE || bytes % IO_PIECE ||
        rounds < 1 || rounds > MOST_ROUNDS) {
        fputs("usage: store DIRECTORY [MIB [ROUNDS]], MIB a multiple of 4, "
              "at least 32\n", stderr);
        return 2;
    }
    snprintf(path, sizeof(path), "%s/bench.h5", argv[1]);
    data = aligned_alloc(TENSOR, bytes);
    if (!data)
        fail("memory");
    madvise(data, bytes, MADV_HUGEPAGE);
    for (size_t i = 0; i < bytes; i++)
        data[i] = (unsigned char)(i * 31 + i / 4099);
    for (int i = 0; i < WAYS; i++)           /* warm up */
        time_one(ways[i]);
    for (size_t r = 0; r < rounds; r++) {
        for (int i = 0; i < WAYS; i++)
            t[i][r] = time_one(ways[i]);
        by_raw[r] = t[RAW][r] / t[SAVE][r];
        by_hdf5[r] = t[HDF5][r] / t[SAVE][r];
        share[r] = 100 * (t[SUMS][r] - t[NO_SUMS][r]) / t[SAVE][r];
    }
    printf("%.2f %.2f %.1f", median(by_raw, rounds),
           median(by_hdf5, rounds), median(share, rounds));
    for (int i = 0; i < WAYS; i++)
        printf(" %.3f", median(t[i], rounds));
    putchar('\n');
    free(data);
    return 0;
}
