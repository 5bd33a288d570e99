/* SPDX-License-Identifier: BSD-3-Clause */
/* The data of the benchmark of loading: a data set, and the same texts as
 * libhdf5 would keep them. */
#include "config.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader_data.h"
#include "store/container.h"
#include "store/crc.h"

#define PER_MIB 50                       /* texts */
#define LEAST 64
#define LENGTHS 900

void bench_fail(const char *what)
{
    perror(what);
    exit(1);
}

void bench_say(const struct mlb_error *err)
{
    fprintf(stderr, "loader: %s\n", err->text);
    exit(1);
}

void *bench_room(size_t count, size_t size)
{
    void *p = calloc(count + 1, size);

    if (!p)
        bench_fail("memory");
    return p;
}

struct texts {
    uint64_t *offsets;
    uint16_t *tokens;
    uint32_t *crcs;
};

static void make_texts(struct texts *t, uint64_t count)
{
    uint64_t seed = 1;

    t->offsets = bench_room(count, sizeof(*t->offsets));
    t->tokens = bench_room(count * (LEAST + LENGTHS), sizeof(*t->tokens));
    t->crcs = bench_room(count, sizeof(*t->crcs));
    for (uint64_t i = 0; i < count; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        uint64_t length = LEAST + (seed >> 33) % LENGTHS;
        uint16_t *to = t->tokens + t->offsets[i];
        for (uint64_t k = 0; k < length; k++)
            to[k] = (uint16_t)(i * 31 + k * 7);
        t->offsets[i + 1] = t->offsets[i] + length;
        t->crcs[i] = crc_update(0, to, length * 2);
    }
}

static int make_rows(void *from, uint64_t offset, void *out, size_t length,
                     struct mlb_error *err)
{
    uint64_t *words = out;

    (void)from;
    (void)err;
    for (size_t i = 0; i < length / 8; i++)
        words[i] = (offset / 8 + i) * 0x9e3779b97f4a7c15u;
    return 0;
}

static void add(struct container_writer *w, const char *name,
                const struct container_array *like)
{
    struct container_array a = *like;
    struct mlb_error err = { 0 };

    a.name = name;
    if (container_add(w, &a, &err) < 0)
        bench_say(&err);
}

/* Publish the shard of a data set of one field, and its manifest. */
static void finish(struct container_writer *w, const char *directory,
                   uint64_t rows, const char *field, const char *elements)
{
    struct mlb_error err = { 0 };
    char path[PATH_MAX];
    struct stat st;

    if (container_publish(w, true, &err) < 0)
        bench_say(&err);
    snprintf(path, sizeof(path), "%s/shard-00000.h5", directory);
    if (stat(path, &st) < 0)
        bench_fail(path);
    snprintf(path, sizeof(path), "%s/manifest.json", directory);
    FILE *f = fopen(path, "w");
    if (!f || fprintf(f, "{\"format\": \"mlbatch-dataset\", "
                      "\"format_version\": 1, \"name\": \"bench\", "
                      "\"version\": \"0123456789abcdef\", \"rows\": %llu, "
                      "\"fields\": [%s], \"splits\": [], \"shards\": [{"
                      "\"file\": \"shard-00000.h5\", \"rows\": %llu, "
                      "\"bytes\": %llu, \"elements\": {%s}}]}",
                      (unsigned long long)rows, field,
                      (unsigned long long)rows,
                      (unsigned long long)st.st_size, elements) < 0 ||
        fclose(f) != 0)
        bench_fail(path);
}

static struct container_writer *begin(const char *directory, char *path,
                                      size_t size)
{
    struct mlb_error err = { 0 };

    if (mkdir(directory, 0700) < 0)
        bench_fail(directory);
    snprintf(path, size, "%s/shard-00000.h5", directory);
    struct container_writer *w = container_create(path, CONTAINER_DATASET,
                                                  &err);
    if (!w)
        bench_say(&err);
    return w;
}

static void write_rows(struct bench_data *d)
{
    struct container_writer *w = begin(d->rows_directory, d->path,
                                       sizeof(d->path));
    uint32_t *crcs = bench_room(d->rows, sizeof(*crcs));
    uint64_t row[ROW / 8];

    for (uint64_t i = 0; i < d->rows; i++) {
        make_rows(NULL, i * ROW, row, ROW, NULL);
        crcs[i] = crc_update(0, row, ROW);
    }
    add(w, "/fields/x", &(struct container_array){
        .dtype = MLB_U8, .rank = 2, .shape = { d->rows, ROW },
        .source = make_rows });
    add(w, "/crc/x", &(struct container_array){
        .dtype = MLB_U32, .rank = 1, .shape = { d->rows }, .data = crcs });
    finish(w, d->rows_directory, d->rows,
           "{\"name\": \"x\", \"dtype\": \"u8\", \"shape\": [3072]}", "");
    free(crcs);
}

