/* SPDX-License-Identifier: BSD-3-Clause */
/* What saving costs against the disk itself and against libhdf5.
 *
 *     store DIRECTORY [MIB [ROUNDS [GROUP...]]]
 *
 * Groups: new recycled sums ranks small. Each compares ways in turn in this
 * one process, with the same tensors of 2 MiB, and prints the medians of the
 * rounds, a line "name value" each: ratios of times (1: as fast as the disk;
 * more is faster), then the seconds they are of. */
#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hdf5.h>

#include "raw.h"
#include "store.h"
#include "store/io.h"
#include "store/staging.h"

#define TENSOR (2 * RAW_MIB)
#define SMALL 5000
#define UNALIGNED 64           /* where frameworks let large tensors begin */

void bench_check(int rc, const struct mlb_error *err)
{
    if (rc < 0) {
        fprintf(stderr, "store: %s\n", err->text);
        exit(1);
    }
}

void bench_remove(const char *path)
{
    if (unlink(path) < 0)
        raw_fail(path);
    sync();                    /* nobody's share */
}

static size_t tensor_bytes(const struct bench *b, size_t i)
{
    return b->tensor ? b->tensor : 4 * (64 + i * 37 % 1000);
}

size_t bench_tensors(const struct bench *b)
{
    return b->tensor ? b->bytes / b->tensor : SMALL;
}

struct container_writer *bench_begin(const struct bench *b, const char *path)
{
    struct mlb_error err = { 0 };
    struct container_writer *w = container_create(path, CONTAINER_CHECKPOINT,
                                                  &err);
    const unsigned char *data = b->data + b->lead;
    char name[32];

    bench_check(w ? 0 : -1, &err);
    for (size_t i = 0; i < bench_tensors(b); i++) {
        snprintf(name, sizeof(name), "/tensors/t%zu", i);
        struct container_array a = { .name = name, .dtype = MLB_F32,
                                     .rank = 1,
                                     .shape = { tensor_bytes(b, i) / 4 },
                                     .data = data };
        bench_check(container_add(w, &a, &err), &err);
        data += tensor_bytes(b, i);
    }
    return w;
}

static void save(void *argument)
{
    const struct bench *b = argument;
    struct mlb_error err = { 0 };

    bench_check(container_publish(bench_begin(b, b->path), false, &err),
                &err);
}

/* The same as a checkpoint does it, in one writer, over the file at other;
 * then the two change places. */
static void save_recycled(void *argument)
{
    struct bench *b = argument;
    struct mlb_error err = { 0 };
    size_t count = bench_tensors(b);
    struct staging_part *parts = calloc(count, sizeof(*parts));
    uint32_t *crcs = calloc(b->bytes / RAW_MIB + 2 * count, sizeof(*crcs));
    struct staging *s = staging_create(bench_begin(b, b->path), b->other,
                                       &err);
    const unsigned char *data = b->data + b->lead;

    bench_check(s && parts && crcs ? 0 : -1, &err);
    for (size_t i = 0; i < count; i++) {
        parts[i] = (struct staging_part){
            .array = i, .length = tensor_bytes(b, i), .data = data,
            .file_offset = staging_offset(s, i),
            .padding = staging_padding(s, i),
        };
        data += parts[i].length;
    }
    bench_check(staging_write(staging_path(s), parts, count, crcs, &err),
                &err);
    uint32_t *crc = crcs;
    for (size_t i = 0; i < count; i++) {
        bench_check(staging_sum(s, &parts[i], crc, &err), &err);
        crc += staging_sums(&parts[i]);
    }
    bench_check(staging_publish(s, false, &err), &err);
    free(parts);
    free(crcs);
    if (rename(b->path, b->other) < 0)
        raw_fail(b->path);
}

static void write_raw_new(void *argument)
{
    const struct bench *b = argument;

    raw_write_new(b->raw, b->bytes);
}

static void write_raw_over(void *argument)
{
    const struct bench *b = argument;

    raw_overwrite(b->raw, b->bytes);
}

