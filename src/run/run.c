/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs' directories: claiming, finding, listing, and who runs them. */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "base/units.h"
#include "run/points.h"
#include "run/run.h"

#define NUMBER_DIGITS 9
#define NUMBER_MAX 999999999L
#define POINTS "/points"

static const char *const parts[] = {
    "events", "out", "checkpoints", "claims", "code",
};

struct entry {
    char *id;
    size_t name_length;      /* of id, up to its last dot */
    long number;
};

struct entries {
    struct entry *items;
    size_t count;
};

void run_clear(struct mlb_run *run)
{
    free(run->id);
    free(run->path);
    free(run->sweep);
    *run = (struct mlb_run)MLB_RUN_INIT;
}

void run_copy(const struct mlb_run *from, struct mlb_run *to)
{
    *to = (struct mlb_run){
        .id = xstrdup(from->id), .path = xstrdup(from->path),
        .sweep = xstrdup(from->sweep), .point = from->point,
    };
}

char *run_path(const struct mlb_run *run, const char *part)
{
    return xasprintf("%s/%s", run->path, part);
}

/* Is id NAME.N as run_create writes it? The number is after the last dot:
 * names hold dots, too. */
static bool split_id(const char *id, size_t *name_length, long *number)
{
    const char *dot = strrchr(id, '.');

    if (!dot || dot == id || dot[1] < '1' || dot[1] > '9' || strchr(id, '/'))
        return false;
    size_t digits = strspn(dot + 1, "0123456789");
    if (digits > NUMBER_DIGITS || dot[1 + digits] != '\0')
        return false;
    *name_length = (size_t)(dot - id);
    *number = strtol(dot + 1, NULL, 10);
    return true;
}

/* A directory itself: a link in a run's place was not put there by us. */
static bool is_own_dir(int at, const char *name)
{
    struct stat st;

    return fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISDIR(st.st_mode);
}

static void entries_clear(struct entries *all)
{
    for (size_t i = 0; i < all->count; i++)
        free(all->items[i].id);
    free(all->items);
    *all = (struct entries){ 0 };
}

static void entries_push(struct entries *all, const struct entry *entry)
{
    if ((all->count & (all->count - 1)) == 0)
        all->items = xrealloc(all->items, (all->count ? 2 * all->count : 1) *
                                              sizeof(*all->items));
    all->items[all->count] = *entry;
    all->items[all->count++].id = xstrdup(entry->id);
}

/* The runs of one encoded name, or all of them (name NULL), in no order. */
static int scan(const char *store, const char *name, struct entries *all,
                struct mlb_error *err)
{
    char *path = xasprintf("%s/runs", store);
    DIR *dir = opendir(path);
    int rc = 0;

    if (!dir && errno != ENOENT)
        rc = mlb_error_errno(err, MLB_ERR_IO, "cannot list %s", path);
    for (struct dirent *d; dir && (d = readdir(dir));) {
        struct entry e = { .id = d->d_name };
        if (!split_id(e.id, &e.name_length, &e.number))
            continue;
        if (name && (strncmp(e.id, name, e.name_length) != 0 ||
                     name[e.name_length] != '\0'))
            continue;
        if (d->d_type == DT_DIR ||
            (d->d_type == DT_UNKNOWN && is_own_dir(dirfd(dir), e.id)))
            entries_push(all, &e);
    }
    if (dir)
        closedir(dir);
    free(path);
    return rc;
}

static long largest(const struct entries *all)
{
    long number = 0;

    for (size_t i = 0; i < all->count; i++)
        if (all->items[i].number > number)
            number = all->items[i].number;
    return number;
}

/* Make the directories in a run's. */
static int make_parts(const char *path, struct mlb_error *err)
{
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        char *part = xasprintf("%s/%s", path, parts[i]);
        int rc = mkdir(part, 0700) < 0 && errno != EEXIST ? -1 : 0;
        if (rc < 0)
            mlb_error_errno(err, MLB_ERR_IO, "cannot make directory %s",
                            part);
        free(part);
        if (rc < 0)
            return -1;
    }
    return 0;
}

int run_make(const char *path, struct mlb_error *err)
{
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot make directory %s",
                               path);
    return make_parts(path, err);
}

