/* SPDX-License-Identifier: BSD-3-Clause */
/* What could not be measured, or not wholly, and why. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "report/card_parts.h"

/* What is only told if somebody cares to is no loss where nobody did, and
 * GPUs are not missed by those who asked for none. */
static bool expected(const struct card_input *in, enum metric_id metric)
{
    return metrics[metric].scope != METRIC_GPU || in->record->gpu_count > 0 ||
           in->gpus_per_task > 0;
}

static bool lacks(const struct card_input *in, enum metric_id metric)
{
    const struct record *record = in->record;

    /* What wait4 said stands when nobody sampled. */
    if (metric == METRIC_CPU_TIME && record->task_count > 0) {
        struct card_tally tally;
        struct card_value time = card_task_sum(in, metric, NULL, &tally);
        bool whole = time.state == METRIC_OK;
        card_value_clear(&time);
        return !whole;
    }
    return record->status[metric].state != METRIC_OK ||
           record->have[metric] < record->of[metric];
}

static bool alike(const struct card_input *in, enum metric_id a,
                  enum metric_id b)
{
    const struct metric_status *l = &in->record->status[a];
    const struct metric_status *r = &in->record->status[b];

    return l->state == r->state && l->cause == r->cause &&
           strcmp(l->reason, r->reason) == 0 &&
           in->record->have[a] == in->record->have[b] &&
           in->record->of[a] == in->record->of[b];
}

static void add(const struct card_input *in, struct card *card,
                enum metric_id metric, const char *names)
{
    const struct record *record = in->record;
    const struct metric_status *status = &record->status[metric];
    struct mlb_text reason = MLB_TEXT_INIT;
    long have = record->have[metric], of = record->of[metric];

    if (status->state == METRIC_PARTIAL || status->state == METRIC_ESTIMATED)
        text_addf(&reason, "%s: ", metric_state_name(status->state));
    if (have > 0 && have < of)
        text_addf(&reason, "of %ld of %ld only: ", have, of);
    text_add(&reason, status->reason[0] ? status->reason
                                        : "the record does not say why");
    if (status->state == METRIC_ESTIMATED && status->coverage > 0 &&
        status->coverage < 100)
        text_addf(&reason, " (%d %% of the time)", status->coverage);
    card_missing_add(card, names, reason.data,
                     status->state == METRIC_OK ? METRIC_LOST
                                                : status->cause);
    text_clear(&reason);
}

/* Metrics that lack for one reason make one line. */
void card_lacks(const struct card_input *in, struct card *card)
{
    bool done[METRIC_COUNT] = { false };

    for (int i = 0; i < METRIC_COUNT; i++) {
        enum metric_id metric = (enum metric_id)i;
        struct mlb_text names = MLB_TEXT_INIT;
        if (done[i] || !expected(in, metric) || !lacks(in, metric))
            continue;
        text_add(&names, metrics[i].name);
        for (int k = i + 1; k < METRIC_COUNT; k++)
            if (!done[k] && expected(in, (enum metric_id)k) &&
                lacks(in, (enum metric_id)k) &&
                alike(in, metric, (enum metric_id)k)) {
                done[k] = true;
                text_addf(&names, ", %s", metrics[k].name);
            }
        add(in, card, metric, names.data);
        text_clear(&names);
    }
    const struct card_gpus gpus = card_gpus(in);
    if (gpus.asked > gpus.held) {
        char *what = xasprintf("%ld of %ld GPUs", gpus.asked - gpus.held,
                               gpus.asked);
        card_missing_add(card, what, "they were asked for, but no GPU of "
                         "theirs was seen: neither used nor idle",
                         METRIC_NO_DEVICE);
        free(what);
    }
}
