/* SPDX-License-Identifier: BSD-3-Clause */
/* Causes from facts and logs. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "run/diagnose.h"

#define FAILED { .state = MLB_STATE_FAILED, .exit_code = 1, \
                 .first = { .rank = 0, .exit = 1 } }

static const struct diagnose_facts failed = FAILED;

static struct diagnosis look(const struct diagnose_facts *facts,
                             const char *first, const char *other)
{
    struct diagnose_log logs[] = {
        { "out/rank-00000.log", 0, first, strlen(first) },
        { "out/rank-00001.log", 1, other ? other : "",
          other ? strlen(other) : 0 },
    };
    struct diagnosis d;

    diagnose(facts, logs, other ? 2 : 1, &d);
    return d;
}

#define TRACE "Traceback (most recent call last):\n" \
    "  File \"/home/u/train.py\", line 37, in <module>\n    main()\n" \
    "  File \"/usr/lib/python3/dist-packages/torch/nn/m.py\", line 9, in f\n" \
    "    return g()\n"

static void test_lines(void **state)
{
    static const struct {
        const char *log;
        enum mlb_cause cause;
        size_t line;
    } cases[] = {
        { "epoch 1\n" TRACE "ValueError: bad shape\n", MLB_CAUSE_PYTHON, 7 },
        { TRACE "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to "
          "allocate 2.00 GiB (GPU 0; 39.39 GiB total capacity)\n",
          MLB_CAUSE_CUDA_MEMORY, 6 },
        { TRACE "RuntimeError: CUDA out of memory. Tried to allocate\n"
          "retry with a smaller batch\n" TRACE "KeyError: 'lr'\n",
          MLB_CAUSE_PYTHON, 13 },
        { "WARNING: out of memory in the cache, going on\n" TRACE
          "KeyError: 'lr'\n", MLB_CAUSE_PYTHON, 7 },
        { TRACE "ModuleNotFoundError: No module named 'apex'\n",
          MLB_CAUSE_LIBRARY, 6 },
        { "./a.out: error while loading shared libraries: libx.so.1: cannot "
          "open shared object file: No such file or directory\n",
          MLB_CAUSE_LIBRARY, 1 },
        { TRACE "OSError: [Errno 28] No space left on device\n",
          MLB_CAUSE_DISK_FULL, 6 },
        { TRACE "OSError: [Errno 122] Disk quota exceeded: 'x'\n",
          MLB_CAUSE_QUOTA, 6 },
        { "slurmstepd: error: Detected 1 oom_kill event in StepId=7.0. Some "
          "of the step tasks have been OOM Killed.\n",
          MLB_CAUSE_OUT_OF_MEMORY, 1 },
        { "terminate called after throwing an instance of 'std::bad_alloc'\n"
          "  what():  std::bad_alloc\n", MLB_CAUSE_OUT_OF_MEMORY, 2 },
        { "[rank1]: Traceback (most recent call last):\n"
          "[rank1]:   File \"a.py\", line 3, in <module>\n"
          "[rank1]: torch.distributed.DistBackendError: NCCL error in: x\n",
          MLB_CAUSE_NCCL, 3 },
        { TRACE "torch.distributed.DistNetworkError: The client socket has "
          "timed out after 60s while trying to connect to (node1, 29500).\n",
          MLB_CAUSE_RENDEZVOUS, 6 },
        { "MPI_ABORT was invoked on rank 3 in communicator MPI_COMM_WORLD\n",
          MLB_CAUSE_MPI, 1 },
        { "a.out: m.c:5: main: Assertion `x' failed.\n",
          MLB_CAUSE_ASSERTION, 1 },
        { "bash: line 1: module: command not found\n" TRACE
          "KeyError: 'lr'\n", MLB_CAUSE_PYTHON, 7 },
        { TRACE "RuntimeError: Found no NVIDIA driver on your system.\n",
          MLB_CAUSE_CUDA_MISMATCH, 6 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct diagnosis d = look(&failed, cases[i].log, NULL);
        assert_string_equal(cause_name(d.cause), cause_name(cases[i].cause));
        assert_int_equal(d.evidence[0].line, cases[i].line);
    }
}

static void test_root_before_consequence(void **state)
{
    (void)state;
    struct diagnosis d = look(&failed,
        TRACE "RuntimeError: NCCL error in: ncclRemoteError\n",
        TRACE "ModuleNotFoundError: No module named 'apex'\n");
    assert_int_equal(d.cause, MLB_CAUSE_LIBRARY);
    assert_int_equal(d.evidence[0].rank, 1);
}

static void test_user_frame(void **state)
{
    (void)state;
    struct diagnosis d = look(&failed, TRACE "ValueError: no\n", NULL);
    assert_string_equal(d.text, "Python exception: ValueError: no");
    assert_string_equal(d.evidence[1].text, "in /home/u/train.py, line 37");
    assert_int_equal(d.evidence[1].line, 2);
}

static void test_facts(void **state)
{
    struct diagnose_facts killed = {
        .state = MLB_STATE_FAILED, .exit_code = 137,
        .first = { .rank = 0, .exit = 137, .signal = 9, .max_rss = 98 },
        .memory_limit = 100,
    };

    (void)state;
    assert_int_equal(look(&killed, TRACE "KeyError: 1\n", NULL).cause,
                     MLB_CAUSE_OUT_OF_MEMORY);
    killed.first.max_rss = 10;
    assert_int_equal(look(&killed, "x\n", NULL).cause, MLB_CAUSE_KILLED);
    /* What the others say of it is what came of it. */
    assert_int_equal(look(&killed, "x\n", TRACE "RuntimeError: NCCL error\n")
                         .cause, MLB_CAUSE_KILLED);
    assert_int_equal(look(&killed, "x\n", TRACE "BrokenPipeError: [Errno 32] "
                          "Broken pipe\n").cause, MLB_CAUSE_KILLED);
    struct diagnose_facts missing = FAILED;
    missing.first.exit = missing.exit_code = 127;
    assert_int_equal(look(&missing, "run.sh: line 2: trian: command not "
                          "found\n", NULL).cause, MLB_CAUSE_COMMAND);
    struct diagnose_facts gone = {
        .state = MLB_STATE_CANCELLED, .text = "cancelled by alice",
        .exit_code = 143, .first.rank = -1,
    };
    struct diagnosis d = look(&gone, TRACE "KeyError: 1\n", NULL);
    assert_int_equal(d.cause, MLB_CAUSE_CANCELLED);
    assert_string_equal(d.text, "cancelled by alice");
}

