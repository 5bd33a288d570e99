/* SPDX-License-Identifier: BSD-3-Clause */
/* Saving checkpoints: collect, publish, and only then remove old ones. */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/checkpoint.h"
#include "store/container.h"
#include "store/place.h"

#define MAX_NAME 255

struct mlb_checkpoint {
    char *directory;
    uint64_t step;
    struct container_writer *file;
};

const char *mlb_checkpoint_dir(const char *fallback)
{
    const char *directory = getenv("MLB_CHECKPOINT_DIR");

    return directory && *directory ? directory : fallback;
}

int checkpoint_path(const char *directory, uint64_t step, char *out,
                    size_t size, struct mlb_error *err)
{
    int n = snprintf(out, size, "%s/step-%012" PRIu64 ".h5", directory, step);

    if (n < 0 || (size_t)n >= size)
        return mlb_error_set(err, MLB_ERR_USAGE, "path too long: %s",
                             directory);
    return 0;
}

/* The step that a file name tells. -1: the name is not one of ours. */
static int parse_name(const char *name, uint64_t *step)
{
    char again[64];

    if (sscanf(name, "step-%" SCNu64 ".h5", step) != 1)
        return -1;
    snprintf(again, sizeof(again), "step-%012" PRIu64 ".h5", *step);
    return strcmp(name, again) == 0 ? 0 : -1;
}

static int descending(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x < *y) - (*x > *y);
}

static int collect_steps(DIR *dir, uint64_t **steps, size_t *count,
                         struct mlb_error *err)
{
    size_t size = 0;

    for (struct dirent *e; (e = readdir(dir));) {
        uint64_t step;
        if (parse_name(e->d_name, &step) < 0)
            continue;
        if (*count == size) {
            size = size ? size * 2 : 64;
            uint64_t *grown = realloc(*steps, size * sizeof(*grown));
            if (!grown)
                return mlb_error_set(err, MLB_ERR_IO, "out of memory");
            *steps = grown;
        }
        (*steps)[(*count)++] = step;
    }
    if (*count > 0)
        qsort(*steps, *count, sizeof(**steps), descending);
    return 0;
}

int checkpoint_steps(const char *directory, uint64_t **steps, size_t *count,
                     struct mlb_error *err)
{
    DIR *dir = opendir(directory);

    *steps = NULL;
    *count = 0;
    if (!dir && errno == ENOENT)
        return 0;
    if (!dir)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot list %s", directory);
    int rc = collect_steps(dir, steps, count, err);
    closedir(dir);
    if (rc < 0) {
        free(*steps);
        *steps = NULL;
        *count = 0;
    }
    return rc;
}

struct mlb_checkpoint *mlb_checkpoint_create(const char *directory,
                                             uint64_t step,
                                             struct mlb_error *err)
{
    struct mlb_checkpoint *c = NULL;
    char path[PATH_MAX];

    if (!directory || !*directory) {
        mlb_error_set(err, MLB_ERR_USAGE, "no directory for checkpoints");
        return NULL;
    }
    if (checkpoint_path(directory, step, path, sizeof(path), err) < 0 ||
        place_mkdirs(directory, err) < 0)
        return NULL;
    place_clean(directory);
    c = calloc(1, sizeof(*c));
    if (!c || !(c->directory = strdup(directory))) {
        mlb_error_set(err, MLB_ERR_IO, "out of memory");
        goto out;
    }
    c->step = step;
    c->file = container_create(path, CONTAINER_CHECKPOINT, err);
out:
    if (c && !c->file) {
        mlb_checkpoint_abandon(c);
        c = NULL;
    }
    return c;
}

/* prefix + name, in a buffer of the longest that is allowed. */
static int full_name(const char *prefix, const char *name, char *out,
                     size_t size, struct mlb_error *err)
{
    if (!name || strlen(name) > MAX_NAME)
        return mlb_error_set(err, MLB_ERR_USAGE,
                             "a name of more than %d bytes, or none",
                             MAX_NAME);
    snprintf(out, size, "%s%s", prefix, name);
    return 0;
}

