/* SPDX-License-Identifier: BSD-3-Clause */
/* The queue of this machine: turns, places, ends, and ids. */
#include "config.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/fields.h"
#include "base/files.h"
#include "base/process.h"
#include "scheduler/scheduler.h"

#define JOBS_MOST 16
/* Below the 5 s after which a waiting job looks by itself: what comes within
 * this time was told by the kernel. */
#define SOON 4.0

static const struct mlb_scheduler *const local = &scheduler_local;

static struct {
    char store[64];
    struct mlb_site site;
    int serial;
    char ids[JOBS_MOST][SCHEDULER_ID_SIZE];
} t;

struct wish {
    long cores, gpus;
    bool hold;
    const char *after;       /* id of another job, or NULL */
    const char *script;      /* NULL: sleeps */
};

/* Its strings are the caller's to free by free_plan. */
static struct mlb_plan make_plan(const struct wish *wish)
{
    int n = t.serial++;
    struct mlb_plan plan = {
        .scheduler = "local", .nodes = 1, .tasks = 1, .tasks_per_node = 1,
        .cpus_per_task = 1, .cores = wish->cores,
        .gpus_per_task = wish->gpus, .hold = wish->hold,
        .run = xasprintf("r.%d", n),
        .run_dir = xasprintf("%s/runs/r.%d", t.store, n),
        .token = xasprintf("tok%d", n),
        .comment = xasprintf("mlbatch run=r.%d token=tok%d", n, n),
        .directory = xstrdup("/tmp"),
    };
    plan.after = (struct mlb_strings)MLB_STRINGS_INIT;
    if (wish->after)
        strings_push(&plan.after, wish->after);
    plan.output = xasprintf("%s/log", plan.run_dir);
    char *script = xasprintf("%s/script", plan.run_dir);
    struct mlb_text text = MLB_TEXT_INIT;
    text_addf(&text, "#!/bin/sh\ncd %s\necho $$ > pid\n%s\n", plan.run_dir,
              wish->script ? wish->script : "exec sleep 60");
    assert_int_equal(files_mkdirs(plan.run_dir, NULL), 0);
    assert_int_equal(files_publish(script, text.data, text.length, 0700,
                                   NULL), 0);
    text_clear(&text);
    free(script);
    return plan;
}

static void free_plan(struct mlb_plan *plan)
{
    free(plan->run);
    free(plan->run_dir);
    free(plan->token);
    free(plan->comment);
    free(plan->directory);
    free(plan->output);
    strings_clear(&plan->after);
}

static int submit(const struct wish *wish)
{
    struct mlb_error err = { .text = "" };
    struct mlb_plan plan = make_plan(wish);
    int n = t.serial - 1;

    if (local->submit(&plan, &t.site, t.ids[n], &err) < 0)
        fail_msg("%s", err.text);
    free_plan(&plan);
    return n;
}

static struct mlb_job_status status_of(int n)
{
    struct mlb_job_status status = { .id = t.ids[n] };

    assert_int_equal(local->query(&t.site, &status, 1, NULL), 0);
    return status;
}

static double now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

/* Look again and again, for SOON at most, until job n is in that state;
 * FAILED: until its process is gone. */
static void await(int n, enum mlb_state state)
{
    double end = now() + SOON;

    while (status_of(n).state != state) {
        if (now() > end)
            fail_msg("job %d is %s, not %s", n,
                     state_name(status_of(n).state), state_name(state));
        nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
    }
}

static char *read_part(int n, const char *part)
{
    struct mlb_text text = MLB_TEXT_INIT;
    char *path = xasprintf("%s/runs/r.%d/%s", t.store, n, part);

    if (files_read(path, 65536, &text, NULL) < 0)
        text_add(&text, "");
    free(path);
    return text_detach(&text);
}

/* The process of a job that runs: its script writes its pid first. */
static pid_t pid_of(int n)
{
    double end = now() + SOON;
    pid_t pid = 0;

    while (pid == 0 && now() < end) {
        char *text = read_part(n, "pid");
        if (strchr(text, '\n'))
            pid = atoi(text);
        free(text);
    }
    assert_true(pid > 1);
    return pid;
}

static void kill_job(int n)
{
    assert_int_equal(kill(pid_of(n), SIGKILL), 0);
}

