/* SPDX-License-Identifier: BSD-3-Clause */
/* Each GPU, and the energy of all. */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/card_parts.h"

#define MOST 64              /* rows: the least used first */

enum { USE, MEMORY, CAPACITY, POWER, ENERGY, SM_ACTIVE, TENSOR, DRAM, IDLE,
       TAIL, ECC, COLUMNS };

static const struct card_column columns[COLUMNS] = {
    [USE] = { "use", "use", "1" },
    [MEMORY] = { "memory", "memory", "bytes" },
    [CAPACITY] = { "capacity", "of", "bytes" },
    [POWER] = { "power", "power", "W" },
    [ENERGY] = { "energy", "energy", "J" },
    [SM_ACTIVE] = { "sm_active", "SM active", "1" },
    [TENSOR] = { "tensor_active", "tensor", "1" },
    [DRAM] = { "dram_active", "bandwidth", "1" },
    [IDLE] = { "idle_longest", "idle at most", "s" },
    [TAIL] = { "idle_tail", "at the end", "s" },
    [ECC] = { "ecc", "ECC errors", "count" },
};

static const struct {
    int column;
    enum metric_id metric;
    bool mean;
} cells_from[] = {
    { USE, METRIC_GPU_USE, true },
    { MEMORY, METRIC_GPU_MEMORY, false },
    { POWER, METRIC_GPU_POWER, true },
    { ENERGY, METRIC_GPU_ENERGY, false },
    { SM_ACTIVE, METRIC_GPU_SM_ACTIVE, true },
    { TENSOR, METRIC_GPU_TENSOR_ACTIVE, true },
    { DRAM, METRIC_GPU_DRAM_ACTIVE, true },
    { ECC, METRIC_GPU_ECC, false },
};

static struct card_value one(const struct card_input *in,
                             const struct record_gpu *gpu,
                             enum metric_id metric, bool mean)
{
    struct card_tally tally;
    enum metric_state state;
    double number = mean ? card_gpu_mean(gpu, metric, &state)
                         : card_gpu_number(gpu, metric, &state);

    card_tally_begin(&tally);
    card_tally_add(&tally, 0, number, state);
    return card_tally_value(&tally, number, "GPUs",
                            &in->record->status[metric]);
}

static void set_idle(const struct card_input *in, size_t gpu,
                     struct card_value *cells)
{
    struct record_rows rows = { 0 };
    struct mlb_error err = { 0 };

    if (!card_has(&cells[USE])) {
        cells[IDLE] = card_value_copy(&cells[USE]);
        cells[TAIL] = card_value_copy(&cells[USE]);
        return;
    }
    if (record_rows(in->record, METRIC_GPU_USE, gpu, &rows, &err) < 0 ||
        rows.count < 2) {
        const char *why = *err.text ? err.text : "there are too few samples";
        cells[IDLE] = card_missing(METRIC_LOST, "%s", why);
        cells[TAIL] = card_missing(METRIC_LOST, "%s", why);
    } else {
        const struct card_idle idle =
            card_idle_find(rows.time, rows.high ? rows.high : rows.value,
                           rows.count, 0);
        const struct card_value *const use[] = { &cells[USE] };
        cells[IDLE] = card_derive(idle.longest, use, 1);
        cells[TAIL] = card_derive(idle.tail, use, 1);
        for (int i = IDLE; i <= TAIL; i++)
            if (idle.watched <= 0)
                card_worsen(&cells[i], METRIC_UNAVAILABLE, METRIC_LOST,
                            "no two samples follow each other");
    }
    free(rows.time);
    free(rows.value);
    free(rows.high);
}

static void add_gpu(const struct card_input *in, struct card_table *table,
                    size_t index)
{
    const struct record *record = in->record;
    const struct record_gpu *gpu = &record->gpus[index];
    bool on_node = gpu->node >= 0 && (size_t)gpu->node < record->node_count;
    char *name = xasprintf("%s%s%.12s",
                           on_node ? record->nodes[gpu->node].name : "",
                           on_node ? " " : "", gpu->uuid);
    struct card_value *cells = card_table_row(table, name);

    for (size_t i = 0; i < sizeof(cells_from) / sizeof(cells_from[0]); i++)
        cells[cells_from[i].column] =
            one(in, gpu, cells_from[i].metric, cells_from[i].mean);
    cells[CAPACITY] = gpu->capacity >= 0
                          ? card_known((double)gpu->capacity, "nvml")
                          : card_missing(METRIC_NO_DEVICE, "not known");
    set_idle(in, index, cells);
    free(name);
}

struct order {
    size_t index;
    double use;
};

static int by_use(const void *a, const void *b)
{
    const struct order *l = a, *r = b;

    if (l->use != r->use)
        return l->use < r->use ? -1 : 1;
    return (l->index > r->index) - (l->index < r->index);
}

static void add_table(const struct card_input *in, struct card *card)
{
    const struct record *record = in->record;
    struct order *order = xcalloc(record->gpu_count + 1, sizeof(*order));
    struct card_table *table =
        card_table_add(card, "gpus", in->attempt_count > 1
                       ? "GPUs (the last attempt)" : "GPUs",
                       columns, COLUMNS);
    size_t count = 0;

    for (size_t i = 0; i < record->gpu_count; i++) {
        enum metric_state state;
        if (in->last && record->gpus[i].attempt != in->last->attempt->number)
            continue;
        double use = card_gpu_mean(&record->gpus[i], METRIC_GPU_USE, &state);
        order[count].index = i;
        order[count++].use = isnan(use) ? INFINITY : use;
    }
    if (count > MOST)
        qsort(order, count, sizeof(*order), by_use);
    for (size_t i = 0; i < count && i < MOST; i++)
        add_gpu(in, table, order[i].index);
    table->left_out = count - table->row_count;
    free(order);
}

static void add_energy(const struct card_input *in, struct card *card)
{
    struct card_section *s = card_section_add(card, "energy", "Energy");
    const struct card_gpus gpus = card_gpus(in);
    struct card_tally tally;

    card_tally_begin(&tally);
    for (size_t i = 0; i < in->record->gpu_count; i++) {
        enum metric_state state;
        double used = card_gpu_number(&in->record->gpus[i],
                                      METRIC_GPU_ENERGY, &state);
        card_tally_add(&tally, i, used, state);
    }
    if (gpus.asked > gpus.held)
        tally.of += gpus.asked - gpus.held;
    struct card_value energy =
        card_tally_value(&tally, tally.sum, "GPUs",
                         &in->record->status[METRIC_GPU_ENERGY]);
    card_row_add(s, "gpu_power", "Mean power of GPUs", "W",
                 card_quotient(&energy, &in->seconds));
    const struct card_row *steps = card_find(card, "steps");
    if (steps && card_has(&steps->value) && in->attempt_count == 1)
        card_row_add(s, "step_energy", "Energy of a step", "J",
                     card_quotient(&energy, &steps->value));
    card_row_add(s, "gpu_energy", "Energy of GPUs", "J", energy);
}

void card_gpu(const struct card_input *in, struct card *card)
{
    if (in->record->gpu_count == 0 &&
        !(in->gpus_per_task > 0 && in->tasks > 0))
        return;
    if (in->record->gpu_count > 0)
        add_table(in, card);
    add_energy(in, card);
}
