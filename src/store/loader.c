/* SPDX-License-Identifier: BSD-3-Clause */
/* Shuffled batches of a data set, the same for every number of ranks. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/loader.h"

#define MOST_PREFETCH 1024

static int check_options(const struct mlb_dataset *dataset,
                         const struct mlb_loader_options *o, uint64_t *rows,
                         struct mlb_error *err)
{
    int64_t n = mlb_dataset_split_rows(dataset, o->split, err);

    if (n < 0)
        return -1;
    if (o->world_size < 1 || o->rank < 0 || o->rank >= o->world_size)
        return mlb_error_set(err, MLB_ERR_USAGE, "rank %d of %d", o->rank,
                             o->world_size);
    if ((int)o->mode < MLB_LOADER_AUTO || o->mode > MLB_LOADER_DIRECT)
        return mlb_error_set(err, MLB_ERR_USAGE, "no such mode: %d",
                             (int)o->mode);
    if (o->prefetch < 0 || o->prefetch > MOST_PREFETCH)
        return mlb_error_set(err, MLB_ERR_USAGE,
                             "%d batches read ahead (at most %d)",
                             o->prefetch, MOST_PREFETCH);
    if (o->global_batch < 1)
        return mlb_error_set(err, MLB_ERR_USAGE, "a batch of 0 rows");
    if (o->drop_last && o->global_batch > (uint64_t)n)
        return mlb_error_set(err, MLB_ERR_USAGE,
                             "with drop_last no batch of %" PRIu64 " rows "
                             "would ever come: there are %" PRId64,
                             o->global_batch, n);
    *rows = (uint64_t)n;
    return 0;
}

/* Begin an epoch, or go on in it. */
static void seek(struct mlb_loader *l, struct loader_cursor *c,
                 uint64_t epoch, uint64_t position)
{
    const struct mlb_sampler_state *s = &l->state;

    c->epoch = epoch;
    c->position = position;
    if (s->algorithm == SAMPLER_BLOCKS && s->rows > 0)
        sampler_blocks_init(&c->blocks, s->rows, s->block, s->seed, epoch);
    else
        sampler_init(&c->order, s->rows, s->seed, epoch);
}

/* Forget what is planned, and plan from the state again. */
static void plan_anew(struct mlb_loader *l)
{
    if (l->direct)
        loader_direct_cancel(l->direct);
    l->planned = l->first = 0;
    seek(l, &l->cursor, l->state.epoch, l->state.position);
}

/* Rows of the batch at a position of an epoch, 0 at its end. */
static uint64_t batch_size(const struct mlb_loader *l, uint64_t position)
{
    uint64_t left = l->state.rows - position;

    if (left >= l->state.global_batch)
        return l->state.global_batch;
    return l->options.drop_last ? 0 : left;
}

static void get_ids(const struct mlb_loader *l, uint64_t at, uint64_t count,
                    uint64_t *ids)
{
    const struct loader_cursor *c = &l->cursor;

    if (!l->options.shuffle)
        for (uint64_t i = 0; i < count; i++)
            ids[i] = at + i;
    else if (l->state.algorithm == SAMPLER_BLOCKS)
        sampler_blocks_fill(&c->blocks, at, count, ids);
    else
        sampler_fill(&c->order, at, count, ids);
    for (uint64_t i = 0; l->split && i < count; i++)
        ids[i] = l->split[ids[i]];
}

/* Plan the next batch at the cursor and begin to read it. */
static int plan_one(struct mlb_loader *l, struct mlb_error *err)
{
    struct loader_cursor *c = &l->cursor;
    unsigned slot = (l->first + l->planned) % l->batch_count;
    struct loader_batch *b = &l->batches[slot];

    if (batch_size(l, c->position) == 0)
        seek(l, c, c->epoch + 1, 0);
    b->size = batch_size(l, c->position);
    b->rows = sampler_slice(b->size, l->options.rank, l->options.world_size,
                            &b->first);
    get_ids(l, c->position + b->first, b->rows, b->ids);
    if (l->direct && loader_direct_begin(l->direct, slot, b, err) < 0)
        return -1;
    c->position += b->size;
    l->planned++;
    return 0;
}

static int out_of_memory(struct mlb_error *err)
{
    return mlb_error_set(err, MLB_ERR_IO, "out of memory");
}

