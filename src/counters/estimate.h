/* SPDX-License-Identifier: BSD-3-Clause */
/* A count that was taken for a part of the time only. */
#ifndef COUNTERS_ESTIMATE_H
#define COUNTERS_ESTIMATE_H

#include <stdbool.h>
#include <stdint.h>

/* A sum over windows. In those that were not counted it grows at the rate of
 * those before (in the first ones: of the first that was counted), so it
 * never goes down. The base is what a rate is per: cycles, or ns. */
struct estimate {
    double value, rate_count, rate_base;
    double covered, total;           /* base counted, base in all */
    double owed;                     /* base before the first rate */
    bool known;                      /* a rate is */
};

void estimate_counted(struct estimate *e, double count, double base);
/* A window that nobody counted; how much it adds. */
double estimate_missed(struct estimate *e, double base);
/* Percent of the base that was counted, rounded down; 100 if there was
 * none. */
int estimate_coverage(const struct estimate *e);
/* METRIC_MISSING if nothing was counted though there was something. */
int64_t estimate_value(const struct estimate *e);

#endif
