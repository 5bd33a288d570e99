/* SPDX-License-Identifier: BSD-3-Clause */
/* Time in MPI, and what of it is imbalance; of the last attempt, since
 * ranks of different attempts did not wait for each other. */
#include "config.h"

#include <math.h>
#include <stdlib.h>

#include "report/card_parts.h"

struct mpi {
    struct card_tally inside, outside, seconds;
};

static void tally_ranks(const struct card_input *in, struct mpi *mpi)
{
    const struct record *record = in->record;

    card_tally_begin(&mpi->inside);
    card_tally_begin(&mpi->outside);
    card_tally_begin(&mpi->seconds);
    for (size_t i = 0; in->last && i < record->task_count; i++) {
        enum metric_state state, time_state;
        if (record->tasks[i].attempt != in->last->attempt->number)
            continue;
        double inside = card_task_number(in, i, METRIC_MPI_TIME, &state);
        double seconds = card_task_seconds(in, i, &time_state);
        if (time_state > state)
            state = time_state;
        /* One without the other says nothing. */
        if (isnan(inside) || isnan(seconds))
            state = METRIC_UNAVAILABLE;
        card_tally_add(&mpi->inside, i, inside, state);
        card_tally_add(&mpi->outside, i, fmax(seconds - inside, 0), state);
        card_tally_add(&mpi->seconds, i, seconds, state);
    }
}

static struct card_value value(const struct card_input *in,
                               const struct mpi *mpi, double number)
{
    struct card_tally tally = mpi->inside;

    if (in->last && in->last->tasks > tally.of)
        tally.of = in->last->tasks;
    struct card_value v =
        card_tally_value(&tally, number, "ranks",
                         &in->record->status[METRIC_MPI_TIME]);
    if (card_has(&v) && !isfinite(number))
        card_worsen(&v, METRIC_UNAVAILABLE, METRIC_ALWAYS_ZERO,
                    "there is nothing to divide by");
    return v;
}

void card_mpi(const struct card_input *in, struct card *card)
{
    struct card_section *s = card_section_add(
        card, "mpi", in->attempt_count > 1 ? "MPI (the last attempt)"
                                           : "MPI");
    struct card_tally tally;
    struct mpi mpi;

    tally_ranks(in, &mpi);
    double mean = mpi.outside.sum / (double)mpi.outside.have;
    double balance = mean / mpi.outside.highest;
    double efficiency = mean / mpi.seconds.highest;
    card_row_add(s, "mpi_share", "Time in MPI", "1",
                 value(in, &mpi, mpi.inside.sum / mpi.seconds.sum));
    card_row_add(s, "parallel_efficiency", "Parallel efficiency", "1",
                 value(in, &mpi, efficiency));
    struct card_row *row =
        card_row_add(s, "load_balance", "Load balance", "1",
                     value(in, &mpi, balance));
    if (card_has(&row->value)) {
        char *rank = card_rank_name(in, mpi.outside.highest_at);
        row->text = xasprintf("%s was longest outside of MPI", rank);
        free(rank);
    }
    card_row_add(s, "transfer_efficiency", "Transfer efficiency", "1",
                 value(in, &mpi, efficiency / balance));
    card_row_add(s, "mpi_bytes", "Given to MPI", "bytes",
                 card_task_sum(in, METRIC_MPI_BYTES, in->last, &tally));
    card_row_add(s, "mpi_calls", "Calls", "count",
                 card_task_sum(in, METRIC_MPI_CALLS, in->last, &tally));
}
