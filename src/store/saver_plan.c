/* SPDX-License-Identifier: BSD-3-Clause */
/* What all ranks hold together, and which arrays become of it. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "store/saver.h"

/* Tells without the list whether it is the one of the last save. */
struct mark {
    uint64_t step, count, low, high;
};

void saver_plan_clear(struct saver_plan *p)
{
    shards_plan_clear(&p->plan);
    exchange_lists_clear(&p->gathered);
    free(p->marks);
    free(p->lists);
    free(p->shards);
    *p = (struct saver_plan){ .marks = NULL };
}

static void drop_step(struct mark *marks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        marks[i].step = 0;
}

/* What the ranks say of their lists. */
static int gather_marks(struct mlb_saver *s, const struct mlb_checkpoint *c,
                        struct mark **marks, struct mlb_error *err)
{
    size_t size = (size_t)exchange_size(&s->x);
    XXH128_hash_t h = XXH3_128bits(c->items, c->count * sizeof(*c->items));
    struct mark mine = { c->step, c->count, h.low64, h.high64 };

    *marks = calloc(size, sizeof(mine));
    int rc = *marks ? 0 : mlb_error_set(err, MLB_ERR_IO, "out of memory");
    rc = exchange_agree(&s->x, rc, err);
    if (rc == 0)
        rc = exchange_words(&s->x, &mine, sizeof(mine), *marks, err);
    for (size_t i = 1; rc == 0 && i < size; i++)
        if ((*marks)[i].step != (*marks)[0].step)
            rc = mlb_error_set(err, MLB_ERR_USAGE, "rank 0 saves step %"
                               PRIu64 ", rank %zu step %" PRIu64,
                               (*marks)[0].step, i, (*marks)[i].step);
    if (rc == 0)
        drop_step(*marks, size);
    return rc;
}

/* Each rank makes the same plan from the same lists. */
static int merge(struct mlb_saver *s, struct mlb_error *err)
{
    struct saver_plan *p = &s->plan;
    size_t size = (size_t)exchange_size(&s->x);
    struct shards_wanted wanted = {
        .ranks = size, .nodes = s->in_nodes ? s->nodes : NULL,
        .files = s->in_nodes ? s->files : 0,
    };

    p->lists = calloc(size, sizeof(*p->lists));
    if (!p->lists)
        return mlb_error_set(err, MLB_ERR_IO, "out of memory");
    for (size_t i = 0; i < size; i++) {
        uint64_t start = p->gathered.starts[i];
        uint64_t bytes = p->gathered.starts[i + 1] - start;
        const void *items = p->gathered.bytes + start;
        p->lists[i] = (struct shards_list){ items, bytes /
                                            sizeof(struct shards_item) };
    }
    wanted.lists = p->lists;
    if (shards_plan(&p->plan, &wanted, err) < 0)
        return -1;
    return shards_to_json(&p->plan, &p->shards, err);
}

int saver_plan(struct mlb_saver *s, const struct mlb_checkpoint *c,
               struct mlb_error *err)
{
    struct saver_plan *p = &s->plan;
    size_t size = (size_t)exchange_size(&s->x);
    struct mark *marks = NULL;
    int rc = gather_marks(s, c, &marks, err);

    if (rc == 0 && p->made &&
        memcmp(marks, p->marks, size * sizeof(*marks)) == 0) {
        free(marks);
        return 0;
    }
    saver_plan_clear(p);
    p->marks = marks;
    if (rc == 0)
        rc = exchange_gather(&s->x, c->items, c->count * sizeof(*c->items),
                             &p->gathered, err);
    if (rc < 0)
        return -1;
    rc = exchange_agree(&s->x, merge(s, err), err);
    p->made = rc == 0;
    return rc;
}
