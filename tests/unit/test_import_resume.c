/* SPDX-License-Identifier: BSD-3-Clause */
/* Imports that are killed in the middle and started again. */
#include "config.h"

#include "store_fixture.h"

#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <sys/wait.h>

#include "store/fault.h"

#define ROWS 4000             /* of csv and text */

/* What the options of the test import. */
struct sample {
    const char *source;
    void (*make)(const char *path);
    const char *format, *separator;
    uint64_t length;
};

/* Keeps what the import says. */
static char said[1000];

static void keep(void *arg, const char *line)
{
    (void)arg;
    snprintf(said, sizeof(said), "%s", line);
}

static void make_csv(const char *path)
{
    FILE *f = fopen(path, "w");

    for (int i = 0; i < ROWS; i++)
        fprintf(f, "%d,%g,%d\n", i, i / 8.0, i % 5);
    assert_int_equal(fclose(f), 0);
}

static void make_text(const char *path)
{
    FILE *f = fopen(path, "w");

    for (int i = 0; i < ROWS; i++)
        fprintf(f, "line %d of a text%.*s\n", i, i % 7, "!!!!!!!");
    assert_int_equal(fclose(f), 0);
}

static void make_tokens(const char *path)
{
    FILE *f = fopen(path, "w");

    for (int i = 0; i < 1000 * 1000; i++) {
        uint16_t id = (uint16_t)((unsigned)i * 7919 % 1001);
        assert_int_equal(fwrite(&id, sizeof(id), 1, f), 1);
    }
    assert_int_equal(fclose(f), 0);
}

static struct import_options options_of(void **state, const struct sample *s,
                                        const char *name)
{
    struct import_options o = {
        .store = *state, .name = name, .source = in(state, s->source),
        .format = s->format, .length = s->length,
        .separator = s->separator, .shard_bytes = 5000,
        .dtype = s->length || s->separator ? MLB_U16 : 0, .say = keep,
    };

    if (strcmp(s->format, "tokens") == 0)
        o.shard_bytes = 300000;
    return o;
}

static void import(const struct import_options *o,
                   struct import_result *result)
{
    struct mlb_problems problems = MLB_PROBLEMS_INIT;
    struct mlb_error err = { 0 };

    if (import_run(o, result, &problems, &err) < 0)
        fail_msg("%s: %s", err.text,
                 problems.lines.count ? problems.lines.items[0] : "");
}

/* Import in a process that is killed before its n-th operation (fault.h);
 * false: it came to the end. */
static bool import_and_die(const struct import_options *o, const char *op,
                           int at)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        struct mlb_problems problems = MLB_PROBLEMS_INIT;
        struct import_result result;
        char *faults = xasprintf("%s:%d:kill", op, at);
        setenv("MLB_FAULTS", faults, 1);
        fault_reset();
        _exit(import_run(o, &result, &problems, NULL) < 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status))
        assert_int_equal(WEXITSTATUS(status), 0);
    return WIFSIGNALED(status);
}

/* The directory that a dead import left in that of the data set. */
static char *left_behind(const char *directory)
{
    struct mlb_strings names = MLB_STRINGS_INIT;
    char *path = NULL;

    assert_int_equal(files_list(directory, &names, NULL), 0);
    for (size_t i = 0; i < names.count; i++)
        if (names.items[i][0] == '.' && !strstr(names.items[i], ".key"))
            path = xasprintf("%s/%s", directory, names.items[i]);
    strings_clear(&names);
    return path;
}

/* The inode of a shard, 0 if it is not there. */
static ino_t inode_of(const char *directory, int shard)
{
    char *path = xasprintf("%s/shard-%05d.h5", directory, shard);
    struct stat st;
    ino_t inode = stat(path, &st) == 0 ? st.st_ino : 0;

    free(path);
    return inode;
}

/* The manifest without its name and what tells when and how. */
static char *manifest_text(const char *directory)
{
    char *path = xasprintf("%s/manifest.json", directory);
    json_t *all = json_load_file(path, 0, NULL);

    assert_non_null(all);
    json_object_del(all, "provenance");
    json_object_del(all, "name");
    json_object_del(json_array_get(json_object_get(all, "shards"), 0),
                    "bytes");
    for (size_t i = 0; i < json_array_size(json_object_get(all, "shards"));
         i++)
        json_object_del(json_array_get(json_object_get(all, "shards"), i),
                        "xxh3_128");
    char *text = json_dumps(all, JSON_SORT_KEYS);
    json_decref(all);
    free(path);
    return text;
}

static void compare(const struct import_options *o, const char *calm,
                    const ino_t *before, const char *version)
{
    char *path = xasprintf("%s/datasets/%s/%s", o->store, o->name, version);
    char *one = manifest_text(calm), *other = manifest_text(path);

    assert_string_equal(one, other);
    /* The first shard gets splits and statistics at the end. */
    for (int i = 1; before[0] && before[i]; i++)
        assert_int_equal(inode_of(path, i), before[i]);
    free(one);
    free(other);
    free(path);
}

