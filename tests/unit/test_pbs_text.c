/* SPDX-License-Identifier: BSD-3-Clause */
/* What a live OpenPBS wrote of jobs, read back, and what users could make it
 * write. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/pbs_state.h"

#define DEPENDENCY "the job it waited for cannot end as asked"

/* All jobs of all captures, in order of the files' names. */
static const struct {
    const char *file, *id;
    char letter;
    enum mlb_state state;
    int exit_code;
    const char *reason;
} captured[] = {
    { "array-F-93-exit1", "237[].pbs1", 'F', MLB_STATE_FAILED, -1, "" },
    { "job-F-91-exit0", "205.pbs1", 'F', MLB_STATE_CANCELLED, -1, "" },
    { "job-F-91-exit265", "211.pbs1", 'F', MLB_STATE_CANCELLED, 137, "" },
    { "job-F-91-exit271", "206.pbs1", 'F', MLB_STATE_CANCELLED, 143, "" },
    { "job-F-91-exit7", "238.pbs1", 'F', MLB_STATE_CANCELLED, 7, "" },
    { "job-F-91-exitNone", "208.pbs1", 'F', MLB_STATE_CANCELLED, -1, "" },
    { "job-F-92-exit0", "195.pbs1", 'F', MLB_STATE_COMPLETED, 0, "" },
    { "job-F-92-exitNone", "231.pbs1", 'F', MLB_STATE_FAILED, -1,
      DEPENDENCY },
    { "job-F-93-exit-27", "196.pbs1", 'F', MLB_STATE_OUT_OF_MEMORY, -1,
      "memory limit" },
    { "job-F-93-exit-29", "223.pbs1", 'F', MLB_STATE_TIMEOUT, -1,
      "walltime" },
    { "job-F-93-exit265", "197.pbs1", 'F', MLB_STATE_FAILED, 137, "" },
    { "job-F-93-exit3", "230.pbs1", 'F', MLB_STATE_FAILED, 3, "" },
    { "live-array", "258[].pbs1", 'B', MLB_STATE_RUNNING, -1, "" },
    { "live-array", "258[0].pbs1", 'R', MLB_STATE_RUNNING, -1, "" },
    { "live-array", "258[1].pbs1", 'R', MLB_STATE_RUNNING, -1, "" },
    { "live-array", "258[2].pbs1", 'R', MLB_STATE_RUNNING, -1, "" },
    { "live-array", "258[3].pbs1", 'R', MLB_STATE_RUNNING, -1, "" },
    { "live-dependency-held", "257.pbs1", 'H', MLB_STATE_PENDING, -1,
      "waits for another job" },
    { "live-held", "254.pbs1", 'H', MLB_STATE_PENDING, -1, "held" },
    { "live-queued-never", "256.pbs1", 'Q', MLB_STATE_PENDING, -1,
      "Can Never Run: Insufficient amount of resource: ngpus "
      "(R: 9 A: 6 T: 6)" },
    { "live-running", "255.pbs1", 'R', MLB_STATE_RUNNING, -1, "" },
};
#define CAPTURED (sizeof(captured) / sizeof(captured[0]))

static char text[65536];

static struct pbs_text load(const char *name)
{
    const char *srcdir = getenv("srcdir");
    char path[512];

