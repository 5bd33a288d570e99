/* SPDX-License-Identifier: BSD-3-Clause */
/* Tensors of all types, cut in all ways, saved by any number of ranks. */
#ifndef TESTS_SAVER_FIXTURE_H
#define TESTS_SAVER_FIXTURE_H

#include "store_fixture.h"

#include <errno.h>
#include <signal.h>

#include "base/process.h"
#include "mlbatch/checkpoint.h"
#include "pipe_group.h"
#include "store/checkpoint.h"
#include "store/lease.h"
#include "store/saver.h"

enum split { WHOLE, ROWS, COLUMNS, GRID };

static const struct {
    struct mlb_tensor tensor;
    enum split split;
} all[] = {
    { { "scalar", MLB_F64, 0, { 0 }, NULL }, WHOLE },
    { { "empty", MLB_F32, 2, { 0, 4 }, NULL }, ROWS },
    { { "rows/few", MLB_I64, 1, { 3 }, NULL }, ROWS },
    { { "rows/f32", MLB_F32, 2, { 13, 7 }, NULL }, ROWS },
    { { "rows/large", MLB_F32, 2, { 1003, 1101 }, NULL }, ROWS },
    { { "columns/f64", MLB_F64, 2, { 6, 9 }, NULL }, COLUMNS },
    { { "columns/large", MLB_U8, 2, { 2100, 1501 }, NULL }, COLUMNS },
    { { "grid/i16", MLB_I16, 3, { 10, 12, 3 }, NULL }, GRID },
    { { "grid/bf16", MLB_BF16, 2, { 64, 64 }, NULL }, GRID },
    { { "whole/f16", MLB_F16, 1, { 33 }, NULL }, WHOLE },
    { { "whole/i32", MLB_I32, 1, { 33 }, NULL }, WHOLE },
    { { "whole/i8", MLB_I8, 1, { 33 }, NULL }, WHOLE },
    { { "whole/u64", MLB_U64, 1, { 33 }, NULL }, WHOLE },
    { { "whole/u32", MLB_U32, 1, { 33 }, NULL }, WHOLE },
    { { "whole/u16", MLB_U16, 1, { 33 }, NULL }, WHOLE },
    { { "whole/bool", MLB_BOOL, 1, { 33 }, NULL }, WHOLE },
    { { "columns/e4m3", MLB_E4M3, 2, { 3, 33 }, NULL }, COLUMNS },
    { { "rows/e5m2", MLB_E5M2, 2, { 33, 3 }, NULL }, ROWS },
    { { "columns/c64", MLB_C64, 2, { 3, 11 }, NULL }, COLUMNS },
    { { "rows/c128", MLB_C128, 2, { 11, 3 }, NULL }, ROWS },
};
#define COUNT (sizeof(all) / sizeof(all[0]))

struct job {
    const char *directory;
    int nodes;                   /* ranks on a host; 0: shared file */
    uint64_t step, steps;
    int slots, keep;
    bool quiet;
};

/* Part i of n of [0, size). */
static UNUSED void part_of(uint64_t size, uint64_t i, uint64_t n,
                           uint64_t *origin, uint64_t *extent)
{
    *origin = size * i / n;
    *extent = size * (i + 1) / n - *origin;
}

static UNUSED void make_box(const struct mlb_tensor *t, enum split split,
                            int rank, int size, struct mlb_box *box)
{
    uint64_t r = (uint64_t)rank, n = (uint64_t)size;

    memset(box, 0, sizeof(*box));
    memcpy(box->extent, t->shape, sizeof(t->shape));
    if (split == ROWS)
        part_of(t->shape[0], r, n, &box->origin[0], &box->extent[0]);
    if (split == COLUMNS)
        part_of(t->shape[1], r, n, &box->origin[1], &box->extent[1]);
    if (split == GRID && size % 2 == 0) {
        part_of(t->shape[0], r % 2, 2, &box->origin[0], &box->extent[0]);
        part_of(t->shape[1], r / 2, n / 2, &box->origin[1], &box->extent[1]);
    } else if (split == GRID) {
        part_of(t->shape[1], r, n, &box->origin[1], &box->extent[1]);
    }
}

static UNUSED uint64_t elements_of(const struct mlb_tensor *t,
                            const struct mlb_box *box)
{
    uint64_t n = 1;

    for (int i = 0; i < t->rank; i++)
        n *= box->extent[i];
    return n;
}

/* The bytes of a box: each element's tell its tensor, place and step. */
static UNUSED unsigned char *make_data(size_t which, const struct mlb_box *box,
                                uint64_t step)
{
    const struct mlb_tensor *t = &all[which].tensor;
    size_t width = mlb_dtype_size(t->dtype);
    uint64_t n = elements_of(t, box);
    unsigned char *data = malloc(n * width + 1);

    for (uint64_t i = 0; i < n; i++) {
        uint64_t left = i, place = 0, stride = 1;
        for (int d = t->rank - 1; d >= 0; d--) {
            place += (left % box->extent[d] + box->origin[d]) * stride;
            left /= box->extent[d];
            stride *= t->shape[d];
        }
        for (size_t b = 0; b < width; b++)
            data[i * width + b] = (unsigned char)(
                (place * 2654435761u >> (b + 3)) + which * 31 + step * 7);
    }
    return data;
}

