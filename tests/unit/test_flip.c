/* SPDX-License-Identifier: BSD-3-Clause */
/* A bit that turned, in any byte of a checkpoint, is found and named, and
 * where it matters to a reader he gets the checkpoint before. The same for
 * files that were cut. */
#include "config.h"

#include "store_fixture.h"

#include <fcntl.h>
#include <inttypes.h>

#include "mlbatch/checkpoint.h"
#include "step_fixture.h"
#include "store/layout.h"

static unsigned char weights[9001];
static const double bias[3] = { 1, -2, 0.5 };

/* Checkpoints are files of these arrays under these names. Its path. */
static const char *make_step(void **state, uint64_t step)
{
    char name[64];
    struct mlb_error err = { 0 };
    struct container_array scalar = { .name = "/meta/step", .dtype = MLB_U64,
                                      .data = &step };

    for (size_t i = 0; i < sizeof(weights); i++)
        weights[i] = (unsigned char)(i * 7 + i / 251 + 1);
    snprintf(name, sizeof(name), "step-%012" PRIu64 ".h5", step);
    const char *path = in(state, name);
    struct container_writer *w = container_create(path, CONTAINER_CHECKPOINT,
                                                  &err);
    assert_non_null(w);
    add(w, "/tensors/layer/weight", MLB_U8, sizeof(weights), weights);
    add(w, "/tensors/layer/bias", MLB_F64, 3, bias);
    add(w, "/tensors/none", MLB_F32, 0, NULL);
    add(w, "/state/rng", MLB_U8, 11, "a few bytes");
    assert_ok(container_add(w, &scalar, &err), err);
    publish(w);
    return path;
}

/* What verify says of a file: "" if nothing. */
static const char *problem_of(const char *path)
{
    static struct mlb_error err;
    struct container *c = container_open(path, CONTAINER_CHECKPOINT, &err);
    int rc = c ? container_verify(c, &err) : -1;

    container_close(c);
    if (rc < 0)
        assert_int_equal(err.code, MLB_ERR_BAD_INPUT);
    return rc < 0 ? err.text : "";
}

/* The step that a program that starts gets, and what it is told. */
static uint64_t latest(void **state, char note[512])
{
    struct mlb_error err = { 0 };
    struct mlb_checkpoint_reader *r = mlb_checkpoint_latest(*state, note, 512,
                                                            &err);
    if (!r)
        fail_msg("%s", err.text);
    uint64_t step = mlb_checkpoint_step(r);
    mlb_checkpoint_close(r);
    return step;
}

/* A turned bit in the region of that name: verify names it; a reader falls
 * back if he could not know what is in the file without it. */
static void assert_region(void **state, const char *path, uint64_t at,
                          const char *name, bool falls_back)
{
    char note[512];

    flip_bit(path, at);
    if (!strstr(problem_of(path), name))
        fail_msg("at %" PRIu64 ": \"%s\", not %s", at, problem_of(path),
                 name);
    uint64_t step = latest(state, note);
    if (step != (falls_back ? 1 : 2))
        fail_msg("%s: took step %" PRIu64, name, step);
    if (falls_back) {
        assert_has(note, "skipped 1 damaged checkpoint, took step 1");
        assert_has(note, name);
        assert_has(note, "step-000000000002.h5");
    } else {
        assert_string_equal(note, "");
    }
    flip_bit(path, at);
}

static void each_region_is_named(void **state)
{
    struct layout_record r;
    struct mlb_error err = { 0 };
    char note[512];

    make_step(state, 1);
    const char *path = make_step(state, 2);
    get_bytes(path, 0, &r, sizeof(r));
    assert_region(state, path, 30, "commit record", false);
    assert_region(state, path, 400, "commit record", false);
    assert_region(state, path, LAYOUT_SECOND + 30, "commit record", false);
    assert_region(state, path, 512, "user block", false);
    assert_region(state, path, 2047, "user block", false);
    assert_region(state, path, 4095, "user block", false);
    assert_region(state, path, 4096, "HDF5 metadata", false);
    assert_region(state, path, 4096 + 48, "HDF5 metadata", false);
    assert_region(state, path, r.index.offset, "/index", true);
    assert_region(state, path, r.names.offset, "/names", true);
    assert_region(state, path, r.blocks.offset + r.blocks.bytes - 1,
                  "/blocks", true);
    struct container *c = container_open(path, 0, &err);
    assert_non_null(c);
    for (size_t i = 0; i < container_count(c); i++) {
        const struct container_info *a = container_get(c, i);
        if (a->bytes == 0)
            continue;
        assert_region(state, path, a->offset, a->name, true);
        assert_region(state, path, a->offset + a->bytes / 2, a->name, true);
        assert_region(state, path, a->offset + a->bytes - 1, a->name, true);
    }
    /* Zeros between two arrays that each begin a page. */
    uint64_t at = container_get(c, 0)->offset;
    assert_region(state, path, at - 1, "HDF5 metadata", false);
    container_close(c);
    assert_string_equal(problem_of(path), "");
    assert_int_equal(latest(state, note), 2);
    /* Both records: then nothing else is believed. */
    flip_bit(path, LAYOUT_SECOND + 30);
    assert_int_equal(latest(state, note), 2);
    flip_bit(path, 30);
    assert_has(problem_of(path), "commit record is damaged");
    assert_int_equal(latest(state, note), 1);
}

