/* SPDX-License-Identifier: BSD-3-Clause */
/* The scheduler pbs over commands that say what a test wants said. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/files.h"
#include "base/process.h"
#include "plan_fixture.h"
#include "scheduler/pbs_parts.h"

#define TOKEN "00112233445566778899aabbccddeeff"
#define JOB(id, state, substate, token, more) \
    "Job Id: " id "\n    job_state = " state "\n    substate = " substate \
    "\n    Variable_List = PBS_O_HOME=/,MLB_TOKEN=" token "\n" more "\n"
#define DOWN "echo Connection refused >&2\n" \
             "echo 'qstat: cannot connect to server pbs1 (errno=15010)' >&2\n"

static char bin[64];
static struct mlb_error err;

/* A command, as lines of sh. "$0.calls" has a line for each call. */
static void play(const char *name, const char *lines)
{
    char *path = xasprintf("%s/%s", bin, name);
    char *text = xasprintf("#!/bin/sh\n"
                           "[ \"$1\" != --version ] || "
                           "{ echo 'pbs_version = 23.06.06'; exit; }\n"
                           "echo \"$*\" >> \"$0.calls\"\n%s", lines);

    assert_int_equal(files_publish(path, text, strlen(text), 0755, &err), 0);
    free(text);
    free(path);
}

/* The same, saying text. */
static void play_text(const char *name, const char *text, const char *then)
{
    char *path = xasprintf("%s/%s.text", bin, name);
    char *lines = xasprintf("cat \"$0.text\"\n%s", then);

    assert_int_equal(files_publish(path, text, strlen(text), 0644, &err), 0);
    play(name, lines);
    free(lines);
    free(path);
}

/* The calls so far, which are then forgotten. Static. */
static const char *calls(const char *name)
{
    static char seen[4096];
    char *path = xasprintf("%s/%s.calls", bin, name);
    struct mlb_text t = MLB_TEXT_INIT;

    files_read(path, sizeof(seen) - 1, &t, NULL);
    snprintf(seen, sizeof(seen), "%s", t.data);
    unlink(path);
    text_clear(&t);
    free(path);
    return seen;
}

static int begin(void **state)
{
    char *path;

    (void)state;
    snprintf(bin, sizeof(bin), "/tmp/test_pbs.XXXXXX");
    if (!mkdtemp(bin))
        return -1;
    path = xasprintf("%s:/usr/bin:/bin", bin);
    setenv("PATH", path, 1);
    free(path);
    err = (struct mlb_error){ 0 };
    return 0;
}

static int end(void **state)
{
    (void)state;
    return files_remove_tree(bin, NULL);
}

static int query(struct mlb_job_status *jobs, size_t count)
{
    return scheduler_pbs.query(NULL, jobs, count, &err);
}

static void test_query(void **state)
{
    struct mlb_job_status jobs[] = {
        { .id = "7.pbs1", .token = TOKEN },
        { .id = "15.pbs1", .token = TOKEN },
        { .id = "9.pbs1", .token = "another" },
        { .id = "8.pbs1", .token = TOKEN },
        { .id = "-f", .token = TOKEN },
    };

    (void)state;
    play_text("qstat",
              JOB("15.pbs1.far.example", "R", "42", TOKEN,
                  "    exec_host = pbs1/0*2+pbs1/1+pbs2/0\n")
              JOB("9.pbs1", "R", "42", TOKEN, "")
              JOB("7.pbs1", "F", "93", TOKEN, "    Exit_status = 3\n"),
              "echo 'qstat: Unknown Job Id 8.pbs1' >&2\nexit 153\n");
    assert_int_equal(query(jobs, 5), 0);
    /* One call for all of them; what is no id is not asked for. */
    assert_string_equal(calls("qstat"),
                        "-x -f -w 7.pbs1 15.pbs1 9.pbs1 8.pbs1\n");
    assert_int_equal(jobs[0].state, MLB_STATE_FAILED);
    assert_int_equal(jobs[0].exit_code, 3);
    assert_int_equal(jobs[1].state, MLB_STATE_RUNNING);
    assert_string_equal(jobs[1].nodes, "pbs1,pbs2");
    /* Of that id, but another's: ids are used again. */
    for (int i = 2; i < 5; i++) {
        assert_false(jobs[i].known);
        assert_int_equal(jobs[i].state, MLB_STATE_UNKNOWN);
        assert_string_equal(jobs[i].reason, "");
    }
    assert_int_equal(query(jobs, 0), 0);
    assert_string_equal(calls("qstat"), "");
}

