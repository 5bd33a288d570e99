/* SPDX-License-Identifier: BSD-3-Clause */
/* A machine that stops in the middle of a save: all that its disk may then
 * hold, made from a log of what the save did. Whatever opens is right in
 * every byte, and the checkpoint before is there. */
#include "config.h"

#include "store_fixture.h"

#include <dirent.h>
#include <inttypes.h>
#include <sys/wait.h>

#include "crash_model.h"
#include "mlbatch/checkpoint.h"
#include "step_fixture.h"

#define MOST_TRIES 700        /* for one place where it stops */

static const struct shapes tiny = { { 5000, 24, 0, 700 } };
static const struct shapes large = { { 2 * MIB + 77, 400, MIB, 5000 } };

static int save(const char *directory, uint64_t step, const struct shapes *s,
                int keep, struct mlb_error *err)
{
    struct mlb_saver_options o;

    mlb_saver_options_init(&o);
    o.directory = directory;
    o.retention = (struct mlb_retention){ .last = keep };
    struct mlb_saver *saver = mlb_saver_open(&o, err);
    struct mlb_checkpoint *c =
        saver ? mlb_checkpoint_create(saver, step, err) : NULL;
    int rc = c ? 0 : -1;
    for (size_t i = 0; rc == 0 && i < TENSORS; i++) {
        char name[16];
        struct mlb_tensor t = { name, MLB_U8, 1, { s->lengths[i] },
                                bytes_of(step, i) };
        name_of(i, name);
        rc = mlb_checkpoint_add(c, &t, NULL, err);
    }
    if (rc == 0)
        rc = mlb_checkpoint_publish(c, err);
    mlb_saver_close(saver);
    return rc;
}

/* Files in the directory that open, whatever their name, hold all that was
 * saved: the commit record is never there before the data. Bit n of what is
 * returned: step n is there under its name. */
static unsigned whole_ones(const char *directory, const struct shapes *s)
{
    DIR *dir = opendir(directory);
    unsigned found = 0;

    assert_non_null(dir);
    for (struct dirent *d; (d = readdir(dir));) {
        char *path = xasprintf("%s/%s", directory, d->d_name);
        uint64_t step;
        struct container *c = container_open(path, CONTAINER_CHECKPOINT,
                                             NULL);
        if (c) {
            if (container_check_all(c, NULL) < 0)
                fail_msg("%s: a commit record without its data", path);
            assert_right(c, path, s);
            if (sscanf(d->d_name, "step-%" SCNu64 ".h5", &step) == 1)
                found |= 1u << step;
        } else if (strncmp(d->d_name, "step-", 5) == 0) {
            fail_msg("%s has its name and is not whole", path);
        }
        container_close(c);
        free(path);
    }
    closedir(dir);
    return found;
}

/* A save to be looked at. */
struct scene {
    uint64_t before, step;        /* steps 1 to before were saved */
    const struct shapes *shapes;
    int keep_before, keep;        /* 0: all */
    bool exhaustive;
    bool slot;                    /* step 1 is written over */
};

static int play_scene(const struct scene *scene, const char *directory)
{
    char slot[4096], retired[4096];

    if (!scene->slot)
        return save(directory, scene->step, scene->shapes, scene->keep, NULL);
    snprintf(retired, sizeof(retired), "%s/step-%012d.h5", directory, 1);
    snprintf(slot, sizeof(slot), "%s/.mlb-slot-0.h5", directory);
    return rename(retired, slot) < 0
               ? -1
               : save_over(directory, slot, scene->step, scene->shapes,
                           NULL);
}

