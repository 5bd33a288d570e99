/* SPDX-License-Identifier: BSD-3-Clause */
/* A training run: what it works with and where it stands. */
#ifndef TRAINING_H
#define TRAINING_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include <mlbatch/mlbatch.h>
#include <mlbatch/mpi.h>

#include "network.h"
#include "options.h"

/* What is added up over the ranks in a step beside the network's sums. */
enum {
    SUM_SAVE,
    SUM_STOP,
    SUM_EXTRAS,
};

struct training {
    struct options options;
    int rank, world;
    struct mlb_group group;
    struct mlb_saver_options saving;
    struct mlb_saver *saver;
    struct mlb_dataset *data;
    struct mlb_loader *train, *test;
    int64_t train_rows, test_rows;
    struct network *net;
    int64_t *sum;                /* network_sums, then SUM_EXTRAS */
    bool save, stop;             /* asked for in the last step */

    /* Where the run stands. */
    int64_t step, epoch;         /* steps, whole epochs done */
    int64_t seen;                /* rows of the epoch at hand */
    int64_t loss;                /* in units, over the rows seen; stays as
                                    it is after an epoch until the next */
    double accuracy;             /* after the last whole epoch, or NaN */
    int64_t saved;               /* step of the latest checkpoint, or 0 */
    char path[PATH_MAX];         /* of the one resumed from */
};

/* Have t->saver, with the options of the job file. All ranks call it. */
int training_open_saver(struct training *t, struct mlb_error *err);

/* Save a checkpoint of this step, unless it is saved already. All ranks call
 * it. */
int training_save(struct training *t, struct mlb_error *err);

/* Go on from the latest checkpoint. 0 also if there is none: then t is as it
 * was, and t->step is 0. */
int training_resume(struct training *t, struct mlb_error *err);

#endif
