/* SPDX-License-Identifier: BSD-3-Clause */
/* Checkpoints: round trips, falling back, keeping the newest, being killed. */
#include "config.h"

#include "store_fixture.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "mlbatch/checkpoint.h"
#include "store/checkpoint.h"

static float weights[1000];

static const char *step_path(void **state, uint64_t step)
{
    static char path[4096];

    assert_int_equal(checkpoint_path(*state, step, path, sizeof(path), NULL),
                     0);
    return path;
}

static struct mlb_saver *open_saver(const char *directory, int keep,
                                    struct mlb_error *err)
{
    struct mlb_saver_options options = { .directory = directory,
                                         .retention = { .last = keep } };

    return mlb_saver_open(&options, err);
}

/* A checkpoint whose contents tell its step. */
static int save(void **state, uint64_t step, int keep, struct mlb_error *err)
{
    struct mlb_tensor t = { .name = "layer1/weight", .dtype = MLB_F32,
                            .rank = 2, .shape = { 10, 100 },
                            .data = weights };
    struct mlb_saver *s = open_saver(*state, keep, err);
    struct mlb_checkpoint *c = s ? mlb_checkpoint_create(s, step, err)
                                 : NULL;
    int rc = -1;

    for (int i = 0; i < 1000; i++)
        weights[i] = (float)step + (float)i / 1000;
    if (c) {
        assert_int_equal(mlb_checkpoint_add(c, &t, NULL, err), 0);
        assert_int_equal(mlb_checkpoint_add_state(c, "note", "hello", 5,
                                                  err), 0);
        rc = mlb_checkpoint_publish(c, err);
    }
    mlb_saver_close(s);
    return rc;
}

static void save_ok(void **state, uint64_t step, int keep)
{
    struct mlb_error err = { 0 };

    assert_ok(save(state, step, keep, &err), err);
}

/* The latest is that step, whole; returns the note. */
static const char *assert_latest(void **state, uint64_t step)
{
    static char note[512];
    struct mlb_error err = { 0 };
    struct mlb_tensor t = { .name = "layer1/weight", .dtype = MLB_F32,
                            .rank = 2, .shape = { 10, 100 } };
    float back[1000];
    struct mlb_checkpoint_reader *r = mlb_checkpoint_latest(
        *state, note, sizeof(note), &err);

    if (!r)
        fail_msg("%s", err.text);
    assert_int_equal(mlb_checkpoint_step(r), step);
    assert_ok(mlb_checkpoint_load(r, &t, NULL, back, &err), err);
    for (int i = 0; i < 1000; i++)
        assert_true(back[i] == (float)step + (float)i / 1000);
    mlb_checkpoint_close(r);
    return note;
}

static void tensors_and_state_come_back(void **state)
{
    const char *directory = in(state, "a/b");
    struct mlb_error err = { 0 };
    double scalar = 0.1, back = 0;
    uint16_t half[6] = { 1, 2, 3, 4, 5, 6 }, half_back[6];
    struct mlb_tensor one = { .name = "lr", .dtype = MLB_F64,
                              .data = &scalar };
    struct mlb_tensor two = { .name = "w/\xce\xb1", .dtype = MLB_BF16,
                              .rank = 2, .shape = { 2, 3 }, .data = half };
    struct mlb_tensor got;
    struct mlb_saver *s = open_saver(directory, 0, &err);
    struct mlb_checkpoint *c = mlb_checkpoint_create(s, 7, &err);
    void *bytes = NULL;
    uint64_t length = 0;

    assert_non_null(c);
    assert_ok(mlb_checkpoint_add(c, &one, NULL, &err), err);
    assert_ok(mlb_checkpoint_add(c, &two, NULL, &err), err);
    assert_ok(mlb_checkpoint_add_state(c, "lr", "a\0b", 3, &err), err);
    assert_ok(mlb_checkpoint_add_state(c, "empty", NULL, 0, &err), err);
    scalar = 0.25;                 /* read in publish, not before */
    assert_ok(mlb_checkpoint_publish(c, &err), err);
    mlb_saver_close(s);
    struct mlb_checkpoint_reader *r = mlb_checkpoint_latest(directory, NULL,
                                                            0, &err);
    assert_non_null(r);
    assert_int_equal(mlb_checkpoint_step(r), 7);
    assert_has(mlb_checkpoint_path(r), "/step-000000000007.h5");
    assert_int_equal(mlb_checkpoint_tensors(r), 2);
    assert_int_equal(mlb_checkpoint_tensor(r, 1, &got), 0);
    assert_string_equal(got.name, two.name);
    assert_int_equal(got.shape[1], 3);
    assert_int_equal(mlb_checkpoint_tensor(r, 2, &got), -1);
    assert_ok(mlb_checkpoint_load(r, &one, NULL, &back, &err), err);
    assert_true(back == 0.25);
    assert_ok(mlb_checkpoint_load(r, &two, NULL, half_back, &err), err);
    assert_memory_equal(half_back, half, sizeof(half));
    assert_ok(mlb_checkpoint_load_state(r, "lr", &bytes, &length, &err), err);
    assert_int_equal(length, 3);
    assert_memory_equal(bytes, "a\0b", 4);
    free(bytes);
    assert_ok(mlb_checkpoint_load_state(r, "empty", &bytes, &length, &err),
              err);
    assert_int_equal(length, 0);
    free(bytes);
    assert_ok(mlb_checkpoint_verify(r, &err), err);
    mlb_checkpoint_close(r);
}

