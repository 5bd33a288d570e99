/* SPDX-License-Identifier: BSD-3-Clause */
/* What the ranks of a save say to each other. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "store/exchange.h"

static int alone_broadcast(void *context, void *bytes, size_t length)
{
    (void)context;
    (void)bytes;
    (void)length;
    return 0;
}

static int alone_gather(void *context, const void *bytes, size_t length,
                        void *all)
{
    (void)context;
    memcpy(all, bytes, length);
    return 0;
}

int exchange_init(struct exchange *x, const struct mlb_group *group,
                  struct mlb_error *err)
{
    static const struct mlb_group alone = {
        .size = 1, .broadcast = alone_broadcast, .gather = alone_gather,
    };

    *x = (struct exchange){ .group = group ? group : &alone };
    if (group && (group->size < 1 || group->rank < 0 ||
                  group->rank >= group->size || !group->broadcast ||
                  !group->gather))
        return mlb_error_set(err, MLB_ERR_USAGE, "not a group: rank %d of %d",
                             group->rank, group->size);
    return 0;
}

int exchange_rank(const struct exchange *x)
{
    return x->group->rank;
}

int exchange_size(const struct exchange *x)
{
    return x->group->size;
}

static int broken(struct exchange *x, struct mlb_error *err)
{
    x->broken = true;
    return mlb_error_set(err, MLB_ERR_FAILED, "the other ranks cannot be "
                         "reached: one of them is gone or too late");
}

int exchange_broadcast(struct exchange *x, void *bytes, size_t length,
                       struct mlb_error *err)
{
    if (x->broken || (length > 0 && x->group->broadcast(x->group->context,
                                                        bytes, length) < 0))
        return broken(x, err);
    return 0;
}

static int gather(struct exchange *x, const void *bytes, size_t length,
                  void *all, struct mlb_error *err)
{
    if (x->broken ||
        (length > 0 && x->group->gather(x->group->context, bytes, length,
                                        x->group->rank == 0 ? all
                                                            : NULL) < 0))
        return broken(x, err);
    return 0;
}

int exchange_words(struct exchange *x, const void *bytes, size_t length,
                   void *all, struct mlb_error *err)
{
    if (gather(x, bytes, length, all, err) < 0)
        return -1;
    return exchange_broadcast(x, all, length * (size_t)x->group->size, err);
}

int exchange_agree(struct exchange *x, int rc, struct mlb_error *err)
{
    struct mlb_error mine = { MLB_OK, "" }, first, unused;
    size_t size = (size_t)x->group->size;
    int found = 0;

    if (rc < 0 && err)
        mine = *err;
    if (rc < 0 && mine.code == MLB_OK)
        mine.code = MLB_ERR_FAILED;
    if (size == 1)
        return rc;
    /* Rank 0 needs memory for all of them; without, it is as good as gone,
     * and the others find out by their timeout. */
    struct mlb_error *all = x->group->rank == 0 ? calloc(size, sizeof(mine))
                                                : NULL;
    first = mine;
    if (x->group->rank == 0 && !all)
        return broken(x, err);
    if (gather(x, &mine, sizeof(mine), all, err) < 0) {
        free(all);
        return -1;
    }
    for (size_t i = 0; all && i < size; i++)
        if (all[i].code != MLB_OK) {
            first = all[i];
            found = (int)i;
            break;
        }
    free(all);
    if (exchange_broadcast(x, &first, sizeof(first), &unused) < 0)
        return broken(x, err);
    if (exchange_broadcast(x, &found, sizeof(found), &unused) < 0)
        return broken(x, err);
    if (first.code == MLB_OK)
        return 0;
    first.text[sizeof(first.text) - 1] = '\0';
    if (err)
        *err = first;
    return found == x->group->rank ? -1
                                   : mlb_error_prefix(err, "rank %d", found);
}

/* Rank 0: join what came in pieces of the same length. */
static void join(const struct exchange_lists *lists, const char *padded,
                 uint64_t longest, size_t size)
{
    for (size_t i = 0; i < size; i++)
        memcpy(lists->bytes + lists->starts[i], padded + i * longest,
               lists->starts[i + 1] - lists->starts[i]);
}

static int pass_lists(struct exchange *x, const char *mine, uint64_t longest,
                      struct exchange_lists *lists, struct mlb_error *err)
{
    size_t size = (size_t)x->group->size;
    char *padded = NULL;
    int rc = 0;

    lists->bytes = malloc(lists->starts[size] + 1);
    if (x->group->rank == 0)
        padded = malloc(longest * size + 1);
    if (!lists->bytes || (x->group->rank == 0 && !padded))
        rc = mlb_error_set(err, MLB_ERR_IO, "out of memory");
    rc = exchange_agree(x, rc, err);
    if (rc == 0)
        rc = gather(x, mine, longest, padded, err);
    if (rc == 0 && padded)
        join(lists, padded, longest, size);
    if (rc == 0)
        rc = exchange_broadcast(x, lists->bytes, lists->starts[size], err);
    free(padded);
    return rc;
}

int exchange_gather(struct exchange *x, const void *bytes, uint64_t length,
                    struct exchange_lists *lists, struct mlb_error *err)
{
    size_t size = (size_t)x->group->size;
    uint64_t longest = 0;
    char *mine = NULL;
    int rc = -1;

    *lists = (struct exchange_lists){ NULL, calloc(size + 1,
                                                   sizeof(uint64_t)) };
    if (!lists->starts) {
        /* The others wait in a call that needs this memory. */
        broken(x, err);
        goto out;
    }
    if (exchange_words(x, &length, sizeof(length), lists->starts + 1,
                       err) < 0)
        goto out;
    for (size_t i = 1; i <= size; i++) {
        if (lists->starts[i] > longest)
            longest = lists->starts[i];
        lists->starts[i] += lists->starts[i - 1];
    }
    mine = calloc(1, longest + 1);
    rc = mine ? 0 : mlb_error_set(err, MLB_ERR_IO, "out of memory");
    if (exchange_agree(x, rc, err) < 0) {
        rc = -1;
        goto out;
    }
    if (length > 0)
        memcpy(mine, bytes, length);
    rc = pass_lists(x, mine, longest, lists, err);
out:
    free(mine);
    if (rc < 0)
        exchange_lists_clear(lists);
    return rc;
}

void exchange_lists_clear(struct exchange_lists *lists)
{
    free(lists->bytes);
    free(lists->starts);
    *lists = (struct exchange_lists){ NULL, NULL };
}
