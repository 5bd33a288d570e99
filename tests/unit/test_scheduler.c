/* SPDX-License-Identifier: BSD-3-Clause */
/* Which scheduler is taken, submissions that lose their answer, and the
 * environment that a job inherits. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "scheduler/environment.h"
#include "scheduler/scheduler.h"

/* A scheduler that fails on command. */
static struct {
    int lost_submits;        /* so many submits get no answer ... */
    bool accept_lost;        /* ... though the job is taken all the same */
    int lost_finds;
    bool refuse;
    int submits, finds, jobs, said;
} fake;

static int fake_submit(const struct mlb_plan *plan,
                       const struct mlb_site *site, char *id,
                       struct mlb_error *err)
{
    (void)plan, (void)site;
    fake.submits++;
    if (fake.refuse)
        return mlb_error_set(err, MLB_ERR_REFUSED, "no such partition");
    if (fake.submits <= fake.lost_submits) {
        fake.jobs += fake.accept_lost;
        return mlb_error_set(err, MLB_ERR_UNREACHABLE, "no answer");
    }
    fake.jobs++;
    strcpy(id, "7");
    return 0;
}

static int fake_find(const struct mlb_plan *plan,
                     const struct mlb_site *site, char *id,
                     struct mlb_error *err)
{
    (void)plan, (void)site;
    fake.finds++;
    if (fake.finds <= fake.lost_finds)
        return mlb_error_set(err, MLB_ERR_UNREACHABLE, "still no answer");
    if (fake.jobs > 0)
        strcpy(id, "7");
    return fake.jobs > 0;
}

static const struct mlb_scheduler fake_scheduler = {
    .name = "fake", .submit = fake_submit, .find = fake_find,
};

static void say(const char *line, void *data)
{
    fake.said++;
    assert_non_null(strstr(line, "trying again in "));
    *(char *)data = line[strlen(line) - 3];
}

static int submit(long patience, char *id, struct mlb_error *err)
{
    char digit = 0;
    struct scheduler_retry retry = { patience, say, &digit };
    struct mlb_plan plan = { .run = NULL };
    struct mlb_site site = { .store = NULL };

    strcpy(id, "");
    return scheduler_submit(&fake_scheduler, &plan, &site, &retry, id, err);
}

static void test_answer_lost(void **state)
{
    char id[SCHEDULER_ID_SIZE];
    struct mlb_error err;

    (void)state;
    memset(&fake, 0, sizeof(fake));
    fake.lost_submits = 1;
    fake.accept_lost = true;
    assert_int_equal(submit(5, id, &err), 0);
    assert_string_equal(id, "7");
    assert_int_equal(fake.submits, 1);
    assert_int_equal(fake.jobs, 1);
    assert_int_equal(fake.said, 1);
}

static void test_not_there(void **state)
{
    char id[SCHEDULER_ID_SIZE];
    struct mlb_error err;

    (void)state;
    memset(&fake, 0, sizeof(fake));
    fake.lost_submits = 1;
    assert_int_equal(submit(5, id, &err), 0);
    assert_string_equal(id, "7");
    assert_int_equal(fake.submits, 2);
    assert_int_equal(fake.finds, 1);
    assert_int_equal(fake.jobs, 1);
}

/* As long as nobody answers find, there must be no second submit. */
static void test_find_lost(void **state)
{
    char id[SCHEDULER_ID_SIZE];
    struct mlb_error err;

    (void)state;
    memset(&fake, 0, sizeof(fake));
    fake.lost_submits = 1;
    fake.accept_lost = true;
    fake.lost_finds = 1;
    assert_int_equal(submit(10, id, &err), 0);
    assert_int_equal(fake.submits, 1);
    assert_int_equal(fake.finds, 2);
    assert_int_equal(fake.jobs, 1);
}

static void test_never(void **state)
{
    char id[SCHEDULER_ID_SIZE];
    struct mlb_error err;
    time_t start = time(NULL);

    (void)state;
    memset(&fake, 0, sizeof(fake));
    fake.lost_submits = fake.lost_finds = 1000;
    assert_int_equal(submit(2, id, &err), -1);
    assert_int_equal(err.code, MLB_ERR_UNREACHABLE);
    assert_non_null(strstr(err.text, "after 2 s"));
    assert_int_equal(fake.submits, 1);
    assert_int_equal(fake.finds, 2);
    assert_true(time(NULL) - start <= 4);
}

