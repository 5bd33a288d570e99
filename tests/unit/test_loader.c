/* SPDX-License-Identifier: BSD-3-Clause */
/* The loader: every row once per epoch, the same batches for every number
 * of ranks, and going on where another run stopped. */
#include "config.h"

#include "store_fixture.h"

#define ROWS 101
#define MOST 8                    /* ranks */

/* All ranks of a run in one process. */
struct ranks {
    struct mlb_dataset *d;
    struct mlb_loader *l[MOST];
    int world;
};

/* Every other size of batch is read ahead. */
static struct mlb_loader_options options_of(uint64_t batch)
{
    return (struct mlb_loader_options){
        .global_batch = batch, .seed = 3, .shuffle = 1, .world_size = 1,
        .mode = batch % 2 ? MLB_LOADER_DIRECT : MLB_LOADER_AUTO,
    };
}

static void start(struct ranks *r, const char *path, int world,
                  struct mlb_loader_options o)
{
    struct mlb_error err = { 0 };

    r->world = o.world_size = world;
    r->d = mlb_dataset_open(path, &err);
    assert_non_null(r->d);
    for (int i = 0; i < world; i++) {
        o.rank = i;
        r->l[i] = mlb_loader_create(r->d, &o, &err);
        if (!r->l[i])
            fail_msg("%s", err.text);
    }
}

static void stop(struct ranks *r)
{
    for (int i = 0; i < r->world; i++)
        mlb_loader_destroy(r->l[i]);
    mlb_dataset_close(r->d);
}

/* The next batch put together from all ranks; checks that they agree and
 * that the values are those of the ids. Returns its rows. */
static int64_t next(struct ranks *r, uint64_t *ids)
{
    struct mlb_error err = { 0 };
    int64_t size = -1;
    uint64_t at = 0;

    for (int i = 0; i < r->world; i++) {
        int64_t n = mlb_loader_next(r->l[i], &err);
        if (n < 0)
            fail_msg("%s", err.text);
        assert_true(i == 0 || n == size);
        size = n;
        if (n == 0)
            continue;
        const int32_t *y = mlb_loader_field(r->l[i], "y");
        const float *x = mlb_loader_field(r->l[i], "x");
        assert_int_equal(mlb_loader_offset(r->l[i]), at);
        for (uint64_t k = 0; k < mlb_loader_rows(r->l[i]); k++) {
            ids[at] = mlb_loader_ids(r->l[i])[k];
            assert_int_equal(y[k], ids[at]);
            assert_true(x[2 * k + 1] == (float)ids[at] / 2);
            at++;
        }
    }
    assert_int_equal(at, size);
    return size;
}

static void every_row_comes_once_per_epoch(void **state)
{
    char *path = make_rows(state, ROWS, true);
    uint64_t orders[3][ROWS];

    for (uint64_t batch = 1; batch < 120; batch += 13) {
        struct ranks r;
        start(&r, path, 1, options_of(batch));
        for (int epoch = 0; epoch < 3; epoch++) {
            unsigned char seen[ROWS] = { 0 };
            uint64_t at = 0;
            int64_t n;
            while ((n = next(&r, orders[epoch] + at)) > 0) {
                at += (uint64_t)n;
                assert_true((uint64_t)n == batch || at == ROWS);
            }
            assert_int_equal(at, ROWS);
            for (int i = 0; i < ROWS; i++)
                assert_int_equal(seen[orders[epoch][i]]++, 0);
        }
        assert_memory_not_equal(orders[0], orders[1], sizeof(orders[0]));
        assert_memory_not_equal(orders[1], orders[2], sizeof(orders[0]));
        stop(&r);
    }
    free(path);
}

static void batches_do_not_depend_on_the_ranks(void **state)
{
    char *path = make_rows(state, ROWS, false);

    for (uint64_t batch = 1; batch < 40; batch += 6) {
        struct ranks one;
        start(&one, path, 1, options_of(batch));
        uint64_t wanted[200], got[200];
        for (int world = 1; world <= MOST; world++) {
            struct ranks r;
            struct mlb_sampler_state begin_state;
            mlb_loader_get_state(one.l[0], &begin_state);
            begin_state.epoch = begin_state.position = 0;
            mlb_loader_set_state(one.l[0], &begin_state, NULL);
            start(&r, path, world, options_of(batch));
            for (int i = 0; i < 150; i++) {
                int64_t n = next(&one, wanted);
                assert_int_equal(next(&r, got), n);
                assert_memory_equal(got, wanted, (size_t)n * 8);
            }
            stop(&r);
        }
        stop(&one);
    }
    free(path);
}