/* Where a reader gets data at all it is what was saved. */
static void assert_no_wrong_data(const char *path)
{
    unsigned char back[sizeof(weights)];
    struct container *c = container_open(path, CONTAINER_CHECKPOINT, NULL);
    const struct container_info *a =
        c ? container_find(c, "/tensors/layer/weight") : NULL;

    if (a && container_read(c, a, NULL, back, NULL) == 0)
        assert_memory_equal(back, weights, sizeof(weights));
    container_close(c);
}

static void no_byte_is_unwatched(void **state)
{
    const char *path = make_step(state, 1);
    uint64_t size = size_of(path);
    unsigned char *bytes = xmalloc(size);
    int fd = open(path, O_RDWR | O_CLOEXEC);

    get_bytes(path, 0, bytes, size);
    assert_true(fd >= 0);
    for (uint64_t at = 0; at < size; at++) {
        unsigned char turned = bytes[at] ^ (unsigned char)(1 << at % 8);
        assert_int_equal(pwrite(fd, &turned, 1, (off_t)at), 1);
        if (problem_of(path)[0] == '\0')
            fail_msg("a bit in byte %" PRIu64 " went unseen", at);
        if (at % 16 == 0)
            assert_no_wrong_data(path);
        assert_int_equal(pwrite(fd, &bytes[at], 1, (off_t)at), 1);
    }
    close(fd);
    free(bytes);
    assert_string_equal(problem_of(path), "");
}

/* A file cut anywhere, or grown, is none; the one before is taken. */
static void no_length_but_its_own_will_do(void **state)
{
    struct layout_record r;
    char note[512];

    make_step(state, 1);
    const char *path = make_step(state, 2);
    uint64_t size = size_of(path);
    get_bytes(path, 0, &r, sizeof(r));
    const uint64_t cuts[] = {
        size + 4096, size + 1, size - 1, size - 511, size / 2,
        r.blocks.offset + 1, r.names.offset + 1, r.index.offset + 97,
        r.index.offset, 8192, 4097, 4096, 4095, 2560, 2559, 2048, 512, 511,
        1, 0,
    };
    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        assert_int_equal(truncate(path, (off_t)cuts[i]), 0);
        if (problem_of(path)[0] == '\0')
            fail_msg("cut to %" PRIu64 " went unseen", cuts[i]);
        assert_int_equal(latest(state, note), 1);
        assert_has(note, "step-000000000002.h5");
    }
}

/* Cut and grown again: zeros in place of bytes, and the right length. */
static void lost_ends_are_found(void **state)
{
    const char *path = make_step(state, 1);
    uint64_t size = size_of(path);
    unsigned char *bytes = xmalloc(size);

    get_bytes(path, 0, bytes, size);
    for (uint64_t keep = size - 1; keep > 512; keep -= 512 < keep ? 512 : keep)
    {
        uint64_t lost = keep;
        while (lost < size && bytes[lost] == 0)
            lost++;
        assert_int_equal(truncate(path, (off_t)keep), 0);
        assert_int_equal(truncate(path, (off_t)size), 0);
        assert_int_equal(problem_of(path)[0] == '\0', lost == size);
        assert_no_wrong_data(path);
    }
    free(bytes);
}

/* A bit that turned in a file that is written over does not get into the
 * next one: neither where arrays lie, nor between, nor in what libhdf5
 * wrote. */
static void a_slot_does_not_pass_on_damage(void **state)
{
    static const struct shapes shapes = { { 9001, 24, 4097, 700 } };
    const char *slot = in(state, ".mlb-slot-0.h5");
    struct mlb_error err = { 0 };
    struct layout_record r;

    assert_ok(save_over(*state, NULL, 1, &shapes, &err), err);
    const char *path = in(state, "step-000000000001.h5");
    get_bytes(path, 0, &r, sizeof(r));
    struct container *c = container_open(path, 0, &err);
    assert_non_null(c);
    const uint64_t places[] = {
        30, 600, 4096, 4096 + 60, r.index.offset - 1,
        r.names.offset + r.names.bytes, container_get(c, 0)->offset - 1,
        container_get(c, 0)->offset + 9001, container_get(c, 0)->offset,
    };
    container_close(c);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        path = in(state, i % 2 ? "step-000000000002.h5"
                               : "step-000000000001.h5");
        flip_bit(path, places[i]);
        assert_int_equal(rename(path, slot), 0);
        assert_ok(save_over(*state, slot, 2 - i % 2, &shapes, &err), err);
        path = in(state, i % 2 ? "step-000000000001.h5"
                               : "step-000000000002.h5");
        if (problem_of(path)[0])
            fail_msg("from %" PRIu64 ": %s", places[i], problem_of(path));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(each_region_is_named),
        IN_DIRECTORY(no_byte_is_unwatched),
        IN_DIRECTORY(no_length_but_its_own_will_do),
        IN_DIRECTORY(lost_ends_are_found),
        IN_DIRECTORY(a_slot_does_not_pass_on_damage),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
