/* SPDX-License-Identifier: BSD-3-Clause */
/* agent/cause and agent/slurm_job: one row a case: what the tasks told, what
 * the agent saw, what it is called. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "agent/cause.h"
#include "agent/slurm_job.h"
#include "base/text.h"

/* Events as JSON objects, one after another; each is of attempt 2 unless it
 * says otherwise. The attempt ran from 0 to 1,000 s, ended at 500. */
struct row {
    const char *events;
    struct ending ending;
    enum mlb_state state;
    const char *text;            /* all of it */
};

#define BEGUN "{\"event\":\"task-start\",\"world\":2}"
#define RANK(r, code, sig, more)                                              \
    "{\"event\":\"task-end\",\"rank\":" #r ",\"node\":\"n1\",\"exit\":" #code \
    ",\"signal\":" #sig more "}"
#define ASKED .asked = true
#define LATE .ended = 995

static const struct row rows[] = {
    { BEGUN, { .code = 0 }, MLB_STATE_COMPLETED, "" },
    { BEGUN, { .code = 0, ASKED }, MLB_STATE_COMPLETED,
      "finished after it was asked to stop" },
    { "", { .code = 127, .failure = "cannot run srun" }, MLB_STATE_FAILED,
      "cannot run srun" },
    /* a launcher that ends with 0 and has started nothing */
    { "", { .code = 0, .have_tasks = true }, MLB_STATE_FAILED,
      "the launch line ended with 0, but started no rank" },
    { "{\"event\":\"task-start\",\"attempt\":1}",
      { .code = 0, .have_tasks = true }, MLB_STATE_FAILED,
      "the launch line ended with 0, but started no rank" },
    { BEGUN RANK(0, 0, 0, "") RANK(1, 0, 0, ""),
      { .code = 0, .have_tasks = true }, MLB_STATE_COMPLETED, "" },
    { BEGUN RANK(0, 0, 0, ""), { .code = 0, .have_tasks = true },
      MLB_STATE_FAILED, "the launch line ended with 0, but rank 1 did not" },
    { BEGUN RANK(0, 137, 9, "") RANK(1, 0, 0, ""),
      { .code = 0, .have_tasks = true, .told = MLB_STATE_NODE_FAILURE },
      MLB_STATE_NODE_FAILURE,
      "the launch line ended with 0, but rank 0 did not" },
    /* the first rank that failed by itself */
    { RANK(0, 143, 15, "") RANK(1, 3, 0, ""), { .code = 3, .tasks = 2 },
      MLB_STATE_FAILED, "rank 1 on n1: exited with 3" },
    { RANK(1, 139, 11, ""), { .code = 139 }, MLB_STATE_FAILED,
      "rank 1 on n1: killed by signal 11 (Segmentation fault)" },
    { "", { .code = 9 }, MLB_STATE_FAILED,
      "the launch line exited with 9" },
    /* cancelled by us; taken back; before the last submission */
    { "{\"event\":\"cancel\",\"by\":\"ann\"}", { .code = 143, ASKED },
      MLB_STATE_CANCELLED, "cancelled by ann" },
    { "{\"event\":\"cancel\"}{\"event\":\"cancel-failed\"}",
      { .code = 9 }, MLB_STATE_FAILED, "the launch line exited with 9" },
    { "{\"event\":\"cancel\"}{\"event\":\"submitted\"}", { .code = 9 },
      MLB_STATE_FAILED, "the launch line exited with 9" },
    /* faked */
    { "{\"event\":\"interrupt\",\"by\":\"ann\"}",
      { .code = 75, .interrupted = MLB_STATE_TIMEOUT, .timed_out = true },
      MLB_STATE_TIMEOUT, "mlbatch interrupt by ann" },
    { "{\"event\":\"interrupt\",\"by\":\"ann\",\"attempt\":1}",
      { .code = 75, .interrupted = MLB_STATE_PREEMPTED, ASKED },
      MLB_STATE_PREEMPTED, "mlbatch interrupt" },
    /* out of memory: only a rank that was killed, and only if one was */
    { RANK(0, 137, 9, ",\"oom_kills\":1"), { .code = 137 },
      MLB_STATE_OUT_OF_MEMORY,
      "rank 0 on n1 was killed for lack of memory" },
    { RANK(0, 137, 9, ",\"oom_kills\":0"), { .code = 137 },
      MLB_STATE_FAILED, "rank 0 on n1: killed by signal 9 (Killed)" },
    { RANK(0, 1, 0, ",\"oom_kills\":1"), { .code = 1 }, MLB_STATE_FAILED,
      "rank 0 on n1: exited with 1" },
    /* the scheduler's own word */
    { "", { .code = 143, ASKED, .told = MLB_STATE_PREEMPTED },
      MLB_STATE_PREEMPTED, "preempted by the scheduler" },
    { "", { .code = 143, ASKED, .told = MLB_STATE_NODE_FAILURE },
      MLB_STATE_NODE_FAILURE, "the scheduler lost a node of the job" },
    { "", { .code = 143, ASKED, .told = MLB_STATE_CANCELLED },
      MLB_STATE_CANCELLED, "cancelled by another command than mlbatch" },
    { "", { .code = 143, ASKED, .told = MLB_STATE_TIMEOUT },
      MLB_STATE_TIMEOUT, "the walltime of 00:16:40 was over" },
    /* the end of the time */
    { RANK(0, 75, 0, ""), { .code = 75, .timed_out = true },
      MLB_STATE_TIMEOUT, "the walltime of 00:16:40 was over" },
    { RANK(0, 75, 0, ""), { .code = 75, .warned = true },
      MLB_STATE_TIMEOUT, "the walltime of 00:16:40 was over" },
    { RANK(0, 1, 0, ""), { .code = 1, .warned = true }, MLB_STATE_FAILED,
      "rank 0 on n1: exited with 1" },
    { "", { .code = 143, ASKED, LATE }, MLB_STATE_TIMEOUT,
      "the walltime of 00:16:40 was over" },
    { "", { .code = 143, LATE }, MLB_STATE_TIMEOUT,
      "the walltime of 00:16:40 was over" },
    { RANK(0, 137, 9, ""), { .code = 137, LATE }, MLB_STATE_FAILED,
      "rank 0 on n1: killed by signal 9 (Killed)" },
    { "", { .code = 143, ASKED }, MLB_STATE_FAILED,
      "asked to stop by the scheduler (SIGTERM)" },
};

