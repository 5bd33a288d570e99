/* SPDX-License-Identifier: BSD-3-Clause */
/* Shuffled batches of a data set, the same for every number of ranks. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "store/dataset.h"
#include "store/layout.h"
#include "store/sampler.h"

struct mlb_loader {
    struct mlb_dataset *dataset;
    struct mlb_loader_options options;   /* split is not kept */
    uint64_t *split;                     /* ids, or NULL: row i is id i */
    struct mlb_sampler_state state;
    struct sampler order;                /* of state.epoch */
    uint64_t rows, offset;               /* this rank's part of the batch */
    uint64_t *ids;
    void **values;                       /* one buffer a field */
    int fields;
};

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

/* Room for this rank's largest slice. */
static int make_buffers(struct mlb_loader *l, struct mlb_error *err)
{
    uint64_t batch = l->state.global_batch, first;

    if (batch > l->state.rows)
        batch = l->state.rows;
    uint64_t most = sampler_slice(batch, 0, l->options.world_size, &first);
    l->fields = mlb_dataset_fields(l->dataset);
    l->ids = calloc(most + 1, sizeof(*l->ids));
    l->values = calloc((size_t)l->fields, sizeof(*l->values));
    if (!l->ids || !l->values)
        return mlb_error_set(err, MLB_ERR_IO, "out of memory");
    for (int i = 0; i < l->fields; i++) {
        const struct mlb_field *f = mlb_dataset_field(l->dataset, i);
        /* Fits: most is at most the rows, and the manifest was checked. */
        l->values[i] = malloc(most * f->row_bytes + 1);
        if (!l->values[i])
            return mlb_error_set(err, MLB_ERR_IO, "out of memory for %" PRIu64
                                 " rows of %s", most, f->name);
    }
    return 0;
}

struct mlb_loader *mlb_loader_create(struct mlb_dataset *dataset,
                                     const struct mlb_loader_options *options,
                                     struct mlb_error *err)
{
    struct mlb_loader *l = NULL;
    uint64_t rows = 0;

    if (check_options(dataset, options, &rows, err) < 0)
        return NULL;
    l = calloc(1, sizeof(*l));
    if (!l) {
        mlb_error_set(err, MLB_ERR_IO, "out of memory");
        return NULL;
    }
    l->dataset = dataset;
    l->options = *options;
    l->options.split = NULL;
    l->state = (struct mlb_sampler_state){
        .algorithm = SAMPLER_FEISTEL, .seed = options->seed, .rows = rows,
        .global_batch = options->global_batch,
    };
    sampler_init(&l->order, rows, l->state.seed, l->state.epoch);
    if (make_buffers(l, err) < 0 ||
        (options->split &&
         dataset_split_ids(dataset, options->split, &l->split, err) < 0)) {
        mlb_loader_destroy(l);
        return NULL;
    }
    return l;
}

void mlb_loader_destroy(struct mlb_loader *loader)
{
    if (!loader)
        return;
    for (int i = 0; loader->values && i < loader->fields; i++)
        free(loader->values[i]);
    free(loader->values);
    free(loader->ids);
    free(loader->split);
    free(loader);
}

static void next_epoch(struct mlb_loader *l)
{
    l->state.epoch++;
    l->state.position = 0;
    l->rows = l->offset = 0;
    sampler_init(&l->order, l->state.rows, l->state.seed, l->state.epoch);
}

int64_t mlb_loader_next(struct mlb_loader *loader, struct mlb_error *err)
{
    struct mlb_sampler_state *s = &loader->state;
    const struct mlb_loader_options *o = &loader->options;
    uint64_t left = s->rows - s->position, first;
    uint64_t batch = left < s->global_batch ? left : s->global_batch;

    if (batch == 0 || (o->drop_last && batch < s->global_batch)) {
        next_epoch(loader);
        return 0;
    }
    uint64_t n = sampler_slice(batch, o->rank, o->world_size, &first);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t at = s->position + first + i;
        uint64_t row = o->shuffle ? sampler_at(&loader->order, at) : at;
        loader->ids[i] = loader->split ? loader->split[row] : row;
    }
    loader->rows = 0;          /* if reading fails there is no batch */
    for (int i = 0; i < loader->fields; i++) {
        const char *name = mlb_dataset_field(loader->dataset, i)->name;
        if (mlb_dataset_read(loader->dataset, name, loader->ids, n,
                             loader->values[i], err) < 0)
            return -1;
    }
    loader->rows = n;
    loader->offset = first;
    s->position += batch;
    return (int64_t)batch;
}

uint64_t mlb_loader_rows(const struct mlb_loader *loader)
{
    return loader->rows;
}

const uint64_t *mlb_loader_ids(const struct mlb_loader *loader)
{
    return loader->ids;
}

uint64_t mlb_loader_offset(const struct mlb_loader *loader)
{
    return loader->offset;
}

const void *mlb_loader_field(const struct mlb_loader *loader,
                             const char *field)
{
    for (int i = 0; i < loader->fields; i++)
        if (strcmp(mlb_dataset_field(loader->dataset, i)->name, field) == 0)
            return loader->values[i];
    return NULL;
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

    if (state->algorithm != SAMPLER_FEISTEL)
        return differs(err, "algorithm", state->algorithm,
                       SAMPLER_FEISTEL);
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
    loader->rows = loader->offset = 0;
    sampler_init(&loader->order, state->rows, state->seed, state->epoch);
    return 0;
}
