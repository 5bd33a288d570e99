/* SPDX-License-Identifier: BSD-3-Clause */
/* The loader gives the same batches whichever way it reads: mapped, ahead
 * past the page cache, by each engine; and what goes wrong is told when its
 * turn comes. */
#include "config.h"

#include <errno.h>
#include <sys/wait.h>

#include "dataset_fixture.h"

#include "store/fault.h"
#include "store/loader.h"

#define ROWS 211
#define BATCH 10

static const struct way {
    const char *name;                 /* that the mode's begins with */
    enum mlb_loader_mode mode;
    struct rows_options rows;
} ways[] = {
    { "mapped", MLB_LOADER_AUTO, { ROWS_BEST, false } },
    { "mapped", MLB_LOADER_MAPPED, { ROWS_BEST, false } },
    { "direct, ", MLB_LOADER_DIRECT, { ROWS_BEST, false } },
    { "direct, io_uring", MLB_LOADER_DIRECT, { ROWS_URING, false } },
    { "direct, io_uring, page cache", MLB_LOADER_DIRECT,
      { ROWS_URING, true } },
    { "direct, threads", MLB_LOADER_DIRECT, { ROWS_THREADS, false } },
    { "direct, threads, page cache", MLB_LOADER_DIRECT,
      { ROWS_THREADS, true } },
    { "direct, pread", MLB_LOADER_DIRECT, { ROWS_PLAIN, false } },
    { "direct, pread, page cache", MLB_LOADER_DIRECT, { ROWS_PLAIN, true } },
};
#define WAYS (sizeof(ways) / sizeof(ways[0]))

static struct mlb_loader_options options_of(const struct way *way)
{
    return (struct mlb_loader_options){ .global_batch = BATCH, .seed = 5,
                                        .shuffle = 1, .world_size = 1,
                                        .mode = way->mode };
}

/* NULL: that engine is not here. */
static struct mlb_loader *create(struct mlb_dataset *d, const struct way *way,
                                 const struct mlb_loader_options *o)
{
    struct mlb_error err = { 0 };
    struct mlb_loader *l = loader_create(d, o, &way->rows, &err);

    if (!l && way->rows.engine == ROWS_URING && errno == ENOTSUP)
        return NULL;
    if (!l)
        fail_msg("%s: %s", way->name, err.text);
    assert_int_equal(strncmp(mlb_loader_mode_name(l), way->name,
                             strlen(way->name)), 0);
    return l;
}

/* Are all fields of the batch those of its rows? */
static void assert_values(const struct mlb_loader *l)
{
    uint64_t n = mlb_loader_rows(l);
    const uint64_t *ids = mlb_loader_ids(l);
    const float *x = mlb_loader_field(l, "x");
    const int32_t *y = mlb_loader_field(l, "y");

    for (uint64_t i = 0; i < n; i++) {
        assert_true(x[2 * i] == (float)ids[i]);
        assert_true(x[2 * i + 1] == (float)ids[i] / 2);
        assert_int_equal(y[i], ids[i] % 3);
    }
    assert_ragged(ids, n, mlb_loader_offsets(l, "t"),
                  mlb_loader_field(l, "t"));
    assert_blobs(ids, n, mlb_loader_offsets(l, "b"),
                 mlb_loader_field(l, "b"));
    assert_null(mlb_loader_offsets(l, "x"));
    assert_null(mlb_loader_offsets(l, "none"));
    assert_null(mlb_loader_field(l, "none"));
}

/* Next batch; its rows, which are compared with wanted if that is set. */
static int64_t next(struct mlb_loader *l, const uint64_t *wanted)
{
    struct mlb_error err = { 0 };
    int64_t n = mlb_loader_next(l, &err);

    if (n < 0)
        fail_msg("%s", err.text);
    if (wanted)
        assert_memory_equal(mlb_loader_ids(l), wanted, (size_t)n * 8);
    assert_values(l);
    return n;
}