    snprintf(path, sizeof(path), "%s/tests/pbs/captures/%s.txt",
             srcdir ? srcdir : ".", name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t n = fread(text, 1, sizeof(text), f);
    assert_true(n > 0 && n < sizeof(text));
    fclose(f);
    return (struct pbs_text){ text, n, 0 };
}

static struct pbs_text of(const char *s)
{
    return (struct pbs_text){ s, strlen(s), 0 };
}

static void expect(struct pbs_span s, const char *wanted)
{
    if (!wanted) {
        assert_null(s.text);
        return;
    }
    assert_int_equal(s.length, strlen(wanted));
    assert_memory_equal(s.text, wanted, s.length);
}

static void test_captures(void **state)
{
    struct pbs_text reader = { 0 };
    struct pbs_job job;

    (void)state;
    for (size_t i = 0; i < CAPTURED; i++) {
        struct mlb_job_status status = { .exit_code = 99 };
        if (i == 0 || captured[i].file != captured[i - 1].file) {
            assert_int_equal(pbs_text_next(&reader, &job), 0);
            reader = load(captured[i].file);
        }
        assert_int_equal(pbs_text_next(&reader, &job), 1);
        expect(job.id, captured[i].id);
        expect(job.owner, "alice@pbs1");
        expect(job.queue, "workq");
        expect(job.token, NULL);
        assert_int_equal(job.state, captured[i].letter);
        assert_true(job.created > 1700000000);
        pbs_state_fill(&job, &status);
        assert_true(status.known);
        assert_int_equal(status.state, captured[i].state);
        assert_int_equal(status.ending, MLB_STATE_UNKNOWN);
        assert_int_equal(status.exit_code, captured[i].exit_code);
        assert_string_equal(status.reason, captured[i].reason);
        assert_int_equal(status.end > 0, job.state == 'F');
    }
    assert_int_equal(pbs_text_next(&reader, &job), 0);
}

static void test_all_attributes(void **state)
{
    struct pbs_text reader = load("job-F-93-exit-29");
    struct pbs_job job;

    (void)state;
    setenv("TZ", "UTC", 1);
    assert_int_equal(pbs_text_next(&reader, &job), 1);
    expect(job.walltime, "00:00:05");
    expect(job.exec_vnode, "(pbs1:ncpus=1)");
    expect(job.comment, "Job run at Sun Nov 22 at 21:27 on (pbs1:ncpus=1) "
                        "and exceeded resource walltime");
    assert_int_equal(job.substate, 93);
    assert_true(job.exited);
    assert_int_equal(job.exit_status, -29);
    reader = load("job-F-91-exit271");
    assert_int_equal(pbs_text_next(&reader, &job), 1);
    expect(job.name, "busy");
    assert_int_equal(job.started, 1795382512);
    assert_int_equal(job.ended, 1795382516);
    /* In another zone the same words are another time. */
    setenv("TZ", "UTC-1", 1);
    reader = load("job-F-91-exit271");
    assert_int_equal(pbs_text_next(&reader, &job), 1);
    assert_int_equal(job.ended, 1795382516 - 3600);
    setenv("TZ", "UTC", 1);
}

/* Only the first job_state counts, of a line that is an attribute. */
static void test_forged(void **state)
{
    static const char *const lines[] = {
        "job_state = X", "\tjob_state = X", "   job_state = X",
        "     job_state = X", "    \tjob_state = X", "    job_state= X",
        "    job_state =X", "    job_state", "    Job_state = X",
        "    job_state  = X", "    job_statex = X", "     = X", "    ", "",
        "    comment =  job_state = X", "Job Id: 9.fake,TB=a", "Job Id: ",
        "Job Id: 9", "Job Id: 9.", "Job Id: .x", "Job Id: 9[.x",
        "Job Id: 9[a].x", "Job Id: 9[1]", "Job Id: 9.a b", "Job Id: 9.a\tb",
        " Job Id: 9.a", "job Id: 9.a", "Job Id:9.a", "\033[2J",
    };
    struct pbs_job job;
    char all[256];

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        snprintf(all, sizeof(all),
                 "Job Id: 1.s\n    Job_Name = n\n%s\n    job_state = R\n"
                 "    job_state = X\n", lines[i]);
        struct pbs_text reader = of(all);
        assert_int_equal(pbs_text_next(&reader, &job), 1);
        expect(job.id, "1.s");
        expect(job.name, "n");
        assert_int_equal(job.state, 'R');
        assert_int_equal(pbs_text_next(&reader, &job), 0);
        assert_int_equal(pbs_text_next(&reader, &job), 0);
    }
}

/* A variable whose value has lines: -w writes its newlines as \n. */
static void test_newlines_in_values(void **state)
{
    struct pbs_text reader = of(
        "Job Id: 198.pbs1\n"
        "    job_state = H\n"
        "    Variable_List = NL=l1\\n    job_state = X\\nJob Id: 9.fake,"
        "TB=a\tb,BS=back\\\\,MLB_TOKEN=right,PBS_O_HOST=pbs1\n"
        "    substate = 20\n");
    struct pbs_job job;

    (void)state;
    assert_int_equal(pbs_text_next(&reader, &job), 1);
    assert_int_equal(job.state, 'H');
    assert_int_equal(job.substate, 20);
    expect(job.token, "right");
    assert_int_equal(pbs_text_next(&reader, &job), 0);
}

static void test_token(void **state)
{
    static const struct {
        const char *list, *token;
    } cases[] = {
        { "MLB_TOKEN=a", "a" },
        { "A=1,MLB_TOKEN=a", "a" },
        { "MLB_TOKEN=a,MLB_TOKEN=b", "a" },
        { "MLB_TOKEN=", "" },
        { "A=x\\,MLB_TOKEN=b", NULL },
        { "A=x\\\\,MLB_TOKEN=b", "b" },
        { "A=x\\", NULL },
        { "XMLB_TOKEN=b", NULL },
        { "MLB_TOKEN", NULL },
        { "", NULL },
        { ",,,MLB_TOKEN=a,", "a" },
    };
    struct pbs_job job;
    char all[256];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(all, sizeof(all), "Job Id: 1.s\n    Variable_List = %s\n",
                 cases[i].list);
        struct pbs_text reader = of(all);
        assert_int_equal(pbs_text_next(&reader, &job), 1);
        expect(job.token, cases[i].token);
    }
}

