/* SPDX-License-Identifier: BSD-3-Clause */
/* One error struct for the library and the programs: a code and a sentence. */
#ifndef MLBATCH_ERROR_H
#define MLBATCH_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

/* What went wrong, coarse enough to be an exit status (0 is no error).
 * The numbers are the exit codes of mlbatch(1) and never change. */
enum mlb_errcode {
    MLB_OK = 0,
    MLB_ERR_FAILED = 1,      /* a check or the job itself failed */
    MLB_ERR_USAGE = 2,       /* the call or the command line is wrong */
    MLB_ERR_BAD_INPUT = 3,   /* bad job file, site file or data file */
    MLB_ERR_REFUSED = 4,     /* the scheduler said no */
    MLB_ERR_UNREACHABLE = 5, /* the scheduler did not answer */
    MLB_ERR_NOT_FOUND = 6,   /* no such run, data set, checkpoint, file */
    MLB_ERR_IO = 7,          /* reading or writing failed, disk full */
    MLB_ERR_UNSUPPORTED = 8, /* not supported here */
};

/* Filled by the callee on failure; the caller owns it (usually the stack).
 * text is one line, NUL-terminated, without a trailing full stop. */
struct mlb_error {
    enum mlb_errcode code;
    char text[256];
};

/* Fill err and return -1, so that a failure is one statement:
 *     return mlb_error_set(err, MLB_ERR_IO, "cannot open %s", path);
 * err may be NULL. errno is left as it was. A text that does not fit is
 * cut at the end of a UTF-8 character. */
int mlb_error_set(struct mlb_error *err, enum mlb_errcode code,
                  const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* As mlb_error_set, with ": " and the text of errno appended. */
int mlb_error_errno(struct mlb_error *err, enum mlb_errcode code,
                    const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Put context in front as an error travels up: "outer: inner". The code
 * stays. Returns -1. err may be NULL. */
int mlb_error_prefix(struct mlb_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#ifdef __cplusplus
}
#endif

#endif