static void all_ways_give_the_same(void **state)
{
    char *path = make_mixed(state, "mixed", ROWS, 50);
    static const uint32_t blocks[] = { 0, 16, 1, 300 };
    uint64_t wanted[3 * ROWS];

    for (size_t k = 0; k < 4 * WAYS; k++) {
        const struct way *way = &ways[k % WAYS];
        struct mlb_loader_options o = options_of(way);
        struct mlb_dataset *d = open_dataset(path);
        o.block = blocks[k / WAYS];
        o.prefetch = (int)k % 5;
        struct mlb_loader *l = create(d, way, &o);
        for (uint64_t at = 0, epoch = 0; l && epoch < 3;) {
            int64_t n = next(l, k % WAYS == 0 ? NULL : wanted + at);
            memcpy(wanted + at, mlb_loader_ids(l), (size_t)n * 8);
            at += (uint64_t)n;
            epoch += n == 0;
        }
        mlb_loader_destroy(l);
        mlb_dataset_close(d);
    }
    free(path);
}

static void in_order_and_by_rank_too(void **state)
{
    char *path = make_mixed(state, "mixed", ROWS, 50);

    for (size_t k = 0; k < WAYS; k++) {
        struct mlb_loader_options o = options_of(&ways[k]);
        struct mlb_dataset *d = open_dataset(path);
        uint64_t ids[ROWS];
        o.shuffle = 0;
        o.split = "even";
        o.world_size = 3;
        o.rank = 1;
        /* 106 rows: 10 batches of 10, of which rank 1 gets 3, then 6. */
        struct mlb_loader *l = create(d, &ways[k], &o);
        for (uint64_t b = 0; l && b < 11; b++) {
            uint64_t n = b < 10 ? 3 : 2, first = b < 10 ? 4 : 2;
            for (uint64_t i = 0; i < n; i++)
                ids[i] = 2 * (b * BATCH + first + i);
            assert_int_equal(next(l, NULL), b < 10 ? BATCH : 6);
            assert_int_equal(mlb_loader_rows(l), n);
            assert_memory_equal(mlb_loader_ids(l), ids, n * 8);
        }
        mlb_loader_destroy(l);
        mlb_dataset_close(d);
    }
    free(path);
}

/* What is read ahead is not part of the state. */
static void states_are_of_what_was_given(void **state)
{
    char *path = make_mixed(state, "mixed", ROWS, 50);

    for (size_t k = 0; k < WAYS; k++) {
        struct mlb_loader_options o = options_of(&ways[k]);
        struct mlb_dataset *d = open_dataset(path);
        struct mlb_sampler_state s, again;
        struct mlb_error err = { 0 };
        uint64_t wanted[3][BATCH];
        o.prefetch = 4;
        struct mlb_loader *l = create(d, &ways[k], &o);
        for (int i = 0; l && i < 20; i++)      /* one before the last */
            next(l, NULL);
        if (l) {
            mlb_loader_get_state(l, &s);
            assert_int_equal(s.position, 200);
            assert_int_equal(s.epoch, 0);
            const int64_t sizes[] = { 10, 1, 0 };
            for (int i = 0; i < 3; i++) {
                assert_int_equal(next(l, NULL), sizes[i]);
                memcpy(wanted[i], mlb_loader_ids(l), 8 * (size_t)sizes[i]);
            }
            assert_ok(mlb_loader_set_state(l, &s, &err), err);
            assert_int_equal(mlb_loader_rows(l), 0);
            mlb_loader_get_state(l, &again);
            assert_memory_equal(&s, &again, sizeof(s));
            for (int i = 0; i < 3; i++)
                assert_int_equal(next(l, wanted[i]), sizes[i]);
            mlb_loader_get_state(l, &s);
            assert_int_equal(s.epoch, 1);
            assert_int_equal(s.position, 0);
            assert_int_equal(next(l, NULL), BATCH);
        }
        mlb_loader_destroy(l);
        mlb_dataset_close(d);
    }
    free(path);
}

static uint64_t place_of(const char *path, uint64_t row)
{
    struct mlb_dataset *d = open_dataset(path);
    struct dataset_place place;
    struct mlb_error err = { 0 };

    assert_ok(dataset_locate(d, 3, row, &place, &err), err);
    mlb_dataset_close(d);
    return place.offset;
}