static struct mlb_events make_events(const char *text)
{
    struct mlb_events events = { .items = xcalloc(8, sizeof(*events.items)) };

    while (*text) {
        json_error_t error;
        struct mlb_event *e = &events.items[events.count++];
        *e = (struct mlb_event){ .attempt = 2, .rank = -1 };
        e->fields = json_loads(text, JSON_DISABLE_EOF_CHECK, &error);
        assert_non_null(e->fields);
        text += error.position;
        e->name = json_string_value(json_object_get(e->fields, "event"));
        if (json_object_get(e->fields, "attempt"))
            e->attempt = json_integer_value(json_object_get(e->fields,
                                                            "attempt"));
        if (json_object_get(e->fields, "rank"))
            e->rank = json_integer_value(json_object_get(e->fields, "rank"));
    }
    return events;
}

static void test_rows(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct mlb_events events = make_events(rows[i].events);
        struct ending ending = rows[i].ending;
        struct cause cause;
        ending.attempt = 2;
        ending.limit = 1000;
        ending.walltime = 1000;
        if (ending.ended <= 0)
            ending.ended = 500;
        cause_find(&events, &ending, &cause);
        if (cause.state != rows[i].state ||
            strcmp(cause.text, rows[i].text) != 0)
            fail_msg("row %zu: %s: \"%s\"", i, state_name(cause.state),
                     cause.text);
        events_clear(&events);
    }
}

/* As slurmstepd of 22.05 writes them. */
static void test_reasons(void **unused)
{
    static const struct {
        const char *log;
        enum mlb_state state;
    } logs[] = {
        { "", MLB_STATE_UNKNOWN },
        { "training\nslurmstepd-node1: error: *** JOB 7 ON node1 CANCELLED "
          "AT 2024-11-24T10:54:19 DUE TO PREEMPTION ***\n",
          MLB_STATE_PREEMPTED },
        { "slurmstepd: error: *** JOB 7 ON n CANCELLED AT "
          "2024-11-24T10:54:19 DUE TO TIME LIMIT ***\n", MLB_STATE_TIMEOUT },
        { "slurmstepd: error: *** JOB 7 ON n CANCELLED AT "
          "2024-11-24T10:54:19 DUE TO JOB REQUEUE ***\n",
          MLB_STATE_PREEMPTED },
        { "slurmstepd: error: *** JOB 7 ON n CANCELLED AT "
          "2024-11-24T10:54:19 DUE TO NODE FAILURE, SEE SLURMCTLD LOG FOR "
          "DETAILS ***\n", MLB_STATE_NODE_FAILURE },
        { "slurmstepd: error: *** JOB 7 ON n CANCELLED AT "
          "2024-11-24T10:54:19 ***", MLB_STATE_CANCELLED },
        /* another job's, and a step's */
        { "slurmstepd: error: *** JOB 77 ON n CANCELLED AT "
          "2024-11-24T10:54:19 DUE TO PREEMPTION ***\n", MLB_STATE_UNKNOWN },
        { "slurmstepd: error: *** STEP 7.0 ON n CANCELLED AT "
          "2024-11-24T10:54:19 DUE TO TIME LIMIT ***\n", MLB_STATE_UNKNOWN },
        /* the reason of one line is not that of the next */
        { "*** JOB 7 ON n CANCELLED AT x ***\n DUE TO PREEMPTION \n",
          MLB_STATE_CANCELLED },
    };

    (void)unused;
    for (size_t i = 0; i < sizeof(logs) / sizeof(logs[0]); i++)
        assert_int_equal(slurm_job_reason(logs[i].log, "7"), logs[i].state);
}

/* As scontrol of 22.05 answers; a job's name may hold anything. */
static void test_answer(void **unused)
{
    struct slurm_job job;

    (void)unused;
    slurm_job_parse("JobId=1 JobName= Restarts=9 EndTime=5 Requeue=1 "
                    "Restarts=2 BatchFlag=1 Reboot=0 StartTime=1795517656 "
                    "EndTime=1795517956 Deadline=N/A", &job);
    assert_int_equal(job.restarts, 2);
    assert_true(job.end > 1795517955.5 && job.end < 1795517956.5);
    assert_true(job.limit > 299.5 && job.limit < 300.5);
    slurm_job_parse("JobId=1 EndTime=Unknown Deadline=N/A Restarts= "
                    "BatchFlag=1", &job);
    assert_int_equal(job.restarts, -1);
    assert_true(job.end <= 0 && job.limit <= 0);
    job.restarts = 1;
    unsetenv("SLURM_RESTART_COUNT");
    assert_true(slurm_job_is_requeued(&job));
    setenv("SLURM_RESTART_COUNT", "1", 1);
    assert_false(slurm_job_is_requeued(&job));
    job.restarts = -1;
    assert_false(slurm_job_is_requeued(&job));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
