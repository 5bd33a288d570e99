/* SPDX-License-Identifier: BSD-3-Clause */
/* What a person should know first, in the order of what it costs. */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/state.h"
#include "report/card_parts.h"

#define LOW_GPU 0.15         /* shares under which use is low */
#define LOW_CPU 0.5
#define LOW_MEMORY 0.5
#define HIGH_MEMORY 0.95
#define MUCH_MEMORY 1e9      /* bytes to spare that are worth a word */
#define IMBALANCE 0.2
#define IDLE_SHARE 0.1
#define IDLE_SECONDS 60

/* The number of a row, NAN if it is not there. */
static double number(const struct card *card, const char *key)
{
    const struct card_row *row = card_find(card, key);

    return row && card_has(&row->value) ? row->value.number : NAN;
}

static void warn_gpus(const struct card_input *in, struct card *card)
{
    const struct card_gpus gpus = card_gpus(in);
    long all = gpus.asked > gpus.held ? gpus.asked : gpus.held;
    long idle = gpus.measured - gpus.used, unknown = all - gpus.measured;
    const char *verb = gpus.asked > 0 ? "asked for" : "held";
    const char *are = all == 1 ? "GPU was" : "GPUs were";

    if (idle > 0 && gpus.used == 0 && unknown == 0)
        strings_pushf(&card->warnings, "%ld %s %s and %s used", all, are,
                      verb, all == 1 ? "was not" : "none was");
    else if (idle > 0)
        strings_pushf(&card->warnings, "%ld %s %s and %ld of them %s "
                      "never used", all, are, verb, idle,
                      idle == 1 ? "was" : "were");
    if (unknown > 0)
        strings_pushf(&card->warnings, "%ld of %ld GPU%s could not be "
                      "measured: neither used nor idle, as far as is known",
                      unknown, all, all == 1 ? "" : "s");
    if (gpus.used > 0 && number(card, "gpu_use") < LOW_GPU)
        strings_pushf(&card->warnings, "the GPUs were busy for %.1f %% of "
                      "the time", number(card, "gpu_use") * 100);
}

static void warn_end(const struct card_input *in, struct card *card)
{
    const struct record *record = in->record;
    double kills = 0;

    for (size_t i = 0; i < record->node_count; i++)
        if (record->nodes[i].state[METRIC_OOM_KILLS] < METRIC_UNAVAILABLE &&
            record->nodes[i].total[METRIC_OOM_KILLS] > 0)
            kills += (double)record->nodes[i].total[METRIC_OOM_KILLS];
    if (kills > 0)
        strings_pushf(&card->warnings, "the kernel killed %.0f process%s "
                      "for memory", kills, kills == 1 ? "" : "es");
    if (!in->attempt_count)
        return;
    const struct card_attempt *a = &in->attempts[in->attempt_count - 1];
    enum mlb_state state = state_find(a->attempt->state);
    if (state == MLB_STATE_OUT_OF_MEMORY)
        strings_push(&card->warnings, "it ran out of memory");
    else if (state == MLB_STATE_TIMEOUT)
        strings_push(&card->warnings, "it ran into its time limit");
    else if (state == MLB_STATE_NODE_FAILURE)
        strings_push(&card->warnings, "a node failed under it");
    else if (!a->ended)
        strings_pushf(&card->warnings, "attempt %ld never told its end: all "
                      "is counted up to the last that was seen",
                      a->attempt->number);
}

static void warn_cpu(const struct card_input *in, struct card *card)
{
    double share = number(card, "cpu_efficiency");
    double busy = number(card, "cpu_cores");
    double asked = (double)in->tasks * (double)in->cpus_per_task;

    if (share < LOW_CPU && asked - busy >= 1)
        strings_pushf(&card->warnings, "of %.0f CPUs %.1f were busy", asked,
                      busy);
    else if (share > 1.05)
        strings_pushf(&card->warnings, "oversubscribed: %.1f CPUs were busy "
                      "where %.0f were asked for", busy, asked);
    if (number(card, "run_delay_share") > 0.1)
        strings_pushf(&card->warnings, "ranks waited for a CPU for %.0f %% "
                      "of the time",
                      number(card, "run_delay_share") * 100);
}

static void warn_memory(const struct card_input *in, struct card *card)
{
    double used = number(card, "memory"), asked = in->memory_per_node;
    struct mlb_text line = MLB_TEXT_INIT;

    if (isnan(used) || isnan(asked))
        return;
    card_format(used, "bytes", &line);
    text_add(&line, " of ");
    card_format(asked, "bytes", &line);
    if (used > HIGH_MEMORY * asked)
        strings_pushf(&card->warnings, "memory was nearly full: %s",
                      line.data);
    else if (used < LOW_MEMORY * asked && asked - used > MUCH_MEMORY)
        strings_pushf(&card->warnings, "of the memory asked for %.0f %% was "
                      "used: %s", used / asked * 100, line.data);
    text_clear(&line);
}

static void warn_imbalance(const struct card_input *in, struct card *card)
{
    static const struct {
        const char *key, *text;
    } rows[] = {
        { "step_imbalance", "steps take longer on one rank" },
        { "cpu_imbalance", "ranks do not work alike" },
    };

    (void)in;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct card_row *row = card_find(card, rows[i].key);
        if (row && card_has(&row->value) && row->value.number > IMBALANCE)
            strings_pushf(&card->warnings, "%s: imbalance %.0f %%, %s",
                          rows[i].text, row->value.number * 100, row->text);
    }
}

static void warn_idle(const struct card_input *in, struct card *card)
{
    double idle = number(card, "idle_longest");
    struct mlb_text line = MLB_TEXT_INIT;

    if (!(idle > IDLE_SECONDS) || !(idle > IDLE_SHARE * in->seconds.number))
        return;
    card_format(idle, "s", &line);
    strings_pushf(&card->warnings, "nothing happened for %s", line.data);
    text_clear(&line);
}

static void warn_values(const struct card_input *in, struct card *card)
{
    for (size_t i = 0; i < in->record->metric_count; i++) {
        const struct record_metric *m = &in->record->metrics[i];
        size_t k = 0;
        while (k < m->count && isfinite(m->value[k]))
            k++;
        if (k == m->count)
            continue;
        char *name = text_printable(m->name);
        strings_pushf(&card->warnings, "%s is not finite from step %lld on",
                      name, (long long)m->step[k]);
        free(name);
    }
}

static void warn_sampling(const struct card_input *in, struct card *card)
{
    const struct record *record = in->record;
    long open = 0;

    for (size_t i = 0; i < record->task_count; i++)
        open += !card_task_ended(&record->tasks[i]);
    if (open > 0)
        strings_pushf(&card->warnings, "%ld of %zu ranks never told their "
                      "end", open, record->task_count);
    for (size_t i = 0; i < record->node_count; i++)
        if (fabs(record->nodes[i].clock_off) > 60) {
            strings_pushf(&card->warnings, "the clock of %s is off by "
                          "%.0f s", record->nodes[i].name,
                          record->nodes[i].clock_off);
            break;
        }
    if (number(card, "sampling_late") > 0.1)
        strings_pushf(&card->warnings, "%.0f %% of the samples came late",
                      number(card, "sampling_late") * 100);
}

void card_warnings(const struct card_input *in, struct card *card)
{
    warn_gpus(in, card);
    warn_end(in, card);
    warn_cpu(in, card);
    warn_memory(in, card);
    warn_imbalance(in, card);
    warn_idle(in, card);
    warn_values(in, card);
    warn_sampling(in, card);
}
