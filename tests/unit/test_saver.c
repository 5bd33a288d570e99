/* SPDX-License-Identifier: BSD-3-Clause */
/* Saving by several ranks: any split comes back bit for bit, failures are
 * everybody's, killed at any moment, saving in the background. */
#include "config.h"

#include "saver_fixture.h"

#include "store/fault.h"

static int save_steps(const struct mlb_group *group, void *arg)
{
    const struct job *job = arg;
    struct mlb_error err = { 0 };
    struct mlb_saver *s = open_it_as(group, job, &err);
    int rc = s ? 0 : -1;

    for (uint64_t i = 0; rc == 0 && i <= job->steps; i++)
        rc = save_all(s, group, job->step + i, false, &err);
    if (rc < 0 && !job->quiet)
        fprintf(stderr, "rank %d: %s\n", group->rank, err.text);
    mlb_saver_close(s);
    return rc < 0;
}

static void any_ranks_save_and_any_load(void **state)
{
    for (int size = 1; size <= 4; size++) {
        struct job job = { .directory = *state, .step = (uint64_t)size };
        assert_int_equal(pipe_all(size, save_steps, &job), 0);
        struct mlb_checkpoint_reader *r = latest(*state, NULL);
        assert_saved(r, (uint64_t)size, size);
        mlb_checkpoint_close(r);
    }
}

static void a_file_per_node_is_the_same(void **state)
{
    for (int size = 1; size <= 4; size++) {
        struct job job = { .directory = *state, .keep = 1, .steps = 1,
                           .step = 10 * (uint64_t)size,
                           .nodes = size == 4 ? 2 : 1 };
        assert_int_equal(pipe_all(size, save_steps, &job), 0);
        struct mlb_checkpoint_reader *r = latest(*state, NULL);
        assert_has(mlb_checkpoint_path(r), ".d");
        assert_saved(r, job.step + 1, size);
        mlb_checkpoint_close(r);
        /* What was kept, and no trace of anything else. */
        assert_int_equal(count_files(*state), 1);
    }
}

/* Whole tensors and those cut by rows are one array, as from one rank. */
static void rows_are_one_array(void **state)
{
    struct mlb_error err = { 0 };

    for (int size = 1; size <= 4; size++) {
        struct job job = { .directory = *state, .step = 1 };
        const char *path = in(state, "step-000000000001.h5");
        assert_int_equal(pipe_all(size, save_steps, &job), 0);
        struct container *c = container_open(path, 0, &err);
        assert_non_null(c);
        for (size_t i = 0; i < COUNT; i++) {
            char name[64];
            snprintf(name, sizeof(name), "/tensors/%s", all[i].tensor.name);
            const struct container_info *a = container_find(c, name);
            if ((size > 1 && all[i].split == COLUMNS) ||
                (size > 2 && all[i].split == GRID)) {
                assert_null(a);
                continue;
            }
            assert_non_null(a);
            assert_int_equal(a->rank, all[i].tensor.rank);
            assert_memory_equal(a->shape, all[i].tensor.shape,
                                sizeof(a->shape));
        }
        container_close(c);
        assert_int_equal(unlink(path), 0);
    }
}

static void damage_in_a_node_file_is_found(void **state)
{
    struct job job = { .directory = *state, .nodes = 1, .step = 1,
                       .steps = 2 };
    char other[512];

    assert_int_equal(pipe_all(2, save_steps, &job), 0);
    /* A node's file of another save, in the place of the right one. */
    snprintf(other, sizeof(other), "%s",
             in(state, "step-000000000002.d/node-001.h5"));
    assert_int_equal(rename(other, in(state,
                                      "step-000000000003.d/node-001.h5")),
                     0);
    mlb_checkpoint_close(latest(*state, "is of another save"));
    assert_int_equal(unlink(in(state, "step-000000000003.d/node-001.h5")), 0);
    struct mlb_checkpoint_reader *r = latest(*state, "2 damaged");
    assert_int_equal(mlb_checkpoint_step(r), 1);
    mlb_checkpoint_close(r);
    flip_bit(in(state, "step-000000000001.d/node-001.h5"),
             size_of(in(state, "step-000000000001.d/node-001.h5")) - 9000);
    assert_null(mlb_checkpoint_latest(*state, NULL, 0, NULL));
}

static int one_rank_dies(const struct mlb_group *group, void *arg)
{
    const struct job *job = arg;
    struct mlb_error err = { 0 };
    struct mlb_saver *s = open_it_as(group, job, &err);

    must(s && save_all(s, group, 1, false, &err) == 0);
    struct mlb_checkpoint *c = mlb_checkpoint_create(s, 2, &err);
    must(c);
    if (group->rank == 1)
        raise(SIGKILL);
    must(mlb_checkpoint_publish(c, &err) < 0);
    must(strstr(err.text, "gone"));
    must(!mlb_checkpoint_create(s, 3, &err));
    mlb_saver_close(s);
    return 0;
}