static void what_does_not_fit_is_refused(void **state)
{
    struct mlb_error err = { 0 };
    struct mlb_tensor t = { .name = "layer1/weight", .dtype = MLB_F32,
                            .rank = 2, .shape = { 100, 10 } };
    float back[1000];
    void *bytes;
    uint64_t length;

    save_ok(state, 1, 0);
    struct mlb_checkpoint_reader *r = mlb_checkpoint_open(step_path(state, 1),
                                                          &err);
    assert_non_null(r);
    assert_int_equal(mlb_checkpoint_load(r, &t, NULL, back, &err), -1);
    assert_int_equal(err.code, MLB_ERR_BAD_INPUT);
    assert_has(err.text, "is f32[10,100], not f32[100,10]");
    t.rank = 1;
    assert_int_equal(mlb_checkpoint_load(r, &t, NULL, back, &err), -1);
    t.rank = 9;
    assert_int_equal(mlb_checkpoint_load(r, &t, NULL, back, &err), -1);
    t = (struct mlb_tensor){ .name = "layer2" };
    assert_int_equal(mlb_checkpoint_load(r, &t, NULL, back, &err), -1);
    assert_int_equal(err.code, MLB_ERR_NOT_FOUND);
    assert_int_equal(mlb_checkpoint_load_state(r, "x", &bytes, &length, &err),
                     -1);
    assert_int_equal(err.code, MLB_ERR_NOT_FOUND);
    mlb_checkpoint_close(r);
    mlb_checkpoint_close(NULL);
}

static void bad_names_are_refused(void **state)
{
    char longest[257];
    static const char *const wrong[] = { "", "/a", "a/", "a//b", ".", "..",
                                         "a/../b", "a\tb", "\xc3", "twice",
                                         "twice/x" };
    struct mlb_error err = { 0 };
    struct mlb_saver *s = open_saver(*state, 0, &err);
    struct mlb_checkpoint *c = mlb_checkpoint_create(s, 1, &err);
    struct mlb_tensor t = { .name = "twice", .dtype = MLB_U8, .data = "x" };

    assert_ok(mlb_checkpoint_add(c, &t, NULL, &err), err);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        t.name = wrong[i];
        if (mlb_checkpoint_add(c, &t, NULL, &err) == 0)
            fail_msg("took \"%s\"", wrong[i]);
        assert_int_equal(err.code, MLB_ERR_USAGE);
    }
    memset(longest, 'n', 256);
    longest[256] = '\0';
    t.name = longest;
    assert_int_equal(mlb_checkpoint_add(c, &t, NULL, &err), -1);
    t.name = NULL;
    assert_int_equal(mlb_checkpoint_add(c, &t, NULL, &err), -1);
    longest[255] = '\0';
    t.name = longest;
    assert_ok(mlb_checkpoint_add(c, &t, NULL, &err), err);
    mlb_checkpoint_abandon(c);
    mlb_checkpoint_abandon(NULL);
    mlb_saver_close(s);
    mlb_saver_close(NULL);
    assert_int_equal(count_files(*state), 0);
    assert_null(open_saver("", 0, &err));
    write_file(in(state, "file"), "");
    assert_null(open_saver(in(state, "file"), 0, &err));
    assert_int_equal(err.code, MLB_ERR_IO);
}

