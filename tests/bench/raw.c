/* SPDX-License-Identifier: BSD-3-Clause */
/* The disk's own speed, and other things that benchmarks share. */
#include "config.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#ifdef HAVE_LIBURING
#include <liburing.h>
#endif

#include "raw.h"

void raw_fail(const char *what)
{
    perror(what);
    exit(1);
}

double raw_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double raw_time(void (*work)(void *), void *argument)
{
    double start = raw_now();

    work(argument);
    return raw_now() - start;
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

double raw_median(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), compare);
    return count % 2 ? values[count / 2]
                     : (values[count / 2 - 1] + values[count / 2]) / 2;
}

void raw_row(const char *name, double value)
{
    printf("%s %.4g\n", name, value);
    fflush(stdout);
}

unsigned char *raw_data(size_t bytes)
{
    size_t size = (bytes + 2 * RAW_MIB) / (2 * RAW_MIB) * (2 * RAW_MIB);
    unsigned char *data = aligned_alloc(2 * RAW_MIB, size);
    uint64_t x = 88172645463325252u;

    if (!data)
        raw_fail("memory");
    madvise(data, size, MADV_HUGEPAGE);
    for (size_t i = 0; i < size; i += sizeof(x)) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        memcpy(data + i, &x, sizeof(x));
    }
    return data;
}

void raw_forget(const char *path)
{
    int fd = open(path, O_RDWR);

    if (fd < 0 || fsync(fd) < 0 ||
        posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
        raw_fail(path);
    close(fd);
}

#ifdef HAVE_LIBURING
/* A transfer of a whole file, several pieces in flight. */
struct loop {
    struct io_uring ring;
    unsigned char *buffers;
    int fd;
    bool fixed, writing;
};

static unsigned char *warm_buffers(void)
{
    static unsigned char *buffers;

    if (!buffers)
        buffers = raw_data(RAW_DEPTH * RAW_PIECE);
    return buffers;
}

static void collect(struct loop *l)
{
    struct io_uring_cqe *cqe;

    if (io_uring_wait_cqe(&l->ring, &cqe) < 0 ||
        cqe->res != (int)(uintptr_t)io_uring_cqe_get_data(cqe))
        raw_fail("raw transfer");
    io_uring_cqe_seen(&l->ring, cqe);
}

static void submit(struct loop *l, unsigned slot, size_t n, size_t at)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&l->ring);
    unsigned char *p = l->buffers + slot * RAW_PIECE;
    unsigned length = (unsigned)n;

    if (l->fixed && l->writing)
        io_uring_prep_write_fixed(sqe, l->fd, p, length, at, (int)slot);
    else if (l->fixed)
        io_uring_prep_read_fixed(sqe, l->fd, p, length, at, (int)slot);
    else if (l->writing)
        io_uring_prep_write(sqe, l->fd, p, length, at);
    else
        io_uring_prep_read(sqe, l->fd, p, length, at);
    io_uring_sqe_set_data(sqe, (void *)(uintptr_t)n);
    if (io_uring_submit(&l->ring) != 1)
        raw_fail("raw submit");
}

static void transfer(int fd, size_t bytes, size_t piece, bool writing)
{
    struct loop l = { .buffers = warm_buffers(), .fd = fd,
                      .writing = writing };
    struct iovec parts[RAW_DEPTH];
    size_t pieces = (bytes + piece - 1) / piece, done = 0;

    for (size_t i = 0; i < RAW_DEPTH; i++)
        parts[i] = (struct iovec){ l.buffers + i * RAW_PIECE, RAW_PIECE };
    if (io_uring_queue_init(RAW_DEPTH, &l.ring, 0) < 0)
        raw_fail("io_uring");
    l.fixed = io_uring_register_buffers(&l.ring, parts, RAW_DEPTH) == 0;
    for (size_t i = 0; i < pieces; i++) {
        size_t left = bytes - i * piece;
        size_t n = left < piece ? (left + 4095) / 4096 * 4096 : piece;
        for (; i - done >= RAW_DEPTH; done++)
            collect(&l);
        submit(&l, i % RAW_DEPTH, n, i * piece);
    }
    for (; done < pieces; done++)
        collect(&l);
    io_uring_queue_exit(&l.ring);
}

static void end(int fd)
{
    if (fsync(fd) < 0 || close(fd) < 0)
        raw_fail("fsync");
}

void raw_write_new(const char *path, size_t bytes)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_DIRECT, 0600);

    if (fd < 0 || fallocate(fd, 0, 0, (off_t)bytes) < 0)
        raw_fail(path);
    transfer(fd, bytes, RAW_PIECE, true);
    end(fd);
}

void raw_overwrite(const char *path, size_t bytes)
{
    int fd = open(path, O_RDWR | O_DIRECT);

    if (fd < 0)
        raw_fail(path);
    transfer(fd, bytes, RAW_PIECE, true);
    end(fd);
}

void raw_read(const char *path, size_t bytes, size_t piece)
{
    int fd = open(path, O_RDONLY | O_DIRECT);

    if (fd < 0)
        raw_fail(path);
    transfer(fd, bytes / piece * piece, piece, false);
    close(fd);
}
#else
static void skip(void)
{
    fputs("store: built without liburing\n", stderr);
    exit(RAW_SKIPPED);
}

void raw_write_new(const char *path, size_t bytes)
{
    (void)path;
    (void)bytes;
    skip();
}

void raw_overwrite(const char *path, size_t bytes)
{
    raw_write_new(path, bytes);
}

void raw_read(const char *path, size_t bytes, size_t piece)
{
    (void)piece;
    raw_write_new(path, bytes);
}
#endif