static void survives(void **state, const struct sample *s, const char *op)
{
    struct import_options o = options_of(state, s, "calm");
    struct import_result calm, again;
    ino_t before[100] = { 0 };
    bool went_on = false;
    char *source = xstrdup(o.source);

    o.source = source;
    s->make(source);
    import(&o, &calm);
    char *path = xasprintf("%s/datasets/calm/%s", o.store, calm.version);
    assert_true(count_files(path) > 5);
    o.name = "killed";
    for (int at = 1; import_and_die(&o, op, at); at += at / 4 + 1) {
        char *left = left_behind(in(state, "datasets/killed"));
        memset(before, 0, sizeof(before));
        for (int i = 0; left && i < 99; i++)
            before[i] = inode_of(left, i);
        said[0] = '\0';
        import(&o, &again);
        assert_string_equal(calm.version, again.version);
        /* It may have died when all was done. */
        assert_true(again.existed == !left);
        bool goes_on = before[0] != 0;
        assert_true(goes_on == (strstr(said, "going on after") != NULL));
        went_on = went_on || (goes_on && before[2] != 0);
        compare(&o, path, goes_on ? before : before + 99, again.version);
        /* The version, the tags, and nothing of what was left. */
        assert_int_equal(count_files(in(state, "datasets/killed")), 2);
        free(left);
        assert_int_equal(files_remove_tree(in(state, "datasets/killed"),
                                           NULL), 0);
    }
    assert_true(went_on);
    assert_int_equal(files_remove_tree(in(state, "datasets"), NULL), 0);
    free(path);
    free(source);
}

static void csv_goes_on(void **state)
{
    survives(state, &(struct sample){ "s.csv", make_csv, "csv", NULL, 0 },
             "rename");
    survives(state, &(struct sample){ "s.csv", make_csv, "csv", NULL, 0 },
             "any");
}

static void text_goes_on(void **state)
{
    survives(state, &(struct sample){ "s.txt", make_text, "text", NULL, 0 },
             "rename");
}

static void tokens_go_on(void **state)
{
    survives(state, &(struct sample){ "s.bin", make_tokens, "tokens", NULL,
                                      100 }, "rename");
    survives(state, &(struct sample){ "s.bin", make_tokens, "tokens", "7",
                                      0 }, "rename");
}

/* Killed in the middle: three shards and more are there. */
static char *kill_in_the_middle(void **state, struct import_options *o,
                                struct import_result *calm)
{
    static const struct sample s = { "s.csv", make_csv, "csv", NULL, 0 };
    static char source[4096];

    *o = options_of(state, &s, "calm");
    snprintf(source, sizeof(source), "%s", o->source);
    o->source = source;
    make_csv(source);
    import(o, calm);
    o->name = "killed";
    assert_true(import_and_die(o, "rename", 5));
    char *left = left_behind(in(state, "datasets/killed"));
    assert_non_null(left);
    assert_true(inode_of(left, 2) != 0);
    return left;
}

/* Two shards at a time. */
static void killed_again_and_again_it_ends(void **state)
{
    struct import_options o;
    struct import_result calm, again;
    int times = 0;

    free(kill_in_the_middle(state, &o, &calm));
    while (import_and_die(&o, "rename", 3))
        assert_true(++times < 50);
    assert_true(times > 1);
    import(&o, &again);
    assert_true(again.existed);
    assert_string_equal(calm.version, again.version);
}

static void a_damaged_shard_is_written_again(void **state)
{
    struct import_options o;
    struct import_result calm, again;
    char *left = kill_in_the_middle(state, &o, &calm);
    char *shard = xasprintf("%s/shard-00001.h5", left);
    ino_t zero = inode_of(left, 0), one = inode_of(left, 1);

    assert_true(zero != 0);
    flip_bit(shard, size_of(shard) / 2);
    int held = open(shard, O_RDONLY);     /* so that its inode stays taken */
    import(&o, &again);
    assert_string_equal(calm.version, again.version);
    char *path = xasprintf("%s/datasets/killed/%s", o.store, again.version);
    assert_true(inode_of(path, 1) != one);
    close(held);
    free(path);
    free(shard);
    free(left);
}

static void another_source_begins_anew(void **state)
{
    struct import_options o;
    struct import_result calm, again;
    char *left = kill_in_the_middle(state, &o, &calm);
    FILE *f = fopen(o.source, "a");

    fprintf(f, "1,2,3\n");
    assert_int_equal(fclose(f), 0);
    said[0] = '\0';
    import(&o, &again);
    assert_string_equal(said, "");
    assert_string_not_equal(calm.version, again.version);
    assert_int_equal(again.rows, ROWS + 1);
    assert_false(files_is_dir(left));
    free(left);
}

/* As cp -p leaves it: other content of the same size, and the old time. */
static void another_source_of_the_same_time_begins_anew(void **state)
{
    struct import_options o;
    struct import_result calm, again;
    char *left = kill_in_the_middle(state, &o, &calm);
    struct stat st;

    assert_int_equal(stat(o.source, &st), 0);
    const struct timespec times[] = { st.st_atim, st.st_mtim };
    int fd = open(o.source, O_WRONLY);
    assert_int_equal(pwrite(fd, "7", 1, 0), 1);
    assert_int_equal(futimens(fd, times), 0);
    close(fd);
    said[0] = '\0';
    import(&o, &again);
    assert_string_equal(said, "");
    assert_string_not_equal(calm.version, again.version);
    free(left);
}

static void other_options_begin_anew(void **state)
{
    struct import_options o;
    struct import_result calm, again;
    char *left = kill_in_the_middle(state, &o, &calm);

    o.label = "last";
    said[0] = '\0';
    import(&o, &again);
    assert_string_equal(said, "");
    assert_string_not_equal(calm.version, again.version);
    assert_int_equal(count_files(in(state, "datasets/killed")), 2);
    free(left);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(csv_goes_on),
        IN_DIRECTORY(text_goes_on),
        IN_DIRECTORY(tokens_go_on),
        IN_DIRECTORY(killed_again_and_again_it_ends),
        IN_DIRECTORY(a_damaged_shard_is_written_again),
        IN_DIRECTORY(another_source_begins_anew),
        IN_DIRECTORY(another_source_of_the_same_time_begins_anew),
        IN_DIRECTORY(other_options_begin_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
