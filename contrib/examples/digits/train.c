/* SPDX-License-Identifier: BSD-3-Clause */
/* Data-parallel training on the digits, over any number of MPI ranks.
 *
 * Every rank holds the whole network, reads its slice of each batch, and
 * adds up its gradients as whole numbers (network.h); one MPI_Allreduce
 * later all ranks hold the same sum and take the same step. The loader gives
 * the same batches for any number of ranks, so the outcome is the same, too,
 * bit for bit; and as a checkpoint says how far into an epoch it was made, a
 * run that was stopped and resumed ends with the same numbers as well. */
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mpi.h>

#include <mlbatch/mlbatch.h>

#include "network.h"
#include "options.h"
#include "training.h"

enum {
    EXIT_NOT_DONE = 75,          /* EX_TEMPFAIL: stopped, go on later */
};

static double mean_loss(const struct training *t)
{
    int64_t rows = t->seen ? t->seen : t->train_rows;
    return (double)t->loss * NETWORK_UNIT / (double)rows;
}

/* ---- the data ---- */

static int check_field(const struct mlb_dataset *data, const char *name,
                       enum mlb_dtype dtype, uint64_t elements,
                       struct mlb_error *err)
{
    const struct mlb_field *field = mlb_dataset_find(data, name);
    if (!field || field->dtype != dtype ||
        field->row_bytes != elements * mlb_dtype_size(dtype))
        return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                             "the data set has no field '%s' of %d %s", name,
                             (int)elements, mlb_dtype_name(dtype));
    return 0;
}

static struct mlb_loader *open_split(struct training *t, const char *split,
                                     bool for_training, int64_t *rows,
                                     struct mlb_error *err)
{
    *rows = mlb_dataset_split_rows(t->data, split, err);
    if (*rows < 0)
        return NULL;
    if (*rows == 0) {
        mlb_error_set(err, MLB_ERR_BAD_INPUT, "split '%s' has no rows",
                      split);
        return NULL;
    }
    struct mlb_loader_options options = {
        .split = split,
        /* The held-out rows are one batch, read once and kept. */
        .global_batch = for_training ? (uint64_t)t->options.batch
                                     : (uint64_t)*rows,
        .seed = (uint64_t)t->options.seed,
        .shuffle = for_training,
        .rank = t->rank,
        .world_size = t->world,
    };
    return mlb_loader_create(t->data, &options, err);
}

static int open_data(struct training *t, const char *path,
                     struct mlb_error *err)
{
    t->data = mlb_dataset_open(path, err);
    if (!t->data || check_field(t->data, "x", MLB_F32, NETWORK_INPUTS, err) ||
        check_field(t->data, "y", MLB_I32, 1, err))
        return -1;
    t->train = open_split(t, "train", true, &t->train_rows, err);
    if (!t->train)
        return -1;
    t->test = open_split(t, "test", false, &t->test_rows, err);
    if (!t->test || mlb_loader_next(t->test, err) < 0)
        return -1;
    return 0;
}

/* ---- training ---- */

/* This rank's part of the sums of a step. */
static int add_slice(struct training *t, struct mlb_error *err)
{
    const float *x = mlb_loader_field(t->train, "x");
    const int32_t *y = mlb_loader_field(t->train, "y");
    const uint64_t *ids = mlb_loader_ids(t->train);
    uint64_t rows = mlb_loader_rows(t->train);
    for (uint64_t i = 0; i < rows; i++)
        if (network_add(t->net, x + i * NETWORK_INPUTS, y[i], t->sum, err))
            return mlb_error_prefix(err, "row %" PRIu64, ids[i]);
    return 0;
}

/* One step over the batch that the loader holds, batch rows in all. Whether
 * to save and to stop travels in the same sum: what one rank alone knows,
 * such as the end of its node's time, all know after the step. */
static int train_batch(struct training *t, int64_t batch,
                       struct mlb_error *err)
{
    size_t sums = network_sums(t->net);
    int64_t *extra = t->sum + sums;
    memset(t->sum, 0, (sums + SUM_EXTRAS) * sizeof(*t->sum));
    if (add_slice(t, err))
        return -1;
    extra[SUM_SAVE] = t->rank == 0 && mlb_progress_should_save();
    extra[SUM_STOP] = mlb_progress_should_stop();
    MPI_Allreduce(MPI_IN_PLACE, t->sum, (int)(sums + SUM_EXTRAS),
                  MPI_INT64_T, MPI_SUM, MPI_COMM_WORLD);
    network_update(t->net, t->sum, (uint64_t)batch, t->options.rate);

    if (t->seen == 0)
        t->loss = 0;
    t->loss += t->sum[sums - 1];
    t->seen += batch;
    t->step++;
    t->save = extra[SUM_SAVE] > 0;
    t->stop = extra[SUM_STOP] > 0;
    mlb_progress_step((uint64_t)t->step, mlb_loader_rows(t->train));
    return 0;
}

