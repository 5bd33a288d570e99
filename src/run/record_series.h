/* SPDX-License-Identifier: BSD-3-Clause */
/* The journals of one attempt. (Between the record's files.) */
#ifndef RUN_RECORD_SERIES_H
#define RUN_RECORD_SERIES_H

#include "run/record_parts.h"

/* One journal: what its writer saw. */
struct piece {
    char *path, *name, *boot;
    size_t node;             /* of the record's */
    double first, last;      /* s, monotonic */
    double lead;             /* to be added: s since 1970 */
    double interval;         /* the least between two ticks; 0: one tick */
    long ticks;
};

struct series {
    long attempt;
    struct piece *pieces;    /* by node, boot, time */
    size_t piece_count;
    double start;            /* s since 1970: that of row 0 */
    struct grid grid;
};

void series_clear_piece(struct piece *p);
/* When all tasks are known. */
void series_lay(const struct record *r, struct series *s);

#endif
