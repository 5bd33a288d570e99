/* SPDX-License-Identifier: BSD-3-Clause */
/* A progress bar on standard error, for people only: where that is a
 * terminal, and after two seconds. */
#ifndef CMD_STORE_PROGRESS_H
#define CMD_STORE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct store_progress {
    struct timespec start;
    double drawn;                 /* when last, in seconds since start */
    bool terminal, shown;
};

void store_progress_begin(struct store_progress *progress);

/* How far something is; total 0: nobody knows. arg is the progress. */
void store_progress_show(void *arg, uint64_t done, uint64_t total);

/* A line of its own, over the bar. arg is the progress. */
void store_progress_say(void *arg, const char *line);

/* Take the bar away, so that the result can be told. */
void store_progress_end(struct store_progress *progress);

#endif
