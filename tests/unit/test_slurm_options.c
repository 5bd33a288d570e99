/* SPDX-License-Identifier: BSD-3-Clause */
/* The scheduler slurm as far as it asks nobody: native options, the message
 * that a plan becomes, states, and errors. Whether the controller then holds
 * the same as with sbatch is for the tests on a cluster. */
#include "config.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#ifdef HAVE_SLURM
#include <slurm/slurm_errno.h>

#include "scheduler/slurm_parts.h"

static struct mlb_plan example(void)
{
    return (struct mlb_plan){
        .scheduler = "slurm", .run = "digits.1", .run_dir = "/s/runs/digits.1",
        .name = "digits", .comment = "mlbatch run=digits.1 token=t",
        .directory = "/home/u/w", .output = "/s/100%/batch.log",
        .nodes = 2, .tasks = 8, .tasks_per_node = 4, .cpus_per_task = 2,
        .gpus_per_task = 1, .memory_per_node = (16LL << 30) + 1,
        .walltime = 3601, .partition = "gpu", .script = "#!/bin/sh\n",
        .options = MLB_STRINGS_INIT,
    };
}

/* Build the example with these options, ended by NULL. */
static void build(struct slurm_request *r, const char *option, ...)
{
    struct mlb_plan plan = example();
    struct mlb_error err = { .text = "" };
    va_list args;

    va_start(args, option);
    for (; option; option = va_arg(args, const char *))
        strings_push(&plan.options, option);
    va_end(args);
    if (slurm_request_build(r, &plan, &err) < 0)
        fail_msg("%s", err.text);
    strings_clear(&plan.options);
}

static const char *variable(const struct slurm_request *r, const char *name)
{
    for (uint32_t i = 0; i < r->message.env_size; i++) {
        const char *pair = r->message.environment[i];
        if (strncmp(pair, name, strlen(name)) == 0 &&
            pair[strlen(name)] == '=')
            return pair + strlen(name) + 1;
    }
    return NULL;
}

static void test_plan(void **state)
{
    struct slurm_request r;
    const job_desc_msg_t *m = &r.message;

    (void)state;
    build(&r, NULL);
    assert_string_equal(m->name, "digits");
    assert_string_equal(m->comment, "mlbatch run=digits.1 token=t");
    assert_string_equal(m->work_dir, "/home/u/w");
    assert_string_equal(m->std_out, "/s/100%%/batch.log");
    assert_null(m->std_err);
    assert_string_equal(m->std_in, "/dev/null");
    assert_string_equal(m->script, "#!/bin/sh\n");
    assert_string_equal(m->argv[0], "/s/runs/digits.1/script");
    assert_string_equal(m->tres_per_task, "gres:gpu:1");
    assert_string_equal(m->partition, "gpu");
    assert_null(m->account);
    assert_int_equal(m->min_nodes, 2);
    assert_int_equal(m->max_nodes, 2);
    assert_int_equal(m->num_tasks, 8);
    assert_int_equal(m->min_cpus, 16);
    assert_int_equal(m->cpus_per_task, 2);
    assert_int_equal(m->pn_min_cpus, 2);
    assert_int_equal(m->ntasks_per_node, 4);
    assert_int_equal(m->pn_min_memory, 16385);
    assert_int_equal(m->time_limit, 61);
    assert_int_equal(m->open_mode, OPEN_MODE_APPEND);
    assert_int_equal(m->user_id, getuid());
    /* Left to the site's JobRequeue. */
    assert_int_equal(m->requeue, NO_VAL16);
    assert_string_equal(variable(&r, "SLURM_NTASKS"), "8");
    assert_string_equal(variable(&r, "SLURM_JOB_NAME"), "digits");
    assert_int_equal(strlen(variable(&r, "SLURM_UMASK")), 4);
    assert_non_null(variable(&r, "SLURM_RLIMIT_NOFILE"));
    slurm_request_clear(&r);
}

static void test_unset(void **state)
{
    struct slurm_request r;
    struct mlb_plan plan = example();

    (void)state;
    plan.memory_per_node = plan.walltime = MLB_UNSET;
    plan.gpus_per_task = 0;
    assert_int_equal(slurm_request_build(&r, &plan, NULL), 0);
    assert_true(r.message.pn_min_memory == NO_VAL64);
    assert_int_equal(r.message.time_limit, NO_VAL);
    assert_null(r.message.tres_per_task);
    assert_null(variable(&r, "SLURM_GPUS_PER_TASK"));
    slurm_request_clear(&r);
    plan.cpus_per_task = 70000;
    assert_int_equal(slurm_request_build(&r, &plan, NULL), -1);
    slurm_request_clear(&r);
}