/* In order, row 57 damaged: five batches are good, the sixth says it. */
static void damage_is_told_when_its_turn_comes(void **state)
{
    char *path = make_mixed(state, "mixed", ROWS, ROWS);
    char *shard = xasprintf("%s/shard-00000.h5", path);
    uint64_t at = place_of(path, 57) + 20;

    for (size_t k = 0; k < WAYS; k++) {
        struct mlb_loader_options o = options_of(&ways[k]);
        struct mlb_dataset *d = open_dataset(path);
        struct mlb_error err = { 0 };
        struct mlb_sampler_state s;
        flip_bit(shard, at);
        o.shuffle = 0;
        struct mlb_loader *l = create(d, &ways[k], &o);
        for (int i = 0; l && i < 5; i++)
            next(l, NULL);
        for (int i = 0; l && i < 2; i++) {
            assert_int_equal(mlb_loader_next(l, &err), -1);
            assert_int_equal(err.code, MLB_ERR_BAD_INPUT);
            assert_has(err.text, "row 57 of field b is damaged");
            assert_int_equal(mlb_loader_rows(l), 0);
            mlb_loader_get_state(l, &s);
            assert_int_equal(s.position, 50);
        }
        flip_bit(shard, at);
        if (l)
            assert_int_equal(next(l, NULL), BATCH);
        mlb_loader_destroy(l);
        flip_bit(shard, at);
        o.no_verify = 1;
        l = create(d, &ways[k], &o);
        for (int i = 0; l && i < 6; i++)
            assert_int_equal(mlb_loader_next(l, &err), BATCH);
        flip_bit(shard, at);
        mlb_loader_destroy(l);
        mlb_dataset_close(d);
    }
    free(shard);
    free(path);
}

/* What a child sees: 0 if all is as it should be. */
static int be_child(struct mlb_dataset *d, struct mlb_loader *l,
                    const struct way *way)
{
    struct mlb_loader_options o = options_of(way);
    struct mlb_error err = { 0 };
    int64_t n = mlb_loader_next(l, &err);

    if (way->name[0] == 'm' ? n != BATCH
                            : n != -1 || err.code != MLB_ERR_USAGE ||
                                  !strstr(err.text, "fork"))
        return 1;
    mlb_loader_destroy(l);
    l = loader_create(d, &o, &way->rows, &err);
    if (!l || mlb_loader_next(l, &err) != BATCH)
        return 2;
    assert_values(l);
    mlb_loader_destroy(l);
    return 0;
}

static void a_child_makes_its_own(void **state)
{
    char *path = make_mixed(state, "mixed", ROWS, 50);

    for (size_t k = 0; k < WAYS; k++) {
        struct mlb_loader_options o = options_of(&ways[k]);
        struct mlb_dataset *d = open_dataset(path);
        struct mlb_loader *l = create(d, &ways[k], &o);
        int status = 0;
        if (l) {
            next(l, NULL);
            pid_t child = fork();
            if (child == 0)
                _exit(be_child(d, l, &ways[k]));
            assert_int_equal(waitpid(child, &status, 0), child);
            assert_int_equal(status, 0);
            /* Nothing of it is gone for the parent. */
            for (int i = 0; i < 30; i++)
                next(l, NULL);
        }
        mlb_loader_destroy(l);
        mlb_dataset_close(d);
    }
    free(path);
}

static void small_fields_are_mapped_beside_large_ones(void **state)
{
    char *path = make_mixed(state, "mixed", ROWS, 50);
    struct mlb_dataset *d = open_dataset(path);
    struct mlb_loader_options o = options_of(&ways[2]);
    struct mlb_loader *l = create(d, &ways[2], &o);

    /* x, y and t are 8, 4 and 12 bytes a row; b is about 500. */
    for (size_t f = 0; f < 4; f++)
        assert_int_equal(l->fields[f].mapped, f < 3);
    mlb_loader_destroy(l);
    mlb_dataset_close(d);
    free(path);
}