/* The share of held-out rows that the network gets right. */
static double accuracy(struct training *t)
{
    const float *x = mlb_loader_field(t->test, "x");
    const int32_t *y = mlb_loader_field(t->test, "y");
    uint64_t rows = mlb_loader_rows(t->test);
    int64_t right = 0;
    for (uint64_t i = 0; i < rows; i++)
        right += network_guess(t->net, x + i * NETWORK_INPUTS) == y[i];
    MPI_Allreduce(MPI_IN_PLACE, &right, 1, MPI_INT64_T, MPI_SUM,
                  MPI_COMM_WORLD);
    return (double)right / (double)t->test_rows;
}

static void end_epoch(struct training *t, double seconds)
{
    t->epoch++;
    t->seen = 0;
    double right = t->accuracy = accuracy(t);
    long long every = t->options.save_every;
    if (every && t->epoch % every == 0)
        t->save = true;
    if (t->rank != 0)
        return;
    mlb_progress_metric("loss", (uint64_t)t->step, mean_loss(t));
    mlb_progress_metric("test/accuracy", (uint64_t)t->step, right);
    printf("epoch %" PRId64 " loss %.6f test accuracy %.4f seconds %.3f\n",
           t->epoch, mean_loss(t), right, seconds);
}

/* Train until all epochs are done or a stop is asked for. An epoch ends with
 * its last row, not when the loader next says so: a checkpoint made at its
 * end must count it as done. */
static int train(struct training *t, struct mlb_error *err)
{
    double start = MPI_Wtime();
    while (t->epoch < t->options.epochs && !t->stop) {
        int64_t batch = mlb_loader_next(t->train, err);
        if (batch < 0)
            return -1;
        if (batch == 0)          /* the next call begins the next epoch */
            continue;
        if (train_batch(t, batch, err))
            return -1;
        if (t->seen == t->train_rows) {
            end_epoch(t, MPI_Wtime() - start);
            start = MPI_Wtime();
        }
        if ((t->save || t->stop) && training_save(t, err))
            return -1;
    }
    return 0;
}

/* ---- the run ---- */

static void print_final(struct training *t)
{
    double right = accuracy(t);
    if (t->rank != 0)
        return;
    printf("checkpoint: step %" PRId64 " in %s\n", t->saved,
           t->saving.directory);
    printf("final: loss %.9f test accuracy %.4f checksum %016" PRIx64 "\n",
           mean_loss(t), right, network_checksum(t->net));
}

static int start(struct training *t, struct mlb_error *err)
{
    MPI_Comm_rank(MPI_COMM_WORLD, &t->rank);
    MPI_Comm_size(MPI_COMM_WORLD, &t->world);
    if (open_data(t, getenv("MLB_DATA_TRAIN"), err) ||
        training_open_saver(t, err))
        return -1;
    t->net = network_create((size_t)t->options.hidden,
                            (uint64_t)t->options.seed);
    if (t->net)
        t->sum = calloc(network_sums(t->net) + SUM_EXTRAS, sizeof(*t->sum));
    if (!t->sum)
        return mlb_error_set(err, MLB_ERR_FAILED, "out of memory");
    return training_resume(t, err);
}

/* Returns the exit status, -1 if something failed. */
static int run(struct training *t, struct mlb_error *err)
{
    if (start(t, err))
        return -1;
    if (t->epoch >= t->options.epochs) {
        if (t->rank == 0)
            printf("already trained for %" PRId64 " epochs\n", t->epoch);
        print_final(t);
        return 0;
    }
    if (t->rank == 0 && t->step > 0)
        printf("resumed at epoch %" PRId64 ", step %" PRId64 " from %s\n",
               t->epoch, t->step, t->path);
    if (train(t, err))
        return -1;
    if (t->epoch < t->options.epochs) {
        if (t->rank == 0)
            printf("asked to stop: saved at epoch %" PRId64 ", step %" PRId64
                   "\n", t->epoch, t->step);
        return EXIT_NOT_DONE;
    }
    if (training_save(t, err))
        return -1;
    print_final(t);
    return 0;
}

int main(int argc, char **argv)
{
    struct training t = { .accuracy = NAN };
    struct mlb_error err = { .code = MLB_OK };
    options_read(&t.options, argc, argv);
    if (!getenv("MLB_DATA_TRAIN")) {
        fprintf(stderr, "train: MLB_DATA_TRAIN is not set: it must hold the "
                        "path of the data set\n");
        return 2;
    }
    /* Each line at once, not when a buffer is full: logs are followed. */
    setvbuf(stdout, NULL, _IOLBF, 0);

    /* From here on a request to stop waits for the end of a step. */
    mlb_progress_should_stop();
    MPI_Init(&argc, &argv);
    int status = run(&t, &err);
    if (status < 0) {
        fprintf(stderr, "train: rank %d: %s\n", t.rank, err.text);
        /* The other ranks wait for this one in a reduction. */
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    mlb_saver_close(t.saver);
    mlb_mpi_group_clear(&t.group);
    free(t.sum);
    network_destroy(t.net);
    mlb_loader_destroy(t.test);
    mlb_loader_destroy(t.train);
    mlb_dataset_close(t.data);
    MPI_Finalize();
    return status;
}