/* A value that is none is not given, and a later one does not stand in. */
static void test_bad_values(void **state)
{
    static const char *const times[] = {
        "", "Sun Nov 22 20:53:06 202", "Sun Nov 22 20:53:06 20266",
        "Sun Nox 22 20:53:06 2026", "Sun Nov 32 20:53:06 2026",
        "Sun Nov  0 20:53:06 2026", "Sun Nov 22 24:53:06 2026",
        "Sun Nov 22 20-53-06 2026", "Sun Nov 22 20:53:06 1969",
        "Sun Nov 22 -1:53:06 2026", "Sun Nov 22   :53:06 2026",
        "123456789012345678901234",
    };
    static const char *const statuses[] = {
        "", "-", "x", "1x", " 1", "2147483648", "99999999999999999999",
    };
    struct pbs_job job;
    char all[256];

    (void)state;
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        snprintf(all, sizeof(all), "Job Id: 1.s\n    stime = %s\n",
                 times[i]);
        struct pbs_text reader = of(all);
        assert_int_equal(pbs_text_next(&reader, &job), 1);
        assert_int_equal(job.started, 0);
    }
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        snprintf(all, sizeof(all), "Job Id: 1.s\n    Exit_status = %s\n"
                 "    substate = %s\n    job_state = FF\n"
                 "    Exit_status = 0\n", statuses[i], statuses[i]);
        struct pbs_text reader = of(all);
        assert_int_equal(pbs_text_next(&reader, &job), 1);
        assert_false(job.exited);
        assert_int_equal(job.substate, -1);
        assert_int_equal(job.state, 0);
    }
}

/* Output that was cut: "27" of "271" must not be a status. */
static void test_cut(void **state)
{
    struct pbs_text whole = load("job-F-91-exit271");
    struct pbs_job job;

    (void)state;
    for (size_t n = 0; n <= whole.length; n++) {
        char *part = malloc(n + 1);
        assert_non_null(part);
        memcpy(part, text, n);
        struct pbs_text reader = { part, n, 0 };
        int rc = pbs_text_next(&reader, &job);
        assert_int_equal(rc, n >= strlen("Job Id: 206.pbs1\n"));
        if (job.exited)
            assert_int_equal(job.exit_status, 271);
        assert_true(job.substate == -1 || job.substate == 91);
        free(part);
    }
    assert_true(job.exited);
}

/* Lines of a job, and what becomes of it. */
static const struct {
    const char *lines;
    enum mlb_state state, ending;
    int exit_code;
    const char *reason;
} fates[] = {
#define A(name, value) "    " name " = " value "\n"
#define F(substate, status) A("job_state", "F") A("substate", substate) \
    A("Exit_status", status)
#define C(status) A("job_state", "C") A("exit_status", status)
    { F("93", "-20"), MLB_STATE_NODE_FAILURE, 0, -1, "PBS lost a node" },
    { F("91", "-20"), MLB_STATE_CANCELLED, 0, -1, "" },
    { F("91", "-29"), MLB_STATE_CANCELLED, 0, -1, "" },
    { F("93", "-28"), MLB_STATE_FAILED, 0, -1, "CPU time limit" },
    { F("93", "-11"), MLB_STATE_FAILED, 0, -1, "it was to run again" },
    { F("93", "-99"), MLB_STATE_FAILED, 0, -1,
      "PBS ended it (Exit_status -99)" },
    { F("93", "137"), MLB_STATE_FAILED, 0, 137, "" },
    { F("93", "254"), MLB_STATE_FAILED, 0, 254, "" },
    { F("93", "266"), MLB_STATE_FAILED, 0, 138, "" },
    { F("93", "0"), MLB_STATE_FAILED, 0, -1, "" },
    { F("93", "256"), MLB_STATE_FAILED, 0, -1, "Exit_status 256" },
    { F("93", "321"), MLB_STATE_FAILED, 0, -1, "Exit_status 321" },
    { F("91", "1") A("comment", "Subjob finished"), MLB_STATE_CANCELLED, 0,
      -1, "" },
    { A("job_state", "F") A("substate", "93"), MLB_STATE_FAILED, 0, -1, "" },
    { A("job_state", "F"), MLB_STATE_UNKNOWN, 0, -1,
      "PBS does not say how it ended" },
    { A("job_state", "X") A("substate", "92") A("Exit_status", "0"),
      MLB_STATE_COMPLETED, 0, 0, "" },
    { A("job_state", "Q") A("substate", "10") A("Exit_status", "-20")
      A("comment", "Not Running: host"), MLB_STATE_PENDING, 0, -1,
      "requeued: PBS lost a node" },
    { A("job_state", "W"), MLB_STATE_PENDING, 0, -1, "" },
    { A("job_state", "T"), MLB_STATE_PENDING, 0, -1, "" },
    { A("job_state", "H") A("comment", "a\033[2Jb"), MLB_STATE_PENDING, 0,
      -1, "a?[2Jb" },
    { A("job_state", "R") A("substate", "41"), MLB_STATE_PENDING, 0, -1,
      "on its way to its nodes" },
    { A("job_state", "S") A("substate", "43"), MLB_STATE_RUNNING, 0, -1,
      "" },
    { A("job_state", "E") A("substate", "51") A("Exit_status", "7"),
      MLB_STATE_RUNNING, 0, -1, "" },
    { A("job_state", "E") A("substate", "51") A("Exit_status", "-29"),
      MLB_STATE_RUNNING, MLB_STATE_TIMEOUT, -1, "walltime" },
    { A("job_state", "M"), MLB_STATE_UNKNOWN, 0, -1,
      "moved to another server" },
    { A("job_state", "?"), MLB_STATE_UNKNOWN, 0, -1,
      "PBS does not say where it stands" },
    { "", MLB_STATE_UNKNOWN, 0, -1, "PBS does not say where it stands" },
    { C("0"), MLB_STATE_COMPLETED, 0, 0, "" },
    { C("3"), MLB_STATE_FAILED, 0, 3, "" },
    { C("271"), MLB_STATE_FAILED, 0, 143, "" },
    { C("-10"), MLB_STATE_OUT_OF_MEMORY, 0, -1, "memory limit" },
    { C("-11"), MLB_STATE_TIMEOUT, 0, -1, "walltime" },
    { C("-12"), MLB_STATE_FAILED, 0, -1, "CPU time limit" },
    { C("-29"), MLB_STATE_FAILED, 0, -1, "PBS ended it (Exit_status -29)" },
};

