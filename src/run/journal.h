/* SPDX-License-Identifier: BSD-3-Clause */
/* Samples of a node while an attempt runs: RUN/journal/ATTEMPT-NODE-K.mbj
 * (a new K for each writer). Append-only; one write(2) a tick; each block has
 * its length and CRC32C; what a dead machine left torn is ignored. */
#ifndef RUN_JOURNAL_H
#define RUN_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

#include "counters/metric.h"
#include "mlbatch/error.h"

struct journal_entity {
    enum metric_scope scope;
    long rank;               /* METRIC_TASK; -1 otherwise */
    long pid;                /* METRIC_TASK; the GPU's index */
    char name[96];           /* GPU: UUID; node: its name; task: "" */
    char product[96];        /* GPU: product */
    int64_t capacity;        /* GPU: memory; METRIC_MISSING: unknown */
};

/* ---- writing ---- */
struct journal;
struct journal *journal_create(const char *run_dir, long attempt,
                               const char *node, struct mlb_error *err);
void journal_close(struct journal *journal);         /* NULL is fine */
/* Something to have samples of from now on; a small number, its index. */
int journal_add(struct journal *journal, const struct journal_entity *entity);
/* Written if it differs from what was last said of it. */
void journal_set_status(struct journal *journal, int entity,
                        enum metric_id metric,
                        const struct metric_status *status);
/* Values of this tick; METRIC_MISSING ones take no room. Buffered. */
void journal_put(struct journal *journal, int entity,
                 const int64_t values[METRIC_COUNT]);
/* The entity has ended; no more of it. */
void journal_end(struct journal *journal, int entity);
/* Anything to be known later: "gap", "back-off", "hung-read", "leader". */
void journal_note(struct journal *journal, const char *name,
                  const char *text);
/* End the tick: one write. monotonic, real: ns, both clocks at once. Every
 * 30 s the file is synced, too (fdatasync). An error (full disk) is told
 * once; later ticks try again and the gap is noted. */
int journal_tick(struct journal *journal, int64_t monotonic, int64_t real,
                 struct mlb_error *err);

/* ---- reading; the file may still be growing ---- */
enum journal_what { JOURNAL_NONE, JOURNAL_ENTITY, JOURNAL_STATUS,
                    JOURNAL_SAMPLE, JOURNAL_END, JOURNAL_NOTE, JOURNAL_TICK };
struct journal_item {
    enum journal_what what;
    int entity;
    struct journal_entity about;             /* ENTITY */
    enum metric_id metric;                   /* STATUS */
    struct metric_status status;
    int64_t values[METRIC_COUNT];            /* SAMPLE */
    int64_t monotonic, real;                 /* TICK, ns: ends its samples */
    char name[32], text[256];                /* NOTE */
};
struct journal_reader;
struct journal_reader *journal_open(const char *path, struct mlb_error *err);
void journal_reader_close(struct journal_reader *reader);
long journal_attempt(const struct journal_reader *reader);
const char *journal_node(const struct journal_reader *reader);
const char *journal_boot(const struct journal_reader *reader);
/* The next item; JOURNAL_NONE at the end of what is whole by now (call again
 * later to follow). Damage in the middle is passed over to the next block
 * that stands by itself, and counted; a NOTE "damaged" tells where it was,
 * and that samples since the last TICK belong to none. Only what of *item
 * belongs to its kind is set. Names and texts are what was written, blanks
 * and newlines too. */
enum journal_what journal_next(struct journal_reader *reader,
                               struct journal_item *item);
/* Bytes not understood so far, and whether the very end is torn. */
uint64_t journal_damaged(const struct journal_reader *reader);
uint64_t journal_torn(const struct journal_reader *reader);

#endif
