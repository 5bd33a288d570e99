/* SPDX-License-Identifier: BSD-3-Clause */
/* What a saver refuses, lets go of and puts out of its way. */
#include "config.h"

#include "saver_fixture.h"

#include <sys/resource.h>

#include "store/fault.h"
#include "store/place.h"

/* More metrics than a reader takes are refused, not lost with the rest. */
static void metrics_have_a_limit(void **state)
{
    struct job job = { .directory = *state };
    struct mlb_error err = { 0 };
    struct mlb_saver *s = open_it_as(NULL, &job, &err);
    char name[256];

    for (int count = 4000; count <= 6000; count += 2000) {
        struct mlb_checkpoint *c = mlb_checkpoint_create(s, (uint64_t)count,
                                                         &err);
        for (int i = 0; i < count; i++) {
            snprintf(name, sizeof(name), "%0200d", i);
            assert_ok(mlb_checkpoint_add_metric(c, name, i, &err), err);
        }
        assert_int_equal(mlb_checkpoint_publish(c, &err),
                         count == 4000 ? 0 : -1);
    }
    assert_int_equal(err.code, MLB_ERR_USAGE);
    assert_has(err.text, "metrics");
    mlb_saver_close(s);
    struct mlb_checkpoint_reader *r = latest(*state, NULL);
    assert_int_equal(mlb_checkpoint_step(r), 4000);
    mlb_checkpoint_close(r);
    assert_int_equal(count_files(*state), 1);
}

static void a_metric_has_a_name(void **state)
{
    struct job job = { .directory = *state };
    struct mlb_error err = { 0 };
    struct mlb_saver *s = open_it_as(NULL, &job, &err);
    struct mlb_checkpoint *c = mlb_checkpoint_create(s, 1, &err);

    assert_int_equal(mlb_checkpoint_add_metric(c, NULL, 1, &err), -1);
    assert_int_equal(mlb_checkpoint_add_metric(c, "", 1, &err), -1);
    assert_int_equal(err.code, MLB_ERR_USAGE);
    mlb_checkpoint_abandon(c);
    mlb_saver_close(s);
}