static void a_killed_rank_is_an_error_for_the_others(void **state)
{
    for (int nodes = 0; nodes <= 1; nodes++) {
        struct job job = { .directory = *state, .nodes = nodes };
        int statuses[PIPE_RANKS];
        pipe_run(3, one_rank_dies, &job, statuses);
        assert_int_equal(statuses[0], 0);
        assert_true(WIFSIGNALED(statuses[1]));
        assert_int_equal(statuses[2], 0);
        struct mlb_checkpoint_reader *r = latest(*state, NULL);
        assert_saved(r, 1, 3);
        assert_int_equal(checkpoint_remove(mlb_checkpoint_path(r), NULL), 0);
        mlb_checkpoint_close(r);
        assert_int_equal(count_files(*state), 0);
    }
}

/* Rank 1 does something wrong in each of the ways, all hear of it, and the
 * next save is as if nothing had been. */
static int one_rank_errs(const struct mlb_group *group, void *arg)
{
    static const char *const words[] = {
        "rank 1: not a possible name", "abandoned", "another type or shape",
        "overlap", "rank 1 step 7", "overlap",
    };
    const struct job *job = arg;
    bool errs = group->rank == 1;
    struct mlb_error err = { 0 };
    struct mlb_saver *s = open_it_as(group, job, &err);
    float x[8] = { 0 };

    must(s);
    for (int way = 0; way < 6; way++) {
        struct mlb_tensor t = { "t", MLB_F32, 1, { 8 }, x };
        struct mlb_box box = { { 4 * (uint64_t)group->rank }, { 4 } };
        struct mlb_checkpoint *c = mlb_checkpoint_create(
            s, way == 4 && errs ? 7 : 6, &err);
        must(c);
        if (way == 0 && errs)
            must(mlb_checkpoint_add_state(c, "..", "", 0, &err) < 0);
        if (way == 2 && errs)
            t.dtype = MLB_I32;
        if (way == 3 && errs)
            box.origin[0] = 3;
        if (way == 5 && errs)
            box.extent[0] = 3;
        must(mlb_checkpoint_add(c, &t, &box, &err) == 0);
        if (way == 1 && errs) {
            mlb_checkpoint_abandon(c);
            continue;
        }
        must(mlb_checkpoint_publish(c, &err) < 0);
        if (!(way == 0 && errs) && !strstr(err.text, words[way])) {
            fprintf(stderr, "%d: %s\n", way, err.text);
            return 1;
        }
    }
    must(save_all(s, group, 6, false, &err) == 0);
    mlb_saver_close(s);
    return 0;
}

static void an_error_of_one_rank_is_everybodys(void **state)
{
    for (int nodes = 0; nodes <= 1; nodes++) {
        struct job job = { .directory = *state, .nodes = nodes };
        assert_int_equal(pipe_all(2, one_rank_errs, &job), 0);
        struct mlb_checkpoint_reader *r = latest(*state, NULL);
        assert_saved(r, 6, 2);
        assert_int_equal(checkpoint_remove(mlb_checkpoint_path(r), NULL), 0);
        mlb_checkpoint_close(r);
        assert_int_equal(count_files(*state), 0);
    }
}

static int save_for_ever(const struct mlb_group *group, void *arg)
{
    struct job job = *(struct job *)arg;

    job.steps = UINT64_MAX / 2;
    job.quiet = true;
    return save_steps(group, &job);
}

/* The whole program is killed at any moment, as a scheduler does. */
static void killed_at_any_moment(void **state)
{
    struct job job = { .directory = *state, .step = 1, .keep = 2,
                       .slots = 1 };
    uint64_t seed = 88172645463325252u;
    struct timespec begin, end;
    pid_t pids[2];
    int status;

    clock_gettime(CLOCK_MONOTONIC, &begin);
    assert_int_equal(pipe_all(2, save_steps, &job), 0);
    clock_gettime(CLOCK_MONOTONIC, &end);
    uint64_t once = (uint64_t)((end.tv_sec - begin.tv_sec) * 1000000 +
                               (end.tv_nsec - begin.tv_nsec) / 1000);
    for (int trial = 0; trial < 200; trial++) {
        uint64_t *steps = NULL;
        size_t count = 0;
        assert_int_equal(checkpoint_steps(*state, &steps, &count, NULL), 0);
        job.step = steps[0] + 1;
        free(steps);
        pipe_start(2, save_for_ever, &job, pids);
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usleep((useconds_t)(seed % (once + once / 4)));
        kill(pids[trial % 2], SIGKILL);
        kill(pids[1 - trial % 2], SIGKILL);
        for (int i = 0; i < 2; i++)
            assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        mlb_checkpoint_close(latest(*state, NULL));
    }
    struct mlb_checkpoint_reader *r = latest(*state, NULL);
    assert_saved(r, mlb_checkpoint_step(r), 2);
    job.step = mlb_checkpoint_step(r) + 1;
    mlb_checkpoint_close(r);
    job.steps = 2;
    assert_int_equal(pipe_all(2, save_steps, &job), 0);
    assert_int_equal(count_files(*state), 3);    /* two, and a slot */
    print_message("came to step %d\n", (int)job.step);
}

