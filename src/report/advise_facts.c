/* SPDX-License-Identifier: BSD-3-Clause */
/* What one run asked and used, as far as advice goes. */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/state.h"
#include "report/advise.h"
#include "report/card_parts.h"

static int by_size(const void *a, const void *b)
{
    double l = *(const double *)a, r = *(const double *)b;

    return (l > r) - (l < r);
}

double advise_percentile(double *values, size_t count)
{
    size_t at = (size_t)ceil(0.95 * (double)count);

    qsort(values, count, sizeof(*values), by_size);
    return values[at > 0 ? at - 1 : 0];
}

/* CPUs that a rank kept busy in all but its busiest 5 % of time: a mean
 * would hide that a program reads with one core and computes with eight. */
static double curve_cores(const struct card_input *in, double tasks)
{
    struct record_curve curve = { 0 };
    double cores = 0;
    size_t n = 0;

    if (record_total_curve(in->record, in->last->attempt->number,
                           METRIC_CPU_TIME, &curve, NULL) == 0) {
        for (size_t i = 0; i < curve.count; i++)
            if (!isnan(curve.value[i]))
                curve.value[n++] = curve.value[i];
        if (n > 0)
            cores = advise_percentile(curve.value, n) *
                    card_scale(METRIC_CPU_TIME) / tasks;
    }
    free(curve.time);
    free(curve.value);
    return cores;
}

static struct card_value busy_cores(const struct card_input *in)
{
    struct card_tally tally;

    card_tally_begin(&tally);
    for (size_t i = 0; in->last && i < in->record->task_count; i++) {
        enum metric_state state, time_state;
        if (in->record->tasks[i].attempt != in->last->attempt->number)
            continue;
        double cpu = card_task_number(in, i, METRIC_CPU_TIME, &state);
        double seconds = card_task_seconds(in, i, &time_state);
        card_tally_add(&tally, i, seconds > 0 ? cpu / seconds : NAN, state);
    }
    if (in->last && in->last->tasks > tally.of)
        tally.of = in->last->tasks;
    double highest = tally.highest;
    if (tally.have > 0)
        highest = fmax(highest, curve_cores(in, (double)tally.have));
    return card_tally_value(&tally, highest, "ranks",
                            &in->record->status[METRIC_CPU_TIME]);
}

int advise_facts_read(struct advise_facts *facts,
                      const struct record *record, struct mlb_error *err)
{
    struct card_input in;
    char *where = NULL;

    *facts = (struct advise_facts){ .gpus_used = -1 };
    if (card_input_read(&in, record, err) < 0) {
        card_input_clear(&in);
        return -1;
    }
    const struct card_gpus gpus = card_gpus(&in);
    *facts = (struct advise_facts){
        .job = card_job_name(&in.plan),
        .nodes = in.nodes, .tasks = in.tasks,
        .cpus_per_task = in.cpus_per_task,
        .gpus_per_task = in.gpus_per_task,
        .memory_asked = in.memory_per_node, .time_asked = in.walltime,
        .memory = card_memory(&in, &where),
        .cores = busy_cores(&in),
        .seconds = card_value_copy(&in.seconds),
        .gpus_used = gpus.asked > 0 && gpus.measured >= gpus.asked
                         ? gpus.used : -1,
    };
    for (size_t i = 0; i < in.attempt_count; i++) {
        enum mlb_state state = state_find(in.attempts[i].attempt->state);
        facts->out_of_memory |= state == MLB_STATE_OUT_OF_MEMORY;
        facts->hit_limit |= state == MLB_STATE_TIMEOUT;
        facts->completed = state == MLB_STATE_COMPLETED;
    }
    for (size_t i = 0; i < record->node_count; i++)
        facts->out_of_memory |=
            record->nodes[i].state[METRIC_OOM_KILLS] < METRIC_UNAVAILABLE &&
            record->nodes[i].total[METRIC_OOM_KILLS] > 0;
    free(where);
    card_input_clear(&in);
    return 0;
}

void advise_facts_clear(struct advise_facts *facts)
{
    free(facts->job);
    card_value_clear(&facts->memory);
    card_value_clear(&facts->cores);
    card_value_clear(&facts->seconds);
    *facts = (struct advise_facts){ .gpus_used = -1 };
}
