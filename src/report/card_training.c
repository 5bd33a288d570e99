/* SPDX-License-Identifier: BSD-3-Clause */
/* How training went: steps, samples and what the program told of itself. */
#include "config.h"

#include <math.h>
#include <stdlib.h>

#include "report/card_parts.h"

#define MOST 64              /* named values shown */

static const struct card_column columns[] = {
    { "first", "first", "" },
    { "last", "last", "" },
    { "lowest", "lowest", "" },
    { "highest", "highest", "" },
    { "count", "values", "count" },
    { "not_finite", "not finite", "count" },
};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

/* Steps are counted over the whole run. The first attempt begins with step
 * 1; where a later one began is told by the values of its steps, which may
 * not come with each. */
double card_steps_done(const struct card_input *in, size_t task,
                       enum metric_state *state)
{
    const struct record_task *t = &in->record->tasks[task];
    double last = card_task_number(in, task, METRIC_STEP, state);

    if (isnan(last))
        return NAN;
    if (t->attempt == 1 || in->attempt_count == 1)
        return last - 1;
    for (size_t i = 0; i < in->attempt_count; i++)
        if (in->attempts[i].attempt->number == t->attempt &&
            in->attempts[i].first_step >= 0) {
            if (*state < METRIC_ESTIMATED)
                *state = METRIC_ESTIMATED;
            return last - in->attempts[i].first_step;
        }
    *state = METRIC_UNAVAILABLE;
    return NAN;
}

struct pace {
    struct card_tally time, samples, rate;
};

static void tally_pace(const struct card_input *in, struct pace *pace)
{
    card_tally_begin(&pace->time);
    card_tally_begin(&pace->samples);
    card_tally_begin(&pace->rate);
    for (size_t i = 0; in->last && i < in->record->task_count; i++) {
        enum metric_state state, step_state;
        if (in->record->tasks[i].attempt != in->last->attempt->number)
            continue;
        double steps = card_steps_done(in, i, &step_state);
        double time = card_task_number(in, i, METRIC_STEP_TIME, &state);
        double samples = card_task_number(in, i, METRIC_SAMPLES, &state);
        /* The time begins when the first step is done: its samples came
         * before. */
        bool paced = steps > 0 && time > 0;
        card_tally_add(&pace->time, i, paced ? time / steps : NAN,
                       step_state);
        card_tally_add(&pace->samples, i, samples, state);
        card_tally_add(&pace->rate, i,
                       paced ? samples * steps / (steps + 1) / time : NAN,
                       state > step_state ? state : step_state);
    }
}

static struct card_value told(const struct card_input *in,
                              struct card_tally *tally, double number,
                              enum metric_id metric)
{
    struct metric_status status = in->record->status[metric];

    if (in->last && in->last->tasks > tally->of)
        tally->of = in->last->tasks;
    if (!status.reason[0] && tally->have == 0)
        metric_status_set(&status, METRIC_UNAVAILABLE, METRIC_NOT_TOLD, "",
                          "the program told less than two steps");
    else if (!status.reason[0] && tally->state == METRIC_ESTIMATED)
        metric_status_set(&status, METRIC_ESTIMATED, METRIC_NOT_TOLD,
                          status.source, "the attempt's first step is taken "
                          "from its first value");
    return card_tally_value(tally, number, "ranks", &status);
}

static struct card_value highest_step(const struct card_input *in)
{
    struct card_tally tally;

    struct card_value sum = card_task_sum(in, METRIC_STEP, in->last, &tally);
    if (card_has(&sum))
        sum.number = tally.highest;
    return sum;
}

/* NaN and infinities are values like others, but have no order. */
static void add_metric(struct card_table *table,
                       const struct record_metric *m)
{
    double low = INFINITY, high = -INFINITY, odd = 0;

    for (size_t i = 0; i < m->count; i++) {
        if (!isfinite(m->value[i])) {
            odd++;
            continue;
        }
        low = fmin(low, m->value[i]);
        high = fmax(high, m->value[i]);
    }
    struct card_value *cells = card_table_row(table, m->name);
    const double numbers[COLUMNS] = { m->value[0], m->value[m->count - 1],
                                      low, high, (double)m->count, odd };
    for (size_t i = 0; i < COLUMNS; i++)
        cells[i] = (i == 2 || i == 3) && odd == (double)m->count
                       ? card_missing(METRIC_NOT_TOLD,
                                      "no value of it is finite")
                       : card_known(numbers[i], "program");
}

static void add_metrics(const struct card_input *in, struct card *card)
{
    const struct record *record = in->record;
    struct card_table *table = NULL;

    for (size_t i = 0; i < record->metric_count; i++) {
        if (record->metrics[i].count == 0)
            continue;
        if (!table) {
            table = card_table_add(card, "metrics", "Told by the program",
                                   columns, COLUMNS);
            table->rare = "not_finite";
        }
        if (table->row_count < MOST)
            add_metric(table, &record->metrics[i]);
        else
            table->left_out++;
    }
}

void card_training(const struct card_input *in, struct card *card)
{
    struct card_section *s = card_section_add(
        card, "training", in->attempt_count > 1
                              ? "Training (the last attempt)" : "Training");
    struct pace pace;

    tally_pace(in, &pace);
    card_row_add(s, "steps", "Last step", "count", highest_step(in));
    struct card_row *row = card_row_add(
        s, "step_time", "Time of a step", "s",
        told(in, &pace.time, pace.time.sum / (double)pace.time.have,
             METRIC_STEP_TIME));
    if (card_has(&row->value) && pace.time.have > 1) {
        char *rank = card_rank_name(in, pace.time.highest_at);
        row->text = xasprintf("the slowest: %s", rank);
        free(rank);
    }
    card_row_add(s, "samples", "Samples", "count",
                 told(in, &pace.samples, pace.samples.sum, METRIC_SAMPLES));
    card_row_add(s, "samples_rate", "Throughput", "samples/s",
                 told(in, &pace.rate, pace.rate.sum, METRIC_SAMPLES));
    add_metrics(in, card);
}
