/* SPDX-License-Identifier: BSD-3-Clause */
/* How often each value of an integer field comes. */
#ifndef CMD_STORE_HISTOGRAM_H
#define CMD_STORE_HISTOGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "mlbatch/error.h"
#include "store/manifest.h"

#define HISTOGRAM_MOST 1000       /* different values that are counted */

struct histogram {
    const struct manifest *m;
    size_t field;
    const json_t *classes;        /* names of 0, 1, ..., or NULL */
    int64_t values[HISTOGRAM_MOST];          /* ascending */
    uint64_t counts[HISTOGRAM_MOST];
    size_t count;
    bool overflow;                /* more different ones than that */
};

/* Is the field integers, one a row? */
bool histogram_has(const struct manifest *m, size_t field);

/* From the manifest, else by reading until there are too many. */
int histogram_fill(struct histogram *h, const struct manifest *m,
                   const char *directory, size_t field,
                   struct mlb_error *err);

/* Up to 80 columns of bars; nothing if there are too many values. */
void histogram_print(const struct histogram *h);

/* Add it to a list of all histograms, and the values of field y to labels. */
void histogram_add_json(const struct histogram *h, json_t *labels,
                        json_t *all);

#endif