/* Of a job that nothing was said of, nothing may be concluded. */
static void test_partial(void **state)
{
    struct mlb_job_status jobs[] = { { .id = "7.pbs1", .token = TOKEN },
                                     { .id = "8.pbs1", .token = TOKEN } };

    (void)state;
    play_text("qstat", JOB("7.pbs1", "R", "42", TOKEN, ""), "exit 0\n");
    assert_int_equal(query(jobs, 2), -1);
    assert_int_equal(err.code, MLB_ERR_UNREACHABLE);
    assert_string_equal(err.text, "qstat said nothing of job 8.pbs1");
    assert_false(jobs[0].known);
    /* The server went away in between. */
    play_text("qstat", JOB("7.pbs1", "R", "42", TOKEN, ""), DOWN "exit 255");
    assert_int_equal(query(jobs, 2), -1);
    assert_int_equal(err.code, MLB_ERR_UNREACHABLE);
    assert_string_equal(err.text, "PBS did not answer: qstat: cannot connect "
                                  "to server pbs1 (errno=15010)");
    play("qstat", "echo 'qstat: Unauthorized Request' >&2; exit 159\n");
    assert_int_equal(query(jobs, 2), -1);
    assert_int_equal(err.code, MLB_ERR_UNREACHABLE);
    assert_non_null(strstr(err.text, "Unauthorized Request"));
    play("qstat", "kill -9 $$\n");
    assert_int_equal(query(jobs, 2), -1);
    assert_int_equal(err.code, MLB_ERR_UNREACHABLE);
}

static void test_history_off(void **state)
{
    struct mlb_job_status jobs[] = { { .id = "7.pbs1", .token = TOKEN },
                                     { .id = "8.pbs1", .token = TOKEN } };

    (void)state;
    play_text("qstat", JOB("7.pbs1", "Q", "10", TOKEN,
                           "    comment = Not Running: x\n"),
              "exit 0\n");
    play("qstat",
         "if [ \"$1\" = -x ]; then\n"
         "for id in 7.pbs1 8.pbs1; do echo 'qstat: PBS is not configured to"
         " maintain job history' $id >&2; done\nexit 0\nfi\n"
         "cat \"$0.text\"; echo 'qstat: Unknown Job Id 8.pbs1' >&2\n"
         "exit 153\n");
    assert_int_equal(query(jobs, 2), 0);
    assert_string_equal(calls("qstat"), "-x -f -w 7.pbs1 8.pbs1\n"
                                        "-f -w 7.pbs1 8.pbs1\n");
    assert_int_equal(jobs[0].state, MLB_STATE_PENDING);
    assert_string_equal(jobs[0].reason, "Not Running: x");
    assert_false(jobs[1].known);
    assert_int_equal(scheduler_pbs.history(NULL, jobs + 1, 1, &err), -1);
    assert_int_equal(err.code, MLB_ERR_UNSUPPORTED);
    assert_string_equal(err.text, "PBS keeps no history of jobs here");
    play("qstat", "echo 'qstat: Unknown Job Id 8.pbs1' >&2; exit 153\n");
    assert_int_equal(scheduler_pbs.history(NULL, jobs + 1, 1, &err), 0);
    assert_false(jobs[1].known);
}

/* qdel of a job on its way to the node makes it look as if it had ended by
 * itself: it is let arrive. */