static void record(void **state, const struct scene *scene, struct model *m)
{
    const char *log = in(state, "log"), *directory = in(state, "saves");
    struct mlb_error err = { 0 };
    int status = 0;

    assert_int_equal(mkdir(directory, 0700), 0);
    for (uint64_t i = 1; i <= scene->before; i++)
        assert_ok((scene->slot ? save_over(directory, NULL, i, scene->shapes,
                                           &err)
                               : save(directory, i, scene->shapes,
                                      scene->keep_before, &err)),
                  err);
    model_begin(m, directory);
    pid_t pid = fork();
    if (pid == 0) {
        setenv("MLB_FAULT_LOG", log, 1);
        fault_reset();
        _exit(play_scene(scene, directory) == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    model_load(m, log);
}

static void clear_directory(const char *directory)
{
    struct mlb_strings names = MLB_STRINGS_INIT;

    assert_int_equal(files_list(directory, &names, NULL), 0);
    for (size_t i = 0; i < names.count; i++) {
        char *path = xasprintf("%s/%s", directory, names.items[i]);
        assert_int_equal(unlink(path), 0);
        free(path);
    }
    strings_clear(&names);
}

static void assert_same_file(const char *a, const char *b)
{
    char *x = NULL, *y = NULL;
    size_t n = size_of(a);

    assert_int_equal(size_of(b), n);
    x = xmalloc(n + 1);
    y = xmalloc(n + 1);
    get_bytes(a, 0, x, n);
    get_bytes(b, 0, y, n);
    assert_memory_equal(x, y, n);
    free(x);
    free(y);
}

/* The log has all: with nothing lost it gives what is really there. */
static void assert_complete(void **state, const struct model *m)
{
    static struct model_choice all;
    struct mlb_strings names = MLB_STRINGS_INIT;

    memset(&all, 0, sizeof(all));
    all.end = m->count;
    all.unit = 512;
    model_make(m, &all, in(state, "disk"));
    assert_int_equal(files_list(m->directory, &names, NULL), 0);
    assert_int_equal(count_files(in(state, "disk")), names.count);
    for (size_t i = 0; i < names.count; i++) {
        char *real = xasprintf("%s/%s", m->directory, names.items[i]);
        char *made = xasprintf("%s/disk/%s", (char *)*state, names.items[i]);
        assert_same_file(real, made);
        free(real);
        free(made);
    }
    strings_clear(&names);
    clear_directory(in(state, "disk"));
}

/* One disk: made, looked at, and, as a program that starts again would
 * have it, cleaned and saved to. */
static void try_disk(void **state, const struct model *m,
                     const struct model_choice *choice,
                     const struct scene *scene)
{
    const char *disk = in(state, "disk");
    struct mlb_error err = { 0 };
    char note[200];

    model_make(m, choice, disk);
    unsigned there = whole_ones(disk, scene->shapes);
    bool is_new = there & 1u << scene->step;
    uint64_t first = scene->slot ? 2 : 1;
    if (scene->keep_before)
        first = scene->before - (uint64_t)scene->keep_before + 1;
    for (uint64_t i = first; i <= scene->before; i++) {
        bool kept = scene->keep == 0 ||
                    i + (uint64_t)scene->keep > scene->step;
        if (!(there & 1u << i) && (kept || !is_new))
            fail_msg("step %" PRIu64 " was lost", i);
    }
    if (choice->end == m->count && !is_new)
        fail_msg("what was published was lost");
    struct mlb_checkpoint_reader *r = mlb_checkpoint_latest(
        disk, note, sizeof(note), &err);
    if (r) {
        assert_string_equal(note, "");
        assert_int_equal(mlb_checkpoint_step(r), is_new ? scene->step
                                                        : scene->before);
    } else {
        assert_int_equal(err.code, MLB_ERR_NOT_FOUND);
        assert_true(!is_new && scene->before == 0);
    }
    mlb_checkpoint_close(r);
    clear_directory(disk);
}

/* The choices of a place where it stops: all of them, if they are few
 * enough, else some. Returns how many there were. */
static unsigned long try_place(void **state, const struct model *m,
                               size_t end, const struct scene *scene)
{
    static struct model_choice choice;
    size_t open[MODEL_EVENTS], count = 0;
    uint64_t seed = 88172645463325252u + end, all = 1, tries;

    for (size_t i = 0; i < end; i++)
        if (model_is_open(m, i, end))
            open[count++] = i;
    for (size_t i = 0; i < count && all < MOST_TRIES; i++)
        all *= MODEL_FATES;
    bool random = all >= MOST_TRIES;
    tries = random ? (scene->exhaustive ? MOST_TRIES : 12) : all;
    for (uint64_t n = 0; n < tries; n++) {
        uint64_t rest = n;
        for (size_t i = 0; i < count; i++, rest /= MODEL_FATES)
            choice.fates[open[i]] = (random ? model_random(&seed) : rest) %
                                    MODEL_FATES;
        choice.end = end;
        choice.seed = model_random(&seed);
        choice.unit = n % 2 ? 512 : 4096;
        try_disk(state, m, &choice, scene);
        /* Torn in two sizes, where order and place are all the same. */
        choice.unit = n % 2 ? 4096 : 512;
        if (!random)
            try_disk(state, m, &choice, scene);
    }
    return tries * (random ? 1 : 2);
}

static void play(void **state, const struct scene *scene)
{
    static struct model m;
    unsigned long tries = 0;

    record(state, scene, &m);
    assert_int_equal(mkdir(in(state, "disk"), 0700), 0);
    assert_complete(state, &m);
    for (size_t end = 0; end <= m.count; end++)
        tries += try_place(state, &m, end, scene);
    print_message("%zu operations, %lu disks\n", m.count, tries);
    assert_true(tries > m.count);
    model_end(&m);
}

static void the_first_save(void **state)
{
    play(state, &(struct scene){ .step = 1, .shapes = &tiny,
                                 .exhaustive = true });
}

static void a_save_after_others(void **state)
{
    play(state, &(struct scene){ .before = 2, .step = 3, .shapes = &tiny,
                                 .exhaustive = true });
}

static void a_save_that_removes_old_ones(void **state)
{
    play(state, &(struct scene){ .before = 4, .step = 5, .shapes = &tiny,
                                 .keep = 2, .exhaustive = true });
}

static void a_save_of_a_long_run(void **state)
{
    play(state, &(struct scene){ .before = 4, .step = 5, .shapes = &tiny,
                                 .keep_before = 2, .keep = 2,
                                 .exhaustive = true });
}

static void a_large_save(void **state)
{
    play(state, &(struct scene){ .before = 1, .step = 2,
                                 .shapes = &large });
}

/* Its old bytes are no less sound than the new ones. */
static void a_save_over_an_old_one(void **state)
{
    play(state, &(struct scene){ .before = 2, .step = 3, .shapes = &tiny,
                                 .exhaustive = true, .slot = true });
}

static void a_large_save_over_an_old_one(void **state)
{
    play(state, &(struct scene){ .before = 2, .step = 3, .shapes = &large,
                                 .slot = true });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(the_first_save),
        IN_DIRECTORY(a_save_after_others),
        IN_DIRECTORY(a_save_that_removes_old_ones),
        IN_DIRECTORY(a_save_of_a_long_run),
        IN_DIRECTORY(a_large_save),
        IN_DIRECTORY(a_save_over_an_old_one),
        IN_DIRECTORY(a_large_save_over_an_old_one),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