static void test_spellings(void **state)
{
    struct slurm_request r;
    const job_desc_msg_t *m = &r.message;

    (void)state;
    build(&r, "--qos=low", "--qos", "high", "-x", "n1", "-wn[2-3]",
          "--exclusive", "--nice", "--mail-type=END,fail",
          "--mail-user=a@b", "--licenses=l:2", "--no-requeue",
          "--dependency=afterok:1", "--reservation=r", "--hold", NULL);
    assert_string_equal(m->qos, "high");
    assert_string_equal(m->exc_nodes, "n1");
    assert_string_equal(m->req_nodes, "n[2-3]");
    assert_int_equal(m->shared, JOB_SHARED_NONE);
    assert_true(m->nice == NICE_OFFSET + 100u);
    assert_int_equal(m->mail_type, MAIL_JOB_END | MAIL_JOB_FAIL);
    assert_string_equal(m->mail_user, "a@b");
    assert_string_equal(m->licenses, "l:2");
    assert_int_equal(m->requeue, 0);
    assert_string_equal(m->dependency, "afterok:1");
    assert_string_equal(variable(&r, "SLURM_JOB_DEPENDENCY"), "afterok:1");
    assert_string_equal(m->reservation, "r");
    assert_int_equal(m->priority, 0);
    slurm_request_clear(&r);
}

static void test_values(void **state)
{
    struct slurm_request r;
    const job_desc_msg_t *m = &r.message;
    time_t before = time(NULL);

    (void)state;
    build(&r, "--gres=gpu:a100:2,x:1", "--signal=B:SIGUSR1@90",
          "--switches=2@10:00", "--mem-per-cpu=1G", "--nice=-5",
          "--begin=now+2hours", "--requeue", "--exclusive=user",
          "--gpus=a:1,b:2", "--time=1-0", "--time-min=90", "--tmp=1T",
          "--kill-on-invalid-dep=yes", "--spread-job", NULL);
    assert_string_equal(m->tres_per_node, "gres:gpu:a100:2,gres:x:1");
    assert_string_equal(m->tres_per_job, "gres:gpu:a:1,gres:gpu:b:2");
    assert_int_equal(m->warn_flags, KILL_JOB_BATCH);
    assert_int_equal(m->warn_signal, SIGUSR1);
    assert_int_equal(m->warn_time, 90);
    assert_int_equal(m->req_switch, 2);
    assert_int_equal(m->wait4switch, 600);
    assert_true(m->pn_min_memory == (MEM_PER_CPU | 1024));
    assert_true(m->nice == NICE_OFFSET - 5);
    assert_true(m->begin_time >= before + 7200 &&
                m->begin_time <= time(NULL) + 7200);
    assert_int_equal(m->requeue, 1);
    assert_int_equal(m->shared, JOB_SHARED_USER);
    assert_int_equal(m->time_limit, 1440);
    assert_int_equal(m->time_min, 90);
    assert_int_equal(m->pn_min_tmp_disk, 1048576);
    assert_true(m->bitflags & KILL_INV_DEP);
    assert_true(m->bitflags & SPREAD_JOB);
    slurm_request_clear(&r);
}

static void test_begin(void **state)
{
    time_t at, other, now = time(NULL);
    struct mlb_error err;
    const char *bad[] = { "tomorrow", "now+", "now-5", "now+5years",
                          "2030-13-01", "16:00", "now+99999999weeks" };

    (void)state;
    assert_int_equal(slurm_parse_begin("2030-01-02T03:04:05", &at, &err), 0);
    assert_int_equal(slurm_parse_begin("2030-01-02T03:04", &other, &err), 0);
    assert_int_equal(at - other, 5);
    assert_int_equal(slurm_parse_begin("now+90", &at, &err), 0);
    assert_true(at - now >= 90 && at - now < 95);
    assert_int_equal(slurm_parse_begin("now+1week", &at, &err), 0);
    assert_true(at - now >= 604800 && at - now < 604805);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(slurm_parse_begin(bad[i], &at, &err), -1);
        assert_non_null(strstr(err.text, bad[i]));
    }
}

