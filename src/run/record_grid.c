/* SPDX-License-Identifier: BSD-3-Clause */
/* Samples on the rows of a series, and series on the cells of a curve. */
#include "config.h"

#include <math.h>
#include <stdlib.h>

#include "run/record_parts.h"

/* Two values belong together if they lie no farther apart than this many
 * times what is usual for the series; more is a gap. */
#define REACH 3

#define LARGEST 9e18         /* what is sure to be an int64 */
#define CLOSE 1e-6           /* s: a row is where a sample is */

/* What a share of entities must tell, at a time, for a sum over all. */
#define SHARE 0.8

static int64_t *make_rows(size_t rows)
{
    int64_t *values = xmalloc(rows * sizeof(*values));

    for (size_t i = 0; i < rows; i++)
        values[i] = METRIC_MISSING;
    return values;
}

static void flush(struct grid_entity *e, int m)
{
    if (e->count[m] == 0)
        return;
    if (metrics[m].kind == METRIC_GAUGE)
        e->last[m][e->row[m]] = (int64_t)fmax(-LARGEST, fmin(
            LARGEST, e->sum[m] / (double)e->count[m]));
    e->count[m] = 0;
    e->sum[m] = 0;
}

/* A counter's value at the time of each row since its last sample: on the
 * line between the two, so that differences of rows are what was counted
 * however samples and rows lie. Across a gap there is no line. */
static void put_counter(const struct grid *g, struct grid_entity *e, int m,
                        const struct grid_sample *s)
{
    double before = e->at[m], apart = s->at - before;
    double usual = e->apart[m] > 0 ? e->apart[m] : s->interval;
    double grown = (double)s->values[m] - (double)e->final[m];

    if (before >= 0 && apart > 0) {
        double row = ceil((before - CLOSE) / g->width);
        for (; row * g->width <= s->at + CLOSE && row < (double)g->rows;
             row++) {
            double part = (row * g->width - before) / apart;
            part = part < 0 ? 0 : part > 1 ? 1 : part;
            if (apart <= REACH * usual && fabs(grown) < LARGEST)
                e->last[m][(size_t)row] = e->final[m] +
                                          (int64_t)(part * grown);
        }
        e->apart[m] = apart;
    }
    e->at[m] = s->at;
}

static void put_value(const struct grid *g, struct grid_entity *e, int m,
                      const struct grid_sample *s)
{
    int64_t value = s->values[m];
    bool gauge = metrics[m].kind == METRIC_GAUGE;

    if (!e->last[m]) {
        e->last[m] = make_rows(g->rows);
        e->most[m] = gauge ? make_rows(g->rows) : NULL;
        e->high[m] = value;
        e->at[m] = -1;
    }
    if (!gauge)
        put_counter(g, e, m, s);
    e->final[m] = value;
    e->high[m] = value > e->high[m] ? value : e->high[m];
    if (!gauge)
        return;
    int64_t *most = &e->most[m][e->row[m]];
    *most = value > *most ? value : *most;
    e->sum[m] += (double)value;
    e->count[m]++;
    e->all[m] += (double)value;
    e->all_count[m]++;
}

void grid_put(const struct grid *g, struct grid_entity *e,
              const struct grid_sample *s)
{
    long row = s->row < 0 ? 0 : s->row;

    if ((size_t)row >= g->rows)
        row = (long)g->rows - 1;
    for (int m = 0; m < METRIC_COUNT; m++) {
        if (s->values[m] == METRIC_MISSING)
            continue;
        if (e->row[m] != row)
            flush(e, m);
        e->row[m] = row;
        put_value(g, e, m, s);
    }
}

void grid_flush(struct grid_entity *e)
{
    for (int m = 0; m < METRIC_COUNT; m++)
        flush(e, m);
}

void grid_clear(struct grid_entity *e)
{
    for (int m = 0; m < METRIC_COUNT; m++) {
        free(e->last[m]);
        free(e->most[m]);
    }
}

size_t grid_reach(const int64_t *values, size_t rows)
{
    size_t first = rows, last = 0, count = 0;

    for (size_t i = 0; i < rows; i++)
        if (values[i] != METRIC_MISSING) {
            first = first == rows ? i : first;
            last = i;
            count++;
        }
    if (count < 2)
        return REACH;
    size_t usual = (size_t)lround((double)(last - first) /
                                  (double)(count - 1));
    /* A single long gap must not make itself usual. */
    if (usual > 1 && last - first > 2 * usual) {
        size_t least = rows;
        for (size_t i = first, p = first; i <= last; i++)
            if (values[i] != METRIC_MISSING && i > p) {
                least = i - p < least ? i - p : least;
                p = i;
            }
        usual = usual < 2 * least ? usual : 2 * least;
    }
    return REACH * (usual > 0 ? usual : 1);
}

/* What the entity did in rows (from, to], on average. */
struct stretch {
    size_t from, to;
    double value;
};

static void add_stretch(const struct grid *g, const struct stretch *s,
                        double *sum, long *count)
{
    for (size_t i = s->from + 1; i <= s->to; i++) {
        size_t cell = i / g->per_cell;
        sum[cell] += s->value;
        count[cell]++;
    }
}

void grid_add_curve(const struct grid *g, const int64_t *rows,
                    enum metric_kind kind, const struct grid_curve *curve)
{
    double *sum = xcalloc(g->cells, sizeof(*sum));
    long *count = xcalloc(g->cells, sizeof(*count));
    size_t reach = grid_reach(rows, g->rows);
    size_t first = g->rows, last = 0;

    for (size_t i = 0, p = g->rows; i < g->rows; i++) {
        if (rows[i] == METRIC_MISSING)
            continue;
        struct stretch s = { .from = p, .to = i, .value = (double)rows[i] };
        bool near = p < g->rows && i - p <= reach;
        if (kind == METRIC_COUNTER && p < g->rows)
            s.value = ((double)rows[i] - (double)rows[p]) /
                      ((double)(i - p) * g->width);
        if (kind == METRIC_GAUGE && !near)
            s.from = i - 1;              /* wraps at row 0, and back */
        if (kind == METRIC_GAUGE || (near && s.value >= 0))
            add_stretch(g, &s, sum, count);
        first = first == g->rows ? i : first;
        last = i;
        p = i;
    }
    for (size_t c = 0; c < g->cells; c++) {
        if (count[c] > 0) {
            curve->value[c] += sum[c] / (double)count[c];
            curve->have[c]++;
        }
        if (first < g->rows && c >= first / g->per_cell &&
            c <= last / g->per_cell)
            curve->alive[c]++;
    }
    free(sum);
    free(count);
}

void grid_finish_curve(const struct grid *g, const struct grid_curve *curve,
                       bool mean)
{
    for (size_t c = 0; c < g->cells; c++) {
        long have = curve->have[c], alive = curve->alive[c];
        if (have == 0 || (double)have < SHARE * (double)alive)
            curve->value[c] = NAN;
        else if (mean)
            curve->value[c] /= (double)have;
        else if (alive > have)
            curve->value[c] *= (double)alive / (double)have;
        /* Seven digits say all there is, and compress. */
        curve->value[c] = (double)(float)curve->value[c];
    }
}
