/* SPDX-License-Identifier: BSD-3-Clause */
/* What the next request of a job should be, from what its runs used. */
#ifndef REPORT_ADVISE_H
#define REPORT_ADVISE_H

#include <stdbool.h>

#include "report/card.h"

struct record;

/* What one run asked and used. */
struct advise_facts {
    char *job;                       /* name of the job */
    long nodes, tasks, cpus_per_task, gpus_per_task;
    double memory_asked, time_asked; /* of a node; s; NAN: not asked */
    struct card_value memory;        /* bytes, of the node with the most */
    struct card_value cores;         /* busy, of a rank */
    struct card_value seconds;       /* of all attempts together */
    long gpus_used;                  /* -1: not known of all of them */
    bool completed, hit_limit, out_of_memory;
};
int advise_facts_read(struct advise_facts *facts,
                      const struct record *record, struct mlb_error *err);
void advise_facts_clear(struct advise_facts *facts);

/* What is asked now, which advice is to change: counts of 0 and NANs are not
 * known. */
struct advise_request {
    long nodes, tasks, cpus_per_task, gpus_per_task;
    double memory, seconds;          /* of a node, bytes; s */
};

struct advise_result {
    struct card_advice *items; size_t count;
    char *basis;
};
/* From runs of one job, the newest first; count of at least 1. request NULL:
 * what the newest of them asked. Nothing is made smaller than what once ran
 * out, nor by runs that did not complete. The result goes into a card, or to
 * advise_clear. */
void advise_make(const struct advise_facts *facts, size_t count,
                 const struct advise_request *request,
                 struct advise_result *result);
void advise_clear(struct advise_result *result);
/* {"schema": "mlbatch-advice/1", ...}; a new line at the end. */
void advise_json(const char *job, size_t runs,
                 const struct advise_result *result, struct mlb_text *out);

#endif
