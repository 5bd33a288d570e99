/* SPDX-License-Identifier: BSD-3-Clause */
/* What a saver refuses, lets go of and puts out of its way. */
#include "config.h"

#include "saver_fixture.h"


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

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(metrics_have_a_limit),
        IN_DIRECTORY(a_metric_has_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