static void write_hdf5(void *argument)
{
    const struct bench *b = argument;
    hsize_t count = TENSOR / 4;
    hid_t space = H5Screate_simple(1, &count, NULL);
    hid_t file = H5Fcreate(b->path, H5F_ACC_EXCL, H5P_DEFAULT, H5P_DEFAULT);
    char name[32];
    herr_t rc = file < 0 ? -1 : 0;

    for (size_t i = 0; i < bench_tensors(b) && rc >= 0; i++) {
        snprintf(name, sizeof(name), "t%zu", i);
        hid_t set = H5Dcreate2(file, name, H5T_IEEE_F32LE, space,
                               H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        rc = H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT,
                      b->data + b->lead + i * TENSOR);
        H5Dclose(set);
    }
    H5Sclose(space);
    int fd = rc < 0 || H5Fclose(file) < 0 ? -1 : open(b->path, O_RDWR);
    if (fd < 0 || fsync(fd) < 0 || close(fd) < 0)
        raw_fail("HDF5");
}

/* Seconds, and not in them the removing of what was made. */
static double time_new(struct bench *b, void (*work)(void *),
                       const char *path)
{
    double took = raw_time(work, b);

    bench_remove(path);
    return took;
}

static void print_median(const char *name, double *values, size_t count)
{
    raw_row(name, raw_median(values, count));
}

static void bench_new(struct bench *b)
{
    double raw[RAW_MOST_ROUNDS], ours[RAW_MOST_ROUNDS],
        aligned[RAW_MOST_ROUNDS], hdf5[RAW_MOST_ROUNDS],
        by_raw[RAW_MOST_ROUNDS], by_hdf5[RAW_MOST_ROUNDS],
        aligned_by_raw[RAW_MOST_ROUNDS];

    time_new(b, write_raw_new, b->raw);
    time_new(b, save, b->path);
    for (size_t r = 0; r < b->rounds; r++) {
        raw[r] = time_new(b, write_raw_new, b->raw);
        ours[r] = time_new(b, save, b->path);
        hdf5[r] = time_new(b, write_hdf5, b->path);
        b->lead = 0;
        aligned[r] = time_new(b, save, b->path);
        b->lead = UNALIGNED;
        by_raw[r] = raw[r] / ours[r];
        by_hdf5[r] = hdf5[r] / ours[r];
        aligned_by_raw[r] = raw[r] / aligned[r];
    }
    print_median("save_new_over_raw", by_raw, b->rounds);
    print_median("save_new_over_h5dwrite", by_hdf5, b->rounds);
    print_median("save_new_aligned_over_raw", aligned_by_raw, b->rounds);
    print_median("raw_new_s", raw, b->rounds);
    print_median("save_new_s", ours, b->rounds);
    print_median("save_new_aligned_s", aligned, b->rounds);
    print_median("h5dwrite_s", hdf5, b->rounds);
}

static void bench_recycled(struct bench *b)
{
    double raw[RAW_MOST_ROUNDS], ours[RAW_MOST_ROUNDS],
        aligned[RAW_MOST_ROUNDS], by_raw[RAW_MOST_ROUNDS],
        by_hdf5[RAW_MOST_ROUNDS], aligned_by_raw[RAW_MOST_ROUNDS];

    write_raw_new(b);
    save_recycled(b);
    save_recycled(b);
    for (size_t r = 0; r < b->rounds; r++) {
        raw[r] = raw_time(write_raw_over, b);
        ours[r] = raw_time(save_recycled, b);
        by_hdf5[r] = time_new(b, write_hdf5, b->path) / ours[r];
        b->lead = 0;
        aligned[r] = raw_time(save_recycled, b);
        b->lead = UNALIGNED;
        by_raw[r] = raw[r] / ours[r];
        aligned_by_raw[r] = raw[r] / aligned[r];
    }
    bench_remove(b->raw);
    bench_remove(b->other);
    print_median("save_recycled_over_raw", by_raw, b->rounds);
    print_median("save_recycled_over_h5dwrite", by_hdf5, b->rounds);
    print_median("save_recycled_aligned_over_raw", aligned_by_raw, b->rounds);
    print_median("raw_overwrite_s", raw, b->rounds);
    print_median("save_recycled_s", ours, b->rounds);
    print_median("save_recycled_aligned_s", aligned, b->rounds);
}