/* -1, with this in the message. */
static void assert_bad(const char *first, const char *second,
                       const char *words)
{
    struct mlb_strings options = MLB_STRINGS_INIT;
    struct mlb_error err = { .code = MLB_OK };

    strings_push(&options, first);
    if (second)
        strings_push(&options, second);
    assert_int_equal(slurm_options_check(&options, &err), -1);
    assert_int_equal(err.code, MLB_ERR_BAD_INPUT);
    if (!strstr(err.text, words))
        fail_msg("\"%s\" is not in \"%s\"", words, err.text);
    strings_clear(&options);
}

static void test_bad(void **state)
{
    struct mlb_strings good = MLB_STRINGS_INIT;

    (void)state;
    assert_bad("--qoz=high", NULL, "did you mean \"--qos\"?");
    assert_bad("--zzzzzzzzzz", NULL, "it knows account, ");
    /* These are mlbatch's own. */
    assert_bad("--comment=x", NULL, "--comment=x");
    assert_bad("--array=1-3", NULL, "--array=1-3");
    assert_bad("--qos", NULL, "needs a value");
    assert_bad("--qos=", NULL, "needs a value");
    assert_bad("--hold=1", NULL, "takes no value");
    assert_bad("--hold", "1", "\"1\"");
    assert_bad("-", NULL, "\"-\"");
    assert_bad("high", NULL, "\"high\"");
    assert_bad("--signal", "FOO", "FOO");
    assert_bad("--signal=X:USR1", NULL, "X:USR1");
    assert_bad("--signal=USR1@70000", NULL, "70000");
    assert_bad("--mail-type=SOME", NULL, "SOME");
    assert_bad("--mem-per-cpu=x", NULL, "--mem-per-cpu");
    assert_bad("--switches=a@b", NULL, "--switches");
    assert_bad("--exclusive=all", NULL, "all");
    assert_bad("--nice=a", NULL, "--nice");
    assert_bad("--mincpus=-1", NULL, "--mincpus");
    assert_int_equal(slurm_options_check(&good, NULL), 0);
}

/* The table is sorted (help reads it so), and its letters are unique. */
static void test_table(void **state)
{
    (void)state;
    for (const struct slurm_option *o = slurm_options; o->name; o++) {
        if (o > slurm_options)
            assert_true(strcmp(o[-1].name, o->name) < 0);
        for (const struct slurm_option *p = slurm_options; p < o; p++)
            assert_true(!o->letter || p->letter != o->letter);
    }
}

