/* SPDX-License-Identifier: BSD-3-Clause */
/* What the diagnose*.c files share. Nobody else includes this. */
#ifndef RUN_DIAGNOSE_PARTS_H
#define RUN_DIAGNOSE_PARTS_H

#include "run/diagnose.h"

/* ---- diagnose_signs.c: what programs say when they die of something ---- */
enum sign_where {
    SIGN_LINE,                   /* anywhere, but not in a warning */
    SIGN_SURE,                   /* a line that only those write who know */
    SIGN_FATAL,                  /* the last line of an exception's trace */
};
struct sign {
    enum mlb_cause cause;
    enum sign_where where;
    const char *has, *also;      /* parts of the line; also may be NULL */
};
extern const struct sign diagnose_signs[];   /* ends with has NULL */

/* How far from a mere consequence: 3 specific, 2 an error of the program
 * itself, 1 something that happens when others die, 0 no cause. */
int cause_depth(enum mlb_cause cause);

/* ---- diagnose_log.c ---- */
struct finding {
    enum mlb_cause cause;        /* UNKNOWN: nothing was found */
    bool sure;
    size_t line;                 /* from 1 */
    const char *text;            /* not terminated */
    size_t length;
    long rank;                   /* -1: not told */
    const char *file;            /* the user's innermost frame, or NULL */
    size_t file_length;
    long file_line;
    size_t frame_line;           /* where the log has that frame */
};
/* command: the exit code allows that one was not found; else the shell went
 * on after it. */
void diagnose_scan(const struct diagnose_log *log, bool command,
                   struct finding *out);

/* A line of a log without what launchers put before it ("[rank3]: ", "3: ",
 * "[1,3]<stderr>:"); *rank is what they say, -1 if nothing. */
struct log_line {
    const char *text;
    size_t length;
    long rank;
};
struct log_line log_line_strip(const char *text, size_t length);

#endif
