/* SPDX-License-Identifier: BSD-3-Clause */
/* scheduler/slurm_query: answers find the runs that they are about. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "scheduler/slurm_parts.h"

#define MANY 10000u

static void test_tokens(void **state)
{
    (void)state;
    assert_true(slurm_is_ours("mlbatch run=a.1 token=abc", "abc"));
    assert_false(slurm_is_ours("mlbatch run=a.1 token=abcd", "abc"));
    assert_false(slurm_is_ours("mlbatch run=a.1 token=ab", "abc"));
    assert_false(slurm_is_ours("abc", "abc"));
    assert_false(slurm_is_ours(NULL, "abc"));
    assert_false(slurm_is_ours("mlbatch run=a.1 token=abc", NULL));
}

static void test_lookup(void **state)
{
    struct mlb_job_status statuses[] = {
        { .id = "9" }, { .id = "3" }, { .id = "host:7" }, { .id = "9" },
        { .id = "" },  { .id = "5" },
    };
    struct slurm_entry *entries;
    size_t n = slurm_index(statuses, 6, &entries);

    (void)state;
    assert_int_equal(n, 4);
    assert_int_equal(slurm_lookup(entries, n, 1), 0);
    assert_int_equal(slurm_lookup(entries, n, 5), 1);
    assert_int_equal(slurm_lookup(entries, n, 9), 2);
    assert_int_equal(slurm_lookup(entries, n, 10), 4);
    assert_int_equal(entries[0].which, 1);
    assert_int_equal(entries[2].which, 0);
    assert_int_equal(entries[3].which, 3);
    free(entries);
    assert_int_equal(slurm_index(NULL, 0, &entries), 0);
    free(entries);
}

/* The same id twice with two tokens, jobs of nobody, runs without a job. */
static void test_answer(void **state)
{
    slurm_job_info_t jobs[] = {
        { .job_id = 8, .comment = "x token=old", .job_state = JOB_FAILED,
          .exit_code = 3 << 8 },
        { .job_id = 8, .comment = "x token=new", .job_state = JOB_RUNNING,
          .nodes = "n[1-2]", .start_time = 70 },
        { .job_id = 9, .job_state = JOB_RUNNING },
        { .job_id = 4, .comment = "x token=d", .job_state = JOB_PENDING },
    };
    job_info_msg_t answer = { .job_array = jobs, .record_count = 4 };
    struct mlb_job_status s[] = {
        { .id = "9", .token = "c" },   { .id = "8", .token = "new" },
        { .id = "8", .token = "old" }, { .id = "5", .token = "d" },
        { .id = "8", .token = "other" },
    };

    (void)state;
    slurm_answer(&answer, 1000, s, 5);
    assert_false(s[0].known);
    assert_true(s[1].known && s[1].state == MLB_STATE_RUNNING);
    assert_string_equal(s[1].nodes, "n[1-2]");
    assert_int_equal(s[1].start, 70);
    assert_true(s[2].known && s[2].state == MLB_STATE_FAILED);
    assert_int_equal(s[2].exit_code, 3);
    assert_false(s[3].known);
    assert_false(s[4].known);
}

extern bitstr_t *bitmap_make(int64_t bits) __asm__("slurm_bit_alloc");
extern void bitmap_set(bitstr_t *bitmap, int64_t bit) __asm__("slurm_bit_set");
extern void bitmap_free(bitstr_t **bitmap) __asm__("slurm_bit_free");