static void test_states(void **state)
{
    static const struct {
        uint32_t theirs;
        enum mlb_state ours;
    } rows[] = {
        { JOB_PENDING, MLB_STATE_PENDING },
        { JOB_RUNNING, MLB_STATE_RUNNING },
        { JOB_SUSPENDED, MLB_STATE_RUNNING },
        { JOB_RUNNING | JOB_CONFIGURING, MLB_STATE_PENDING },
        { JOB_COMPLETE | JOB_COMPLETING, MLB_STATE_RUNNING },
        { JOB_COMPLETE, MLB_STATE_COMPLETED },
        { JOB_CANCELLED, MLB_STATE_CANCELLED },
        { JOB_FAILED, MLB_STATE_FAILED },
        { JOB_TIMEOUT, MLB_STATE_TIMEOUT },
        { JOB_DEADLINE, MLB_STATE_TIMEOUT },
        { JOB_NODE_FAIL, MLB_STATE_NODE_FAILURE },
        { JOB_BOOT_FAIL, MLB_STATE_NODE_FAILURE },
        { JOB_PREEMPTED, MLB_STATE_PREEMPTED },
        { JOB_OOM, MLB_STATE_OUT_OF_MEMORY },
        { JOB_PENDING | JOB_REQUEUE | JOB_COMPLETING, MLB_STATE_PENDING },
        { JOB_NODE_FAIL | JOB_REQUEUE, MLB_STATE_PENDING },
        { JOB_PENDING | JOB_SPECIAL_EXIT, MLB_STATE_PENDING },
        { JOB_CANCELLED | JOB_REVOKED, MLB_STATE_CANCELLED },
        { JOB_END + 3, MLB_STATE_UNKNOWN },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(slurm_state(rows[i].theirs), rows[i].ours);
}

static void test_errors(void **state)
{
    struct mlb_error err;

    (void)state;
    slurm_failed(&err, "it", SLURMCTLD_COMMUNICATIONS_CONNECTION_ERROR);
    assert_int_equal(err.code, MLB_ERR_UNREACHABLE);
    slurm_failed(&err, "it", SLURM_PROTOCOL_SOCKET_IMPL_TIMEOUT);
    assert_int_equal(err.code, MLB_ERR_UNREACHABLE);
    slurm_failed(&err, "it", ESLURM_ALREADY_DONE);
    assert_int_equal(err.code, MLB_ERR_NOT_FOUND);
    slurm_failed(&err, "it", ESLURM_INVALID_PARTITION_NAME);
    assert_int_equal(err.code, MLB_ERR_REFUSED);
    assert_non_null(strstr(err.text, "sinfo -s"));
    slurm_failed(&err, "it", ESLURM_INVALID_WCKEY);
    assert_int_equal(err.code, MLB_ERR_REFUSED);
}

/* All that this libslurm knows, from its last limit back. */
static void test_reasons(void **state)
{
    static const struct {
        const char *reason, *text;
        enum slurm_hope hope;
    } rows[] = {
        { "Resources", "are in use", HOPE_SIZE },
        { "QOSMaxJobsPerUserLimit", "a user may have no more jobs in this "
          "QOS", HOPE_TIME },
        { "AssocGrpCpuLimit", "all jobs of the account together may have no "
          "more cores", HOPE_SIZE },
        { "AssocGrpCPUMinutesLimit", "no more cores times minutes", HOPE_SIZE },
        { "AssocMaxWallDurationPerJobLimit", "it asks for more walltime than "
          "the account allows a job", HOPE_SIZE },
        { "QOSMaxGRESPerUser", "a user may have no more GPUs", HOPE_SIZE },
        { "MaxJobsPerAccount", "an account may have no more jobs in this QOS",
          HOPE_TIME },
        { "QOSMinCpuNotSatisfied", "less cores than the QOS wants", HOPE_SIZE },
        { "DependencyNeverSatisfied", "never start", HOPE_NONE },
        { "launch failed requeued held", "could not be started", HOPE_NONE },
        { "Nodes required for job are DOWN, DRAINED or reserved for jobs in "
          "higher priority partitions", "down, drained", HOPE_SIZE },
        { "ReqNodeNotAvail, UnavailableNodes:node1", "down, drained",
          HOPE_SIZE },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct mlb_text t = MLB_TEXT_INIT;
        assert_int_equal(slurm_reason_describe(rows[i].reason, &t),
                         rows[i].hope);
        assert_non_null(strstr(t.data, rows[i].text));
        text_clear(&t);
    }
    for (int i = WAIT_PRIORITY; i <= WAIT_QOS_MIN_BILLING; i++) {
        slurm_job_info_t job = { .state_reason = (uint16_t)i };
        struct mlb_text t = MLB_TEXT_INIT;
        const char *word = slurm_reason(&job);
        bool ended = i >= FAIL_DOWN_PARTITION && i <= FAIL_INACTIVE_LIMIT;
        slurm_reason_describe(word, &t);
        /* Of old machines, of federations, and of ends. */
        if (t.length == 0 && !ended && !strstr(word, "Block") &&
            !strstr("DeadLine FedJobLock OutOfMemory", word))
            fail_msg("%s is not described", word);
        text_clear(&t);
    }
    struct mlb_text t = MLB_TEXT_INIT;
    assert_int_equal(slurm_reason_describe("SomethingNew", &t), HOPE_NONE);
    assert_int_equal(t.length, 0);
}

static void test_ids(void **state)
{
    (void)state;
    assert_int_equal(slurm_id("123"), 123);
    assert_int_equal(slurm_id("0"), 0);
    assert_int_equal(slurm_id("12a"), 0);
    assert_int_equal(slurm_id(""), 0);
    assert_int_equal(slurm_id("99999999999"), 0);
    assert_int_equal(slurm_id("host:1"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan),   cmocka_unit_test(test_unset),
        cmocka_unit_test(test_spellings), cmocka_unit_test(test_values),
        cmocka_unit_test(test_begin),  cmocka_unit_test(test_bad),
        cmocka_unit_test(test_table),  cmocka_unit_test(test_states),
        cmocka_unit_test(test_errors), cmocka_unit_test(test_ids),
        cmocka_unit_test(test_reasons),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
int main(void)
{
    puts("SKIP: this build is without Slurm");
    return 77;
}
#endif