static int set_up(void **state)
{
    (void)state;
    memset(&t, 0, sizeof(t));
    strcpy(t.store, "/tmp/mlb-local-XXXXXX");
    assert_non_null(mkdtemp(t.store));
    t.site = (struct mlb_site){
        .store = t.store, .local.cores = 2,
        .local.gpus = MLB_STRINGS_INIT,
    };
    strings_push(&t.site.local.gpus, "0");
    strings_push(&t.site.local.gpus, "GPU-b");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    /* The latest first, so that none of them gets a turn meanwhile. */
    for (int n = t.serial - 1; n >= 0; n--)
        if (t.ids[n][0])
            local->cancel(&t.site, t.ids[n], NULL);
    for (int n = 0; n < t.serial; n++)
        if (t.ids[n][0])
            await(n, MLB_STATE_FAILED);
    strings_clear(&t.site.local.gpus);
    return files_remove_tree(t.store, NULL);
}

static void test_turns(void **state)
{
    struct wish one = { .cores = 1 };
    int a = submit(&one), b = submit(&one), c = submit(&one);

    (void)state;
    await(a, MLB_STATE_RUNNING);
    await(b, MLB_STATE_RUNNING);
    struct mlb_job_status waiting = status_of(c);
    assert_true(waiting.known);
    assert_int_equal(waiting.state, MLB_STATE_PENDING);
    assert_string_equal(waiting.reason, "waits for 1 core");
    assert_string_equal(status_of(a).nodes, process_host());
    assert_true(status_of(a).start > 0);

    kill_job(a);
    await(c, MLB_STATE_RUNNING);
    assert_int_equal(status_of(a).state, MLB_STATE_FAILED);
    assert_int_equal(status_of(b).state, MLB_STATE_RUNNING);
}

/* A small job must not overtake a large one that came before. */
static void test_order(void **state)
{
    struct wish one = { .cores = 1 }, two = { .cores = 2 };
    int a = submit(&one), b = submit(&two), c = submit(&one);

    (void)state;
    await(a, MLB_STATE_RUNNING);
    assert_string_equal(status_of(b).reason, "waits for 2 cores");
    assert_string_equal(status_of(c).reason,
                        "waits for 1 core, 1 before it");
    struct mlb_waiting waiting;
    assert_int_equal(local->explain(&t.site, t.ids[c], &waiting, NULL), 0);
    assert_string_equal(waiting.text, "it waits for 1 of the 2 cores here; in "
                        "use by r.0 (1 core); first in line: r.1 (2 cores)");
    assert_int_equal(waiting.start, 0);
    assert_int_equal(local->explain(&t.site, t.ids[a], &waiting, NULL), 0);
    assert_string_equal(waiting.text, "");
    assert_int_equal(local->explain(&t.site, "elsewhere:1", &waiting, NULL),
                     -1);
    kill_job(a);
    await(b, MLB_STATE_RUNNING);
    assert_int_equal(status_of(c).state, MLB_STATE_PENDING);
    kill_job(b);
    await(c, MLB_STATE_RUNNING);
}

static void test_cancel(void **state)
{
    struct wish one = { .cores = 1 }, two = { .cores = 2 };
    struct mlb_error err;
    int a = submit(&one), b = submit(&two), c = submit(&one);

    (void)state;
    await(a, MLB_STATE_RUNNING);
    assert_int_equal(local->cancel(&t.site, t.ids[b], &err), 0);
    await(b, MLB_STATE_FAILED);
    assert_int_equal(status_of(b).state, MLB_STATE_FAILED);
    await(c, MLB_STATE_RUNNING);
    assert_int_equal(local->cancel(&t.site, t.ids[a], &err), 0);
    await(a, MLB_STATE_FAILED);
    assert_int_equal(local->cancel(&t.site, t.ids[a], &err), -1);
    assert_int_equal(err.code, MLB_ERR_NOT_FOUND);
    /* The one that never ran left nothing but its empty log. */
    char *log = read_part(b, "log");
    assert_string_equal(log, "");
    free(log);
}