/* Some points have records of their own, the others one together. */
static void test_array(void **state)
{
    bitstr_t *rest = bitmap_make(1000);
    slurm_job_info_t jobs[] = {
        { .job_id = 8, .array_job_id = 8, .array_task_id = NO_VAL,
          .comment = "x token=t", .job_state = JOB_PENDING,
          .array_bitmap = rest },
        { .job_id = 9, .array_job_id = 8, .array_task_id = 0,
          .comment = "x token=t", .job_state = JOB_RUNNING },
        { .job_id = 10, .array_job_id = 8, .array_task_id = 1,
          .comment = "x token=t", .job_state = JOB_COMPLETE },
        { .job_id = 11, .array_job_id = 7, .array_task_id = 4,
          .comment = "x token=t", .job_state = JOB_COMPLETE },
    };
    job_info_msg_t answer = { .job_array = jobs, .record_count = 4 };
    struct mlb_job_status s[] = {
        { .id = "8_999", .token = "t" }, { .id = "8_1", .token = "t" },
        { .id = "8_0", .token = "t" },   { .id = "8_2", .token = "t" },
        { .id = "8_2", .token = "t" },   { .id = "8_4", .token = "t" },
        { .id = "8_999", .token = "u" }, { .id = "8_5000", .token = "t" },
        { .id = "8", .token = "x" },     { .id = "8_x", .token = "t" },
    };

    (void)state;
    bitmap_set(rest, 2);
    bitmap_set(rest, 999);
    slurm_answer(&answer, 1000, s, 10);
    assert_true(s[0].known && s[0].state == MLB_STATE_PENDING);
    assert_true(s[1].known && s[1].state == MLB_STATE_COMPLETED);
    assert_true(s[2].known && s[2].state == MLB_STATE_RUNNING);
    assert_true(s[3].known && s[3].state == MLB_STATE_PENDING);
    assert_true(s[4].known && s[4].state == MLB_STATE_PENDING);
    for (size_t i = 5; i < 10; i++)
        assert_false(s[i].known);
    bitmap_free(&rest);
}

/* An end that Slurm itself may undo is none for a minute. */
static void test_return(void **state)
{
    static const struct {
        uint32_t theirs;
        uint16_t requeue;
        time_t end;
        bool may_return;
    } rows[] = {
        { JOB_NODE_FAIL, 1, 990, true },  { JOB_PREEMPTED, 1, 990, true },
        { JOB_BOOT_FAIL, 1, 1001, true }, { JOB_NODE_FAIL, 0, 990, false },
        { JOB_NODE_FAIL, 1, 900, false }, { JOB_FAILED, 1, 990, false },
        { JOB_TIMEOUT, 1, 990, false },   { JOB_RUNNING, 1, 990, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        slurm_job_info_t job = { .job_id = 8, .comment = "x token=t",
                                 .job_state = rows[i].theirs,
                                 .requeue = rows[i].requeue,
                                 .end_time = rows[i].end };
        job_info_msg_t answer = { .job_array = &job, .record_count = 1 };
        struct mlb_job_status s = { .id = "8", .token = "t" };
        slurm_answer(&answer, 1000, &s, 1);
        assert_true(s.known);
        assert_int_equal(s.may_return, rows[i].may_return);
    }
}

static void test_many(void **state)
{
    slurm_job_info_t *jobs = xcalloc(MANY, sizeof(*jobs));
    struct mlb_job_status *s = xcalloc(MANY, sizeof(*s));
    job_info_msg_t answer = { .job_array = jobs, .record_count = MANY };

    (void)state;
    for (uint32_t i = 0; i < MANY; i++) {
        /* 7919 is prime to 10000: another order. */
        uint32_t j = i * 7919u % MANY;
        jobs[j] = (slurm_job_info_t){
            .job_id = i + 1, .job_state = JOB_FAILED,
            .comment = xasprintf("mlbatch token=t%u", i),
            .exit_code = (i % 100 + 1) << 8,
        };
        s[i].id = xasprintf("%u", i + 1);
        s[i].token = xasprintf("t%u", i);
    }
    slurm_answer(&answer, 1000, s, MANY);
    for (uint32_t i = 0; i < MANY; i++) {
        assert_true(s[i].known);
        assert_int_equal(s[i].exit_code, i % 100 + 1);
        free((char *)s[i].id);
        free((char *)s[i].token);
        free(jobs[i].comment);
    }
    free(jobs);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_lookup),
        cmocka_unit_test(test_answer),
        cmocka_unit_test(test_array),
        cmocka_unit_test(test_return),
        cmocka_unit_test(test_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
