/* SPDX-License-Identifier: BSD-3-Clause */
/* Curves over time, and what the program told over its steps. */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/card_parts.h"

#define POINTS 512           /* of one line */
#define LINES 8              /* named values drawn */

static const struct {
    const char *key, *title, *unit;
    enum metric_id metric;
} curves[] = {
    { "cpu_cores", "CPUs busy", "cores", METRIC_CPU_TIME },
    { "memory", "Memory of all ranks", "bytes", METRIC_RSS },
    { "gpu_use", "GPU use", "1", METRIC_GPU_USE },
    { "samples_rate", "Throughput", "samples/s", METRIC_SAMPLES },
    { "read_rate", "Fetched from storage", "bytes/s", METRIC_READ_BYTES },
    { "gpu_power", "GPU power", "W", METRIC_GPU_POWER },
};

static void add_curve(const struct card_input *in, struct card *card,
                      size_t which)
{
    struct record_curve curve = { 0 };
    double scale = card_scale(curves[which].metric);

    if (record_total_curve(in->record, in->last->attempt->number,
                           curves[which].metric, &curve, NULL) < 0 ||
        curve.count < 2) {
        free(curve.time);
        free(curve.value);
        return;
    }
    for (size_t i = 0; i < curve.count; i++)
        curve.value[i] *= scale;
    struct card_plot *plot = card_plot_add(card, curves[which].key,
                                           curves[which].title,
                                           curves[which].unit);
    card_line_add(plot, curves[which].title, curve.count, curve.time,
                  curve.value);
}

/* At most POINTS of them: means of neighbours, so that none is passed over;
 * a mean of what is not finite is not finite, and leaves a gap. */
static void add_values(struct card_plot *plot, const struct record_metric *m)
{
    size_t count = m->count < POINTS ? m->count : POINTS;
    double *x = xcalloc(count + 1, sizeof(*x));
    double *y = xcalloc(count + 1, sizeof(*y));

    for (size_t i = 0; i < count; i++) {
        size_t from = m->count * i / count, to = m->count * (i + 1) / count;
        for (size_t k = from; k < to; k++) {
            x[i] += (double)m->step[k] / (double)(to - from);
            y[i] += m->value[k] / (double)(to - from);
        }
    }
    card_line_add(plot, m->name, count, x, y);
}

/* Losses fall by orders of magnitude; what reaches 0 has no logarithm. */
static bool wants_log(const struct record_metric *m)
{
    double low = INFINITY, high = 0;

    for (size_t i = 0; i < m->count; i++)
        if (isfinite(m->value[i])) {
            low = fmin(low, m->value[i]);
            high = fmax(high, m->value[i]);
        }
    return low > 0 && high > 100 * low;
}

void card_plots(const struct card_input *in, struct card *card)
{
    const struct record *record = in->record;
    size_t drawn = 0;

    for (size_t i = 0; i < record->metric_count && drawn < LINES; i++) {
        const struct record_metric *m = &record->metrics[i];
        if (m->count < 2)
            continue;
        struct card_plot *plot = card_plot_add(card, "metric",
                                               "Told by the program", "");
        plot->x = "step";
        plot->log_scale = wants_log(m);
        add_values(plot, m);
        drawn++;
    }
    for (size_t i = 0;
         in->last && i < sizeof(curves) / sizeof(curves[0]); i++)
        add_curve(in, card, i);
}
