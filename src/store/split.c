/* SPDX-License-Identifier: BSD-3-Clause */
/* Which rows fall into which split. */
#include "config.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "store/split.h"
#include "store/version.h"

/* Splits and epochs with the same seed must not go the same way. */
#define EPOCH UINT64_MAX
#define ROUNDING 1e-9             /* 0.7 + 0.2 + 0.1 is 1 */

static int check_split(const struct version_split *splits, size_t i,
                       struct mlb_error *err)
{
    const struct version_split *s = &splits[i];

    if (!manifest_name_ok(s->name))
        return mlb_error_set(err, MLB_ERR_USAGE,
                             "not a name for a split: \"%s\" (letters, "
                             "digits, '_', '-', '.')", s->name);
    if (!(s->share > 0 && s->share <= 1 + ROUNDING))
        return mlb_error_set(err, MLB_ERR_USAGE, "split %s: a share is over "
                             "0 and up to 1", s->name);
    for (size_t j = 0; j < i; j++)
        if (strcmp(s->name, splits[j].name) == 0)
            return mlb_error_set(err, MLB_ERR_USAGE, "split %s is given "
                                 "twice", s->name);
    return 0;
}

int split_cut(struct split *out, const struct version_split *splits,
              size_t count, uint64_t rows, uint64_t seed,
              struct mlb_error *err)
{
    double sum = 0;
    uint64_t at = 0;

    for (size_t i = 0; i < count; i++) {
        if (check_split(splits, i, err) < 0)
            return -1;
        sum += splits[i].share;
        if (sum > 1 + ROUNDING)
            return mlb_error_set(err, MLB_ERR_USAGE,
                                 "the splits take more than all rows");
        uint64_t end = sum > 1 - ROUNDING
                           ? rows : (uint64_t)llround(sum * (double)rows);
        out[i] = (struct split){ .name = splits[i].name, .low = at,
                                 .high = end };
        sampler_init(&out[i].order, rows, seed, EPOCH);
        at = end;
    }
    return 0;
}

int split_get_ids(void *from, uint64_t offset, void *out, size_t length,
                  struct mlb_error *err)
{
    struct split *s = from;
    uint64_t *ids = out;
    size_t left = length / sizeof(*ids);

    (void)err;
    if (offset == 0)
        s->next = s->given = 0;
    assert(offset / sizeof(*ids) == s->given);
    s->given += left;
    for (; left > 0; s->next++) {
        uint64_t place = sampler_at(&s->order, s->next);
        if (place >= s->low && place < s->high) {
            *ids++ = s->next;
            left--;
        }
    }
    return 0;
}
