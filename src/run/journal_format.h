/* SPDX-License-Identifier: BSD-3-Clause */
/* A journal's bytes, for its writer and its reader. mlbatch-run(5) has them
 * in full.
 *
 * The file: JOURNAL_MAGIC, then blocks. A block: a 32-bit word, its payload's
 * length in the low 24 bits and JOURNAL_TAG above, and the CRC32C of that
 * word and the payload, both little-endian; then the payload: a byte that
 * says its kind, and numbers (varint, signed ones zig-zag) and strings (their
 * length, their bytes). */
#ifndef RUN_JOURNAL_FORMAT_H
#define RUN_JOURNAL_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JOURNAL_MAGIC "MLBJRNL\n"
#define JOURNAL_MAGIC_BYTES 8
#define JOURNAL_VERSION 1
#define JOURNAL_TAG 0xb7u
#define JOURNAL_FRAME 8                  /* bytes before a payload */
#define JOURNAL_BLOCK_LIMIT (1u << 24)
#define JOURNAL_KEY_TICKS 64             /* a key block each so many */
#define JOURNAL_HEADER_KEYS 16           /* the header again, in keys */
#define JOURNAL_METRICS 64               /* bits of a mask */
#define JOURNAL_ENTITIES 16384           /* more than that nobody runs */

/* Kinds of payloads. */
enum {
    /* version; attempt; node, boot; n; n times name, unit, kind */
    JOURNAL_HEADER = 'H',
    JOURNAL_KEY = 'K',       /* a tick that stands by itself */
    JOURNAL_DELTA = 'D',     /* one that needs the tick before */
};

/* Items of a tick, after its number, until its JOURNAL_OP_TICK. */
enum {
    JOURNAL_OP_TICK,         /* monotonic, real - monotonic: see below */
    JOURNAL_OP_ENTITY,       /* entity; scope, rank, pid, name, product,
                              * capacity */
    JOURNAL_OP_DEFINE,       /* state, cause, source, reason: the next status
                              * by number, from 0 at a key */
    JOURNAL_OP_STATUS,       /* entity, metric, status, coverage */
    JOURNAL_OP_ALIKE,        /* entity, other: all statuses as other's */
    JOURNAL_OP_END,          /* entity */
    JOURNAL_OP_NOTE,         /* name, text */
    JOURNAL_OP_SAMPLE = 8,   /* + 2 entity + 1 if the mask follows; then a
                              * number for each metric of the mask */
};

/* A number that is told by how it differs from what was to be expected: for
 * gauges what it was, for counters and the clock as much more as last time.
 * A key sets all to 0. */
struct journal_trend {
    int64_t last, delta;
};

/* All with wrapping arithmetic: values are whatever they are. */
static inline uint64_t journal_residue(struct journal_trend *t, int64_t value,
                                       bool counter)
{
    int64_t delta = (int64_t)((uint64_t)value - (uint64_t)t->last);
    int64_t rest = counter ? (int64_t)((uint64_t)delta - (uint64_t)t->delta)
                           : delta;

    t->last = value;
    t->delta = delta;
    return ((uint64_t)rest << 1) ^ (uint64_t)(rest >> 63);
}

static inline int64_t journal_value(struct journal_trend *t, uint64_t residue,
                                    bool counter)
{
    uint64_t rest = (residue >> 1) ^ (0 - (residue & 1));
    uint64_t delta = counter ? rest + (uint64_t)t->delta : rest;

    t->last = (int64_t)((uint64_t)t->last + delta);
    t->delta = (int64_t)delta;
    return t->last;
}

#endif
