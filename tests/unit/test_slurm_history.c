/* SPDX-License-Identifier: BSD-3-Clause */
/* scheduler/slurm_history: which record of accounting tells of a run. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "scheduler/slurm_parts.h"

#define OURS "mlbatch run=a.1 token=t"
#define OTHER "mlbatch run=b.7 token=u"
#define MOST 4

/* The records of one id, oldest first: state, comment, time of submission.
 * The run was submitted at 10000, or nobody knows when. */
struct row {
    struct {
        uint32_t state;
        const char *comment;
        time_t submit;
    } records[MOST];
    size_t count;
    bool timeless;
    size_t at;                   /* count: none */
};

static const struct row rows[] = {
    { .count = 0, .at = 0 },
    { { { JOB_FAILED, OURS, 10000 } }, 1, false, 0 },
    /* An id that was used again, before or after. */
    { { { JOB_FAILED, OTHER, 10000 } }, 1, false, 1 },
    { { { JOB_FAILED, OTHER, 10 }, { JOB_FAILED, OURS, 10000 } },
      2, false, 1 },
    { { { JOB_FAILED, OURS, 10000 }, { JOB_FAILED, OTHER, 10010 } },
      2, false, 0 },
    { { { JOB_FAILED, OURS, 10000 }, { JOB_RUNNING, NULL, 10010 } },
      2, false, 0 },
    /* Requeued: as a state of its own, or after what Slurm may undo. */
    { { { JOB_REQUEUE, OURS, 10000 }, { JOB_TIMEOUT, OURS, 10500 } },
      2, false, 1 },
    { { { JOB_REQUEUE, OURS, 10000 }, { JOB_RUNNING, NULL, 99999 } },
      2, false, 1 },
    { { { JOB_NODE_FAIL, OURS, 10000 }, { JOB_PREEMPTED, NULL, 20000 },
        { JOB_COMPLETE, NULL, 30000 }, { JOB_RUNNING, NULL, 40000 } },
      4, false, 2 },
    { { { JOB_REQUEUE, OURS, 10000 }, { JOB_RUNNING, OTHER, 20000 } },
      2, false, 0 },
    /* Accounting keeps no comments: by time. */
    { { { JOB_FAILED, NULL, 10000 } }, 1, false, 0 },
    { { { JOB_FAILED, "somebody's", 10100 } }, 1, false, 0 },
    { { { JOB_FAILED, NULL, 9200 } }, 1, false, 0 },
    { { { JOB_FAILED, NULL, 9000 } }, 1, false, 1 },
    { { { JOB_FAILED, NULL, 10200 } }, 1, false, 1 },
    { { { JOB_FAILED, NULL, 10000 } }, 1, true, 1 },
    { { { JOB_FAILED, OURS, 10000 } }, 1, true, 0 },
    { { { JOB_FAILED, NULL, 10 }, { JOB_REQUEUE, NULL, 9990 },
        { JOB_OOM, NULL, 50000 }, { JOB_FAILED, NULL, 60000 } },
      4, false, 2 },
};

static void test_choose(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        slurmdb_job_rec_t records[MOST] = { { 0 } };
        const slurmdb_job_rec_t *list[MOST];
        struct mlb_job_status status = {
            .id = "7", .token = "t", .submitted = row->timeless ? 0 : 10000,
        };
        for (size_t k = 0; k < row->count; k++) {
            records[k].state = row->records[k].state;
            records[k].derived_es = (char *)row->records[k].comment;
            records[k].submit = row->records[k].submit;
            list[k] = &records[k];
        }
        size_t at = slurm_choose(list, row->count, &status);
        if (at != row->at)
            fail_msg("row %zu: %zu, not %zu", i, at, row->at);
    }
}

static void test_recall(void **state)
{
    slurmdb_job_rec_t records[] = {
        { .jobid = 9, .state = JOB_CANCELLED, .derived_es = "x token=c",
          .nodes = "None assigned", .requid = 0, .start = 40, .end = 50 },
        { .jobid = 7, .state = JOB_FAILED, .derived_es = "x token=a",
          .submit = 30, .exitcode = 5 << 8, .nodes = "n[1-2]", .start = 31,
          .end = 39, .requid = NO_VAL },
        { .jobid = 7, .state = JOB_REQUEUE, .derived_es = "x token=a",
          .submit = 20, .requid = NO_VAL },
        { .jobid = 8, .state = JOB_NODE_FAIL, .derived_es = "x token=b",
          .requid = NO_VAL },
        { .jobid = 6, .state = JOB_FAILED, .derived_es = "x token=z" },
    };
    const slurmdb_job_rec_t *list[5];
    struct mlb_job_status s[] = {
        { .id = "7", .token = "a", .exit_code = -1 },
        { .id = "8", .token = "b", .exit_code = -1 },
        { .id = "9", .token = "c", .exit_code = -1 },
        { .id = "6", .token = "d", .exit_code = -1 },
        { .id = "5", .token = "e", .exit_code = -1 },
        { .id = "n1:7", .token = "a", .exit_code = -1 },
    };

    (void)state;
    for (size_t i = 0; i < 5; i++)
        list[i] = &records[i];
    slurm_recall(list, 5, s, 6);
    assert_true(s[0].known && !s[0].may_return);
    assert_int_equal(s[0].state, MLB_STATE_FAILED);
    assert_int_equal(s[0].exit_code, 5);
    assert_string_equal(s[0].nodes, "n[1-2]");
    assert_int_equal(s[0].start, 31);
    assert_int_equal(s[0].end, 39);
    assert_true(s[1].known && s[1].may_return);
    assert_int_equal(s[1].state, MLB_STATE_NODE_FAILURE);
    assert_int_equal(s[1].exit_code, -1);
    assert_string_equal(s[2].reason, "cancelled by root");
    assert_string_equal(s[2].nodes, "");
    assert_false(s[3].known || s[4].known || s[5].known);
}

/* Slurm that is not there is a failure of the child that asks, no more. */
static void test_nobody(void **state)
{
    struct mlb_job_status status = { .id = "7", .token = "t",
                                     .submitted = 5, .exit_code = 3 };
    struct mlb_error err = { 0 };

    (void)state;
    setenv("SLURM_CONF", "/nowhere/slurm.conf", 1);
    assert_int_equal(slurm_history(NULL, &status, 1, &err), -1);
    assert_int_equal(err.code, MLB_ERR_UNREACHABLE);
    assert_non_null(strstr(err.text, "/nowhere/slurm.conf"));
    assert_int_equal(status.exit_code, -1);
    assert_int_equal(status.submitted, 5);
    assert_int_equal(slurm_history(NULL, NULL, 0, &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choose),
        cmocka_unit_test(test_recall),
        cmocka_unit_test(test_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
