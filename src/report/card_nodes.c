/* SPDX-License-Identifier: BSD-3-Clause */
/* A row for each node, and what sampling itself cost. */
#include "config.h"

#include <math.h>
#include <stdlib.h>

#include "report/card_parts.h"

#define MOST 64              /* rows: half of the idlest, half of the busiest */

static const struct card_column columns[] = {
    { "tasks", "ranks", "count" },
    { "cpu_cores", "CPUs busy", "cores" },
    { "memory", "memory", "bytes" },
    { "group_memory_peak", "with caches", "bytes" },
    { "oom_kills", "OOM kills", "count" },
    { "clock_off", "clock off", "s" },
};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

struct line {
    size_t node;
    struct card_tally cpu;
    double seconds;          /* the longest that one of its ranks ran */
};

static int by_cpu(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    double l = x->cpu.sum / x->seconds, r = y->cpu.sum / y->seconds;

    return (l > r) - (l < r);
}

static struct line *tally_nodes(const struct card_input *in)
{
    const struct record *record = in->record;
    struct line *lines = xcalloc(record->node_count + 1, sizeof(*lines));

    for (size_t i = 0; i < record->node_count; i++) {
        lines[i].node = i;
        card_tally_begin(&lines[i].cpu);
    }
    for (size_t i = 0; i < record->task_count; i++) {
        long node = record->tasks[i].node;
        enum metric_state state, time_state;
        if (node < 0 || (size_t)node >= record->node_count)
            continue;
        double cpu = card_task_number(in, i, METRIC_CPU_TIME, &state);
        double seconds = card_task_seconds(in, i, &time_state);
        card_tally_add(&lines[node].cpu, i, cpu, state);
        lines[node].seconds = fmax(lines[node].seconds, seconds);
    }
    return lines;
}

static struct card_value node_value(const struct card_input *in,
                                    size_t node, enum metric_id metric)
{
    const struct record_node *n = &in->record->nodes[node];
    const struct metric_status *status = &in->record->status[metric];

    if (n->state[metric] >= METRIC_UNAVAILABLE ||
        n->total[metric] == METRIC_MISSING)
        return card_missing(status->state != METRIC_OK ? status->cause
                                                       : METRIC_LOST,
                            "%s", status->reason[0] ? status->reason
                                                    : "not recorded");
    struct card_value v = card_known((double)n->total[metric] *
                                         card_scale(metric), status->source);
    if (n->state[metric] != METRIC_OK)
        card_worsen(&v, (enum metric_state)n->state[metric], status->cause,
                    "%s", status->reason);
    return v;
}

static void add_line(const struct card_input *in, struct card_table *table,
                     const struct line *line)
{
    const struct record_node *node = &in->record->nodes[line->node];
    char *name = in->attempt_count > 1
                     ? xasprintf("%ld: %s", node->attempt, node->name)
                     : xstrdup(node->name);
    struct card_value *cells = card_table_row(table, name);

    cells[0] = card_known((double)line->cpu.of, "events");
    cells[1] = card_tally_value(&line->cpu, line->cpu.sum / line->seconds,
                                "ranks", &in->record->status[METRIC_CPU_TIME]);
    if (card_has(&cells[1]) && !(line->seconds > 0))
        card_worsen(&cells[1], METRIC_UNAVAILABLE, METRIC_NOT_TOLD,
                    "how long its ranks ran is not known");
    cells[2] = card_node_memory(in, line->node);
    cells[3] = node_value(in, line->node, METRIC_GROUP_MEMORY_PEAK);
    cells[4] = node_value(in, line->node, METRIC_OOM_KILLS);
    cells[5] = isnan(node->clock_off)
                   ? card_missing(METRIC_NOT_TOLD, "no event tells it")
                   : card_known(node->clock_off, "events");
    free(name);
}

void card_nodes(const struct card_input *in, struct card *card)
{
    size_t count = in->record->node_count;

    if (count == 0)
        return;
    struct line *lines = tally_nodes(in);
    struct card_table *table = card_table_add(
        card, "nodes", in->attempt_count > 1 ? "Nodes, by attempt" : "Nodes",
        columns, COLUMNS);
    if (count > 8)
        qsort(lines, count, sizeof(*lines), by_cpu);
    for (size_t i = 0; i < count; i++)
        if (count <= MOST || i < MOST / 2 || i >= count - MOST / 2)
            add_line(in, table, &lines[i]);
    table->left_out = count - table->row_count;
    free(lines);
}

void card_cost(const struct card_input *in, struct card *card)
{
    const struct record *record = in->record;
    struct card_section *s =
        card_section_add(card, "sampling", "What sampling cost");
    struct card_tally share, memory;
    double ticks = 0, late = 0;

    card_tally_begin(&share);
    card_tally_begin(&memory);
    for (size_t i = 0; i < record->node_count; i++) {
        const struct record_node *n = &record->nodes[i];
        struct card_value cpu = node_value(in, i, METRIC_AGENT_CPU_TIME);
        struct card_value rss = node_value(in, i, METRIC_AGENT_RSS);
        double seconds = n->last - n->first;
        card_tally_add(&share, i, seconds > 0 ? cpu.number / seconds : NAN,
                       cpu.state);
        card_tally_add(&memory, i, rss.number, rss.state);
        ticks += n->ticks > 0 ? (double)n->ticks : 0;
        late += n->late > 0 ? (double)n->late : 0;
        card_value_clear(&cpu);
        card_value_clear(&rss);
    }
    card_row_add(s, "sampling_cpu", "Share of a core", "1",
                 card_tally_value(&share, share.highest, "nodes",
                                  &record->status[METRIC_AGENT_CPU_TIME]));
    card_row_add(s, "sampling_memory", "Memory of the agent", "bytes",
                 card_tally_value(&memory, memory.highest, "nodes",
                                  &record->status[METRIC_AGENT_RSS]));
    struct card_value part =
        ticks > 0 ? card_known(late / ticks, "journal")
                  : card_missing(METRIC_NOT_ASKED, "nothing was sampled");
    struct card_row *row =
        card_row_add(s, "sampling_late", "Samples late", "1", part);
    if (ticks > 0)
        row->text = xasprintf("%.0f of %.0f", late, ticks);
    card_row_add(s, "sampling_ticks", "Samples", "count",
                 ticks > 0 ? card_known(ticks, "journal")
                           : card_missing(METRIC_NOT_ASKED,
                                          "nothing was sampled"));
}