/* 4 ranks, then 3, 1, 2, each for a few batches: the order of one run. */
static void a_run_goes_on_with_other_ranks(void **state)
{
    static const int worlds[] = { 4, 3, 1, 2, 8, 5 };
    char *path = make_rows(state, ROWS, false);
    struct mlb_sampler_state saved = { 0 };
    struct ranks one, r;
    uint64_t wanted[200], got[200];
    struct mlb_error err = { 0 };

    start(&one, path, 1, options_of(7));
    for (size_t w = 0; w < 6; w++) {
        start(&r, path, worlds[w], options_of(7));
        for (int i = 0; w > 0 && i < r.world; i++)
            assert_ok(mlb_loader_set_state(r.l[i], &saved, &err), err);
        for (int i = 0; i < 5 + (int)w; i++) {
            int64_t n = next(&one, wanted);
            assert_int_equal(next(&r, got), n);
            assert_memory_equal(got, wanted, (size_t)n * 8);
        }
        mlb_loader_get_state(r.l[r.world - 1], &saved);
        stop(&r);
    }
    /* It went through more than one epoch, or this shows little. */
    assert_true(saved.epoch >= 1);
    stop(&one);
    free(path);
}

static void splits_and_order(void **state)
{
    char *path = make_rows(state, ROWS, true);
    struct mlb_loader_options o = options_of(10);
    unsigned char seen[ROWS] = { 0 };
    uint64_t ids[ROWS], total = 0;
    struct ranks r;
    int64_t n;

    o.split = "train";
    start(&r, path, 3, o);
    while ((n = next(&r, ids)) > 0)
        for (int64_t i = 0; i < n; i++, total++)
            assert_int_equal(seen[ids[i]]++, 0);
    assert_int_equal(total, 76);
    stop(&r);
    o.split = "test";
    o.shuffle = 0;
    start(&r, path, 2, o);
    for (int epoch = 0; epoch < 2; epoch++) {
        uint64_t last = 0;
        while ((n = next(&r, ids)) > 0)
            for (int64_t i = 0; i < n; i++, total++) {
                assert_int_equal(seen[ids[i]], epoch);
                seen[ids[i]]++;
                assert_true(ids[i] >= last);
                last = ids[i];
            }
    }
    assert_int_equal(total, 76 + 2 * 25);
    stop(&r);
    free(path);
}

static void incomplete_batches_can_be_left_out(void **state)
{
    char *path = make_rows(state, ROWS, false);
    struct mlb_loader_options o = options_of(25);
    struct mlb_error err = { 0 };
    uint64_t ids[ROWS];
    struct ranks r;

    o.drop_last = 1;
    start(&r, path, 2, o);
    for (int epoch = 0; epoch < 2; epoch++) {
        for (int i = 0; i < 4; i++)
            assert_int_equal(next(&r, ids), 25);
        assert_int_equal(next(&r, ids), 0);
    }
    stop(&r);
    struct mlb_dataset *d = mlb_dataset_open(path, &err);
    o.global_batch = 102;
    assert_null(mlb_loader_create(d, &o, &err));
    assert_int_equal(err.code, MLB_ERR_USAGE);
    o = options_of(0);
    assert_null(mlb_loader_create(d, &o, &err));
    o = options_of(1);
    o.rank = 1;
    assert_null(mlb_loader_create(d, &o, &err));
    o.rank = -1;
    assert_null(mlb_loader_create(d, &o, &err));
    o = options_of(1);
    o.split = "none";
    assert_null(mlb_loader_create(d, &o, &err));
    assert_int_equal(err.code, MLB_ERR_NOT_FOUND);
    mlb_loader_destroy(NULL);
    mlb_dataset_close(d);
    free(path);
}

static void states_of_others_are_refused(void **state)
{
    char *path = make_rows(state, ROWS, false);
    struct mlb_error err = { 0 };
    struct mlb_sampler_state good, s;
    uint64_t ids[ROWS];
    struct ranks r;

    start(&r, path, 1, options_of(10));
    next(&r, ids);
    mlb_loader_get_state(r.l[0], &good);
    assert_int_equal(good.algorithm, 1);
    assert_int_equal(good.position, 10);
    assert_int_equal(good.rows, ROWS);
    s = good;
    s.algorithm = 2;
    assert_int_equal(mlb_loader_set_state(r.l[0], &s, &err), -1);
    assert_has(err.text, "algorithm");
    s = good;
    s.rows = 100;
    assert_int_equal(mlb_loader_set_state(r.l[0], &s, &err), -1);
    assert_has(err.text, "number of rows");
    s = good;
    s.global_batch = 5;
    assert_int_equal(mlb_loader_set_state(r.l[0], &s, &err), -1);
    assert_has(err.text, "global batch");
    const uint64_t wrong[] = { 3, 102, 110, UINT64_MAX };
    for (int i = 0; i < 4; i++) {
        s = good;
        s.position = wrong[i];
        assert_int_equal(mlb_loader_set_state(r.l[0], &s, &err), -1);
        assert_int_equal(err.code, MLB_ERR_BAD_INPUT);
    }
    /* The end of an epoch is a place to go on from. */
    s = good;
    s.position = ROWS;
    assert_ok(mlb_loader_set_state(r.l[0], &s, &err), err);
    assert_int_equal(next(&r, ids), 0);
    assert_int_equal(next(&r, ids), 10);
    stop(&r);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(every_row_comes_once_per_epoch),
        IN_DIRECTORY(batches_do_not_depend_on_the_ranks),
        IN_DIRECTORY(a_run_goes_on_with_other_ranks),
        IN_DIRECTORY(splits_and_order),
        IN_DIRECTORY(incomplete_batches_can_be_left_out),
        IN_DIRECTORY(states_of_others_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
