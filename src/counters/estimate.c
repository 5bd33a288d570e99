/* SPDX-License-Identifier: BSD-3-Clause */
/* Filling the windows in which a rotated counter did not run. */
#include "config.h"

#include "counters/metric.h"

#include "counters/estimate.h"

void estimate_counted(struct estimate *e, double count, double base)
{
    e->value += count;
    e->covered += base;
    e->total += base;
    /* Late windows weigh more: programs have phases. Short ones weigh
     * little: their rates are noise. */
    e->rate_count = e->rate_count / 2 + count;
    e->rate_base = e->rate_base / 2 + base;
    if (!e->known && e->rate_base > 0) {
        e->known = true;
        e->value += e->owed * (e->rate_count / e->rate_base);
        e->owed = 0;
    }
}

double estimate_missed(struct estimate *e, double base)
{
    double added = 0;

    e->total += base;
    if (e->known)
        added = base * (e->rate_count / e->rate_base);
    else
        e->owed += base;
    e->value += added;
    return added;
}

int estimate_coverage(const struct estimate *e)
{
    return e->total > 0 ? (int)(100 * e->covered / e->total) : 100;
}

int64_t estimate_value(const struct estimate *e)
{
    if (e->value >= (double)INT64_MAX || (e->total > 0 && !e->known))
        return METRIC_MISSING;
    return (int64_t)(e->value + 0.5);
}