static void latest_falls_back_and_says_so(void **state)
{
    struct mlb_error err = { 0 };

    assert_null(mlb_checkpoint_latest(*state, NULL, 0, &err));
    assert_int_equal(err.code, MLB_ERR_NOT_FOUND);
    assert_null(mlb_checkpoint_latest(in(state, "none"), NULL, 0, &err));
    assert_int_equal(err.code, MLB_ERR_NOT_FOUND);
    for (uint64_t step = 10; step <= 30; step += 10)
        save_ok(state, step, 0);
    write_file(in(state, "step-99.h5"), "not a name of ours");
    write_file(in(state, "step-000000000040.h5"), "not a file of ours");
    assert_has(assert_latest(state, 30), "not an mlbatch file");
    assert_int_equal(unlink(step_path(state, 40)), 0);
    assert_string_equal(assert_latest(state, 30), "");
    struct container *c = container_open(step_path(state, 30), 0, &err);
    uint64_t at = container_find(c, "/tensors/layer1/weight")->offset;
    container_close(c);
    flip_bit(step_path(state, 30), at + 1234);
    assert_has(assert_latest(state, 20), "step-000000000030.h5");
    assert_has(assert_latest(state, 20), "/tensors/layer1/weight is damaged");
    assert_int_equal(truncate(step_path(state, 20), 5000), 0);
    assert_has(assert_latest(state, 10), "2 damaged checkpoints");
    flip_bit(step_path(state, 10), 12);
    flip_bit(step_path(state, 10), 2060);
    assert_null(mlb_checkpoint_latest(*state, NULL, 0, &err));
    assert_int_equal(err.code, MLB_ERR_BAD_INPUT);
}

static void a_file_of_another_step_is_no_checkpoint_of_this(void **state)
{
    char *old = NULL;

    save_ok(state, 1, 0);
    save_ok(state, 2, 0);
    old = xstrdup(step_path(state, 2));
    assert_int_equal(rename(old, step_path(state, 3)), 0);
    assert_has(assert_latest(state, 1), "holds step 2");
    free(old);
}

static void published_steps_are_not_replaced(void **state)
{
    struct mlb_error err = { 0 };

    save_ok(state, 5, 0);
    assert_int_equal(save(state, 5, 0, &err), -1);
    assert_int_equal(err.code, MLB_ERR_FAILED);
    assert_latest(state, 5);
    assert_int_equal(count_files(*state), 1);
    /* But a damaged one must not stop the run that comes by again. */
    assert_int_equal(truncate(step_path(state, 5), 4096), 0);
    save_ok(state, 5, 0);
    assert_string_equal(assert_latest(state, 5), "");
    assert_true(files_is_file(in(state, "step-000000000005.h5.damaged")));
}

static void only_the_newest_are_kept(void **state)
{
    for (uint64_t step = 1; step <= 4; step++)
        save_ok(state, step, 3);
    assert_int_equal(count_files(*state), 3);
    assert_false(files_is_file(step_path(state, 1)));
    /* A damaged one does not count as kept. */
    assert_int_equal(truncate(step_path(state, 4), 100), 0);
    save_ok(state, 5, 3);
    assert_true(files_is_file(step_path(state, 2)));
    save_ok(state, 6, 3);
    assert_false(files_is_file(step_path(state, 2)));
    assert_true(files_is_file(step_path(state, 3)));
    assert_true(files_is_file(step_path(state, 4)));
    save_ok(state, 7, 1);
    assert_int_equal(count_files(*state), 2);
    assert_latest(state, 7);
    /* Never the one just written, even where newer steps are there. */
    save_ok(state, 2, 1);
    assert_true(files_is_file(step_path(state, 2)));
}