/* Room for this rank's largest slice. */
static int make_buffers(struct mlb_loader *l, struct mlb_error *err)
{
    if (l->most > SIZE_MAX / sizeof(*l->sources) - 1)
        return out_of_memory(err);
    l->given.ids = calloc(l->most + 1, sizeof(*l->given.ids));
    l->sources = calloc(l->most + 1, sizeof(*l->sources));
    l->batches = calloc(l->batch_count, sizeof(*l->batches));
    if (!l->given.ids || !l->sources || !l->batches)
        return out_of_memory(err);
    for (unsigned i = 0; i < l->batch_count; i++) {
        l->batches[i].ids = calloc(l->most + 1, sizeof(*l->batches[i].ids));
        if (!l->batches[i].ids)
            return out_of_memory(err);
    }
    for (size_t i = 0; i < l->field_count; i++) {
        struct loader_field *f = &l->fields[i];
        if (f->field->ragged) {
            f->offsets = calloc(l->most + 1, sizeof(*f->offsets));
            f->size = 0;
        } else {
            /* Fits: most is at most the rows, and the manifest is sound. */
            f->size = l->most * f->field->row_bytes;
        }
        f->values = malloc(f->size + 1);
        if (!f->values || (f->field->ragged && !f->offsets))
            return mlb_error_set(err, MLB_ERR_IO, "out of memory for %" PRIu64
                                 " rows of %s", l->most, f->field->name);
    }
    return 0;
}

static void name_mode(struct mlb_loader *l)
{
    char engine[48];

    snprintf(l->mode_name, sizeof(l->mode_name), "mapped");
    if (!l->direct)
        return;
    loader_direct_describe(l->direct, engine, sizeof(engine));
    snprintf(l->mode_name, sizeof(l->mode_name), "direct, %s", engine);
}

static int prepare(struct mlb_loader *l, const char *split,
                   const struct rows_options *rows, struct mlb_error *err)
{
    uint64_t batch = l->state.global_batch, first;

    if (batch > l->state.rows)
        batch = l->state.rows;
    l->most = sampler_slice(batch, 0, l->options.world_size, &first);
    l->field_count = (size_t)mlb_dataset_fields(l->dataset);
    l->fields = calloc(l->field_count, sizeof(*l->fields));
    if (!l->fields)
        return out_of_memory(err);
    for (size_t i = 0; i < l->field_count; i++) {
        l->fields[i].field = mlb_dataset_field(l->dataset, (int)i);
        l->fields[i].number = i;
    }
    if ((split && dataset_split_ids(l->dataset, split, &l->split, err) < 0) ||
        loader_choose(l, rows, err) < 0 || make_buffers(l, err) < 0)
        return -1;
    name_mode(l);
    plan_anew(l);
    return 0;
}

struct mlb_loader *loader_create(struct mlb_dataset *dataset,
                                 const struct mlb_loader_options *options,
                                 const struct rows_options *rows,
                                 struct mlb_error *err)
{
    struct mlb_loader *l;
    uint64_t count = 0;

    if (check_options(dataset, options, &count, err) < 0)
        return NULL;
    l = calloc(1, sizeof(*l));
    if (!l) {
        out_of_memory(err);
        return NULL;
    }
    bool blocks = options->shuffle && options->block > 0;
    l->dataset = dataset;
    l->options = *options;
    l->options.split = NULL;
    l->owner = getpid();
    l->state = (struct mlb_sampler_state){
        .algorithm = blocks ? SAMPLER_BLOCKS : SAMPLER_FEISTEL,
        .block = blocks ? options->block : 0, .seed = options->seed,
        .rows = count, .global_batch = options->global_batch,
    };
    if (prepare(l, options->split, rows, err) < 0) {
        mlb_loader_destroy(l);
        return NULL;
    }
    return l;
}

struct mlb_loader *mlb_loader_create(struct mlb_dataset *dataset,
                                     const struct mlb_loader_options *options,
                                     struct mlb_error *err)
{
    return loader_create(dataset, options, NULL, err);
}

void mlb_loader_destroy(struct mlb_loader *loader)
{
    if (!loader)
        return;
    loader_direct_close(loader->direct);
    loader_map_close(loader->map);
    for (size_t i = 0; loader->fields && i < loader->field_count; i++) {
        struct loader_field *f = &loader->fields[i];
        for (size_t k = 0; k < f->outgrown_count; k++)
            free(f->outgrown[k]);
        free(f->outgrown);
        free(f->values);
        free(f->offsets);
        free(f->compared);
    }
    for (unsigned i = 0; loader->batches && i < loader->batch_count; i++)
        free(loader->batches[i].ids);
    free(loader->fields);
    free(loader->batches);
    free(loader->given.ids);
    free(loader->sources);
    free(loader->split);
    free(loader);
}