/* A held job lets others pass, keeps its place, and starts by itself. */
static void test_hold(void **state)
{
    struct wish one = { .cores = 1 }, two = { .cores = 2 };
    struct wish held = { .cores = 2, .hold = true };
    struct mlb_error err;
    int a = submit(&held), b = submit(&one), c = submit(&two);
    int d = submit(&one);

    (void)state;
    await(b, MLB_STATE_RUNNING);
    assert_string_equal(status_of(a).reason, "held");
    assert_string_equal(status_of(c).reason, "waits for 2 cores");
    /* c held in its turn: d, which watches it, may start at once. */
    assert_int_equal(local->hold(&t.site, t.ids[c], &err), 0);
    await(d, MLB_STATE_RUNNING);
    assert_int_equal(local->release(&t.site, t.ids[a], &err), 0);
    assert_int_equal(local->release(&t.site, t.ids[c], &err), 0);
    assert_string_equal(status_of(c).reason,
                        "waits for 2 cores, 1 before it");
    kill_job(b);
    kill_job(d);
    await(a, MLB_STATE_RUNNING);
    assert_int_equal(status_of(c).state, MLB_STATE_PENDING);
    assert_int_equal(local->hold(&t.site, t.ids[a], &err), -1);
    assert_int_equal(err.code, MLB_ERR_REFUSED);
    assert_int_equal(local->hold(&t.site, "elsewhere:1", &err), -1);
    assert_int_equal(err.code, MLB_ERR_UNSUPPORTED);
    assert_int_equal(local->release(&t.site, t.ids[b], &err), -1);
    assert_int_equal(err.code, MLB_ERR_NOT_FOUND);
}

/* It lets others pass until the other one has ended, in whatever way. */
static void test_after(void **state)
{
    struct wish one = { .cores = 1 };
    int a = submit(&one);
    struct wish child = { .cores = 1, .after = t.ids[a] };
    int b = submit(&child), c = submit(&one);
    struct wish grandchild = { .cores = 1, .after = t.ids[b] };
    int d = submit(&grandchild);

    (void)state;
    await(a, MLB_STATE_RUNNING);
    await(c, MLB_STATE_RUNNING);
    assert_string_equal(status_of(b).reason, "waits for the end of 1 job");
    assert_string_equal(status_of(d).reason, "waits for the end of 1 job");
    kill_job(a);
    await(b, MLB_STATE_RUNNING);
    assert_int_equal(status_of(d).state, MLB_STATE_PENDING);
    kill_job(c);
    assert_int_equal(status_of(d).state, MLB_STATE_PENDING);
    kill_job(b);
    await(d, MLB_STATE_RUNNING);
    /* One that has ended is not waited for; one elsewhere cannot be. */
    int e = submit(&child);
    await(e, MLB_STATE_RUNNING);
    struct wish lost = { .cores = 1, .after = "elsewhere:1" };
    struct mlb_plan plan = make_plan(&lost);
    char id[SCHEDULER_ID_SIZE];
    struct mlb_error err;
    assert_int_equal(local->submit(&plan, &t.site, id, &err), -1);
    assert_int_equal(err.code, MLB_ERR_REFUSED);
    free_plan(&plan);
}

static void assert_part(int n, const char *part, const char *text)
{
    double end = now() + SOON;
    char *is = read_part(n, part);

    while (strcmp(is, text) != 0 && now() < end) {
        free(is);
        is = read_part(n, part);
    }
    assert_string_equal(is, text);
    free(is);
}

static void test_gpus(void **state)
{
    struct wish gpu = {
        .cores = 0, .gpus = 1,
        .script = "echo $CUDA_VISIBLE_DEVICES,$MLB_LOCAL_GPUS > gpus\n"
                  "exec sleep 60",
    };
    int a = submit(&gpu), b = submit(&gpu), c = submit(&gpu);

    (void)state;
    await(b, MLB_STATE_RUNNING);
    assert_part(a, "gpus", "0,0\n");
    assert_part(b, "gpus", "GPU-b,GPU-b\n");
    assert_string_equal(status_of(c).reason, "waits for 0 cores and 1 GPU");
    kill_job(b);
    await(c, MLB_STATE_RUNNING);
    assert_part(c, "gpus", "GPU-b,GPU-b\n");
}

