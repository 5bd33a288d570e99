/* SPDX-License-Identifier: BSD-3-Clause */
/* From what each rank holds of the tensors to the arrays of the files. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/checkpoint.h"
#include "store/layout.h"
#include "store/shards.h"

/* An item and whose it is. */
struct held {
    const struct shards_item *item;
    unsigned rank;
    size_t number;
};

/* Items of one name and kind, sorted: by rank, then by box. */
struct group {
    struct held *held;
    size_t count;
    const struct held *first;          /* lowest rank, lowest number */
};

static int out_of_memory(struct mlb_error *err)
{
    return mlb_error_set(err, MLB_ERR_IO, "out of memory");
}

static int by_rank(const struct held *x, const struct held *y)
{
    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

static int by_name(const void *a, const void *b)
{
    const struct held *x = a, *y = b;
    int kind = (int)x->item->is_state - (int)y->item->is_state;
    int order = kind ? kind : strcmp(x->item->name, y->item->name);

    return order ? order : by_rank(x, y);
}

static int by_box(const void *a, const void *b)
{
    const struct held *x = a, *y = b;
    const uint64_t *p = x->item->box.origin, *q = y->item->box.origin;

    for (int i = 0; i < MLB_MAX_RANK; i++)
        if (p[i] != q[i])
            return p[i] < q[i] ? -1 : 1;
    p = x->item->box.extent;
    q = y->item->box.extent;
    for (int i = 0; i < MLB_MAX_RANK; i++)
        if (p[i] != q[i])
            return p[i] < q[i] ? -1 : 1;
    return by_rank(x, y);
}

/* Tensors before states, then as the ranks added them. */
static int by_adding(const void *a, const void *b)
{
    const struct group *x = a, *y = b;
    int kind = (int)x->first->item->is_state - (int)y->first->item->is_state;

    return kind ? kind : by_rank(x->first, y->first);
}

static bool is_same_box(const struct mlb_box *a, const struct mlb_box *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static bool is_empty(const struct shards_item *item)
{
    for (int i = 0; i < item->rank; i++)
        if (item->box.extent[i] == 0)
            return true;
    return false;
}

/* Leave each box in once, and none without elements: a rank's share of a
 * tensor with fewer rows than ranks. */
static void drop_copies(struct group *g)
{
    size_t kept = 0;

    qsort(g->held, g->count, sizeof(*g->held), by_box);
    for (size_t i = 0; i < g->count; i++) {
        const struct shards_item *item = g->held[i].item;
        if (is_empty(item) ||
            (kept > 0 && is_same_box(&g->held[kept - 1].item->box,
                                     &item->box)))
            continue;
        g->held[kept++] = g->held[i];
    }
    g->count = kept;
}

static int check_group(const struct group *g, struct mlb_error *err)
{
    const struct shards_item *first = g->first->item;
    struct shards_cover cover = { .rank = first->rank,
                                  .shape = first->shape };

    for (size_t i = 0; i < g->count; i++)
        shards_cover_add(&cover, &g->held[i].item->box);
    if (!shards_cover_done(&cover))
        return mlb_error_set(err, MLB_ERR_USAGE, "tensor %s: the boxes of "
                             "the ranks overlap, or leave a part of it out",
                             first->name);
    return 0;
}

/* Items from start on that are of one name. What they must agree in is
 * compared here, before boxes without elements are dropped. */
static int cut_group(struct held *held, size_t left, struct group *g,
                     struct mlb_error *err)
{
    const struct shards_item *first = held[0].item;

    *g = (struct group){ held, 1, NULL };
    for (; g->count < left; g->count++) {
        const struct shards_item *item = held[g->count].item;
        if (item->is_state != first->is_state ||
            strcmp(item->name, first->name) != 0)
            break;
        if (!item->is_state &&
            (item->dtype != first->dtype || item->rank != first->rank ||
             memcmp(item->shape, first->shape, sizeof(item->shape)) != 0))
            return mlb_error_set(err, MLB_ERR_USAGE, "tensor %s has another "
                                 "type or shape on rank %u than on rank %u",
                                 first->name, held[g->count].rank,
                                 held[0].rank);
    }
    return 0;
}

/* Is it whole, or cut along its first dimension only? */
static bool is_plain(const struct group *g)
{
    for (size_t i = 0; i < g->count; i++) {
        const struct shards_item *item = g->held[i].item;
        for (int d = 1; d < item->rank; d++)
            if (item->box.extent[d] != item->shape[d])
                return false;
    }
    return true;
}

static struct shards_array *new_array(struct shards_plan *plan,
                                      const struct held *h,
                                      const char *prefix, long number)
{
    struct shards_array *a = &plan->arrays[plan->count];
    char name[LAYOUT_MAX_NAME + 1];
    int n = snprintf(name, sizeof(name), "%s%s", prefix, h->item->name);

    if (number >= 0)
        snprintf(name + n, sizeof(name) - (size_t)n, "/%ld", number);
    *a = (struct shards_array){ .item = h->item, .name = strdup(name) };
    if (!a->name)
        return NULL;
    plan->count++;
    return a;
}

static uint64_t bytes_of(const struct shards_item *item,
                         const uint64_t *shape)
{
    uint64_t bytes = mlb_dtype_size(item->dtype);

    for (int i = 0; i < item->rank; i++)
        bytes *= shape[i];
    return bytes;
}

static void add_piece(struct shards_plan *plan, const struct held *h,
                      uint64_t offset, uint64_t length)
{
    if (length > 0)
        plan->pieces[plan->piece_count++] = (struct shards_piece){
            .rank = h->rank, .item = h->number, .array = plan->count - 1,
            .offset = offset, .length = length,
        };
}

static int plan_whole(struct shards_plan *plan, const struct group *g,
                      const char *prefix, const unsigned *nodes)
{
    const struct shards_item *item = g->first->item;
    struct shards_array *a = new_array(plan, g->first, prefix, -1);

    if (!a)
        return -1;
    memcpy(a->shape, item->shape, sizeof(a->shape));
    a->bytes = bytes_of(item, item->shape);
    a->file = nodes ? nodes[g->first->rank] : 0;
    uint64_t row = item->rank > 0 && item->shape[0] > 0
                       ? a->bytes / item->shape[0] : 0;
    for (size_t i = 0; i < g->count; i++) {
        const struct held *h = &g->held[i];
        add_piece(plan, h, row * h->item->box.origin[0],
                  bytes_of(h->item, h->item->box.extent));
    }
    return 0;
}

static int plan_boxes(struct shards_plan *plan, const struct group *g,
                      const unsigned *nodes)
{
    for (size_t i = 0; i < g->count; i++) {
        const struct held *h = &g->held[i];
        struct shards_array *a = new_array(plan, h, CHECKPOINT_SHARDS,
                                           (long)i);
        if (!a)
            return -1;
        a->is_box = true;
        a->file = nodes ? nodes[h->rank] : 0;
        memcpy(a->shape, h->item->box.extent, sizeof(a->shape));
        memcpy(a->origin, h->item->box.origin, sizeof(a->origin));
        a->bytes = bytes_of(h->item, a->shape);
        add_piece(plan, h, 0, a->bytes);
    }
    return 0;
}

static int plan_group(struct shards_plan *plan, struct group *g,
                      const unsigned *nodes, struct mlb_error *err)
{
    int rc;

    if (g->first->item->is_state) {
        g->held = (struct held *)g->first;
        g->count = 1;
        rc = plan_whole(plan, g, CHECKPOINT_STATES, nodes);
    } else {
        drop_copies(g);
        if (check_group(g, err) < 0)
            return -1;
        /* One without elements has no box that could tell of it. */
        rc = g->count == 0 || (!nodes && is_plain(g))
                 ? plan_whole(plan, g, CHECKPOINT_TENSORS, nodes)
                 : plan_boxes(plan, g, nodes);
    }
    return rc < 0 ? out_of_memory(err) : 0;
}

static int plan_groups(struct shards_plan *plan, struct group *groups,
                       size_t count, const struct shards_wanted *wanted,
                       struct mlb_error *err)
{
    qsort(groups, count, sizeof(*groups), by_adding);
    for (size_t i = 0; i < count; i++) {
        /* Sorting by boxes moves what first points to. */
        struct held first = *groups[i].first;
        groups[i].first = &first;
        if (plan_group(plan, &groups[i], wanted->nodes, err) < 0)
            return -1;
    }
    return 0;
}

int shards_plan(struct shards_plan *plan, const struct shards_wanted *wanted,
                struct mlb_error *err)
{
    size_t total = 0, count = 0;
    int rc = -1;

    for (size_t r = 0; r < wanted->ranks; r++)
        total += wanted->lists[r].count;
    *plan = (struct shards_plan){ .files = wanted->files };
    struct held *held = calloc(total + 1, sizeof(*held));
    struct group *groups = calloc(total + 1, sizeof(*groups));
    plan->arrays = calloc(total + 1, sizeof(*plan->arrays));
    plan->pieces = calloc(total + 1, sizeof(*plan->pieces));
    if (!held || !groups || !plan->arrays || !plan->pieces) {
        out_of_memory(err);
        goto out;
    }
    total = 0;
    for (size_t r = 0; r < wanted->ranks; r++)
        for (size_t i = 0; i < wanted->lists[r].count; i++)
            held[total++] = (struct held){ &wanted->lists[r].items[i],
                                           (unsigned)r, i };
    qsort(held, total, sizeof(*held), by_name);
    for (size_t i = 0; i < total; i += groups[count++].count) {
        if (cut_group(held + i, total - i, &groups[count], err) < 0)
            goto out;
        groups[count].first = &held[i];
    }
    rc = plan_groups(plan, groups, count, wanted, err);
out:
    free(held);
    free(groups);
    if (rc < 0)
        shards_plan_clear(plan);
    return rc;
}

void shards_plan_clear(struct shards_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++)
        free(plan->arrays[i].name);
    free(plan->arrays);
    free(plan->pieces);
    *plan = (struct shards_plan){ .arrays = NULL };
}