/* mkdir is the claim: it succeeds for one process only. A number that is
 * taken, by whatever it may be, is passed over. */
static int claim(const char *runs, const char *name, long number,
                 struct mlb_run *run, struct mlb_error *err)
{
    for (; number <= NUMBER_MAX; number++) {
        struct mlb_run try = { .id = xasprintf("%s.%ld", name, number) };
        try.path = xasprintf("%s/%s", runs, try.id);
        if (mkdir(try.path, 0700) == 0) {
            if (make_parts(try.path, err) == 0) {
                *run = try;
                return 0;
            }
            files_remove_tree(try.path, NULL);
            run_clear(&try);
            return -1;
        }
        if (errno != EEXIST)
            mlb_error_errno(err, MLB_ERR_IO, "cannot make directory %s",
                            try.path);
        bool again = errno == EEXIST;
        run_clear(&try);
        if (!again)
            return -1;
    }
    return mlb_error_set(err, MLB_ERR_FAILED, "%s: no number is left in %s",
                         name, runs);
}

int run_create(const char *store, const char *name, struct mlb_run *run,
               struct mlb_error *err)
{
    struct entries all = { 0 };
    char *root = files_absolute(store);
    char *runs = xasprintf("%s/runs", strcmp(root, "/") == 0 ? "" : root);
    char *encoded = text_encode_name(name);
    int rc = files_mkdirs(runs, err);

    if (rc == 0)
        rc = scan(root, encoded, &all, err);
    if (rc == 0)
        rc = claim(runs, encoded, largest(&all) + 1, run, err);
    entries_clear(&all);
    free(encoded);
    free(runs);
    free(root);
    return rc;
}

/* Set run if STORE/runs/NAME.NUMBER is one (number 0: the latest). */
static bool take(const char *store, const char *name, long number,
                 struct mlb_run *run)
{
    struct entries all = { 0 };

    if (number == 0) {
        scan(store, name, &all, NULL);
        number = largest(&all);
        entries_clear(&all);
    }
    char *id = xasprintf("%s.%ld", name, number);
    char *path = xasprintf("%s/runs/%s", store, id);
    bool found = number > 0 && !strchr(name, '/') &&
                 is_own_dir(AT_FDCWD, path);
    if (found)
        *run = (struct mlb_run){ .id = id, .path = files_absolute(path) };
    else
        free(id);
    free(path);
    return found;
}

/* ".../digits.3/points/4" */
static bool take_point_path(char *path, struct mlb_run *run)
{
    size_t length = strlen(path);
    struct mlb_run sweep = { .path = path };
    char *slash = strrchr(path, '/');
    long number, point = units_parse_long(slash + 1, 0, NUMBER_MAX, &number,
                                          NULL) < 0 ? -1 : number;
    bool found = false;

    if (point < 0 || length < strlen(POINTS) ||
        slash - path < (long)strlen(POINTS) ||
        strncmp(slash - strlen(POINTS), POINTS, strlen(POINTS)) != 0)
        return false;
    *(slash - strlen(POINTS)) = '\0';
    sweep.id = strrchr(path, '/');
    if (sweep.id && split_id(++sweep.id, &length, &number) &&
        point < points_count(path)) {
        points_run(&sweep, point, run);
        found = true;
    }
    return found;
}

/* A run's directory by its path, which may lead there over links. */
static bool take_path(const char *which, struct mlb_run *run)
{
    size_t length;
    long number;
    bool found = false;
    char *path = strchr(which, '/') || strcmp(which, ".") == 0
                     ? realpath(which, NULL)
                     : NULL;

    if (path && files_is_dir(path)) {
        const char *id = strrchr(path, '/') + 1;
        char *events = xasprintf("%s/events", path);
        found = split_id(id, &length, &number) && files_is_dir(events);
        if (found)
            *run = (struct mlb_run){ .id = xstrdup(id),
                                     .path = xstrdup(path) };
        else
            found = take_point_path(path, run);
        free(events);
    }
    free(path);
    return found;
}

