/* SPDX-License-Identifier: BSD-3-Clause */
/* Why did an attempt end? From what is known of it for certain and from the
 * tails of its logs. */
#ifndef RUN_DIAGNOSE_H
#define RUN_DIAGNOSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/state.h"

enum mlb_cause {
    MLB_CAUSE_UNKNOWN = 0,
    MLB_CAUSE_OUT_OF_MEMORY,
    MLB_CAUSE_TIMEOUT,
    MLB_CAUSE_PREEMPTED,
    MLB_CAUSE_NODE_FAILURE,
    MLB_CAUSE_STALLED,
    MLB_CAUSE_CANCELLED,
    MLB_CAUSE_COMMAND,           /* not found, or not to be executed */
    MLB_CAUSE_LIBRARY,
    MLB_CAUSE_CUDA_MEMORY,
    MLB_CAUSE_CUDA_MISMATCH,
    MLB_CAUSE_DISK_FULL,
    MLB_CAUSE_QUOTA,
    MLB_CAUSE_PYTHON,
    MLB_CAUSE_ASSERTION,
    MLB_CAUSE_CRASH,             /* SIGSEGV and the like */
    MLB_CAUSE_KILLED,            /* by a signal of somebody unknown */
    MLB_CAUSE_NCCL,
    MLB_CAUSE_MPI,
    MLB_CAUSE_RENDEZVOUS,
    MLB_CAUSE_ECHO,              /* inside only: tells of another's failure */
};
#define MLB_CAUSE_COUNT MLB_CAUSE_ECHO

/* "out of memory", "library missing", "not known", ...; for JSON as well. */
const char *cause_name(enum mlb_cause cause);
/* What a person can do, advice_lines[0..2]; ends with NULL. */
const char *const *cause_advice(enum mlb_cause cause);

/* The end of a log. */
struct diagnose_log {
    const char *name;            /* "out/rank-00003.log" */
    long rank;                   /* -1: the batch step's */
    const char *bytes;           /* from the start of a line; any bytes */
    size_t length;
};

/* What others than the logs tell. */
struct diagnose_facts {
    enum mlb_state state;
    const char *text;            /* the state's cause, one line; or NULL */
    int exit_code;               /* -1: not known */
    struct {
        long rank;               /* the first that failed, -1: none did */
        const char *node;        /* or NULL */
        int exit, signal;
        const char *text;        /* why it did not start, or NULL */
        double max_rss;          /* bytes, 0: not known */
        bool before;             /* ... before anybody asked it to stop */
    } first;
    double memory_limit;         /* bytes of one task, 0: not known */
};

#define DIAGNOSIS_EVIDENCE 5
struct diagnosis {
    enum mlb_cause cause;
    char text[256];              /* one line, with the cause */
    struct {
        size_t log;              /* which of the logs */
        size_t line;             /* of its bytes, from 1 */
        long rank;               /* -1: not told */
        char text[256];          /* printable */
    } evidence[DIAGNOSIS_EVIDENCE];
    size_t evidence_count;
};

/* Pure. The logs come in the order of trust: that of the first rank that
 * failed, then others. Causes come before their consequences: an error that
 * only tells that a peer is gone loses to the peer's own, wherever it is. */
void diagnose(const struct diagnose_facts *facts,
              const struct diagnose_log *logs, size_t count,
              struct diagnosis *out);

#endif