/* The first read of the mapping fails. */
static void what_cannot_be_mapped_is_read_directly(void **state)
{
    char *path = make_mixed(state, "mixed", ROWS, 50);
    struct mlb_dataset *d = open_dataset(path);
    struct mlb_loader_options o = options_of(&ways[1]);
    struct mlb_error err = { 0 };

    setenv("MLB_FAULTS", "read:1:EIO", 1);
    fault_reset();
    assert_null(mlb_loader_create(d, &o, &err));
    assert_int_equal(err.code, MLB_ERR_IO);
    assert_has(err.text, "shard-00000.h5");
    fault_reset();
    o.mode = MLB_LOADER_AUTO;
    struct mlb_loader *l = mlb_loader_create(d, &o, &err);
    assert_non_null(l);
    assert_int_equal(strncmp(mlb_loader_mode_name(l), "direct", 6), 0);
    setenv("MLB_FAULTS", "", 1);
    fault_reset();
    for (int i = 0; i < 25; i++)
        next(l, NULL);
    mlb_loader_destroy(l);
    mlb_dataset_close(d);
    free(path);
}

/* A batch that cannot be read is asked for again, and comes. */
static void a_failure_of_the_disk_is_told_once(void **state)
{
    char *path = make_mixed(state, "mixed", ROWS, 50);

    for (size_t k = 2; k < WAYS; k++) {
        struct mlb_loader_options o = options_of(&ways[k]);
        struct mlb_dataset *d = open_dataset(path);
        struct mlb_error err = { 0 };
        uint64_t wanted[BATCH];
        struct mlb_loader *l = create(d, &ways[k], &o);
        if (l) {
            next(l, NULL);
            memcpy(wanted, mlb_loader_ids(l), sizeof(wanted));
            mlb_loader_destroy(l);
            l = create(d, &ways[k], &o);
            setenv("MLB_FAULTS", "read:1:EIO", 1);
            fault_reset();
            assert_int_equal(mlb_loader_next(l, &err), -1);
            assert_int_equal(err.code, MLB_ERR_IO);
            setenv("MLB_FAULTS", "", 1);
            fault_reset();
            assert_int_equal(next(l, wanted), BATCH);
        }
        mlb_loader_destroy(l);
        mlb_dataset_close(d);
    }
    free(path);
}

static void bad_options_are_refused(void **state)
{
    char *path = make_mixed(state, "mixed", ROWS, 50);
    struct mlb_dataset *d = open_dataset(path);
    struct mlb_error err = { 0 };
    struct mlb_loader_options o = options_of(&ways[0]);
    struct mlb_sampler_state s;

    o.mode = (enum mlb_loader_mode)3;
    assert_null(mlb_loader_create(d, &o, &err));
    assert_int_equal(err.code, MLB_ERR_USAGE);
    o = options_of(&ways[0]);
    o.prefetch = -1;
    assert_null(mlb_loader_create(d, &o, &err));
    assert_int_equal(err.code, MLB_ERR_USAGE);
    o = options_of(&ways[0]);
    o.block = 16;
    struct mlb_loader *l = mlb_loader_create(d, &o, &err);
    mlb_loader_get_state(l, &s);
    assert_int_equal(s.algorithm, 2);
    assert_int_equal(s.block, 16);
    s.block = 17;
    assert_int_equal(mlb_loader_set_state(l, &s, &err), -1);
    assert_has(err.text, "blocks");
    mlb_loader_destroy(l);
    mlb_dataset_close(d);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(all_ways_give_the_same),
        IN_DIRECTORY(in_order_and_by_rank_too),
        IN_DIRECTORY(states_are_of_what_was_given),
        IN_DIRECTORY(damage_is_told_when_its_turn_comes),
        IN_DIRECTORY(a_child_makes_its_own),
        IN_DIRECTORY(small_fields_are_mapped_beside_large_ones),
        IN_DIRECTORY(what_cannot_be_mapped_is_read_directly),
        IN_DIRECTORY(a_failure_of_the_disk_is_told_once),
        IN_DIRECTORY(bad_options_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