static int one_may_not(const struct mlb_group *group, void *arg)
{
    const struct rlimit limit = { 16384, 16384 };
    const struct job *job = arg;
    struct mlb_error err = { 0 };
    struct mlb_saver *s = open_it_as(group, job, &err);

    must(s);
    if (group->rank == 1)
        must(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    must(save_all(s, group, 1, false, &err) < 0);
    must(strstr(err.text, "File too large"));
    mlb_saver_close(s);
    return 0;
}

/* Where the limit of file sizes is another on another rank. */
static void no_rank_dies_of_a_limit(void **state)
{
    struct job job = { .directory = *state };

    assert_int_equal(pipe_all(2, one_may_not, &job), 0);
    assert_int_equal(count_files(*state), 0);
}

/* A slot that nobody will write over is only in the way. */
static void directories_need_no_slots(void **state)
{
    struct job job = { .directory = *state, .keep = 1, .slots = 1 };
    struct mlb_error err = { 0 };

    for (uint64_t step = 1; step <= 4; step++) {
        job.nodes = step > 2;
        struct mlb_saver *s = open_it_as(NULL, &job, &err);
        assert_ok(save_all(s, NULL, step, false, &err), err);
        mlb_saver_close(s);
        assert_int_equal(count_files(*state), step == 2 ? 2 : 1);
    }
}

/* As a child that runs its parent's handlers at exit does. */
static void a_child_ends_no_save(void **state)
{
    struct job job = { .directory = *state };
    struct mlb_error err = { 0 };
    struct mlb_saver *s = open_it_as(NULL, &job, &err);
    int status;

    assert_ok(save_all(s, NULL, 1, true, &err), err);
    pid_t child = fork();
    if (child == 0) {
        alarm(10);               /* rather than to hang */
        mlb_saver_close(s);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_ok(mlb_saver_wait(s, &err), err);
    mlb_saver_close(s);
    struct mlb_checkpoint_reader *r = latest(*state, NULL);
    assert_saved(r, 1, 1);
    mlb_checkpoint_close(r);
}

static int save_elsewhere(const struct mlb_group *group, void *arg)
{
    struct job job = *(struct job *)arg;
    struct mlb_error err = { 0 };

    if (group->rank == 1)
        must(chdir("/") == 0);
    struct mlb_saver *s = open_it_as(group, &job, &err);
    must(s && chdir("/tmp") == 0);
    if (save_all(s, group, 1, false, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    mlb_saver_close(s);
    return 0;
}

/* A relative path is rank 0's, as it was when the saver was opened. */
static void directories_stay_where_they_are(void **state)
{
    struct job job = { .directory = "x/y" };

    assert_int_equal(chdir(*state), 0);
    for (job.nodes = 0; job.nodes < 2; job.nodes++) {
        assert_int_equal(pipe_all(2, save_elsewhere, &job), 0);
        assert_int_equal(count_files("x/y"), 1);
        struct mlb_checkpoint_reader *r = latest("x/y", NULL);
        assert_saved(r, 1, 2);
        assert_int_equal(checkpoint_remove(mlb_checkpoint_path(r), NULL), 0);
        mlb_checkpoint_close(r);
    }
    assert_int_equal(rmdir("x/y") | rmdir("x") | chdir("/"), 0);
}

/* What a writer on another host left, when a later attempt takes over. */
static void leftovers_of_another_host_go(void **state)
{
    struct lease_holder there = { "there", "digits.1", 1 };
    struct lease_holder here = { process_host(), "digits.1", 2 };
    struct mlb_saver_options o = { .directory = *state };
    struct mlb_error err = { 0 };
    char path[4096];
    pid_t child = fork();

    if (child == 0) {
        saver_open_on(&o, &there, &err);
        for (int i = 0; i < 3; i++) {
            place_temporary(*state, path, sizeof(path), &err);
            /* The last one is of a third host. */
            strcpy(strrchr(path, '.'), i < 2 ? ".there" : ".elsewhere");
            if (i == 1)
                mkdir(path, 0700);
            else
                write_file(path, "half of a checkpoint");
        }
        raise(SIGKILL);
    }
    waitpid(child, NULL, 0);
    assert_int_equal(count_files(*state), 4);
    struct mlb_saver *s = saver_open_on(&o, &here, &err);
    if (!s)
        fail_msg("%s", err.text);
    assert_int_equal(count_files(*state), 2);    /* the third's, the lease */
    mlb_saver_close(s);
}

/* Sectors that cannot be read are damage as any other: the step can be
 * saved again. But what could not be read just once stays. */
static void bad_sectors_are_damage(void **state)
{
    for (int nodes = 0; nodes < 2; nodes++) {
        struct job job = { .directory = *state, .nodes = nodes };
        const char *aside = in(state, nodes ? "step-000000000001.d.damaged"
                                            : "step-000000000001.h5.damaged");
        struct mlb_error err = { 0 };
        char faults[2048] = "";
        struct mlb_saver *s = open_it_as(NULL, &job, &err);
        assert_ok(save_all(s, NULL, 1, false, &err), err);
        for (int i = 1; i <= 40; i++) {
            snprintf(faults, sizeof(faults), "read:%d:EIO", i);
            setenv("MLB_FAULTS", faults, 1);
            fault_reset();
            assert_int_equal(save_all(s, NULL, 1, false, &err), -1);
            assert_true(access(aside, F_OK) < 0);
        }
        assert_has(err.text, "published already");
        faults[0] = '\0';
        for (int i = 15; i <= 30; i++)
            snprintf(faults + strlen(faults), sizeof(faults) - strlen(faults),
                     "read:%d:EIO%s", i, i < 30 ? "," : "");
        setenv("MLB_FAULTS", faults, 1);
        fault_reset();
        int rc = save_all(s, NULL, 1, false, &err);
        unsetenv("MLB_FAULTS");
        fault_reset();
        assert_true(access(aside, F_OK) == 0);
        if (rc < 0)
            assert_ok(save_all(s, NULL, 1, false, &err), err);
        mlb_saver_close(s);
        struct mlb_checkpoint_reader *r = latest(*state, NULL);
        assert_saved(r, 1, 1);
        assert_int_equal(checkpoint_remove(mlb_checkpoint_path(r), NULL), 0);
        mlb_checkpoint_close(r);
        assert_int_equal(checkpoint_remove(aside, NULL), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(metrics_have_a_limit),
        IN_DIRECTORY(a_metric_has_a_name),
        IN_DIRECTORY(no_rank_dies_of_a_limit),
        IN_DIRECTORY(directories_need_no_slots),
        IN_DIRECTORY(a_child_ends_no_save),
        IN_DIRECTORY(directories_stay_where_they_are),
        IN_DIRECTORY(leftovers_of_another_host_go),
        IN_DIRECTORY(bad_sectors_are_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
