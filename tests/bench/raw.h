/* SPDX-License-Identifier: BSD-3-Clause */
/* What the benchmarks of the store have in common: the disk's own speed by
 * a bare io_uring loop, the clock and the median. All end the program if
 * something fails. */
#ifndef TESTS_BENCH_RAW_H
#define TESTS_BENCH_RAW_H

#include <stdbool.h>
#include <stddef.h>

#define RAW_MIB ((size_t)1 << 20)
#define RAW_PIECE (4 * RAW_MIB)
#define RAW_DEPTH 8
#define RAW_MOST_ROUNDS 99
#define RAW_SKIPPED 77                /* exit status: no io_uring here */

void raw_fail(const char *what);
double raw_now(void);                 /* seconds */

/* The seconds that work(argument) takes. */
double raw_time(void (*work)(void *), void *argument);

/* Sorts the values. */
double raw_median(double *values, size_t count);

/* "name value" to stdout. */
void raw_row(const char *name, double value);

/* Memory on huge pages, filled with bytes that do not compress. */
unsigned char *raw_data(size_t bytes);

/* Write so many bytes from warm buffers by io_uring and O_DIRECT and fsync
 * them: into a new file with all its space taken first, or over one that is
 * there. */
void raw_write_new(const char *path, size_t bytes);
void raw_overwrite(const char *path, size_t bytes);

/* Read a file so, piece bytes at once (RAW_PIECE at most). */
void raw_read(const char *path, size_t bytes, size_t piece);

/* Have a file's bytes only on the disk. */
void raw_forget(const char *path);

#endif
