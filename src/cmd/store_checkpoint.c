/* SPDX-License-Identifier: BSD-3-Clause */
/* mlbatch checkpoint: its commands, and what a user's words mean. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/files.h"
#include "base/json.h"
#include "cmd/store_checkpoint.h"
#include "run/run.h"
#include "store/checkpoint.h"
#include "store/container.h"

static bool ends_with(const char *s, const char *ending)
{
    size_t n = strlen(s), m = strlen(ending);

    return n >= m && strcmp(s + n - m, ending) == 0;
}

bool store_checkpoint_is_nodes(const char *path)
{
    char *manifest = xasprintf("%s/" CHECKPOINT_MANIFEST, path);
    bool is = files_is_file(manifest);

    free(manifest);
    return is;
}

/* A directory that holds checkpoints, itself or below "checkpoints". */
static char *directory_of(const char *path)
{
    char *inner = xasprintf("%s/checkpoints", path);

    if (files_is_dir(inner))
        return inner;
    free(inner);
    return xstrdup(path);
}

/* The path of a file or directory there is. */
static int find_path(const char *word, struct store_place *place,
                     struct mlb_error *err)
{
    struct stat st;
    char *path = xstrdup(word);
    size_t n = strlen(path);

    while (n > 1 && path[n - 1] == '/')
        path[--n] = '\0';
    int rc = stat(path, &st);
    if (rc < 0)
        mlb_error_errno(err, errno == ENOENT || errno == ENOTDIR
                                 ? MLB_ERR_NOT_FOUND : MLB_ERR_IO,
                        "cannot open %s", word);
    else if (!S_ISDIR(st.st_mode) || store_checkpoint_is_nodes(path) ||
             ends_with(path, ".d"))
        place->path = xstrdup(path);
    else
        place->directory = directory_of(path);
    free(path);
    return rc;
}

/* A run's name stands for its checkpoints, also where a file is called the
 * same: programs often are. A path has a slash or ends as our files do. */
static int find_place(const struct store_context *context, const char *word,
                      struct store_place *place, struct mlb_error *err)
{
    struct mlb_run run = MLB_RUN_INIT;

    if (strchr(word, '/') || ends_with(word, ".h5") || ends_with(word, ".d"))
        return find_path(word, place, err);
    int rc = context->store
                 ? run_find(context->store, word, &run, err)
                 : mlb_error_set(err, MLB_ERR_USAGE,
                                 "no store: give --store=DIR");
    if (rc == 0)
        place->directory = run_path(&run, "checkpoints");
    else if (files_is_dir(word))
        rc = find_path(word, place, err);
    run_clear(&run);
    return rc;
}

/* The step behind the last ':' of a word, or -1. */
static int parse_step(const char *word, uint64_t *step)
{
    const char *colon = strrchr(word, ':');
    char *end;

    if (!colon || colon[1] < '0' || colon[1] > '9')
        return -1;
    errno = 0;
    *step = strtoull(colon + 1, &end, 10);
    return errno || *end ? -1 : 0;
}

static int find_step(const char *word, uint64_t step,
                     struct store_place *place, struct mlb_error *err)
{
    char path[PATH_MAX];
    struct stat st;

    if (!place->directory)
        return mlb_error_set(err, MLB_ERR_USAGE, "%s: a single checkpoint "
                             "has no other steps", word);
    if (checkpoint_path(place->directory, step, path, sizeof(path), err) < 0)
        return -1;
    if (stat(path, &st) < 0)
        return mlb_error_set(err, MLB_ERR_NOT_FOUND, "there is no step %"
                             PRIu64 " in %s", step, place->directory);
    place->path = xstrdup(path);
    free(place->directory);
    place->directory = NULL;
    return 0;
}

int store_place_find(const struct store_context *context, const char *word,
                     struct store_place *place, struct mlb_error *err)
{
    uint64_t step;
    int rc;

    *place = (struct store_place){ NULL, NULL };
    if (parse_step(word, &step) < 0) {
        rc = find_place(context, word, place, err);
    } else {
        char *run = xstrndup(word, (size_t)(strrchr(word, ':') - word));
        rc = find_place(context, run, place, err);
        free(run);
        if (rc == 0)
            rc = find_step(word, step, place, err);
    }
    if (rc < 0)
        store_place_clear(place);
    return rc;
}

void store_place_clear(struct store_place *place)
{
    free(place->directory);
    free(place->path);
    *place = (struct store_place){ NULL, NULL };
}

char *store_checkpoint_find(const struct store_context *context,
                            const char *word, struct mlb_error *err)
{
    struct store_place place;
    char path[PATH_MAX], *found = NULL;
    uint64_t *steps = NULL;
    size_t count = 0;

    if (store_place_find(context, word, &place, err) < 0)
        return NULL;
    if (place.path)
        found = xstrdup(place.path);
    else if (checkpoint_steps(place.directory, &steps, &count, err) == 0 &&
             count == 0)
        mlb_error_set(err, MLB_ERR_NOT_FOUND, "there is no checkpoint in %s",
                      place.directory);
    else if (count > 0 && checkpoint_path(place.directory, steps[0], path,
                                          sizeof(path), err) == 0)
        found = xstrdup(path);
    free(steps);
    store_place_clear(&place);
    return found;
}

uint64_t store_checkpoint_bytes(const char *path)
{
    struct mlb_strings names = MLB_STRINGS_INIT;
    uint64_t bytes = 0;
    struct stat st;

    if (stat(path, &st) < 0)
        return 0;
    if (!S_ISDIR(st.st_mode))
        return (uint64_t)st.st_size;
    files_list(path, &names, NULL);
    for (size_t i = 0; i < names.count; i++) {
        char *file = xasprintf("%s/%s", path, names.items[i]);
        if (stat(file, &st) == 0 && S_ISREG(st.st_mode))
            bytes += (uint64_t)st.st_size;
        free(file);
    }
    strings_clear(&names);
    return bytes;
}

double store_checkpoint_saved(const char *path)
{
    char *file = files_is_dir(path)
                     ? xasprintf("%s/" CHECKPOINT_MANIFEST, path)
                     : xstrdup(path);
    struct container *c = container_open(file, CONTAINER_CHECKPOINT, NULL);
    double saved = c ? (double)container_created(c) / 1e9 : 0;

    container_close(c);
    free(file);
    return saved;
}

json_t *store_metrics_json(const struct mlb_checkpoint_reader *reader)
{
    json_t *all = json_object();
    const char *name;
    double value;

    for (int i = 0; (name = mlb_checkpoint_metric(reader, i, &value)); i++)
        json_object_set_new(all, name, isfinite(value) ? json_real(value)
                                                       : json_null());
    return all;
}

void store_add_metrics(struct mlb_text *out,
                       const struct mlb_checkpoint_reader *reader)
{
    const char *name;
    double value;

    for (int i = 0; (name = mlb_checkpoint_metric(reader, i, &value)); i++)
        text_addf(out, "%s%s %.6g", i ? ", " : "", name, value);
}

int store_checkpoint(struct store_context *context, int argc, char **argv)
{
    static const struct store_row table[] = {
        { "list", store_checkpoint_list, "list the checkpoints of a run" },
        { "show", store_checkpoint_show, "show what is in a checkpoint" },
        { "verify", store_checkpoint_verify,
          "read checkpoints and compare all checksums" },
        { "diff", store_checkpoint_diff, "say what differs between two" },
        { "export", store_checkpoint_export, "write as safetensors or npz" },
        { "prune", store_checkpoint_prune, "remove old ones" },
        { NULL, NULL, NULL },
    };

    return store_dispatch(table, context, argc, argv);
}