static void test_fates(void **state)
{
    struct pbs_job job;
    char all[512];

    (void)state;
    for (size_t i = 0; i < sizeof(fates) / sizeof(fates[0]); i++) {
        struct mlb_job_status status;
        memset(&status, 0x55, sizeof(status));
        snprintf(all, sizeof(all), "Job Id: 1.s\n%s", fates[i].lines);
        struct pbs_text reader = of(all);
        assert_int_equal(pbs_text_next(&reader, &job), 1);
        pbs_state_fill(&job, &status);
        assert_string_equal(status.reason, fates[i].reason);
        assert_int_equal(status.state, fates[i].state);
        assert_int_equal(status.ending, fates[i].ending);
        assert_int_equal(status.exit_code, fates[i].exit_code);
    }
}

/* The status of a whole array tells nothing; its substate does. */
static void test_array(void **state)
{
    struct pbs_text reader = of("Job Id: 15[].s\n" F("92", "1")
                                "\nJob Id: 15[2].s\n" F("92", "0"));
    struct mlb_job_status status;
    struct pbs_job job;

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pbs_text_next(&reader, &job), 1);
        pbs_state_fill(&job, &status);
        assert_int_equal(status.state, MLB_STATE_COMPLETED);
        assert_int_equal(status.exit_code, 0);
    }
    expect(job.id, "15[2].s");
}

static void test_long_comment(void **state)
{
    struct mlb_job_status status;
    struct pbs_job job;
    char all[1024];

    (void)state;
    snprintf(all, sizeof(all), "Job Id: 1.s\n    job_state = Q\n"
             "    comment = %0500d\n", 0);
    struct pbs_text reader = of(all);
    assert_int_equal(pbs_text_next(&reader, &job), 1);
    pbs_state_fill(&job, &status);
    assert_int_equal(strlen(status.reason), sizeof(status.reason) - 1);
}

static void test_nothing(void **state)
{
    static const char *const texts[] = {
        "", "\n", "\n\n", "qstat: Unknown Job Id 9.s\n", "Job Id: 9.s",
        "    job_state = R\n",
    };
    struct pbs_text none = { NULL, 0, 0 };
    struct pbs_job job;

    (void)state;
    assert_int_equal(pbs_text_next(&none, &job), 0);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct pbs_text reader = of(texts[i]);
        assert_int_equal(pbs_text_next(&reader, &job), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_captures),
        cmocka_unit_test(test_all_attributes),
        cmocka_unit_test(test_forged),
        cmocka_unit_test(test_newlines_in_values),
        cmocka_unit_test(test_token),
        cmocka_unit_test(test_bad_values),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_fates),
        cmocka_unit_test(test_array),
        cmocka_unit_test(test_long_comment),
        cmocka_unit_test(test_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