/* Get what the first planned batch needs into the buffers of the fields. */
static int take_first(struct mlb_loader *l, struct mlb_error *err)
{
    unsigned slot = l->first;

    if (l->direct && loader_direct_wait(l->direct, slot, err) < 0)
        return -1;
    for (size_t i = 0; i < l->field_count; i++)
        if (loader_fill(l, &l->fields[i], &l->batches[slot], slot, err) < 0)
            return -1;
    struct loader_batch old = l->given;
    l->given = l->batches[slot];
    l->batches[slot] = old;
    l->first = (slot + 1) % l->batch_count;
    l->planned--;
    return 0;
}

/* Plan as many batches as there is room for. Trouble with one that nobody
 * has asked for yet is told when its turn comes. */
static void plan_ahead(struct mlb_loader *l)
{
    while (l->planned < l->batch_count && plan_one(l, NULL) == 0)
        ;
}

int64_t mlb_loader_next(struct mlb_loader *loader, struct mlb_error *err)
{
    struct mlb_sampler_state *s = &loader->state;
    uint64_t size = batch_size(loader, s->position);

    loader->given.rows = loader->given.first = 0;
    if (size == 0) {
        s->epoch++;
        s->position = 0;
        return 0;
    }
    if (loader->direct && loader->owner != getpid())
        return mlb_error_set(err, MLB_ERR_USAGE, "the loader is of another "
                             "process: make one after the fork");
    if (loader->planned == 0 && plan_one(loader, err) < 0)
        return -1;
    if (loader->direct)
        plan_ahead(loader);
    if (take_first(loader, err) < 0) {
        loader->given.rows = loader->given.first = 0;
        plan_anew(loader);
        return -1;
    }
    s->position += size;
    if (loader->direct) {
        plan_ahead(loader);
        name_mode(loader);
    }
    return (int64_t)size;
}

uint64_t mlb_loader_rows(const struct mlb_loader *loader)
{
    return loader->given.rows;
}

const uint64_t *mlb_loader_ids(const struct mlb_loader *loader)
{
    return loader->given.ids;
}

uint64_t mlb_loader_offset(const struct mlb_loader *loader)
{
    return loader->given.first;
}

static const struct loader_field *find_field(const struct mlb_loader *l,
                                             const char *name)
{
    for (size_t i = 0; i < l->field_count; i++)
        if (strcmp(l->fields[i].field->name, name) == 0)
            return &l->fields[i];
    return NULL;
}

const void *mlb_loader_field(const struct mlb_loader *loader,
                             const char *field)
{
    const struct loader_field *f = find_field(loader, field);

    return f ? f->values : NULL;
}

const uint64_t *mlb_loader_offsets(const struct mlb_loader *loader,
                                   const char *field)
{
    const struct loader_field *f = find_field(loader, field);

    return f ? f->offsets : NULL;
}

const char *mlb_loader_mode_name(const struct mlb_loader *loader)
{
    return loader->mode_name;
}

void mlb_loader_get_state(const struct mlb_loader *loader,
                          struct mlb_sampler_state *state)
{
    *state = loader->state;
}

static int differs(struct mlb_error *err, const char *what, uint64_t is,
                   uint64_t wanted)
{
    return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                         "the saved state is of another %s: %" PRIu64
                         ", not %" PRIu64, what, is, wanted);
}

int mlb_loader_set_state(struct mlb_loader *loader,
                         const struct mlb_sampler_state *state,
                         struct mlb_error *err)
{
    const struct mlb_sampler_state *ours = &loader->state;

    if (state->algorithm != ours->algorithm)
        return differs(err, "algorithm", state->algorithm, ours->algorithm);
    if (state->block != ours->block)
        return differs(err, "size of blocks", state->block, ours->block);
    if (state->rows != ours->rows)
        return differs(err, "number of rows", state->rows, ours->rows);
    if (state->global_batch != ours->global_batch)
        return differs(err, "global batch", state->global_batch,
                       ours->global_batch);
    if (state->position > state->rows ||
        (state->position < state->rows &&
         state->position % state->global_batch != 0))
        return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                             "the saved state is at row %" PRIu64
                             ", which is no end of a batch", state->position);
    loader->state = *state;
    loader->given.rows = loader->given.first = 0;
    plan_anew(loader);
    return 0;
}
