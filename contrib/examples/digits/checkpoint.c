/* SPDX-License-Identifier: BSD-3-Clause */
/* The checkpoints of a training run: what is in them, saving, resuming. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mpi.h>

#include "training.h"

/* The whole numbers in a checkpoint, one scalar each: epochs done, and the
 * loss so far in units of 2^-36 (struct training says of which rows). */
enum {
    STATE_EPOCH,
    STATE_LOSS,
    STATES,
};

static void state_tensors(struct training *t, struct mlb_tensor *tensors)
{
    tensors[STATE_EPOCH] = (struct mlb_tensor){
        .name = "epoch", .dtype = MLB_I64, .data = &t->epoch,
    };
    tensors[STATE_LOSS] = (struct mlb_tensor){
        .name = "loss", .dtype = MLB_I64, .data = &t->loss,
    };
}

/* All ranks hold the same, so all add it and the first of them writes it. */
static int write_checkpoint(struct training *t, struct mlb_error *err)
{
    struct mlb_tensor tensors[NETWORK_TENSORS + STATES];
    struct mlb_sampler_state sampler;
    network_tensors(t->net, tensors);
    state_tensors(t, tensors + NETWORK_TENSORS);
    mlb_loader_get_state(t->train, &sampler);

    struct mlb_checkpoint *checkpoint =
        mlb_checkpoint_create(t->saver, (uint64_t)t->step, err);
    if (!checkpoint)
        return -1;
    int failed = mlb_checkpoint_add_state(checkpoint, "sampler", &sampler,
                                          sizeof(sampler), err) ||
                 mlb_checkpoint_add_metric(checkpoint, "test/accuracy",
                                           t->accuracy, err);
    for (int i = 0; i < NETWORK_TENSORS + STATES && !failed; i++)
        failed = mlb_checkpoint_add(checkpoint, &tensors[i], NULL, err);
    if (failed) {
        mlb_checkpoint_abandon(checkpoint);
        return -1;
    }
    return mlb_checkpoint_publish(checkpoint, err);
}

static int load_sampler(struct training *t,
                        struct mlb_checkpoint_reader *reader,
                        struct mlb_error *err)
{
    void *bytes = NULL;
    uint64_t length;
    struct mlb_sampler_state sampler;
    int failed = -1;
    if (mlb_checkpoint_load_state(reader, "sampler", &bytes, &length, err))
        return -1;
    if (length != sizeof(sampler)) {
        mlb_error_set(err, MLB_ERR_BAD_INPUT, "state 'sampler': bad length");
        goto out;
    }
    memcpy(&sampler, bytes, sizeof(sampler));
    if (sampler.seed != (uint64_t)t->options.seed) {
        mlb_error_set(err, MLB_ERR_BAD_INPUT,
                      "made with --seed %" PRIu64 ", not %lld", sampler.seed,
                      t->options.seed);
        goto out;
    }
    failed = mlb_loader_set_state(t->train, &sampler, err);
    /* Between two epochs the position is that of the end or the start. */
    t->seen = (int64_t)sampler.position % t->train_rows;
out:
    free(bytes);
    return failed;
}

static int load(struct training *t, struct mlb_checkpoint_reader *reader,
                struct mlb_error *err)
{
    struct mlb_tensor tensors[NETWORK_TENSORS + STATES];
    network_tensors(t->net, tensors);
    state_tensors(t, tensors + NETWORK_TENSORS);
    for (int i = 0; i < NETWORK_TENSORS + STATES; i++) {
        void *into = (void *)tensors[i].data;
        if (mlb_checkpoint_load(reader, &tensors[i], NULL, into, err))
            return -1;
    }
    t->step = t->saved = (int64_t)mlb_checkpoint_step(reader);
    return load_sampler(t, reader, err);
}

int training_save(struct training *t, struct mlb_error *err)
{
    if (t->saved == t->step)
        return 0;
    if (write_checkpoint(t, err))
        return mlb_error_prefix(err, "saving at step %" PRId64, t->step);
    t->saved = t->step;
    return 0;
}

int training_open_saver(struct training *t, struct mlb_error *err)
{
    mlb_saver_options_init(&t->saving);
    if (t->options.keep >= 0)
        t->saving.retention.last = (int)t->options.keep;
    if (mlb_mpi_group_init(&t->group, MPI_COMM_WORLD, 0, err))
        return -1;
    t->saving.group = &t->group;
    t->saver = mlb_saver_open(&t->saving, err);
    return t->saver ? 0 : -1;
}

int training_resume(struct training *t, struct mlb_error *err)
{
    struct mlb_checkpoint_reader *reader = NULL;

    /* Rank 0 looks for it: were each rank to look, two might disagree. */
    if (t->rank == 0) {
        char note[256] = "";
        reader = mlb_checkpoint_latest(t->saving.directory, note,
                                       sizeof(note), err);
        if (!reader && err->code != MLB_ERR_NOT_FOUND)
            return -1;
        if (note[0])
            fprintf(stderr, "train: %s\n", note);
        if (reader)
            snprintf(t->path, sizeof(t->path), "%s",
                     mlb_checkpoint_path(reader));
    }
    MPI_Bcast(t->path, sizeof(t->path), MPI_CHAR, 0, MPI_COMM_WORLD);
    if (!t->path[0])
        return 0;
    if (!reader)
        reader = mlb_checkpoint_open(t->path, err);
    if (!reader)
        return -1;
    int failed = load(t, reader, err);
    if (failed)
        mlb_error_prefix(err, "%s", t->path);
    mlb_checkpoint_close(reader);
    return failed;
}