/* The engine with and without checksums, over the same file. */
struct engine {
    const struct bench *b;
    bool sums;
};

static void write_engine(void *argument)
{
    const struct engine *e = argument;
    const struct bench *b = e->b;
    int fd = open(b->raw, O_RDWR);
    struct io *io = io_open(fd, b->bytes, NULL);
    volatile uint32_t kept = 0;

    for (size_t at = 0; io && at < b->bytes; at += io_piece(io)) {
        unsigned char *to = io_next(io);
        uint32_t crc = 0;
        if (to)
            io_copy(to, b->data + b->lead + at, io_piece(io),
                    e->sums ? &crc : NULL);
        kept ^= crc;
        if (!to || io_write(io, io_piece(io), at) < 0)
            raw_fail("engine");
    }
    if (!io || io_finish(io) < 0 || fsync(fd) < 0)
        raw_fail("engine");
    io_close(io);
    close(fd);
}

static void bench_sums(struct bench *b)
{
    double share[RAW_MOST_ROUNDS];
    struct engine with = { b, true }, without = { b, false };

    write_raw_new(b);
    write_engine(&with);
    for (size_t r = 0; r < b->rounds; r++) {
        double sums = raw_time(write_engine, &with);
        share[r] = 100 * (sums - raw_time(write_engine, &without)) / sums;
    }
    bench_remove(b->raw);
    print_median("checksum_share_of_save", share, b->rounds);
}

/* 5,000 tensors beyond their bytes, in milliseconds. */
static void bench_small(struct bench *all)
{
    struct bench b = *all;
    double new[RAW_MOST_ROUNDS], over[RAW_MOST_ROUNDS];

    b.tensor = b.bytes = 0;
    for (size_t i = 0; i < SMALL; i++)
        b.bytes += tensor_bytes(&b, i);
    time_new(&b, save, b.path);
    save_recycled(&b);
    write_raw_new(&b);
    for (size_t r = 0; r < b.rounds; r++) {
        over[r] = -1e3 * raw_time(write_raw_over, &b);
        over[r] += 1e3 * raw_time(save_recycled, &b);
        bench_remove(b.raw);
        new[r] = -1e3 * raw_time(write_raw_new, &b);
        new[r] += 1e3 * time_new(&b, save, b.path);
    }
    bench_remove(b.raw);
    bench_remove(b.other);
    print_median("small_tensors_added_ms", over, b.rounds);
    print_median("small_tensors_new_added_ms", new, b.rounds);
}

static void bench_both_ranks(struct bench *b)
{
    bench_ranks(b, 2);
    bench_ranks(b, 4);
}

static const struct {
    const char *name;
    void (*run)(struct bench *b);
} groups[] = {
    { "new", bench_new }, { "recycled", bench_recycled },
    { "sums", bench_sums }, { "ranks", bench_both_ranks },
    { "small", bench_small },
};

static bool is_wanted(const char *name, int argc, char **argv)
{
    for (int i = 4; i < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return true;
    return argc <= 4;
}

int main(int argc, char **argv)
{
    struct bench b = { .lead = UNALIGNED, .tensor = TENSOR };

    b.rounds = argc > 3 ? strtoul(argv[3], NULL, 10) : 5;
    b.bytes = (argc > 2 ? strtoul(argv[2], NULL, 10) : 1024) * RAW_MIB;
    if (argc < 2 || b.bytes < 8 * RAW_PIECE || b.bytes % (4 * RAW_PIECE) ||
        b.rounds < 1 || b.rounds > RAW_MOST_ROUNDS) {
        fputs("usage: store DIRECTORY [MIB [ROUNDS [GROUP...]]], MIB a "
              "multiple of 16, at least 32\n", stderr);
        return 2;
    }
    snprintf(b.path, sizeof(b.path), "%s/bench.h5", argv[1]);
    snprintf(b.other, sizeof(b.other), "%s/bench-other.h5", argv[1]);
    snprintf(b.raw, sizeof(b.raw), "%s/bench-raw", argv[1]);
    b.data = raw_data(b.bytes);
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
        if (is_wanted(groups[i].name, argc, argv))
            groups[i].run(&b);
    free(b.data);
    return 0;
}
