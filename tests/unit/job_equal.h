/* SPDX-License-Identifier: BSD-3-Clause */
/* Are two jobs the same, key by key? For tests of reading and writing. */
#ifndef TESTS_JOB_EQUAL_H
#define TESTS_JOB_EQUAL_H

#include <string.h>

#include "job/keys.h"

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_strings(const struct mlb_strings *a,
                         const struct mlb_strings *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    return true;
}

static bool same_datasets(const struct mlb_job *a, const struct mlb_job *b)
{
    if (a->dataset_count != b->dataset_count)
        return false;
    for (size_t i = 0; i < a->dataset_count; i++)
        if (!same_text(a->datasets[i].name, b->datasets[i].name) ||
            !same_text(a->datasets[i].version, b->datasets[i].version) ||
            !same_text(a->datasets[i].as, b->datasets[i].as))
            return false;
    return true;
}

static bool same_axes(const struct mlb_axes *a, const struct mlb_axes *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!same_text(a->items[i].name, b->items[i].name) ||
            !same_strings(&a->items[i].values, &b->items[i].values))
            return false;
    return true;
}

static bool same_value(const struct job_key *key, const struct mlb_job *a,
                       const struct mlb_job *b)
{
    const void *x = job_key_value(key, a), *y = job_key_value(key, b);

    switch (key->type) {
    case KEY_TEXT:
        return same_text(*(char *const *)x, *(char *const *)y);
    case KEY_COUNT:
    case KEY_DURATION:
    case KEY_INTERVAL:
    case KEY_BOOL:
        return *(const long *)x == *(const long *)y;
    case KEY_SIZE:
        return *(const long long *)x == *(const long long *)y;
    case KEY_DATASETS:
        return same_datasets(a, b);
    case KEY_AXES:
    case KEY_POINTS:
        return same_axes(x, y);
    default:                     /* fields are strings with a hat on */
        return same_strings(x, y);
    }
}

/* The path of the first key that differs, or NULL. */
static const char *job_difference(const struct mlb_job *a,
                                  const struct mlb_job *b)
{
    for (const struct job_key *key = job_keys; key->path; key++)
        if (!same_value(key, a, b))
            return key->path;
    return a->shell != b->shell ? "command" : NULL;
}

#endif
