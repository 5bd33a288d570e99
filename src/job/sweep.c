/* SPDX-License-Identifier: BSD-3-Clause */
/* The points of a job's sweep: which values each of them has. */
#include "config.h"

#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "job/sweep.h"
#include "job/value.h"

/* Grids up to here are shuffled as a whole; of larger ones a draw seldom hits
 * what was drawn before. */
#define SHUFFLE_MOST (8 * SWEEP_POINTS_MOST)

/* All combinations, LLONG_MAX if there are more. */
static long long grid_size(const struct mlb_axes *grid)
{
    long long size = grid->count > 0;

    for (size_t i = 0; i < grid->count; i++)
        if (__builtin_mul_overflow(size,
                                   (long long)grid->items[i].values.count,
                                   &size))
            return LLONG_MAX;
    return size;
}

/* ---- is it sound? ---- */

/* The values reach the ranks as MLB_SWEEP_<NAME>. */
static void check_axes(const struct mlb_job *job, const char *key,
                       const struct mlb_axes *axes,
                       struct mlb_problems *problems)
{
    for (size_t i = 0; i < axes->count; i++) {
        const char *name = axes->items[i].name;
        char *path = xasprintf("%s.%s", key, name);
        const char *where = job_origin(job, path);
        if (!value_is_identifier(name))
            problems_add(problems, where,
                         "%s: must be letters, digits and _, for the "
                         "variable MLB_SWEEP_<NAME>", path);
        if (axes->items[i].values.count == 0)
            problems_add(problems, where, "%s: has no values", path);
        for (size_t j = 0; j < i; j++)
            if (strcasecmp(name, axes->items[j].name) == 0)
                problems_add(problems, where,
                             "%s: is given twice, as %s before", path,
                             axes->items[j].name);
        free(path);
    }
}

static void check_random(const struct mlb_job *job,
                         struct mlb_problems *problems)
{
    const char *where = job_origin(job, "sweep.random");
    long random = job->sweep.random;
    long long size = grid_size(&job->sweep.grid);

    if (random == MLB_UNSET && job->sweep.seed != MLB_UNSET)
        problems_add(problems, job_origin(job, "sweep.seed"),
                     "sweep.seed: needs sweep.random, how many points to "
                     "draw");
    if (random == MLB_UNSET)
        return;
    if (job->sweep.grid.count == 0)
        problems_add(problems, where, "sweep.random: needs sweep.grid, to "
                     "draw from");
    else if (random > size && size > 0)
        problems_add(problems, where,
                     "sweep.random: %ld points cannot be drawn from a grid "
                     "of %lld", random, size);
}

void sweep_check(const struct mlb_job *job, struct mlb_problems *problems)
{
    const struct mlb_axes *grid = &job->sweep.grid, *list = &job->sweep.list;
    long long size = grid_size(grid);

    check_axes(job, "sweep.grid", grid, problems);
    check_axes(job, "sweep.list", list, problems);
    check_random(job, problems);
    if (grid->count > 0 && list->count > 0)
        problems_add(problems, job_origin(job, "sweep.list"),
                     "sweep.list: give a grid or a list, not both");
    if (grid->count == 0 && list->count == 0 &&
        job->sweep.at_once != MLB_UNSET)
        problems_add(problems, job_origin(job, "sweep.at_once"),
                     "sweep.at_once: needs sweep.grid or sweep.list");
    if (job->sweep.random == MLB_UNSET && size > SWEEP_POINTS_MOST)
        problems_add(problems, job_origin(job, "sweep.grid"),
                     "sweep.grid: more than %ld points; sweep.random draws "
                     "some of them", SWEEP_POINTS_MOST);
    if (list->count > 0 &&
        list->items[0].values.count > (size_t)SWEEP_POINTS_MOST)
        problems_add(problems, job_origin(job, "sweep.list"),
                     "sweep.list: more than %ld points", SWEEP_POINTS_MOST);
}

/* ---- drawing ---- */

/* splitmix64: the same numbers on every machine. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* 0 <= number < bound, each as likely as the others. */
static long long draw(uint64_t *state, long long bound)
{
    uint64_t n = (uint64_t)bound, number;
    uint64_t limit = UINT64_MAX - UINT64_MAX % n;

    do
        number = next_random(state);
    while (number >= limit);
    return (long long)(number % n);
}

static void shuffle(long long *drawn, long count, long long size,
                    uint64_t *state)
{
    long long *all = xcalloc((size_t)size, sizeof(*all));

    for (long long i = 0; i < size; i++)
        all[i] = i;
    for (long i = 0; i < count; i++) {
        long long j = i + draw(state, size - i);
        drawn[i] = all[j];
        all[j] = all[i];
    }
    free(all);
}

/* Put value into the sorted ones, unless it is there. */
static bool insert(long long *sorted, long count, long long value)
{
    long low = 0, high = count;

    while (low < high) {
        long middle = low + (high - low) / 2;
        if (sorted[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < count && sorted[low] == value)
        return false;
    memmove(&sorted[low + 1], &sorted[low],
            (size_t)(count - low) * sizeof(*sorted));
    sorted[low] = value;
    return true;
}

static void draw_new(long long *drawn, long count, long long size,
                     uint64_t *state)
{
    long long *sorted = xcalloc((size_t)count, sizeof(*sorted));

    for (long i = 0; i < count; i++)
        do
            drawn[i] = draw(state, size);
        while (!insert(sorted, i, drawn[i]));
    free(sorted);
}

/* ---- points ---- */

void sweep_expand(const struct mlb_job *job, struct sweep *sweep)
{
    struct mlb_problems problems = MLB_PROBLEMS_INIT;
    long long size = grid_size(&job->sweep.grid);
    long random = job->sweep.random;

    *sweep = (struct sweep){ .job = job };
    sweep_check(job, &problems);
    if (problems.lines.count > 0)
        size = 0;
    else if (job->sweep.list.count > 0)
        size = (long long)job->sweep.list.items[0].values.count;
    if (size > 0 && random != MLB_UNSET) {
        uint64_t state = job->sweep.seed == MLB_UNSET
                             ? 0 : (uint64_t)job->sweep.seed;
        sweep->drawn = xcalloc((size_t)random, sizeof(*sweep->drawn));
        if (size <= SHUFFLE_MOST)
            shuffle(sweep->drawn, random, size, &state);
        else
            draw_new(sweep->drawn, random, size, &state);
        size = random;
    }
    sweep->count = (long)size;
    problems_clear(&problems);
}

void sweep_clear(struct sweep *sweep)
{
    free(sweep->drawn);
    *sweep = (struct sweep)SWEEP_INIT;
}

void sweep_point(const struct sweep *sweep, long k, struct mlb_fields *values)
{
    const struct mlb_axes *grid = &sweep->job->sweep.grid;
    const struct mlb_axes *list = &sweep->job->sweep.list;
    long long place = sweep->drawn ? sweep->drawn[k] : k;
    size_t *at = xcalloc(grid->count, sizeof(*at));

    for (size_t i = grid->count; i-- > 0;) {
        long long n = (long long)grid->items[i].values.count;
        at[i] = (size_t)(place % n);
        place /= n;
    }
    for (size_t i = 0; i < grid->count; i++)
        fields_add(values, grid->items[i].name,
                   grid->items[i].values.items[at[i]]);
    for (size_t i = 0; i < list->count; i++)
        fields_add(values, list->items[i].name,
                   list->items[i].values.items[k]);
    free(at);
}