static void test_other_hosts(void **state)
{
    struct mlb_job_status jobs[] = {
        { .id = "elsewhere:3" }, { .id = "nonsense" }, { .id = "x:-1" },
    };
    struct mlb_error err;

    (void)state;
    assert_int_equal(local->query(&t.site, jobs, 3, &err), 0);
    assert_true(jobs[0].known);
    assert_int_equal(jobs[0].state, MLB_STATE_UNKNOWN);
    assert_string_equal(jobs[0].reason, "runs on elsewhere, ask there");
    assert_false(jobs[1].known);
    assert_false(jobs[2].known);
    assert_int_equal(local->cancel(&t.site, "elsewhere:3", &err), -1);
    assert_int_equal(err.code, MLB_ERR_UNSUPPORTED);
    assert_int_equal(local->cancel(&t.site, "nonsense", &err), -1);
    assert_int_equal(err.code, MLB_ERR_NOT_FOUND);
}

static void test_ids(void **state)
{
    struct wish quick = { .cores = 1, .script = "exit 0" };

    (void)state;
    for (int i = 1; i <= 3; i++) {
        int n = submit(&quick);
        char *id = xasprintf("%s:%d", process_host(), i);
        assert_string_equal(t.ids[n], id);
        free(id);
        await(n, MLB_STATE_FAILED);
    }
}

/* Many at once: each gets a number of its own, and all get their turn. */
static void test_crowd(void **state)
{
    struct wish quick = { .cores = 2, .script = "echo done > done" };
    struct mlb_plan plans[8];
    int pipes[2];

    (void)state;
    assert_int_equal(pipe(pipes), 0);
    for (int i = 0; i < 8; i++)
        plans[i] = make_plan(&quick);
    for (int i = 0; i < 8; i++) {
        if (fork() == 0) {
            char id[SCHEDULER_ID_SIZE] = "";
            int rc = local->submit(&plans[i], &t.site, id, NULL);
            bool sent = write(pipes[1], id, sizeof(id)) == sizeof(id);
            _exit(rc == 0 && sent ? 0 : 1);
        }
    }
    for (int i = 0; i < 8; i++) {
        int status;
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
        assert_int_equal(read(pipes[0], t.ids[i], SCHEDULER_ID_SIZE),
                         SCHEDULER_ID_SIZE);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(t.ids[i], t.ids[j]);
    }
    for (int i = 0; i < 8; i++) {
        assert_part(i, "done", "done\n");
        free_plan(&plans[i]);
    }
    close(pipes[0]);
    close(pipes[1]);
}

/* The job outlives the command that submitted it, its terminal and SIGHUP,
 * and inherits none of its files. */
