/* SPDX-License-Identifier: BSD-3-Clause */
/* Shuffling blocks of rows, and the rows in each: a permutation for every N
 * and size of block, the one that is documented, in pieces that lie together;
 * and that many positions at once give what one by one gives. */
#include "config.h"

#include "store_fixture.h"

#include "store/sampler.h"

static const uint64_t sizes[] = { 1, 2, 3, 5, 16, 17, 100, 257, 1797, 4096 };
static const uint64_t blocks[] = { 1, 2, 7, 16, 64, 100, 5000, UINT32_MAX };

static void many_at_once_are_as_one_by_one(void **state)
{
    uint64_t rows[1000];

    (void)state;
    for (uint64_t n = 1; n < 5000; n = n * 3 + 1) {
        struct sampler s;
        sampler_init(&s, n, 11, n);
        for (uint64_t first = 0; first < n; first += 777) {
            uint64_t count = n - first < 1000 ? n - first : 1000;
            sampler_fill(&s, first, count, rows);
            for (uint64_t i = 0; i < count; i++)
                assert_int_equal(rows[i], sampler_at(&s, first + i));
        }
        sampler_fill(&s, n, 0, rows);
    }
}

/* Also when asked in pieces that begin and end inside of blocks. */
static void it_is_a_permutation(void **state)
{
    (void)state;
    for (size_t k = 0; k < 10 * 8; k++) {
        uint64_t n = sizes[k / 8], block = blocks[k % 8], at = 0;
        unsigned char *seen = calloc(n, 1);
        uint64_t *all = calloc(n, 8), *parts = calloc(n, 8);
        struct sampler_blocks s;
        sampler_blocks_init(&s, n, block, 42, k);
        sampler_blocks_fill(&s, 0, n, all);
        for (uint64_t p = 0; p < n; p++) {
            assert_true(all[p] < n);
            assert_int_equal(seen[all[p]]++, 0);
        }
        for (uint64_t step = 1; at < n; step += 3) {
            uint64_t count = n - at < step ? n - at : step;
            sampler_blocks_fill(&s, at, count, parts + at);
            at += count;
        }
        assert_memory_equal(all, parts, n * 8);
        free(seen);
        free(all);
        free(parts);
    }
}

/* Computed by another program from the words in sampler.h: these never
 * change. */
static void the_order_is_the_documented_one(void **state)
{
    static const struct {
        uint64_t rows, block, seed, epoch, first[5], last[2];
    } cases[] = {
        { 10, 4, 1, 0, { 0, 3, 2, 1, 5 }, { 9, 8 } },
        { 10, 4, 1, 1, { 6, 7, 5, 4, 1 }, { 2, 3 } },
        { 1797, 64, 42, 7, { 410, 415, 400, 424, 369 }, { 1650, 1649 } },
        { 1000000000000, 256, UINT64_MAX, 3,
          { 416914932217, 416914932363, 416914932417, 416914932396,
            416914932350 }, { 154843688142, 154843688286 } },
        { 5, 9, 2, 0, { 4, 1, 3, 0, 2 }, { 2, 0 } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sampler_blocks s;
        uint64_t rows[5];
        sampler_blocks_init(&s, cases[i].rows, cases[i].block,
                            cases[i].seed, cases[i].epoch);
        sampler_blocks_fill(&s, 0, 5, rows);
        assert_memory_equal(rows, cases[i].first, sizeof(rows));
        for (uint64_t k = 0; k < 2; k++) {
            sampler_blocks_fill(&s, cases[i].rows - 1 - k, 1, rows);
            assert_int_equal(rows[0], cases[i].last[k]);
        }
    }
}

/* Each block of positions is as many rows that follow one another (after
 * the last comes the first), in no order; blocks begin elsewhere in each
 * epoch. */
static void blocks_lie_together(void **state)
{
    enum { ROWS = 1000, BLOCK = 32 };
    uint64_t rows[ROWS], starts[4];
    int sorted = 0;

    (void)state;
    for (uint64_t epoch = 0; epoch < 4; epoch++) {
        struct sampler_blocks s;
        sampler_blocks_init(&s, ROWS, BLOCK, 9, epoch);
        sampler_blocks_fill(&s, 0, ROWS, rows);
        for (uint64_t b = 0; b + BLOCK <= ROWS; b += BLOCK) {
            uint64_t seen = 0;
            for (int i = 0; i < BLOCK; i++) {
                uint64_t from = (rows[b + i] + ROWS - s.shift) % ROWS;
                uint64_t first = (rows[b] + ROWS - s.shift) % ROWS;
                assert_int_equal(from / BLOCK, first / BLOCK);
                seen |= UINT64_C(1) << from % BLOCK;
                sorted += i > 0 && rows[b + i] == rows[b + i - 1] + 1;
            }
            assert_int_equal(seen, UINT32_MAX);
        }
        starts[epoch] = s.shift % BLOCK;
    }
    /* By chance one of 31 neighbours follows the other. */
    assert_in_range(sorted, 0, 4 * 31 * 3);
    assert_false(starts[0] == starts[1] && starts[1] == starts[2] &&
                 starts[2] == starts[3]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_at_once_are_as_one_by_one),
        cmocka_unit_test(it_is_a_permutation),
        cmocka_unit_test(the_order_is_the_documented_one),
        cmocka_unit_test(blocks_lie_together),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
