/* SPDX-License-Identifier: BSD-3-Clause */
/* A save from its beginning to the name, on all ranks at once. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/place.h"
#include "store/retention.h"
#include "store/saver.h"

static int out_of_memory(struct mlb_error *err)
{
    return mlb_error_set(err, MLB_ERR_IO, "out of memory");
}

/* Give all back. What was not published is removed. */
static void clear(struct save *save)
{
    if (!save)
        return;
    staging_abandon(save->staging);
    if (save->directory[0] && exchange_rank(&save->saver->x) == 0)
        checkpoint_remove(save->directory, NULL);
    for (size_t i = 0; i < sizeof(save->texts) / sizeof(char *); i++)
        free(save->texts[i]);
    free(save->parts);
    free(save->sums);
    free(save);
}

struct save *saver_begin(struct mlb_checkpoint *c, struct mlb_error *err)
{
    struct mlb_saver *s = c->saver;
    struct save *save = calloc(1, sizeof(*save));
    int rc = 0;

    if (c->error.code != MLB_OK) {
        rc = -1;
        if (err)
            *err = c->error;
    } else if (!save) {
        rc = out_of_memory(err);
    }
    rc = exchange_agree(&s->x, rc, err);
    if (rc == 0) {
        save->saver = s;
        save->step = c->step;
        rc = saver_plan(s, c, err);
    }
    if (rc == 0)
        rc = saver_files(save, c, err);
    if (rc == 0)
        return save;
    if (save && save->saver)
        clear(save);
    else
        free(save);
    return NULL;
}

static int write_parts(struct save *save, struct mlb_error *err)
{
    struct staging_part *parts = calloc(save->count + 1, sizeof(*parts));
    uint64_t sums = 0;
    int rc = -1;

    for (size_t i = 0; parts && i < save->count; i++) {
        parts[i] = save->parts[i].part;
        save->parts[i].sums = sums;
        sums += staging_sums(&parts[i]);
    }
    save->sums = calloc(sums + 1, sizeof(*save->sums));
    if (!parts || !save->sums)
        out_of_memory(err);
    else
        rc = save->count == 0 ? 0 : staging_write(save->file, parts,
                                                  save->count, save->sums,
                                                  err);
    free(parts);
    return rc;
}

void saver_write(struct save *save)
{
    if (save->rc == 0)
        save->rc = write_parts(save, &save->error);
}

static int by_number(const void *a, const void *b)
{
    const struct save_part *x = a, *y = b;

    return (x->number > y->number) - (x->number < y->number);
}

/* This rank's checksums in the order of the plan, without the extra ones. */
static int sort_sums(struct save *save, uint32_t **out, uint64_t *count,
                     struct mlb_error *err)
{
    uint64_t n = 0;

    qsort(save->parts, save->count, sizeof(*save->parts), by_number);
    for (size_t i = 0; i < save->piece_count; i++)
        n += staging_sums(&save->parts[i].part);
    *out = calloc(n + 1, sizeof(**out));
    *count = n;
    if (!*out)
        return out_of_memory(err);
    n = 0;
    for (size_t i = 0; i < save->piece_count; i++) {
        const struct save_part *p = &save->parts[i];
        uint64_t sums = staging_sums(&p->part);
        memcpy(*out + n, save->sums + p->sums, sums * sizeof(**out));
        n += sums;
    }
    return 0;
}

/* The leader of a file: enter the checksums of all its pieces. */
static int enter_sums(struct save *save, const struct exchange_lists *all,
                      struct mlb_error *err)
{
    const struct mlb_saver *s = save->saver;
    const struct shards_plan *plan = &s->plan.plan;
    size_t array = 0, in_file = 0;
    uint64_t *at = calloc((size_t)exchange_size(&s->x), sizeof(*at));
    int rc = at ? 0 : out_of_memory(err);

    for (size_t i = 0; rc == 0 && i < plan->piece_count; i++) {
        const struct shards_piece *p = &plan->pieces[i];
        struct staging_part part = { .offset = p->offset,
                                     .length = p->length };
        for (; array < p->array; array++)
            in_file += plan->arrays[array].file == saver_file(s);
        uint64_t sums = staging_sums(&part) * sizeof(uint32_t);
        uint64_t start = all->starts[p->rank] + at[p->rank];
        at[p->rank] += sums;
        if (plan->arrays[p->array].file != saver_file(s))
            continue;
        part.array = in_file;
        if (start + sums > all->starts[p->rank + 1])
            rc = mlb_error_set(err, MLB_ERR_FAILED, "rank %u sent too few "
                               "checksums", p->rank);
        else
            rc = staging_sum(save->staging, &part,
                             (const uint32_t *)(all->bytes + start), err);
    }
    free(at);
    for (size_t i = save->piece_count; rc == 0 && i < save->count; i++)
        rc = staging_sum(save->staging, &save->parts[i].part,
                         save->sums + save->parts[i].sums, err);
    return rc;
}