static void a_failed_save_leaves_the_old_ones(void **state)
{
    struct rlimit before, limit;
    struct mlb_error err = { 0 };

    save_ok(state, 1, 0);
    save_ok(state, 2, 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = 4096;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    int rc = save(state, 3, 1, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(rc, -1);
    assert_int_equal(err.code, MLB_ERR_IO);
    assert_int_equal(count_files(*state), 2);
    assert_string_equal(assert_latest(state, 2), "");
}

/* Writers are killed at any moment: what is published is always whole, and
 * the next writer cleans up. */
static void killed_writers_do_no_harm(void **state)
{
    uint64_t step = 1, *steps = NULL;
    size_t count = 0;
    struct timespec begin_time, end_time;

    clock_gettime(CLOCK_MONOTONIC, &begin_time);
    save_ok(state, 1, 0);
    clock_gettime(CLOCK_MONOTONIC, &end_time);
    long once = (end_time.tv_sec - begin_time.tv_sec) * 1000000 +
                (end_time.tv_nsec - begin_time.tv_nsec) / 1000;
    /* After 1/10, 2/10, ... of the time that a save takes, until some have
     * got through, however slow this machine is. */
    for (int trial = 1; trial <= 40 || step == 1; trial++) {
        pid_t pid = fork();
        if (pid == 0) {
            for (uint64_t s = step + 1;; s++)
                if (save(state, s, 3, NULL) < 0)
                    _exit(1);
        }
        usleep((useconds_t)(trial * once / 10));
        kill(pid, SIGKILL);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(checkpoint_steps(*state, &steps, &count, NULL), 0);
        step = steps[0];
        free(steps);
        assert_string_equal(assert_latest(state, step), "");
    }
    save_ok(state, step + 1, 3);
    assert_int_equal(count_files(*state), 3);
}

static void the_options_are_told_by_mlbatch(void **state)
{
    struct mlb_saver_options o;

    (void)state;
    unsetenv("MLB_CHECKPOINT_DIR");
    mlb_saver_options_init(&o);
    assert_string_equal(o.directory, "checkpoints");
    assert_int_equal(o.layout, MLB_LAYOUT_AUTO);
    assert_int_equal(o.retention.last, 0);
    assert_int_equal(o.retention.best, 0);
    assert_int_equal(o.slots, 1);
    setenv("MLB_CHECKPOINT_DIR", "/there", 1);
    setenv("MLB_CHECKPOINT_KEEP", "3", 1);
    setenv("MLB_CHECKPOINT_KEEP_EVERY", "1000", 1);
    setenv("MLB_CHECKPOINT_BEST", "max test/accuracy", 1);
    setenv("MLB_CHECKPOINT_KEEP_BEST", "2", 1);
    setenv("MLB_CHECKPOINT_LAYOUT", "nodes", 1);
    mlb_saver_options_init(&o);
    assert_string_equal(o.directory, "/there");
    assert_int_equal(o.layout, MLB_LAYOUT_NODES);
    assert_int_equal(o.retention.last, 3);
    assert_int_equal(o.retention.every, 1000);
    assert_int_equal(o.retention.best, 2);
    assert_int_equal(o.retention.higher_is_better, 1);
    assert_string_equal(o.retention.metric, "test/accuracy");
}

/* What the environment says wrongly is not taken for something else. */
static void wrong_options_are_refused(void **state)
{
    static const char *const wrong[][2] = {
        { "MLB_CHECKPOINT_KEEP", "three" }, { "MLB_CHECKPOINT_KEEP", "-1" },
        { "MLB_CHECKPOINT_KEEP_EVERY", "10m" },
        { "MLB_CHECKPOINT_BEST", "loss" }, { "MLB_CHECKPOINT_BEST", "min " },
        { "MLB_CHECKPOINT_LAYOUT", "striped" },
    };
    static const char *const all[] = {
        "MLB_CHECKPOINT_KEEP", "MLB_CHECKPOINT_KEEP_EVERY",
        "MLB_CHECKPOINT_BEST", "MLB_CHECKPOINT_KEEP_BEST",
        "MLB_CHECKPOINT_LAYOUT",
    };
    struct mlb_saver_options o;

    setenv("MLB_CHECKPOINT_DIR", *state, 1);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct mlb_error err = { 0 };
        for (size_t k = 0; k < sizeof(all) / sizeof(all[0]); k++)
            unsetenv(all[k]);
        setenv(wrong[i][0], wrong[i][1], 1);
        mlb_saver_options_init(&o);
        if (mlb_saver_open(&o, &err))
            fail_msg("took %s=%s", wrong[i][0], wrong[i][1]);
        assert_int_equal(err.code, MLB_ERR_USAGE);
        unsetenv(wrong[i][0]);
    }
    unsetenv("MLB_CHECKPOINT_DIR");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(tensors_and_state_come_back),
        IN_DIRECTORY(what_does_not_fit_is_refused),
        IN_DIRECTORY(bad_names_are_refused),
        IN_DIRECTORY(latest_falls_back_and_says_so),
        IN_DIRECTORY(a_file_of_another_step_is_no_checkpoint_of_this),
        IN_DIRECTORY(published_steps_are_not_replaced),
        IN_DIRECTORY(only_the_newest_are_kept),
        IN_DIRECTORY(a_failed_save_leaves_the_old_ones),
        IN_DIRECTORY(killed_writers_do_no_harm),
        cmocka_unit_test(the_options_are_told_by_mlbatch),
        IN_DIRECTORY(wrong_options_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
