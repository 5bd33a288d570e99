/* SPDX-License-Identifier: BSD-3-Clause */
/* Is a version of a data set as it was published? Reads all of it: each
 * file's hash against the manifest, the container's checksums, each row's
 * checksum, the offsets of ragged fields, the splits, and at last the hash
 * of the content, which is the version. For the tools. */
#ifndef STORE_AUDIT_H
#define STORE_AUDIT_H

#include <stdint.h>

#include "store/column.h"

#define AUDIT_MAX_ROWS 20         /* told of one field and shard */

/* Something that is wrong. */
struct audit_finding {
    const char *shard;            /* its file, or NULL: the whole */
    const char *field;            /* or NULL */
    int64_t row;                  /* or -1 */
    const char *text;             /* a sentence of all that */
};

struct audit {
    const char *directory;        /* of the version */
    void (*report)(void *arg, const struct audit_finding *finding);
    void *report_arg;
    column_progress *progress;    /* or NULL */
    void *progress_arg;
    uint64_t findings;            /* out */
};

/* Look at everything and report all that is wrong. 0 if that could be done,
 * be there findings or not; -1: there is no manifest to compare with. */
int audit_dataset(struct audit *audit, struct mlb_error *err);

#endif