static void test_detached(void **state)
{
    struct wish wish = {
        .cores = 1,
        .script = "kill -HUP $$\n"
                  "ls -l /proc/$$/fd > fds\n"
                  "cat /proc/$$/stat > family\n"
                  "echo \"$MLB_LOCAL_JOB $(pwd -P)\"\n"
                  "exec sleep 60",
    };
    struct mlb_plan plan = make_plan(&wish);
    int pipes[2];

    (void)state;
    assert_int_equal(pipe(pipes), 0);
    pid_t pid = fork();
    if (pid == 0) {
        int rc = local->submit(&plan, &t.site, t.ids[0], NULL);
        bool sent = write(pipes[1], t.ids[0], sizeof(t.ids[0])) > 0;
        _exit(rc == 0 && sent ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(read(pipes[0], t.ids[0], SCHEDULER_ID_SIZE),
                     SCHEDULER_ID_SIZE);
    await(0, MLB_STATE_RUNNING);
    char *log = xasprintf("%s %s\n", t.ids[0], plan.run_dir);
    assert_part(0, "log", log);
    char *fds = read_part(0, "fds"), *family = read_part(0, "family");
    assert_non_null(strstr(fds, "0 -> /dev/null\n"));
    assert_non_null(strstr(fds, "1 -> "));
    assert_non_null(strstr(fds, "2 -> "));
    assert_null(strstr(fds, "pipe:"));
    long parent = 0, session = 0;
    assert_int_equal(sscanf(family, "%*d (%*[^)]) %*c %ld %*d %ld", &parent,
                            &session), 2);
    assert_true(parent != getpid());
    assert_int_equal(session, pid_of(0));
    free(fds);
    free(family);
    free(log);
    free_plan(&plan);
    close(pipes[0]);
    close(pipes[1]);
}

static void test_find(void **state)
{
    struct wish sleeper = { .cores = 1 };
    struct mlb_plan plan = make_plan(&sleeper);
    char id[SCHEDULER_ID_SIZE] = "";
    struct mlb_error err;

    (void)state;
    assert_int_equal(local->find(&plan, &t.site, id, &err), 0);
    assert_int_equal(local->submit(&plan, &t.site, t.ids[0], &err), 0);
    assert_int_equal(local->find(&plan, &t.site, id, &err), 1);
    assert_string_equal(id, t.ids[0]);
    kill_job(0);
    await(0, MLB_STATE_FAILED);
    assert_int_equal(local->find(&plan, &t.site, id, &err), 0);

    /* It ran and ended: the agent had claimed the run. */
    struct mlb_fields claim = MLB_FIELDS_INIT;
    char *path = xasprintf("%s/claims", plan.run_dir);
    assert_int_equal(files_mkdirs(path, NULL), 0);
    free(path);
    path = xasprintf("%s/claims/tok0", plan.run_dir);
    fields_add(&claim, "job", "host:99");
    assert_int_equal(fields_write(&claim, path, NULL), 0);
    assert_int_equal(local->find(&plan, &t.site, id, &err), 1);
    assert_string_equal(id, "host:99");
    fields_clear(&claim);
    free(path);
    free_plan(&plan);
}

static void test_refused(void **state)
{
    struct wish large = { .cores = 3 }, gpus = { .cores = 1, .gpus = 3 };
    struct wish lost = { .cores = 1 };
    char id[SCHEDULER_ID_SIZE];
    struct mlb_error err;
    struct mlb_plan plan = make_plan(&large);

    (void)state;
    assert_int_equal(local->submit(&plan, &t.site, id, &err), -1);
    assert_int_equal(err.code, MLB_ERR_REFUSED);
    free_plan(&plan);
    plan = make_plan(&gpus);
    assert_int_equal(local->submit(&plan, &t.site, id, &err), -1);
    assert_int_equal(err.code, MLB_ERR_REFUSED);
    free_plan(&plan);
    /* What goes wrong in the new process is told here, too. */
    plan = make_plan(&lost);
    free(plan.directory);
    plan.directory = xstrdup("/nonexistent");
    assert_int_equal(local->submit(&plan, &t.site, id, &err), -1);
    assert_int_equal(err.code, MLB_ERR_IO);
    assert_non_null(strstr(err.text, "/nonexistent"));
    assert_int_equal(local->find(&plan, &t.site, id, &err), 0);
    free_plan(&plan);
}

/* Tickets of a former boot and of pids that are others' now are nothing. */
static void test_stale(void **state)
{
    struct wish one = { .cores = 2 };
    char *host = text_encode_name(process_host());
    char *path = xasprintf("%s/local/%s", t.store, host);
    struct mlb_fields f = MLB_FIELDS_INIT;

    (void)state;
    assert_int_equal(files_mkdirs(path, NULL), 0);
    free(path);
    path = xasprintf("%s/local/%s/t-5", t.store, host);
    fields_add(&f, "ticket", "5");
    fields_addf(&f, "pid", "%ld", (long)getpid());
    fields_addf(&f, "start", "%llu", process_start_time(getpid()) + 1);
    fields_add(&f, "boot", process_boot_id());
    fields_add(&f, "cores", "2");
    fields_add(&f, "state", "running");
    assert_int_equal(fields_write(&f, path, NULL), 0);
    int a = submit(&one);
    await(a, MLB_STATE_RUNNING);
    assert_false(files_is_file(path));
    struct stat st;
    path[strlen(path) - strlen("/t-5")] = '\0';
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    fields_clear(&f);
    free(path);
    free(host);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_turns), TEST(test_order), TEST(test_cancel),
        TEST(test_hold), TEST(test_after),
        TEST(test_gpus), TEST(test_other_hosts), TEST(test_ids),
        TEST(test_crowd), TEST(test_detached), TEST(test_find),
        TEST(test_refused), TEST(test_stale),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