/* By name, as it is shown and as the user wrote it before encoding. */
static bool take_name(const char *store, const char *which,
                      struct mlb_run *run)
{
    size_t length = 0;
    long number = 0;
    bool found = false;

    if (split_id(which, &length, &number)) {
        char *name = xstrndup(which, length);
        char *encoded = text_encode_name(name);
        found = take(store, name, number, run) ||
                take(store, encoded, number, run);
        free(encoded);
        free(name);
    }
    if (!found) {
        char *encoded = text_encode_name(which);
        found = take(store, which, 0, run) || take(store, encoded, 0, run);
        free(encoded);
    }
    return found;
}

/* "digits.3/4" or "digits/4": 1, 0 if it is none, -1 with err if the sweep
 * has no such point. */
static int take_point(const char *store, const char *which,
                      struct mlb_run *run, struct mlb_error *err)
{
    const char *slash = strrchr(which, '/');
    struct mlb_run sweep = MLB_RUN_INIT;
    long point;

    if (!slash || units_parse_long(slash + 1, 0, NUMBER_MAX, &point, NULL) < 0)
        return 0;
    char *name = xstrndup(which, (size_t)(slash - which));
    int found = take_name(store, name, &sweep);
    long count = found ? points_count(sweep.path) : 0;
    if (found && point < count)
        points_run(&sweep, point, run);
    else if (found)
        found = mlb_error_set(err, MLB_ERR_NOT_FOUND,
                              count ? "%s has no point %ld, but 0 to %ld"
                                    : "%s is no sweep: it has no point %ld",
                              sweep.id, point, count - 1);
    run_clear(&sweep);
    free(name);
    return found;
}

/* What the user may have meant: the latest of that name, else whatever is
 * spelled alike. */
static int not_found(const char *store, const char *which,
                     struct mlb_error *err)
{
    struct mlb_run latest = MLB_RUN_INIT;
    struct entries all = { 0 };
    struct mlb_strings words = MLB_STRINGS_INIT;
    size_t length = 0;
    long number = 0;
    bool is_id = split_id(which, &length, &number);
    char *name = xstrndup(which, is_id ? length : strlen(which));
    char *shown = text_printable(which);
    const char *near = NULL;

    if (is_id && take_name(store, name, &latest)) {
        mlb_error_set(err, MLB_ERR_NOT_FOUND,
                      "no run %s; the latest of that name is %s", shown,
                      latest.id);
    } else {
        scan(store, NULL, &all, NULL);
        for (size_t i = 0; i < all.count; i++)
            strings_pushf(&words, "%.*s",
                          is_id ? (int)strlen(all.items[i].id)
                                : (int)all.items[i].name_length,
                          all.items[i].id);
        near = text_suggest(which, (const char *const *)words.items,
                            words.count);
        mlb_error_set(err, MLB_ERR_NOT_FOUND,
                      near ? "no run %s; did you mean %s?"
                           : "no run %s in %s/runs",
                      shown, near ? near : store);
    }
    run_clear(&latest);
    entries_clear(&all);
    strings_clear(&words);
    free(shown);
    free(name);
    return -1;
}

int run_find(const char *store, const char *which, struct mlb_run *run,
             struct mlb_error *err)
{
    if (take_path(which, run) || take_name(store, which, run))
        return 0;
    int point = take_point(store, which, run, err);
    if (point != 0)
        return point < 0 ? -1 : 0;
    return not_found(store, which, err);
}

static int compare(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    size_t n = x->name_length < y->name_length ? x->name_length
                                               : y->name_length;
    int order = strncmp(x->id, y->id, n);

    if (order == 0 && x->name_length != y->name_length)
        order = x->name_length < y->name_length ? -1 : 1;
    if (order == 0)
        order = (x->number > y->number) - (x->number < y->number);
    return order;
}

int run_list(const char *store, struct mlb_strings *ids,
             struct mlb_error *err)
{
    struct entries all = { 0 };
    int rc = scan(store, NULL, &all, err);

    if (rc == 0 && all.count > 0)
        qsort(all.items, all.count, sizeof(all.items[0]), compare);
    for (size_t i = 0; rc == 0 && i < all.count; i++)
        strings_push(ids, all.items[i].id);
    entries_clear(&all);
    return rc;
}
