/* SPDX-License-Identifier: BSD-3-Clause */
/* The worst and the best rank of everything that is counted for ranks. */
#include "config.h"

#include <math.h>
#include <stdlib.h>

#include "report/card_parts.h"

/* One number of a rank. */
typedef double rank_number(const struct card_input *in, size_t task,
                           enum metric_state *state);

static double busy(const struct card_input *in, size_t task,
                   enum metric_state *state)
{
    enum metric_state time_state;
    double cpu = card_task_number(in, task, METRIC_CPU_TIME, state);
    double seconds = card_task_seconds(in, task, &time_state);

    if (time_state > *state)
        *state = time_state;
    return seconds > 0 ? cpu / seconds : NAN;
}

static double step_time(const struct card_input *in, size_t task,
                        enum metric_state *state)
{
    enum metric_state step_state;
    double time = card_task_number(in, task, METRIC_STEP_TIME, state);
    double steps = card_steps_done(in, task, &step_state);

    if (step_state > *state)
        *state = step_state;
    return steps > 0 ? time / steps : NAN;
}

static double mpi_time(const struct card_input *in, size_t task,
                       enum metric_state *state)
{
    return card_task_number(in, task, METRIC_MPI_TIME, state);
}

static double ipc(const struct card_input *in, size_t task,
                  enum metric_state *state)
{
    enum metric_state cycle_state;
    double done = card_task_number(in, task, METRIC_INSTRUCTIONS, state);
    double cycles = card_task_number(in, task, METRIC_CYCLES, &cycle_state);

    if (cycle_state > *state)
        *state = cycle_state;
    return cycles > 0 ? done / cycles : NAN;
}

static const struct {
    const char *key, *column, *label, *unit;
    rank_number *number;
    enum metric_id metric;
} measures[] = {
    { "cpu_imbalance", "cpu_cores", "CPUs busy", "cores", busy,
      METRIC_CPU_TIME },
    { "memory_imbalance", "memory", "Memory", "bytes",
      card_task_memory, METRIC_RSS },
    { "step_imbalance", "step_time", "Time of a step", "s", step_time,
      METRIC_STEP_TIME },
    { "mpi_imbalance", "mpi_time", "Time in MPI", "s", mpi_time,
      METRIC_MPI_TIME },
    { "ipc_imbalance", "ipc", "Instructions a cycle", "", ipc,
      METRIC_INSTRUCTIONS },
};
#define MEASURES (sizeof(measures) / sizeof(measures[0]))

static void tally(const struct card_input *in, rank_number *number,
                  struct card_tally *tally)
{
    card_tally_begin(tally);
    for (size_t i = 0; i < in->record->task_count; i++) {
        enum metric_state state;
        if (in->record->tasks[i].attempt != in->last->attempt->number)
            continue;
        double n = number(in, i, &state);
        card_tally_add(tally, i, n, state);
    }
    if (in->last->tasks > tally->of)
        tally->of = in->last->tasks;
}

static struct card_value of_tally(const struct card_input *in, size_t which,
                                  const struct card_tally *t, double number)
{
    const struct metric_status status =
        measures[which].metric == METRIC_RSS
            ? card_memory_status(in, t)
            : in->record->status[measures[which].metric];

    return card_tally_value(t, number, "ranks", &status);
}

static void add_row(const struct card_input *in, struct card *card,
                    size_t which, const struct card_tally *t)
{
    struct card_section *section = &card->sections[card->section_count - 1];
    double mean = t->sum / (double)t->have;
    double imbalance = t->highest > t->lowest && t->highest > 0
                           ? (t->highest - mean) / t->highest : 0;
    struct card_row *row =
        card_row_add(section, measures[which].key, measures[which].label,
                     "1", of_tally(in, which, t, imbalance));

    if (!card_has(&row->value))
        return;
    if (t->highest <= t->lowest) {
        row->text = xstrdup("all alike");
        return;
    }
    char *high = card_rank_name(in, t->highest_at);
    char *low = card_rank_name(in, t->lowest_at);
    row->text = xasprintf("most: %s; least: %s", high, low);
    free(high);
    free(low);
}

static void add_table(const struct card_input *in, struct card *card,
                      const struct card_tally tallies[MEASURES])
{
    static const char *const names[] = { "highest", "mean", "lowest" };
    struct card_column columns[MEASURES];

    for (size_t i = 0; i < MEASURES; i++)
        columns[i] = (struct card_column){ measures[i].column,
                                           measures[i].label,
                                           measures[i].unit };
    struct card_table *table =
        card_table_add(card, "ranks", in->attempt_count > 1
                       ? "Ranks (the last attempt)" : "Ranks",
                       columns, MEASURES);
    for (size_t k = 0; k < 3; k++) {
        struct card_value *cells = card_table_row(table, names[k]);
        for (size_t i = 0; i < MEASURES; i++) {
            const struct card_tally *t = &tallies[i];
            cells[i] = of_tally(in, i, t, k == 0   ? t->highest
                                          : k == 1 ? t->sum / (double)t->have
                                                   : t->lowest);
        }
    }
}

void card_ranks(const struct card_input *in, struct card *card)
{
    struct card_tally tallies[MEASURES];

    if (!in->last || in->last->tasks < 2)
        return;
    card_section_add(card, "imbalance", in->attempt_count > 1
                     ? "Imbalance of ranks (the last attempt)"
                     : "Imbalance of ranks");
    for (size_t i = 0; i < MEASURES; i++) {
        tally(in, measures[i].number, &tallies[i]);
        add_row(in, card, i, &tallies[i]);
    }
    add_table(in, card, tallies);
}
