/* SPDX-License-Identifier: BSD-3-Clause */
/* What was asked, and what was used of it. */
#include "config.h"

#include <math.h>
#include <stdlib.h>

#include "report/card_parts.h"

static void add_time(const struct card_input *in,
                     struct card_section *section)
{
    struct card_row *row = card_row_add(section, "wall_time", "Time", "s",
                                        card_value_copy(&in->seconds));
    const struct card_attempt *longest = NULL;

    if (in->attempt_count <= 1) {
        row->asked = in->walltime;
        return;
    }
    row->text = xasprintf("all %zu attempts together", in->attempt_count);
    for (size_t i = 0; i < in->attempt_count; i++)
        if (card_has(&in->attempts[i].seconds) &&
            (!longest || in->attempts[i].seconds.number >
                             longest->seconds.number))
            longest = &in->attempts[i];
    if (!longest)
        return;
    row = card_row_add(section, "longest_attempt", "Longest attempt", "s",
                       card_value_copy(&longest->seconds));
    row->asked = in->walltime;
    row->text = xasprintf("attempt %ld", longest->attempt->number);
}

/* CPUs of the request, times the time that they were held. */
static struct card_value allotted(const struct card_input *in, double *cpus)
{
    if (in->tasks < 1 || in->cpus_per_task < 1) {
        *cpus = NAN;
        return card_missing(METRIC_NOT_TOLD,
                            "the plan does not say how many CPUs it asked");
    }
    *cpus = (double)in->tasks * (double)in->cpus_per_task;
    const struct card_value *const inputs[] = { &in->seconds };
    return card_derive(in->seconds.number * *cpus, inputs, 1);
}

static void add_cpu(const struct card_input *in, struct card_section *section)
{
    struct card_tally tally;
    double cpus;
    struct card_value time =
        card_task_sum(in, METRIC_CPU_TIME, NULL, &tally);
    struct card_value held = allotted(in, &cpus);
    struct card_value share = card_quotient(&time, &held);
    bool over = card_has(&share) && share.number > 1.005;

    struct card_row *row = card_row_add(section, "cpu_efficiency", "CPU",
                                        "1", share);
    row->asked = 1;
    if (over)
        row->text = xstrdup("oversubscribed: more than the CPUs asked for");
    row = card_row_add(section, "cpu_cores", "CPUs busy", "cores",
                       card_quotient(&time, &in->seconds));
    row->asked = cpus;
    row = card_row_add(section, "cpu_time", "CPU time", "s", time);
    row->asked = held.number;
    card_value_clear(&held);
}

static void add_memory(const struct card_input *in,
                       struct card_section *section)
{
    char *where;
    struct card_value memory = card_memory(in, &where);
    struct card_row *row = card_row_add(section, "memory", "Memory of a node",
                                        "bytes", memory);

    row->asked = in->memory_per_node;
    if (where && in->record->node_count > 1)
        row->text = xasprintf("the highest, on %s", where);
    free(where);
}

/* Of those asked for, also the ones that nobody could see. */
static void add_gpu_count(const struct card_gpus *gpus,
                          struct card_section *section)
{
    struct card_value used;

    if (gpus->measured == 0)
        used = card_missing(METRIC_NO_DEVICE, "none of the %ld GPUs could "
                            "be measured: whether they were used is not "
                            "known", gpus->asked > gpus->held
                                         ? gpus->asked : gpus->held);
    else
        used = card_known((double)gpus->used, "nvml");
    used.have = gpus->measured;
    used.of = gpus->asked > gpus->held ? gpus->asked : gpus->held;
    if (card_has(&used) && used.have < used.of)
        card_worsen(&used, METRIC_PARTIAL, METRIC_NO_DEVICE,
                    "%ld of %ld GPUs could not be measured",
                    used.of - used.have, used.of);
    struct card_row *row = card_row_add(section, "gpus_used", "GPUs used",
                                        "count", used);
    if (gpus->asked > 0)
        row->asked = (double)gpus->asked;
}

/* Mean over GPUs, weighted by the time that each was seen. GPUs asked for
 * of which nothing is known count against the coverage. */
static struct card_value gpu_mean(const struct card_input *in,
                                  enum metric_id metric)
{
    const struct card_gpus gpus = card_gpus(in);
    struct card_tally tally;
    double seconds = 0;

    card_tally_begin(&tally);
    for (size_t i = 0; i < in->record->gpu_count; i++) {
        const struct record_gpu *gpu = &in->record->gpus[i];
        enum metric_state state;
        double weight = gpu->seconds > 0 ? gpu->seconds : 0;
        double mean = card_gpu_mean(gpu, metric, &state);
        card_tally_add(&tally, i, mean * weight, state);
        if (!isnan(mean))
            seconds += weight;
    }
    if (gpus.asked > gpus.held)
        tally.of += gpus.asked - gpus.held;
    struct card_value value =
        card_tally_value(&tally, tally.sum / seconds, "GPUs",
                         &in->record->status[metric]);
    if (card_has(&value) && seconds <= 0)
        card_worsen(&value, METRIC_UNAVAILABLE, METRIC_LOST,
                    "they were not watched for any time");
    return value;
}

static void add_gpu_memory(const struct card_input *in,
                           struct card_section *section)
{
    struct card_tally tally;
    double capacity = NAN;

    card_tally_begin(&tally);
    for (size_t i = 0; i < in->record->gpu_count; i++) {
        enum metric_state state;
        double bytes = card_gpu_number(&in->record->gpus[i],
                                       METRIC_GPU_MEMORY, &state);
        card_tally_add(&tally, i, bytes, state);
    }
    if (tally.have > 0 && in->record->gpus[tally.highest_at].capacity > 0)
        capacity = (double)in->record->gpus[tally.highest_at].capacity;
    struct card_row *row = card_row_add(
        section, "gpu_memory", "GPU memory", "bytes",
        card_tally_value(&tally, tally.highest, "GPUs",
                         &in->record->status[METRIC_GPU_MEMORY]));
    row->asked = capacity;
    row->text = xstrdup("the highest of any GPU");
}

void card_usage(const struct card_input *in, struct card *card)
{
    struct card_section *section =
        card_section_add(card, "usage", "Asked and used");
    const struct card_gpus gpus = card_gpus(in);

    add_time(in, section);
    add_cpu(in, section);
    add_memory(in, section);
    /* Not asked for and not there: nothing to say. */
    if (gpus.asked == 0 && gpus.held == 0)
        return;
    add_gpu_count(&gpus, section);
    struct card_row *row = card_row_add(section, "gpu_use", "GPU use", "1",
                                        gpu_mean(in, METRIC_GPU_USE));
    row->asked = 1;
    row->text = xstrdup("time with a kernel running, however small");
    card_row_add(section, "gpu_sm_active", "GPU multiprocessors", "1",
                 gpu_mean(in, METRIC_GPU_SM_ACTIVE))->asked = 1;
    add_gpu_memory(in, section);
}