static void test_cancel(void **state)
{
    (void)state;
    play_text("qstat", JOB("7.pbs1", "R", "41", TOKEN, ""),
              "[ $(wc -l < \"$0.calls\") -lt 3 ] || "
              "sed -i s/41/42/ \"$0.text\"\n");
    play("qdel", "");
    assert_int_equal(scheduler_pbs.cancel(NULL, "7.pbs1", &err), 0);
    assert_string_equal(calls("qdel"), "7.pbs1\n");
    assert_string_equal(calls("qstat"),
                        "-x -f -w 7.pbs1\n-x -f -w 7.pbs1\n"
                        "-x -f -w 7.pbs1\n-x -f -w 7.pbs1\n");
    play_text("qstat", JOB("7.pbs1", "F", "92", TOKEN, ""), "");
    assert_int_equal(scheduler_pbs.cancel(NULL, "7.pbs1", &err), -1);
    assert_int_equal(err.code, MLB_ERR_NOT_FOUND);
    assert_string_equal(calls("qdel"), "");
    play_text("qstat", JOB("7.pbs1", "E", "50", TOKEN, ""), "");
    play("qdel", "echo 'qdel: Request invalid for state of job 7.pbs1' >&2\n"
                 "exit 168\n");
    assert_int_equal(scheduler_pbs.cancel(NULL, "7.pbs1", &err), -1);
    assert_int_equal(err.code, MLB_ERR_NOT_FOUND);
    play("qdel", "echo 'qdel: Unauthorized Request  7.pbs1' >&2\nexit 159\n");
    assert_int_equal(scheduler_pbs.cancel(NULL, "7.pbs1", &err), -1);
    assert_int_equal(err.code, MLB_ERR_REFUSED);
    assert_string_equal(err.text,
                        "qdel 7.pbs1: qdel: Unauthorized Request  7.pbs1");
    assert_int_equal(scheduler_pbs.cancel(NULL, "all", &err), -1);
    assert_int_equal(err.code, MLB_ERR_NOT_FOUND);
}

static void test_hold(void **state)
{
    (void)state;
    play("qhold", "");
    play("qrls", "");
    play_text("qstat", JOB("7.pbs1", "Q", "10", TOKEN, ""), "");
    assert_int_equal(scheduler_pbs.hold(NULL, "7.pbs1", &err), 0);
    assert_string_equal(calls("qhold"), "7.pbs1\n");
    play_text("qstat", JOB("7.pbs1", "R", "42", TOKEN, ""), "");
    assert_int_equal(scheduler_pbs.hold(NULL, "7.pbs1", &err), -1);
    assert_int_equal(err.code, MLB_ERR_REFUSED);
    assert_string_equal(calls("qhold"), "");
    assert_int_equal(scheduler_pbs.release(NULL, "7.pbs1", &err), 0);
    assert_string_equal(calls("qrls"), "7.pbs1\n");
}

static void test_explain(void **state)
{
    static const struct {
        const char *state, *more, *reason, *text;
    } rows[] = {
        { "Q", "    comment = Can Never Run: Insufficient amount of resource:"
               " ncpus (R: 99 A: 16 T: 16)\n", "Never",
          "no node has what it asks for: Can Never Run: Insufficient amount "
          "of resource: ncpus (R: 99 A: 16 T: 16)" },
        { "Q", "    comment = Not Running: Queue not started.\n",
          "QueueStopped", "its queue takes jobs, but starts none: Not "
          "Running: Queue not started." },
        { "H", "    comment = Job held by alice on Sun Nov 22\n", "Held",
          "somebody holds it; mlbatch release lets it go: Job held by alice "
          "on Sun Nov 22" },
        { "H", "", "Held", "it is held" },
        { "Q", "", "Queued", "PBS has not yet said why" },
    };
    struct mlb_waiting w;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *job = xasprintf("Job Id: 7.pbs1\n    job_state = %s\n%s"
                              "    estimated.start_time = "
                              "Sun Nov 22 22:17:18 2026\n", rows[i].state,
                              rows[i].more);
        play_text("qstat", job, "");
        assert_int_equal(scheduler_pbs.explain(NULL, "7.pbs1", &w, &err), 0);
        assert_string_equal(w.reason, rows[i].reason);
        assert_string_equal(w.text, rows[i].text);
        assert_true(w.start > 1700000000);
        free(job);
    }
}

