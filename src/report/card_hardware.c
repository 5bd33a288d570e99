/* SPDX-License-Identifier: BSD-3-Clause */
/* What the processors did: from counters of the hardware, where they are. */
#include "config.h"

#include <math.h>

#include "report/card_parts.h"

#define LINE 64              /* bytes of a cache line */

struct hardware {
    struct card_value cycles, instructions, misses, ops, stalls, branches;
    struct card_value cpu, delay, faults, task_seconds;
};

static struct card_value sum(const struct card_input *in,
                             enum metric_id metric)
{
    struct card_tally tally;

    return card_task_sum(in, metric, NULL, &tally);
}

static struct card_value sum_seconds(const struct card_input *in)
{
    struct card_tally tally;

    card_tally_begin(&tally);
    for (size_t i = 0; i < in->record->task_count; i++) {
        enum metric_state state;
        double seconds = card_task_seconds(in, i, &state);
        card_tally_add(&tally, i, seconds, state);
    }
    return card_tally_value(&tally, tally.sum, "ranks", NULL);
}

/* The traffic that the misses stand for; prefetched and written lines may
 * be missing from it. */
static struct card_value traffic(const struct hardware *h)
{
    const struct card_value *const inputs[] = { &h->misses };
    struct card_value bytes = card_derive(h->misses.number * LINE, inputs, 1);

    if (card_has(&bytes))
        card_worsen(&bytes, METRIC_ESTIMATED, METRIC_FINE, "from misses of "
                    "the last-level cache, %d bytes each", LINE);
    return bytes;
}

/* How much of what the roofline allows at this intensity was reached. */
static void add_roofline(const struct card_input *in, struct card *card,
                         const struct card_value *speed,
                         const struct card_value *intensity)
{
    struct card_section *section = &card->sections[card->section_count - 1];
    double nodes = in->nodes > 0 ? (double)in->nodes : 1;
    double flat = in->peak_flops * nodes;
    double slope = in->peak_bandwidth * nodes * intensity->number;
    double roof = fmin(flat, slope);
    const struct card_value *const inputs[] = { speed, intensity };
    struct card_value share;

    if (!card_has(speed) || !card_has(intensity)) {
        share = card_derive(NAN, inputs, 2);
    } else if (isnan(in->peak_flops) || isnan(in->peak_bandwidth)) {
        share = card_missing(METRIC_NOT_TOLD, "the peak of the nodes is "
                             "unknown (peak.gflops and peak.bandwidth in "
                             "the site file)");
    } else {
        share = card_derive(speed->number / roof, inputs, 2);
    }
    struct card_row *row = card_row_add(section, "roofline", "Roofline", "1",
                                        share);
    if (card_has(&row->value)) {
        row->asked = 1;
        row->text = xstrdup(slope < flat ? "bound by memory"
                                         : "bound by computing");
    }
}

static void add_rows(const struct card_input *in, struct card *card,
                     const struct hardware *h)
{
    struct card_section *s = &card->sections[card->section_count - 1];
    struct card_value bytes = traffic(h);
    struct card_value speed = card_quotient(&h->ops, &in->seconds);
    struct card_value intensity = card_quotient(&h->ops, &bytes);
    const struct card_value *const missed[] = { &h->branches,
                                                &h->instructions };

    card_row_add(s, "ipc", "Instructions a cycle", "",
                 card_quotient(&h->instructions, &h->cycles));
    card_row_add(s, "cpu_clock", "Clock while busy", "Hz",
                 card_quotient(&h->cycles, &h->cpu));
    card_row_add(s, "flops", "Computing", "ops/s", card_value_copy(&speed));
    card_row_add(s, "memory_bandwidth", "Memory traffic", "bytes/s",
                 card_quotient(&bytes, &in->seconds));
    card_row_add(s, "intensity", "Intensity", "FLOP/byte",
                 card_value_copy(&intensity));
    add_roofline(in, card, &speed, &intensity);
    card_row_add(s, "stall_share", "Stalled cycles", "1",
                 card_quotient(&h->stalls, &h->cycles));
    card_row_add(s, "branch_misses", "Branches missed", "/1000 instr.",
                 card_derive(h->branches.number / h->instructions.number *
                                 1000, missed, 2));
    card_row_add(s, "run_delay_share", "Waited for a CPU", "1",
                 card_quotient(&h->delay, &h->task_seconds));
    card_row_add(s, "major_faults", "Faults with I/O", "count",
                 card_value_copy(&h->faults));
    card_value_clear(&bytes);
    card_value_clear(&speed);
    card_value_clear(&intensity);
}

void card_hardware(const struct card_input *in, struct card *card)
{
    struct hardware h = {
        .cycles = sum(in, METRIC_CYCLES),
        .instructions = sum(in, METRIC_INSTRUCTIONS),
        .misses = sum(in, METRIC_LLC_MISSES),
        .ops = sum(in, METRIC_FP_OPS),
        .stalls = sum(in, METRIC_STALL_CYCLES),
        .branches = sum(in, METRIC_BRANCH_MISSES),
        .cpu = sum(in, METRIC_CPU_TIME),
        .delay = sum(in, METRIC_RUN_DELAY),
        .faults = sum(in, METRIC_MAJOR_FAULTS),
        .task_seconds = sum_seconds(in),
    };
    struct card_value *const all[] = {
        &h.cycles, &h.instructions, &h.misses, &h.ops, &h.stalls,
        &h.branches, &h.cpu, &h.delay, &h.faults, &h.task_seconds };

    card_section_add(card, "hardware", "Processors");
    add_rows(in, card, &h);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        card_value_clear(all[i]);
}
