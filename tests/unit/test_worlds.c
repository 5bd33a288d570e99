/* SPDX-License-Identifier: BSD-3-Clause */
/* A run that goes on over other numbers of ranks sees what one that was
 * never disturbed sees, whatever these numbers are. */
#include "config.h"

#include "dataset_fixture.h"

#define MOST_WORLD 16
#define DATASETS 8
#define RUNS 12                    /* of each */
#define EPOCHS 2

static uint64_t seed = 20240601;

/* A number from low to high. */
static uint64_t draw(uint64_t low, uint64_t high)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return low + (seed >> 33) % (high - low + 1);
}

/* One batch over all ranks from a state on, which is moved on by a rank that
 * is drawn, as any of them may be the one that saves. Its rows, 0 at the end
 * of the epoch. */
static int64_t step(struct mlb_loader **l, int world, uint64_t *ids,
                    struct mlb_sampler_state *state)
{
    int64_t size = -1;
    uint64_t at = 0;

    for (int r = 0; r < world; r++) {
        struct mlb_error err = { 0 };
        int64_t n = mlb_loader_next(l[r], &err);
        if (n < 0)
            fail_msg("%s", err.text);
        assert_true(r == 0 || n == size);
        assert_int_equal(mlb_loader_offset(l[r]), n > 0 ? at : 0);
        memcpy(ids + at, mlb_loader_ids(l[r]), mlb_loader_rows(l[r]) * 8);
        at += mlb_loader_rows(l[r]);
        size = n;
    }
    assert_int_equal(at, size);
    mlb_loader_get_state(l[draw(0, (uint64_t)world - 1)], state);
    return size;
}

/* EPOCHS epochs; the number of ranks changes after some batches, never if
 * they is false. */
static uint64_t run(struct mlb_dataset *d, struct mlb_loader_options o,
                    bool changes, uint64_t *ids)
{
    struct mlb_sampler_state state = { 0 };
    struct mlb_loader *l[MOST_WORLD];
    uint64_t at = 0;

    while (state.epoch < EPOCHS) {
        int world = changes ? (int)draw(1, MOST_WORLD) : 1;
        struct mlb_error err = { 0 };
        for (int r = 0; r < world; r++) {
            o.world_size = world;
            o.rank = r;
            l[r] = mlb_loader_create(d, &o, &err);
            if (!l[r])
                fail_msg("%s", err.text);
            if (state.rows > 0)
                assert_ok(mlb_loader_set_state(l[r], &state, &err), err);
        }
        uint64_t batches = changes ? draw(0, 6) : UINT64_MAX;
        for (uint64_t b = 0; b < batches && state.epoch < EPOCHS; b++)
            at += (uint64_t)step(l, world, ids + at, &state);
        for (int r = 0; r < world; r++)
            mlb_loader_destroy(l[r]);
    }
    return at;
}

static void try_one(struct mlb_dataset *d, uint64_t rows)
{
    struct mlb_loader_options o = {
        .global_batch = draw(1, 40), .seed = draw(0, 1u << 30), .shuffle = 1,
        .block = draw(0, 1) ? (uint32_t)draw(1, 50) : 0,
        .mode = draw(0, 3) ? MLB_LOADER_MAPPED : MLB_LOADER_DIRECT,
    };
    uint64_t *wanted = room(EPOCHS * rows, 8), *got = room(EPOCHS * rows, 8);
    uint64_t each = rows;

    o.drop_last = o.global_batch <= rows && draw(0, 1);
    if (o.drop_last)
        each -= rows % o.global_batch;
    assert_int_equal(run(d, o, false, wanted), EPOCHS * each);
    assert_int_equal(run(d, o, true, got), EPOCHS * each);
    assert_memory_equal(wanted, got, EPOCHS * each * 8);
    for (uint64_t e = 0; e < EPOCHS; e++) {
        unsigned char *seen = room(rows, 1);
        for (uint64_t i = 0; i < each; i++)
            assert_int_equal(seen[got[e * each + i]]++, 0);
        free(seen);
    }
    free(wanted);
    free(got);
}

static void the_order_is_the_same_for_all_worlds(void **state)
{
    for (int k = 0; k < DATASETS; k++) {
        char name[] = { (char)('a' + k), '\0' };
        uint64_t rows = draw(1, k % 2 ? 20 : 160);
        char *path = make_mixed(state, name, rows, draw(1, rows));
        struct mlb_dataset *d = open_dataset(path);
        for (int i = 0; i < RUNS; i++)
            try_one(d, rows);
        mlb_dataset_close(d);
        free(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(the_order_is_the_same_for_all_worlds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
