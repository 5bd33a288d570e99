/* SPDX-License-Identifier: BSD-3-Clause */
/* Do boxes fill a tensor: the sum over corners, and forged /meta/shards. */
#include "config.h"

#include "store_fixture.h"

#include "mlbatch/checkpoint.h"
#include "store/checkpoint.h"
#include "store/shards.h"

static uint64_t seed = 88172645463325252u;

static uint64_t below(uint64_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % n;
}

/* Cut a box in two again and again. */
static size_t cut(struct mlb_box *boxes, size_t count, int rank, int cuts)
{
    while (cuts-- > 0) {
        size_t i = below(count);
        int d = (int)below((uint64_t)rank);
        if (boxes[i].extent[d] < 2)
            continue;
        uint64_t at = 1 + below(boxes[i].extent[d] - 1);
        boxes[count] = boxes[i];
        boxes[count].origin[d] += at;
        boxes[count].extent[d] -= at;
        boxes[i].extent[d] = at;
        count++;
    }
    return count;
}

static bool covers(int rank, const uint64_t *shape,
                   const struct mlb_box *boxes, size_t count)
{
    struct shards_cover cover = { .rank = rank, .shape = shape };

    for (size_t i = 0; i < count; i++)
        shards_cover_add(&cover, &boxes[i]);
    return shards_cover_done(&cover);
}

static void tilings_cover_and_others_do_not(void **state)
{
    (void)state;
    for (int trial = 0; trial < 2000; trial++) {
        int rank = 1 + trial % MLB_MAX_RANK;
        uint64_t shape[MLB_MAX_RANK];
        struct mlb_box boxes[40] = { { { 0 }, { 0 } } };
        for (int d = 0; d < rank; d++)
            boxes[0].extent[d] = shape[d] = 1 + below(9);
        size_t count = cut(boxes, 1, rank, 20);
        assert_true(covers(rank, shape, boxes, count));
        /* One missing, one twice, one moved or grown. */
        assert_false(covers(rank, shape, boxes + 1, count - 1));
        boxes[count] = boxes[below(count)];
        assert_false(covers(rank, shape, boxes, count + 1));
        size_t i = below(count);
        int d = (int)below((uint64_t)rank);
        boxes[i].extent[d]++;
        assert_false(covers(rank, shape, boxes, count));
        boxes[i].extent[d]--;
        boxes[i].origin[d]++;
        assert_false(covers(rank, shape, boxes, count));
    }
}

static void numbers_near_the_end_do_not_wrap(void **state)
{
    const uint64_t shape[] = { UINT64_MAX, 5 };
    struct mlb_box box = { { UINT64_MAX, 0 }, { 1, 5 } };

    (void)state;
    assert_false(shards_box_fits(2, shape, &box));
    box.origin[0] = 1;
    box.extent[0] = UINT64_MAX;
    assert_false(shards_box_fits(2, shape, &box));
    box.extent[0] = UINT64_MAX - 1;
    assert_true(shards_box_fits(2, shape, &box));
}

/* A checkpoint with two boxes of x [4, 4], as its maker says. */
static const char *forge(void **state, const char *shards)
{
    static uint64_t step = 1;
    struct mlb_error err = { 0 };
    const char *path = in(state, "step-000000000001.h5");
    struct container_writer *w = container_create(path, CONTAINER_CHECKPOINT,
                                                  &err);
    const struct container_array arrays[] = {
        { "/tensors/y", MLB_F32, 0, { 0 }, "abcd", NULL, NULL },
        { "/shards/x/0", MLB_U8, 2, { 4, 3 }, "abcdefghijkl", NULL, NULL },
        { "/shards/x/1", MLB_U8, 2, { 4, 1 }, "0123", NULL, NULL },
        { CHECKPOINT_STEP, MLB_U64, 0, { 0 }, &step, NULL, NULL },
        { CHECKPOINT_SHARD_TABLE, MLB_U8, 1, { strlen(shards) }, shards,
          NULL, NULL },
    };

    for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++)
        assert_ok(container_add(w, &arrays[i], &err), err);
    assert_ok(container_publish(w, true, &err), err);
    return path;
}

#define X "{\"x\":{\"dtype\":\"u8\",\"shape\":[4,4],\"origins\":"

static void what_is_right_is_read(void **state)
{
    struct mlb_error err = { 0 };
    struct mlb_tensor x = { "x", MLB_U8, 2, { 4, 4 }, NULL };
    struct mlb_box middle = { { 1, 1 }, { 2, 3 } };
    char out[17] = "";
    struct mlb_checkpoint_reader *r = mlb_checkpoint_open(
        forge(state, X "[[0,0],[0,3]]}}"), &err);

    if (!r)
        fail_msg("%s", err.text);
    assert_ok(mlb_checkpoint_load(r, &x, NULL, out, &err), err);
    assert_string_equal(out, "abc0def1ghi2jkl3");
    memset(out, 0, sizeof(out));
    assert_ok(mlb_checkpoint_load(r, &x, &middle, out, &err), err);
    assert_string_equal(out, "ef1hi2");
    middle.origin[1] = 2;
    assert_int_equal(mlb_checkpoint_load(r, &x, &middle, out, &err), -1);
    assert_int_equal(err.code, MLB_ERR_USAGE);
    mlb_checkpoint_close(r);
}

static void what_is_forged_is_refused(void **state)
{
    static const char *const wrong[] = {
        "", "[]", "{", "{\"x\":1}", "{\"x\":{}}",
        X "[]}}", X "[[0,0]]}}", X "[[0,0],[0,2]]}}", X "[[0,0],[0,4]]}}",
        X "[[0,0],[0,0]]}}", X "[[0,1],[0,0],[0,3]]}}", X "[[1,0],[0,3]]}}",
        X "[[0,0],[0]]}}", X "[[0,0],[0,\"3\"]]}}", X "[[0,0],[0,-3]]}}",
        X "[[0,0],[0,9223372036854775807]]}}", X "[[0,0],[0,3,0]]}}",
        X "[[0,0],[0,3]]},\"x\":{}}", X "[[0,0],[0,3]]},\"..\":{}}",
        "{\"x\":{\"dtype\":\"f32\",\"shape\":[4,4],"
        "\"origins\":[[0,0],[0,3]]}}",
        "{\"x\":{\"dtype\":\"u8\",\"shape\":[4,9223372036854775807],"
        "\"origins\":[[0,0],[0,3]]}}",
        "{\"x\":{\"dtype\":\"u8\",\"shape\":[1,1,1,1,1,1,1,4,4],"
        "\"origins\":[[0,0],[0,3]]}}",
        "{\"y\":{\"dtype\":\"u8\",\"shape\":[4,4],"
        "\"origins\":[[0,0],[0,3]]}}",
        "{\"x/0\":{\"dtype\":\"u8\",\"shape\":[4,4],"
        "\"origins\":[[0,0],[0,3]]}}",
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct mlb_error err = { 0 };
        if (mlb_checkpoint_open(forge(state, wrong[i]), &err))
            fail_msg("took %s", wrong[i]);
        assert_int_equal(err.code, MLB_ERR_BAD_INPUT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tilings_cover_and_others_do_not),
        cmocka_unit_test(numbers_near_the_end_do_not_wrap),
        IN_DIRECTORY(what_is_right_is_read),
        IN_DIRECTORY(what_is_forged_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