/* The job waited until its end for a rank that had failed. */
static void test_failed_before_the_end(void **state)
{
    struct diagnose_facts late = {
        .state = MLB_STATE_TIMEOUT, .text = "the walltime was over",
        .exit_code = 143, .first = { .rank = 0, .exit = 1, .before = true },
    };
    static const char killed[] = "slurmstepd: error: *** JOB 7 ON node1 "
        "CANCELLED AT 2026-11-24T10:00:00 DUE TO TIME LIMIT ***\n";

    (void)state;
    assert_int_equal(look(&late, TRACE "ValueError: no\n", killed).cause,
                     MLB_CAUSE_PYTHON);
    late.first.before = false;
    struct diagnosis d = look(&late, TRACE "ValueError: no\n", killed);
    assert_int_equal(d.cause, MLB_CAUSE_TIMEOUT);
    assert_string_equal(d.text, "timeout: the walltime was over");
    assert_int_equal(d.evidence[0].log, 1);
}

/* 255 is what ssh and sys.exit(-1) end with. */
static void test_no_signal(void **state)
{
    struct diagnose_facts odd = FAILED;

    (void)state;
    odd.first.exit = 255;
    assert_int_equal(look(&odd, "x\n", NULL).cause, MLB_CAUSE_UNKNOWN);
    odd.first.exit = 139;
    assert_int_equal(look(&odd, "x\n", NULL).cause, MLB_CAUSE_CRASH);
    odd.first.exit = 143;
    assert_int_equal(look(&odd, "x\n", NULL).cause, MLB_CAUSE_KILLED);
}

static void test_not_known(void **state)
{
    (void)state;
    struct diagnosis d = look(&failed, "1\n2\n3\n4\n5\n6\n", NULL);
    assert_int_equal(d.cause, MLB_CAUSE_UNKNOWN);
    assert_int_equal(d.evidence_count, 5);
    assert_int_equal(d.evidence[0].line, 2);
    assert_string_equal(d.evidence[4].text, "6");
    assert_int_equal(look(&failed, "", NULL).evidence_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_root_before_consequence),
        cmocka_unit_test(test_user_frame),
        cmocka_unit_test(test_facts),
        cmocka_unit_test(test_failed_before_the_end),
        cmocka_unit_test(test_no_signal),
        cmocka_unit_test(test_not_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