static void write_texts(struct bench_data *d, const struct texts *t)
{
    char path[PATH_MAX], elements[64];
    struct container_writer *w = begin(d->texts_directory, path,
                                       sizeof(path));

    add(w, "/fields/t/data", &(struct container_array){
        .dtype = MLB_U16, .rank = 1, .shape = { t->offsets[d->texts] },
        .data = t->tokens });
    add(w, "/fields/t/offsets", &(struct container_array){
        .dtype = MLB_U64, .rank = 1, .shape = { d->texts + 1 },
        .data = t->offsets });
    add(w, "/crc/t", &(struct container_array){
        .dtype = MLB_U32, .rank = 1, .shape = { d->texts },
        .data = t->crcs });
    snprintf(elements, sizeof(elements), "\"t\": %llu",
             (unsigned long long)t->offsets[d->texts]);
    finish(w, d->texts_directory, d->texts,
           "{\"name\": \"t\", \"dtype\": \"u16\", \"shape\": [], "
           "\"ragged\": true}", elements);
}

/* As a program that uses libhdf5 would. */
static void write_vlen(const struct bench_data *d, const struct texts *t)
{
    hsize_t count = d->texts;
    hvl_t *all = bench_room(count, sizeof(*all));

    for (uint64_t i = 0; i < count; i++)
        all[i] = (hvl_t){ t->offsets[i + 1] - t->offsets[i],
                          t->tokens + t->offsets[i] };
    hid_t file = H5Fcreate(d->vlen_path, H5F_ACC_TRUNC, H5P_DEFAULT,
                           H5P_DEFAULT);
    hid_t type = H5Tvlen_create(H5T_NATIVE_USHORT);
    hid_t space = H5Screate_simple(1, &count, NULL);
    hid_t set = H5Dcreate2(file, "t", type, space, H5P_DEFAULT, H5P_DEFAULT,
                           H5P_DEFAULT);
    if (set < 0 || H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT,
                            all) < 0 ||
        H5Dclose(set) < 0 || H5Fclose(file) < 0)
        bench_fail("HDF5");
    H5Sclose(space);
    H5Tclose(type);
    free(all);
}

static void find_rows(struct bench_data *d)
{
    struct mlb_error err = { 0 };
    struct container *c = container_open(d->path, CONTAINER_DATASET, &err);

    if (!c)
        bench_say(&err);
    d->rows_at = container_find(c, "/fields/x")->offset;
    container_close(c);
    d->fd = open(d->path, O_RDONLY);
    if (d->fd < 0)
        bench_fail(d->path);
}

void bench_write(struct bench_data *d, const char *directory, size_t mib)
{
    struct texts t;

    *d = (struct bench_data){ .rows = ((uint64_t)mib << 20) / ROW,
                              .texts = mib * PER_MIB };
    snprintf(d->rows_directory, PATH_MAX, "%s/rows", directory);
    snprintf(d->texts_directory, PATH_MAX, "%s/texts", directory);
    snprintf(d->vlen_path, PATH_MAX, "%s/vlen.h5", directory);
    make_texts(&t, d->texts);
    write_rows(d);
    write_texts(d, &t);
    write_vlen(d, &t);
    free(t.offsets);
    free(t.tokens);
    free(t.crcs);
    sync();
    find_rows(d);
}

void bench_remove(const struct bench_data *d)
{
    const char *const directories[] = { d->rows_directory,
                                        d->texts_directory };
    char path[PATH_MAX];

    close(d->fd);
    unlink(d->vlen_path);
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "%s/shard-00000.h5", directories[i]);
        unlink(path);
        snprintf(path, sizeof(path), "%s/manifest.json", directories[i]);
        unlink(path);
        rmdir(directories[i]);
    }
}

void bench_find(const struct bench_data *d, hid_t *rows, hid_t *texts)
{
    hid_t shard = H5Fopen(d->path, H5F_ACC_RDONLY, H5P_DEFAULT);
    hid_t vlen = H5Fopen(d->vlen_path, H5F_ACC_RDONLY, H5P_DEFAULT);

    *rows = H5Dopen2(shard, "/fields/x", H5P_DEFAULT);
    *texts = H5Dopen2(vlen, "t", H5P_DEFAULT);
    if (*rows < 0 || *texts < 0)
        bench_fail("HDF5");
}
