/* SPDX-License-Identifier: BSD-3-Clause */
/* Which checkpoints stay, and what becomes of the others. */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "store/checkpoint.h"
#include "store/retention.h"

/* Not a temporary's name, which is removed with its writer's death. */
static void slot_path(const char *directory, int i, char *out, size_t size)
{
    snprintf(out, size, "%s/.mlb-slot-%d.h5", directory, i);
}

int retention_slot(const char *directory, char *out, size_t size)
{
    for (int i = 0; i < RETENTION_MAX_SLOTS; i++) {
        slot_path(directory, i, out, size);
        if (files_is_file(out))
            return 0;
    }
    return -1;
}

void retention_trim(const char *directory, int slots)
{
    char path[PATH_MAX];

    for (int i = slots; i < RETENTION_MAX_SLOTS; i++) {
        slot_path(directory, i, path, sizeof(path));
        unlink(path);
    }
}

/* Make a file a slot, if there is room. -1: there is none. */
static int to_slot(const char *path, const char *directory, int slots)
{
    char slot[PATH_MAX];

    for (int i = 0; i < slots; i++) {
        slot_path(directory, i, slot, sizeof(slot));
        if (access(slot, F_OK) < 0)
            return rename(path, slot);
    }
    return -1;
}

static int retire(const char *path, const char *directory, int slots,
                  struct mlb_error *err)
{
    if (!files_is_dir(path) && to_slot(path, directory, slots) == 0)
        return 0;
    return checkpoint_remove(path, err);
}

static int compare_metrics(const void *a, const void *b)
{
    const struct retention_saved *const *x = a, *const *y = b;

    if ((*x)->metric != (*y)->metric)
        return (*x)->metric < (*y)->metric ? -1 : 1;
    return ((*x)->step < (*y)->step) - ((*x)->step > (*y)->step);
}

static int pick_best(const struct mlb_retention *rules,
                     struct retention_saved *saved, size_t count,
                     struct mlb_error *err)
{
    struct retention_saved **order = calloc(count + 1, sizeof(*order));
    size_t finite = 0, best = (size_t)rules->best;

    if (!order)
        return mlb_error_set(err, MLB_ERR_IO, "out of memory");
    for (size_t i = 0; i < count; i++)
        if (isfinite(saved[i].metric))
            order[finite++] = &saved[i];
    qsort(order, finite, sizeof(*order), compare_metrics);
    for (size_t i = 0; i < finite && i < best; i++)
        order[rules->higher_is_better ? finite - 1 - i : i]->keep = true;
    free(order);
    return 0;
}

/* Does a rule want it that needs no other to compare with? before: how many
 * sound ones are newer. */
static bool is_wanted(const struct mlb_retention *rules, uint64_t step,
                      size_t before)
{
    return before == 0 || before < (size_t)rules->last ||
           (rules->every > 0 && step % rules->every == 0);
}

int retention_pick(const struct mlb_retention *rules,
                   struct retention_saved *saved, size_t count,
                   struct mlb_error *err)
{
    bool any = rules->last > 0 || rules->every > 0 || rules->best > 0;

    for (size_t i = 0; i < count; i++)
        saved[i].keep = !any || is_wanted(rules, saved[i].step, i);
    return rules->best > 0 ? pick_best(rules, saved, count, err) : 0;
}

/* Open a checkpoint and note its metric. false: it is not sound, as far as
 * can be seen without reading all of it, which at every save would cost
 * more than the save. */
static bool look_at(const struct mlb_retention *rules, const char *path,
                    struct retention_saved *out)
{
    struct mlb_checkpoint_reader *r = mlb_checkpoint_open(path, NULL);
    const char *name;
    double value;

    if (!r)
        return false;
    out->metric = NAN;
    for (int i = 0; (name = mlb_checkpoint_metric(r, i, &value)); i++)
        if (rules->metric && strcmp(name, rules->metric) == 0)
            out->metric = value;
    mlb_checkpoint_close(r);
    return true;
}

static int retire_step(const struct retention_place *place, uint64_t step,
                       struct mlb_error *err)
{
    char path[PATH_MAX];

    if (step == place->newest)
        return 0;
    if (checkpoint_path(place->directory, step, path, sizeof(path), err) < 0)
        return -1;
    return retire(path, place->directory, place->slots, err);
}

/* Look at the steps, of which there are count in saved, and leave the sound
 * ones there. Where no rule compares metrics each is decided at once, so
 * that a save that is killed over and over still gets rid of some. */
static int look_at_all(const struct mlb_retention *rules,
                       const struct retention_place *place,
                       struct retention_saved *saved, size_t *count,
                       struct mlb_error *err)
{
    char path[PATH_MAX];
    size_t sound = 0, all = *count;

    for (size_t i = 0; i < all; i++) {
        uint64_t step = saved[i].step;
        if (checkpoint_path(place->directory, step, path, sizeof(path),
                            err) < 0)
            return -1;
        if (!look_at(rules, path, &saved[sound]))
            continue;
        saved[sound].step = step;
        if (rules->best == 0 && !is_wanted(rules, step, sound) &&
            retire_step(place, step, err) < 0)
            return -1;
        sound++;
    }
    *count = sound;
    return 0;
}

int retention_apply(const struct mlb_retention *rules,
                    const struct retention_place *place,
                    struct mlb_error *err)
{
    uint64_t *steps = NULL;
    size_t count = 0;
    struct retention_saved *saved = NULL;
    int rc = -1;

    if (rules->last == 0 && rules->every == 0 && rules->best == 0)
        return 0;
    if (checkpoint_steps(place->directory, &steps, &count, err) < 0)
        return -1;
    saved = calloc(count + 1, sizeof(*saved));
    if (!saved) {
        mlb_error_set(err, MLB_ERR_IO, "out of memory");
        goto out;
    }
    for (size_t i = 0; i < count; i++)
        saved[i].step = steps[i];
    rc = look_at_all(rules, place, saved, &count, err);
    if (rc == 0 && rules->best > 0)
        rc = retention_pick(rules, saved, count, err);
    for (size_t i = 0; rc == 0 && rules->best > 0 && i < count; i++)
        if (!saved[i].keep)
            rc = retire_step(place, saved[i].step, err);
out:
    free(saved);
    free(steps);
    return rc;
}