static void test_no_patience(void **state)
{
    char id[SCHEDULER_ID_SIZE];
    struct mlb_error err;

    (void)state;
    memset(&fake, 0, sizeof(fake));
    fake.lost_submits = 1000;
    assert_int_equal(submit(0, id, &err), -1);
    assert_int_equal(err.code, MLB_ERR_UNREACHABLE);
    assert_int_equal(fake.submits, 1);
    assert_int_equal(fake.said, 0);
}

static void test_refused(void **state)
{
    char id[SCHEDULER_ID_SIZE];
    struct mlb_error err;

    (void)state;
    memset(&fake, 0, sizeof(fake));
    fake.refuse = true;
    assert_int_equal(submit(30, id, &err), -1);
    assert_int_equal(err.code, MLB_ERR_REFUSED);
    assert_int_equal(fake.submits, 1);
    assert_int_equal(fake.finds, 0);
}

static void test_names(void **state)
{
    struct mlb_site site = { .local.gpus = MLB_STRINGS_INIT };
    struct mlb_error err;

    (void)state;
    assert_ptr_equal(scheduler_find("local", &site, &err), &scheduler_local);
    assert_null(scheduler_find("slrum", &site, &err));
    assert_int_equal(err.code, MLB_ERR_USAGE);
    assert_non_null(strstr(err.text, "did you mean \"slurm\"?"));
#ifdef HAVE_SLURM
    assert_ptr_equal(scheduler_find("slurm", &site, &err), &scheduler_slurm);
    /* Set up but not usable: local would be the wrong machine. */
    setenv("SLURM_CONF", "/nonexistent/slurm.conf", 1);
    assert_null(scheduler_find("auto", &site, &err));
    assert_int_equal(err.code, MLB_ERR_UNREACHABLE);
    assert_non_null(strstr(err.text, "/nonexistent/slurm.conf"));
    unsetenv("SLURM_CONF");
#else
    assert_null(scheduler_find("slurm", &site, &err));
    assert_int_equal(err.code, MLB_ERR_UNSUPPORTED);
    assert_ptr_equal(scheduler_find("auto", &site, &err), &scheduler_local);
#endif
}

static void test_environment(void **state)
{
    char *outside[] = { "HOME=/h", "OMPI_MCA_btl=self", "MASTER_PORT=1",
                        "SLURM_CONF=/c", NULL };
    char *inside[] = { "HOME=/h", "SLURM_JOB_ID=5", "SLURM_CONF=/c",
                       "SLURMFOO=kept", "SBATCH_QOS=x", "RANK=3",
                       "RANKING=kept", "OMPI_MCA_btl=self", "PMIX_RANK=1",
                       "CUDA_VISIBLE_DEVICES=2", "MLB_RUN=a.1",
                       "MLBATCH_STORE=/s", "MASTER_ADDR=n1", NULL };
    const char *kept[] = { "HOME=/h", "SLURM_CONF=/c", "SLURMFOO=kept",
                           "RANKING=kept", "MLBATCH_STORE=/s" };
    struct mlb_strings out = MLB_STRINGS_INIT;

    (void)state;
    environment_inherit(outside, &out);
    assert_int_equal(out.count, 4);
    strings_clear(&out);
    environment_inherit(inside, &out);
    assert_int_equal(out.count, sizeof(kept) / sizeof(kept[0]));
    for (size_t i = 0; i < out.count; i++)
        assert_string_equal(out.items[i], kept[i]);
    environment_set(&out, "HOME", "/other");
    environment_set(&out, "NEW", "1");
    assert_string_equal(out.items[0], "HOME=/other");
    assert_string_equal(out.items[5], "NEW=1");
    assert_int_equal(out.count, 6);
    strings_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answer_lost), cmocka_unit_test(test_not_there),
        cmocka_unit_test(test_find_lost),   cmocka_unit_test(test_never),
        cmocka_unit_test(test_no_patience), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_names),       cmocka_unit_test(test_environment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
