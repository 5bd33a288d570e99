/* SPDX-License-Identifier: BSD-3-Clause */
/* The order without a loader is the loader's. */
#include "config.h"

#include "store_fixture.h"

#define ROWS 101
#define BATCH 16

/* A data set of ROWS rows, three quarters of them in split "train". */
static struct mlb_dataset *open_rows(void **state)
{
    struct mlb_error err = { 0 };
    char *path = make_rows(state, ROWS, true);
    struct mlb_dataset *d = mlb_dataset_open(path, &err);

    if (!d)
        fail_msg("%s", err.text);
    free(path);
    return d;
}

static void ids_of_a_split_are_those_read_in_order(void **state)
{
    struct mlb_error err = { 0 };
    struct mlb_dataset *d = open_rows(state);
    uint64_t ids[ROWS];
    int64_t rows = mlb_dataset_split_rows(d, "train", &err);

    assert_true(rows > 0 && rows < ROWS);
    struct mlb_loader_options options = {
        .split = "train", .global_batch = (uint64_t)rows, .world_size = 1,
    };
    struct mlb_loader *l = mlb_loader_create(d, &options, &err);
    assert_non_null(l);
    assert_int_equal(mlb_loader_next(l, &err), rows);
    assert_ok(mlb_dataset_split_ids(d, "train", ids, &err), err);
    assert_memory_equal(ids, mlb_loader_ids(l), (size_t)rows * sizeof(*ids));
    mlb_loader_destroy(l);

    assert_ok(mlb_dataset_split_ids(d, NULL, ids, &err), err);
    for (uint64_t i = 0; i < ROWS; i++)
        assert_int_equal(ids[i], i);
    assert_int_equal(mlb_dataset_split_ids(d, "none", ids, &err), -1);
    assert_int_equal(err.code, MLB_ERR_NOT_FOUND);
    mlb_dataset_close(d);
}

/* Two epochs of a loader, batch by batch. */
static void compare_orders(struct mlb_dataset *d, uint32_t block)
{
    struct mlb_error err = { 0 };
    struct mlb_loader_options options = {
        .split = "train", .global_batch = BATCH, .seed = 7, .shuffle = 1,
        .world_size = 1, .block = block,
    };
    struct mlb_loader *l = mlb_loader_create(d, &options, &err);
    uint64_t ids[ROWS], rows[BATCH];
    int64_t n;

    assert_non_null(l);
    assert_ok(mlb_dataset_split_ids(d, "train", ids, &err), err);
    for (int epoch = 0; epoch < 2; epoch++) {
        struct mlb_sampler_state at;
        for (mlb_loader_get_state(l, &at);
             (n = mlb_loader_next(l, &err)) > 0;
             mlb_loader_get_state(l, &at)) {
            assert_ok(mlb_sampler_order(&at, at.position, (uint64_t)n, rows,
                                        &err), err);
            for (int64_t i = 0; i < n; i++)
                assert_int_equal(mlb_loader_ids(l)[i], ids[rows[i]]);
        }
        assert_int_equal(n, 0);
    }
    mlb_loader_destroy(l);
}

static void the_order_is_the_loaders(void **state)
{
    struct mlb_dataset *d = open_rows(state);

    compare_orders(d, 0);
    compare_orders(d, 10);
    mlb_dataset_close(d);
}

static void what_cannot_be_is_refused(void **state)
{
    struct mlb_error err = { 0 };
    struct mlb_sampler_state at = { .algorithm = 1, .rows = 10 };
    uint64_t rows[10];

    (void)state;
    assert_ok(mlb_sampler_order(&at, 10, 0, rows, &err), err);
    assert_int_equal(mlb_sampler_order(&at, 5, 6, rows, &err), -1);
    assert_int_equal(err.code, MLB_ERR_USAGE);
    assert_int_equal(mlb_sampler_order(&at, 11, UINT64_MAX, rows, &err), -1);
    at.rows = UINT64_MAX;
    assert_int_equal(mlb_sampler_order(&at, 0, 1, rows, &err), -1);
    at = (struct mlb_sampler_state){ .algorithm = 2, .rows = 10 };
    assert_int_equal(mlb_sampler_order(&at, 0, 1, rows, &err), -1);
    at = (struct mlb_sampler_state){ .algorithm = 99, .rows = 10 };
    assert_int_equal(mlb_sampler_order(&at, 0, 1, rows, &err), -1);
    assert_int_equal(err.code, MLB_ERR_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(ids_of_a_split_are_those_read_in_order),
        IN_DIRECTORY(the_order_is_the_loaders),
        cmocka_unit_test(what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests_name("order", tests, NULL, NULL);
}