static int publish_file(struct save *save, const struct exchange_lists *all,
                        struct mlb_error *err)
{
    if (enter_sums(save, all, err) < 0)
        return -1;
    struct staging *staging = save->staging;
    save->staging = NULL;
    return staging_publish(staging, false, err);
}

/* What the manifest says of the file that this rank leads. */
static int identify(const struct save *save, char *out, struct mlb_error *err)
{
    char path[PATH_MAX + 32];

    snprintf(path, sizeof(path), "%s/" CHECKPOINT_NODE_FILE, save->directory,
             saver_file(save->saver));
    struct container *c = container_open(path, CONTAINER_CHECKPOINT, err);
    if (!c)
        return -1;
    checkpoint_identity(c, out);
    container_close(c);
    return 0;
}

/* With a file per node: the manifest last, then the directory's name. */
static int publish_nodes(struct save *save, struct mlb_error *err)
{
    struct mlb_saver *s = save->saver;
    struct exchange_lists all = { NULL, NULL };
    char mine[CHECKPOINT_IDENTITY] = "";
    bool leads = saver_leads(s);
    int rc = exchange_agree(&s->x, leads ? identify(save, mine, err) : 0,
                            err);

    if (rc == 0)
        rc = exchange_gather(&s->x, mine, leads ? sizeof(mine) : 0, &all,
                             err);
    if (rc == 0 && exchange_rank(&s->x) == 0) {
        if (saver_manifest(save, &all, err) < 0 ||
            place_publish(save->directory, save->path, false, err) < 0)
            rc = -1;
        else
            save->directory[0] = '\0';
    }
    exchange_lists_clear(&all);
    return rc;
}

static int publish(struct save *save, struct mlb_error *err)
{
    struct mlb_saver *s = save->saver;
    struct exchange_lists all = { NULL, NULL };
    uint32_t *sums = NULL;
    uint64_t count = 0;
    int rc = sort_sums(save, &sums, &count, err);

    rc = exchange_agree(&s->x, rc, err);
    if (rc == 0)
        rc = exchange_gather(&s->x, sums, count * sizeof(*sums), &all, err);
    if (rc == 0 && saver_leads(s))
        rc = publish_file(save, &all, err);
    if (s->in_nodes) {
        rc = exchange_agree(&s->x, rc, err);
        if (rc == 0)
            rc = publish_nodes(save, err);
    }
    free(sums);
    exchange_lists_clear(&all);
    return rc;
}

int saver_finish(struct save *save, struct mlb_error *err)
{
    struct mlb_saver *s = save->saver;
    const struct retention_place place = { s->directory, save->step,
                                           s->slots };
    int rc = save->rc;

    if (rc < 0 && err)
        *err = save->error;
    rc = exchange_agree(&s->x, rc, err);
    if (rc == 0)
        rc = publish(save, err);
    if (rc == 0 && exchange_rank(&s->x) == 0 &&
        retention_apply(&s->retention, &place, err) < 0)
        rc = mlb_error_prefix(err, "step %" PRIu64 " is saved, but",
                              save->step);
    rc = exchange_agree(&s->x, rc, err);
    clear(save);
    return rc;
}

int mlb_checkpoint_publish(struct mlb_checkpoint *checkpoint,
                           struct mlb_error *err)
{
    struct save *save = saver_begin(checkpoint, err);
    int rc = -1;

    if (save) {
        saver_write(save);
        rc = saver_finish(save, err);
    }
    saver_forget(checkpoint);
    return rc;
}

void mlb_checkpoint_abandon(struct mlb_checkpoint *checkpoint)
{
    if (!checkpoint)
        return;
    /* Others may be in publish and wait for this rank's word. */
    struct mlb_error why;
    mlb_error_set(&why, MLB_ERR_FAILED, "the checkpoint was abandoned");
    exchange_agree(&checkpoint->saver->x, -1, &why);
    saver_forget(checkpoint);
}