int mlb_checkpoint_add(struct mlb_checkpoint *checkpoint,
                       const struct mlb_tensor *tensor,
                       struct mlb_error *err)
{
    char name[MAX_NAME + 32];
    struct container_array a = { .name = name, .dtype = tensor->dtype,
                                 .rank = tensor->rank, .data = tensor->data };

    if (full_name(CHECKPOINT_TENSORS, tensor->name, name, sizeof(name),
                  err) < 0)
        return -1;
    memcpy(a.shape, tensor->shape, sizeof(a.shape));
    return container_add(checkpoint->file, &a, err);
}

int mlb_checkpoint_add_state(struct mlb_checkpoint *checkpoint,
                             const char *name, const void *bytes,
                             uint64_t length, struct mlb_error *err)
{
    char full[MAX_NAME + 32];
    struct container_array a = { .name = full, .dtype = MLB_U8, .rank = 1,
                                 .shape = { length }, .data = bytes };

    if (full_name(CHECKPOINT_STATES, name, full, sizeof(full), err) < 0)
        return -1;
    return container_add(checkpoint->file, &a, err);
}

/* A damaged file of the step that is about to be saved again (its reader
 * fell back to an earlier one) would stop the run for ever: give it another
 * name, where it can still be looked at. A sound one stays. */
static void set_aside(const char *path)
{
    char aside[PATH_MAX + 32];
    struct mlb_error why;
    struct container *c = container_open(path, CONTAINER_CHECKPOINT, &why);
    bool damaged = c ? container_check_all(c, &why) < 0 : true;

    container_close(c);
    if (!damaged || why.code != MLB_ERR_BAD_INPUT)
        return;
    snprintf(aside, sizeof(aside), "%s.damaged", path);
    rename(path, aside);
}

/* Remove the oldest sound ones, so that keep are left. Their structure is
 * checked, not their data: reading all of every checkpoint at every save
 * would cost more than the save. */
static int prune(const char *directory, uint64_t newest, int keep,
                 struct mlb_error *err)
{
    char path[PATH_MAX];
    uint64_t *steps = NULL;
    size_t count = 0;
    int kept = 1, rc = checkpoint_steps(directory, &steps, &count, err);

    for (size_t i = 0; rc == 0 && i < count; i++) {
        if (steps[i] == newest)
            continue;
        rc = checkpoint_path(directory, steps[i], path, sizeof(path), err);
        struct container *c = rc < 0 ? NULL : container_open(
            path, CONTAINER_CHECKPOINT, NULL);
        if (!c)
            continue;
        container_close(c);
        if (kept < keep)
            kept++;
        else if (unlink(path) < 0 && errno != ENOENT)
            rc = mlb_error_errno(err, MLB_ERR_IO, "cannot remove %s", path);
    }
    free(steps);
    return rc;
}

int mlb_checkpoint_publish(struct mlb_checkpoint *checkpoint, int keep,
                           struct mlb_error *err)
{
    char path[PATH_MAX];
    struct container_array step = { .name = CHECKPOINT_STEP,
                                    .dtype = MLB_U64,
                                    .data = &checkpoint->step };
    int rc = checkpoint_path(checkpoint->directory, checkpoint->step, path,
                             sizeof(path), err);

    if (rc == 0 && access(path, F_OK) == 0)
        set_aside(path);
    /* Asked here too, so that a mistake costs no writing of gigabytes. */
    if (rc == 0 && access(path, F_OK) == 0)
        rc = mlb_error_set(err, MLB_ERR_FAILED, "step %" PRIu64 " is "
                           "published already: %s", checkpoint->step, path);
    if (rc == 0)
        rc = container_add(checkpoint->file, &step, err);
    if (rc == 0) {
        rc = container_publish(checkpoint->file, false, err);
        checkpoint->file = NULL;
    }
    if (rc == 0 && keep > 0 &&
        prune(checkpoint->directory, checkpoint->step, keep, err) < 0)
        rc = mlb_error_prefix(err, "step %" PRIu64 " is saved, but",
                              checkpoint->step);
    mlb_checkpoint_abandon(checkpoint);
    return rc;
}

void mlb_checkpoint_abandon(struct mlb_checkpoint *checkpoint)
{
    if (!checkpoint)
        return;
    container_abandon(checkpoint->file);
    free(checkpoint->directory);
    free(checkpoint);
}