static UNUSED struct mlb_saver *open_it_as(const struct mlb_group *group,
                                    const struct job *job,
                                    struct mlb_error *err)
{
    struct mlb_saver_options o = {
        .directory = job->directory, .group = group, .slots = job->slots,
        .layout = job->nodes ? MLB_LAYOUT_NODES : MLB_LAYOUT_SHARED,
        .retention = { .last = job->keep },
    };
    struct lease_holder self;
    char host[64];

    lease_self(&self);
    snprintf(host, sizeof(host), "%s",
             job->nodes ? "" : process_host());
    if (job->nodes)
        snprintf(host, sizeof(host), "host%d",
                 group ? group->rank / job->nodes : 0);
    self.host = host;
    return saver_open_on(&o, &self, err);
}

/* Save all tensors as this rank of the group. */
static UNUSED int save_all(struct mlb_saver *s, const struct mlb_group *group,
                    uint64_t step, bool async, struct mlb_error *err)
{
    int rank = group ? group->rank : 0, size = group ? group->size : 1;
    unsigned char *data[COUNT];
    struct mlb_checkpoint *c = mlb_checkpoint_create(s, step, err);

    if (!c)
        return -1;
    for (size_t i = 0; i < COUNT; i++) {
        struct mlb_tensor t = all[i].tensor;
        struct mlb_box box;
        make_box(&t, all[i].split, rank, size, &box);
        t.data = data[i] = make_data(i, &box, step);
        mlb_checkpoint_add(c, &t, all[i].split == WHOLE ? NULL : &box, err);
    }
    char name[32];
    snprintf(name, sizeof(name), "rng/%d", rank);
    mlb_checkpoint_add_state(c, "shared", &rank, sizeof(rank), err);
    mlb_checkpoint_add_state(c, name, &step, sizeof(step), err);
    mlb_checkpoint_add_metric(c, "loss", 1.0 / (double)step, err);
    int rc = async ? mlb_checkpoint_publish_async(c, err)
                   : mlb_checkpoint_publish(c, err);
    for (size_t i = 0; i < COUNT; i++)
        free(data[i]);
    return rc;
}

static UNUSED void assert_box(struct mlb_checkpoint_reader *r, size_t which,
                       const struct mlb_box *box, uint64_t step)
{
    const struct mlb_tensor *t = &all[which].tensor;
    size_t bytes = elements_of(t, box) * mlb_dtype_size(t->dtype);
    unsigned char *want = make_data(which, box, step);
    unsigned char *got = calloc(1, bytes + 1);
    struct mlb_error err = { 0 };

    assert_ok(mlb_checkpoint_load(r, t, box, got, &err), err);
    if (memcmp(want, got, bytes) != 0)
        fail_msg("%s is another", t->name);
    free(want);
    free(got);
}

/* All of it, as any number of ranks would load it. */
static UNUSED void assert_saved(struct mlb_checkpoint_reader *r, uint64_t step,
                         int ranks)
{
    struct mlb_error err = { 0 };
    void *bytes = NULL;
    uint64_t length = 0;
    double value = 0;

    assert_int_equal(mlb_checkpoint_step(r), step);
    assert_int_equal(mlb_checkpoint_tensors(r), COUNT);
    for (size_t i = 0; i < COUNT; i++)
        for (int split = WHOLE; split <= GRID; split++)
            for (int size = 1; size <= 4; size++)
                for (int rank = 0; rank < size; rank++) {
                    struct mlb_box box;
                    if (all[i].tensor.rank < (split == ROWS ? 1 : 2) &&
                        split != WHOLE)
                        continue;
                    make_box(&all[i].tensor, split, rank, size, &box);
                    assert_box(r, i, &box, step);
                }
    assert_ok(mlb_checkpoint_load_state(r, "shared", &bytes, &length, &err),
              err);
    assert_int_equal(*(int *)bytes, 0);
    free(bytes);
    for (int i = 0; i < ranks; i++) {
        char name[32];
        snprintf(name, sizeof(name), "rng/%d", i);
        assert_ok(mlb_checkpoint_load_state(r, name, &bytes, &length, &err),
                  err);
        assert_memory_equal(bytes, &step, sizeof(step));
        free(bytes);
    }
    assert_non_null(mlb_checkpoint_state(r, ranks, &length));
    assert_null(mlb_checkpoint_state(r, ranks + 1, &length));
    assert_null(mlb_checkpoint_state(r, -1, &length));
    assert_string_equal(mlb_checkpoint_metric(r, 0, &value), "loss");
    assert_true(value == 1.0 / (double)step);
    assert_null(mlb_checkpoint_metric(r, 1, &value));
    assert_ok(mlb_checkpoint_verify(r, &err), err);
}

static UNUSED struct mlb_checkpoint_reader *latest(const char *directory,
                                            const char *note_has)
{
    struct mlb_error err = { 0 };
    char note[512];
    struct mlb_checkpoint_reader *r = mlb_checkpoint_latest(
        directory, note, sizeof(note), &err);

    if (!r)
        fail_msg("%s", err.text);
    if (note_has)
        assert_has(note, note_has);
    else
        assert_string_equal(note, "");
    return r;
}

#endif