/* A parent that was deleted before it ran never lets the job go. */
static void test_waits_in_vain(void **state)
{
    static const char child[] =
        "Job Id: 9.pbs1\n    job_state = H\n    substate = 22\n"
        "    depend = afterany:7.pbs1@pbs1:8.pbs1@pbs1\n";
    struct mlb_waiting w;

    (void)state;
    play_text("qstat", child, "");
    play("qstat", "if [ \"$4\" = 9.pbs1 ]; then cat \"$0.text\"; else\n"
                  "printf 'Job Id: 7.pbs1\\n    job_state = F\\n'\n"
                  "printf 'Job Id: 8.pbs1\\n    job_state = %s\\n' "
                  "\"$(cat \"$0.state\")\"\nfi\n");
    char *path = xasprintf("%s/qstat.state", bin);
    assert_int_equal(files_publish(path, "Q", 1, 0644, &err), 0);
    assert_int_equal(scheduler_pbs.explain(NULL, "9.pbs1", &w, &err), 0);
    assert_string_equal(w.reason, "Dependency");
    assert_string_equal(w.text, "it waits for another job");
    calls("qstat");
    assert_int_equal(files_publish(path, "F", 1, 0644, &err), 0);
    assert_int_equal(scheduler_pbs.explain(NULL, "9.pbs1", &w, &err), 0);
    assert_non_null(strstr(w.text, "PBS lets it wait for ever"));
    assert_string_equal(calls("qstat"), "-x -f -w 9.pbs1\n"
                                        "-x -f -w 7.pbs1 8.pbs1\n");
    free(path);
}

/* Options and script reach qsub as they are, whatever is in the environment
 * of whoever submits. */
static void test_submit(void **state)
{
    char id[SCHEDULER_ID_SIZE] = "";
    char *seen = xasprintf("%s/seen", bin);
    struct mlb_text t = MLB_TEXT_INIT;
    struct fixture f;

    (void)state;
    setenv("MAIL", "a\"b", 1);
    setenv("MLB_TEST_ODD", "a\r\n#PBS -N forged\n'$(touch pwned)'\\", 1);
    fixture_make(&f, "name = \"a b\"; resources: { account = \"x \\\"y\"; };",
                 "pbs");
    assert_non_null(f.plan);
    play("qsub", "for w; do printf '<%s>' \"$w\"; done > \"${0%/*}/seen\"\n"
                 "echo >> \"${0%/*}/seen\"\n"
                 "printf '%s %s %s\\n' \"$PWD\" \"$LC_ALL\" \"${MAIL-none}\""
                 " >> \"${0%/*}/seen\"\ncat >> \"${0%/*}/seen\"\n"
                 "echo welcome; echo 16.pbs1\n");
    assert_int_equal(scheduler_pbs.submit(f.plan, NULL, id, &err), 0);
    assert_string_equal(id, "16.pbs1");
    assert_int_equal(files_read(seen, 1 << 20, &t, &err), 0);
    assert_int_equal(strncmp(t.data, "<-f><-C><><-N><a_b><-S></bin/sh>", 32),
                     0);
    assert_non_null(strstr(t.data, "<-A><x \"y>"));
    assert_non_null(strstr(t.data, "<-v><MLB_TOKEN="));
    assert_non_null(strstr(t.data, "\n/ C none\n#!/bin/sh\n"));
    assert_null(strstr(t.data, "\r\n"));
    assert_non_null(strstr(t.data, "\nexport MLB_TEST_ODD="));
    text_clear(&t);
    play("qsub", "echo thanks\n");
    assert_int_equal(scheduler_pbs.submit(f.plan, NULL, id, &err), -1);
    assert_int_equal(err.code, MLB_ERR_UNREACHABLE);
    play("qsub", "echo 'qsub: Unknown queue' >&2; exit 170\n");
    assert_int_equal(scheduler_pbs.submit(f.plan, NULL, id, &err), -1);
    assert_int_equal(err.code, MLB_ERR_REFUSED);
    assert_string_equal(err.text,
                        "PBS did not take the job: qsub: Unknown queue");
    fixture_clear(&f);
    free(seen);
    unsetenv("MAIL");
}

/* auto must go on to this machine where a client of PBS has no server, and
 * must not where the server is silent. */
static void test_not_set_up(void **state)
{
    struct mlb_probe found;

    (void)state;
    play("qstat", "echo 'pbsconf error: pbs conf variables not found: PBS_HOME"
                  " PBS_EXEC' >&2\necho 'No such file or directory' >&2\n"
                  "echo 'qstat: cannot connect to server  (errno=0)' >&2\n"
                  "exit 255\n");
    assert_int_equal(scheduler_pbs.probe(NULL, &found, &err), -1);
    assert_int_equal(err.code, MLB_ERR_UNSUPPORTED);
    play("qstat", DOWN "exit 255\n");
    assert_int_equal(scheduler_pbs.probe(NULL, &found, &err), -1);
    assert_int_equal(err.code, MLB_ERR_UNREACHABLE);
    play_text("qstat", "Server: pbs1\n    job_history_enable = True\n", "");
    assert_int_equal(scheduler_pbs.probe(NULL, &found, &err), 0);
    assert_string_equal(found.version, "OpenPBS 23.06.06");
    assert_string_equal(found.text, "server pbs1, history of jobs is kept");
}

