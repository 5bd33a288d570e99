/* SPDX-License-Identifier: BSD-3-Clause */
/* The sampler: a permutation for every N, the one that is documented, and
 * no better or worse for some rows than for others; slices and splits. */
#include "config.h"

#include "store_fixture.h"

#include "store/sampler.h"
#include "store/split.h"
#include "store/version.h"

static const uint64_t sizes[] = { 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 64, 65,
                                  255, 256, 257, 1000, 1797, 4096, 4097,
                                  70001 };
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

static void it_is_a_permutation(void **state)
{
    (void)state;
    for (size_t k = 0; k < SIZES; k++)
        for (uint64_t epoch = 0; epoch < 4; epoch++) {
            struct sampler s;
            unsigned char *seen = calloc(sizes[k], 1);
            sampler_init(&s, sizes[k], 42, epoch);
            for (uint64_t p = 0; p < sizes[k]; p++) {
                uint64_t row = sampler_at(&s, p);
                assert_true(row < sizes[k]);
                assert_int_equal(seen[row]++, 0);
            }
            free(seen);
        }
}

/* Computed by another program from the words in sampler.h. A checkpoint of
 * last year must go on in the same order: these never change. */
static void the_order_is_the_documented_one(void **state)
{
    static const struct {
        uint64_t rows, seed, epoch, order[6];
    } cases[] = {
        { 10u, 1u, 0,
          { 1, 4, 6, 5, 9, 3 } },
        { 10u, 1u, 1,
          { 2, 6, 5, 3, 0, 4 } },
        { 1797u, 42u, 7,
          { 572, 1035, 561, 564, 991, 1293 } },
        { 1000000000000, 18446744073709551615ul, 3,
          { 461112241319, 984567456063, 79276984919, 352123248071,
            550404059244, 123932717663 } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sampler s;
        sampler_init(&s, cases[i].rows, cases[i].seed, cases[i].epoch);
        for (uint64_t p = 0; p < 6; p++)
            assert_int_equal(sampler_at(&s, p), cases[i].order[p]);
    }
}

/* Chi squared over where each row falls in many epochs: 99 degrees of
 * freedom, 160 is beyond one in ten thousand. The seed is fixed, so this
 * passes or fails for good. */
static void rows_fall_everywhere_alike(void **state)
{
    enum { ROWS = 10, EPOCHS = 20000 };
    static unsigned counts[ROWS][ROWS];
    double expected = (double)EPOCHS / ROWS, chi = 0;

    (void)state;
    for (uint64_t epoch = 0; epoch < EPOCHS; epoch++) {
        struct sampler s;
        sampler_init(&s, ROWS, 7, epoch);
        for (uint64_t p = 0; p < ROWS; p++)
            counts[p][sampler_at(&s, p)]++;
    }
    for (int p = 0; p < ROWS; p++)
        for (int row = 0; row < ROWS; row++) {
            double d = counts[p][row] - expected;
            chi += d * d / expected;
        }
    if (chi > 160)
        fail_msg("chi squared %.1f", chi);
}

static void seeds_and_epochs_differ(void **state)
{
    struct sampler a, b, c;
    int same_seed = 0, same_epoch = 0;

    (void)state;
    sampler_init(&a, 1000, 1, 0);
    sampler_init(&b, 1000, 2, 0);
    sampler_init(&c, 1000, 1, 1);
    for (uint64_t p = 0; p < 1000; p++) {
        same_seed += sampler_at(&a, p) == sampler_at(&b, p);
        same_epoch += sampler_at(&a, p) == sampler_at(&c, p);
    }
    /* Two independent orders have one place in common on average. */
    assert_in_range(same_seed, 0, 8);
    assert_in_range(same_epoch, 0, 8);
}

static void slices_partition_a_batch(void **state)
{
    (void)state;
    for (uint64_t size = 0; size < 40; size++)
        for (int world = 1; world < 9; world++) {
            uint64_t at = 0, most = 0, least = size;
            for (int rank = 0; rank < world; rank++) {
                uint64_t first;
                uint64_t n = sampler_slice(size, rank, world, &first);
                assert_int_equal(first, at);
                at += n;
                most = n > most ? n : most;
                least = n < least ? n : least;
            }
            assert_int_equal(at, size);
            assert_true(most - least <= 1);
        }
}

static void splits_partition_the_rows(void **state)
{
    static const struct version_split shares[] = {
        { "train", 0.7 }, { "check", 0.2 }, { "test", 0.1 },
    };
    struct mlb_error err = { 0 };

    (void)state;
    for (size_t k = 0; k < SIZES; k++) {
        struct split splits[3];
        unsigned char *seen = calloc(sizes[k], 1);
        uint64_t *ids = calloc(sizes[k], sizeof(*ids)), total = 0;
        assert_ok(split_cut(splits, shares, 3, sizes[k], 5, &err), err);
        for (int i = 0; i < 3; i++) {
            uint64_t n = split_rows(&splits[i]);
            double want = shares[i].share * (double)sizes[k];
            assert_true((double)n < want + 1.01 && (double)n > want - 1.01);
            split_get_ids(&splits[i], 0, ids, n * sizeof(*ids), &err);
            for (uint64_t j = 0; j < n; j++) {
                assert_true(ids[j] < sizes[k]);
                assert_true(j == 0 || ids[j] > ids[j - 1]);
                assert_int_equal(seen[ids[j]]++, 0);
            }
            total += n;
        }
        assert_int_equal(total, sizes[k]);
        free(ids);
        free(seen);
    }
}

static void impossible_splits_are_refused(void **state)
{
    static const struct version_split wrong[][2] = {
        { { "a", 0.6 }, { "b", 0.6 } }, { { "a", 0.5 }, { "a", 0.1 } },
        { { "a", 0 }, { "b", 0.1 } },   { { "a", -0.1 }, { "b", 0.1 } },
        { { "", 0.1 }, { "b", 0.1 } },  { { "a/b", 0.1 }, { "b", 0.1 } },
        { { "..", 0.1 }, { "b", 0.1 } },
        { { "a", __builtin_nan("") }, { "b", 0.1 } },
    };
    struct split out[2];
    struct mlb_error err = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(split_cut(out, wrong[i], 2, 100, 0, &err), -1);
        assert_int_equal(err.code, MLB_ERR_USAGE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_a_permutation),
        cmocka_unit_test(the_order_is_the_documented_one),
        cmocka_unit_test(rows_fall_everywhere_alike),
        cmocka_unit_test(seeds_and_epochs_differ),
        cmocka_unit_test(slices_partition_a_batch),
        cmocka_unit_test(splits_partition_the_rows),
        cmocka_unit_test(impossible_splits_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
