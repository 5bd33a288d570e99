/* SPDX-License-Identifier: BSD-3-Clause */
/* Lines of a text file, plain or gzip, with their numbers. For the tools. */
#ifndef STORE_CSV_H
#define STORE_CSV_H

#include <stddef.h>
#include <stdint.h>

#include "mlbatch/error.h"
#include "store/gzip.h"

struct csv {
    struct gzip *file;
    const char *path;             /* the caller's */
    uint64_t line;                /* number of the last one given, from 1 */
    uint64_t size;                /* of the file, as it is on disk */
    char *buffer;
    size_t buffer_size, start, end;   /* unread bytes: [start, end) */
    int at_end;
};

int csv_open(struct csv *c, const char *path, struct mlb_error *err);
void csv_close(struct csv *c);            /* fine for one all zero */

/* The next line without its end ("\n" or "\r\n") and without the byte order
 * mark that may begin a file; NUL-terminated, in csv's buffer until the
 * next call; *length counts NUL bytes in it, too. 1, or 0 at the end.
 * MLB_ERR_BAD_INPUT: a line over 64 MiB, a damaged gzip file. */
int csv_next(struct csv *c, char **line, size_t *length,
             struct mlb_error *err);

/* Bytes of the file read so far. */
uint64_t csv_done(const struct csv *c);

#endif
