/* SPDX-License-Identifier: BSD-3-Clause */
/* What is learnt of a field while its bytes go by: hash, statistics, how
 * often each label comes. The outcome depends on the bytes alone, not on the
 * pieces they come in. For the tools. */
#ifndef STORE_VERSION_MEASURE_H
#define STORE_VERSION_MEASURE_H

#include <xxhash.h>

#include "mlbatch/dtype.h"
#include "store/version.h"

#define MEASURE_BLOCK 1024        /* elements that are summed up at once */
#define MEASURE_LABELS 256        /* different ones that are counted */

struct measure {
    enum mlb_dtype dtype;
    bool has_stats, has_counts;
    XXH3_state_t *bytes, *lengths;        /* lengths: ragged ones only */
    size_t used;                  /* elements waiting in block */
    uint64_t count;               /* elements, NaN left out */
    double mean, squares, min, max;
    double block[MEASURE_BLOCK];
    size_t labels;
    int64_t label[MEASURE_LABELS];        /* ascending */
    uint64_t label_rows[MEASURE_LABELS];
};

void measure_init(struct measure *m, const struct version_field *field);
void measure_clear(struct measure *m);            /* fine for all zero */

/* The next bytes, whole elements; the next lengths of ragged rows, bytes. */
void measure_add(struct measure *m, const void *bytes, size_t length);
void measure_add_lengths(struct measure *m, const uint64_t *lengths,
                         size_t count);

/* Mean, standard deviation (of all, not of a sample), least, largest and
 * count; all but the last NaN where nothing was measured. */
void measure_stats(struct measure *m, double out[5]);

#endif