/* Only the job that has the plan's token is the one that was lost. */
static void test_find(void **state)
{
    char id[SCHEDULER_ID_SIZE] = "";
    struct fixture f;

    (void)state;
    fixture_make(&f, "", "pbs");
    free(f.plan->token);
    free(f.plan->run_dir);
    f.plan->token = xstrdup(TOKEN);
    f.plan->run_dir = xstrdup(bin);
    play("qselect", "echo 7.pbs1; echo 8.pbs1\n");
    play_text("qstat", JOB("7.pbs1", "R", "42", "other", "")
                       JOB("8.pbs1", "R", "42", TOKEN, ""), "");
    assert_int_equal(scheduler_pbs.find(f.plan, NULL, id, &err), 1);
    assert_string_equal(id, "8.pbs1");
    assert_int_equal(strncmp(calls("qselect"), "-x -N t -u ", 11), 0);
    assert_string_equal(calls("qstat"), "-x -f -w 7.pbs1 8.pbs1\n");
    /* No jobs: qstat without an id would show all. */
    play("qselect", "");
    assert_int_equal(scheduler_pbs.find(f.plan, NULL, id, &err), 0);
    assert_string_equal(calls("qstat"), "");
    /* It was quick and is forgotten, but its run knows it. */
    char *claims = xasprintf("%s/claims", bin);
    char *claim = xasprintf("%s/" TOKEN, claims);
    mkdir(claims, 0700);
    assert_int_equal(files_publish(claim, "job=9.pbs1\0", 11, 0600, &err), 0);
    assert_int_equal(scheduler_pbs.find(f.plan, NULL, id, &err), 1);
    assert_string_equal(id, "9.pbs1");
    play("qselect", DOWN "exit 162\n");
    assert_int_equal(scheduler_pbs.find(f.plan, NULL, id, &err), -1);
    assert_int_equal(err.code, MLB_ERR_UNREACHABLE);
    free(claim);
    free(claims);
    fixture_clear(&f);
}

/* What sh makes of the exports is what was there. */
static void test_exports(void **state)
{
    char *const environment[] = {
        "A=plain", "B=", "C= a\tb\nc'd\"e\\f$HOME`id`$(id)\\", "D=\r",
        "E=x\r\n\r\n",
        "F=\xff\xfe=gr\xc3\xb6\xc3\x9f" "e", "G==", "PWD=/nowhere",
        "CUDA_VISIBLE_DEVICES=3", "TMPDIR=/login", "PBS_SERVER=s",
        "BASH_FUNC_x%%=() { :; }", "1x=2", "OPTIND=no", "noequals", NULL,
    };
    struct mlb_text script = MLB_TEXT_INIT, out = MLB_TEXT_INIT;
    struct mlb_strings empty = MLB_STRINGS_INIT;
    char *argv[] = { "/bin/sh", NULL };
    struct process_call call = { .argv = argv, .environment = &empty,
                                 .input = &script, .out = &out };
    int status;

    (void)state;
    pbs_exports(environment, &script);
    assert_null(strstr(script.data, "\r\n"));
    text_add(&script, "exec /usr/bin/env -0\n");
    assert_int_equal(process_run(&call, &status, &err), 0);
    assert_int_equal(status, 0);
    for (size_t i = 0; i < 7; i++)
        assert_non_null(memmem(out.data, out.length, environment[i],
                               strlen(environment[i]) + 1));
    for (size_t i = 7; i < 14; i++)
        assert_null(memmem(out.data, out.length, environment[i],
                           strlen(environment[i]) + 1));
    text_clear(&script);
    text_clear(&out);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(test_query), TEST(test_partial), TEST(test_history_off),
        TEST(test_cancel), TEST(test_hold), TEST(test_explain),
        TEST(test_waits_in_vain),
        TEST(test_submit), TEST(test_not_set_up),
        TEST(test_find), TEST(test_exports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