static int save_behind(const struct mlb_group *group, void *arg)
{
    const struct job *job = arg;
    struct mlb_error err = { 0 };
    struct mlb_saver *s = open_it_as(group, job, &err);
    int rc = 0;

    must(s && mlb_saver_poll(s, &err) == 0 && mlb_saver_wait(s, &err) == 0);
    must(save_all(s, group, 1, true, &err) == 0);
    while (rc == 0)
        rc = mlb_saver_poll(s, &err);
    must(rc == 1 && mlb_saver_poll(s, &err) == 0);
    must(save_all(s, group, 2, true, &err) == 0);
    must(save_all(s, group, 3, true, &err) == 0);    /* waits for the 2nd */
    must(mlb_saver_wait(s, &err) == 0);
    must(save_all(s, group, 4, true, &err) == 0);
    mlb_saver_close(s);
    return 0;
}

static void saving_in_the_background_is_saving(void **state)
{
    for (int size = 1; size <= 4; size += 3) {
        struct job job = { .directory = *state, .nodes = size / 2 };
        assert_int_equal(pipe_all(size, save_behind, &job), 0);
        for (uint64_t step = 1; step <= 4; step++) {
            char path[4096];
            struct mlb_error err = { 0 };
            assert_int_equal(checkpoint_path(*state, step, path, sizeof(path),
                                             NULL), 0);
            struct mlb_checkpoint_reader *r = mlb_checkpoint_open(path, &err);
            if (!r)
                fail_msg("%s", err.text);
            assert_saved(r, step, size);
            mlb_checkpoint_close(r);
            assert_int_equal(checkpoint_remove(path, NULL), 0);
        }
    }
}

/* Data that changes right after the call does not reach the file. */
static void what_is_saved_behind_is_a_copy(void **state)
{
    struct job job = { .directory = *state };
    struct mlb_error err = { 0 };
    uint64_t bytes = 40 * MIB;
    unsigned char *data = malloc(bytes);
    struct mlb_tensor t = { "x", MLB_U8, 1, { bytes }, data };
    struct mlb_saver *s = open_it_as(NULL, &job, &err);

    for (uint64_t step = 1; step <= 3; step++) {
        struct mlb_checkpoint *c = mlb_checkpoint_create(s, step, &err);
        memset(data, (int)step, bytes);
        assert_ok(mlb_checkpoint_add(c, &t, NULL, &err), err);
        assert_ok(mlb_checkpoint_publish_async(c, &err), err);
        memset(data, 0xaa, bytes);
        assert_ok(mlb_saver_wait(s, &err), err);
        struct mlb_checkpoint_reader *r = latest(*state, NULL);
        assert_ok(mlb_checkpoint_load(r, &t, NULL, data, &err), err);
        assert_int_equal(data[0], step);
        assert_int_equal(memcmp(data, data + 1, bytes - 1), 0);
        mlb_checkpoint_close(r);
    }
    mlb_saver_close(s);
    free(data);
}

static void a_failure_behind_is_told_in_poll(void **state)
{
    struct job job = { .directory = *state };
    struct mlb_error err = { 0 };
    struct mlb_saver *s = open_it_as(NULL, &job, &err);
    int rc = 0;

    setenv("MLB_FAULTS", "fsync:1:EIO", 1);
    fault_reset();
    assert_ok(save_all(s, NULL, 1, true, &err), err);
    while (rc == 0)
        rc = mlb_saver_poll(s, &err);
    unsetenv("MLB_FAULTS");
    fault_reset();
    assert_int_equal(rc, -1);
    assert_int_equal(err.code, MLB_ERR_IO);
    assert_int_equal(count_files(*state), 1);       /* the lease */
    assert_ok(save_all(s, NULL, 1, true, &err), err);
    assert_ok(mlb_saver_wait(s, &err), err);
    mlb_saver_close(s);
    struct mlb_checkpoint_reader *r = latest(*state, NULL);
    assert_saved(r, 1, 1);
    mlb_checkpoint_close(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(any_ranks_save_and_any_load),
        IN_DIRECTORY(a_file_per_node_is_the_same),
        IN_DIRECTORY(rows_are_one_array),
        IN_DIRECTORY(damage_in_a_node_file_is_found),
        IN_DIRECTORY(a_killed_rank_is_an_error_for_the_others),
        IN_DIRECTORY(an_error_of_one_rank_is_everybodys),
        IN_DIRECTORY(killed_at_any_moment),
        IN_DIRECTORY(saving_in_the_background_is_saving),
        IN_DIRECTORY(what_is_saved_behind_is_a_copy),
        IN_DIRECTORY(a_failure_behind_is_told_in_poll),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
