/* SPDX-License-Identifier: BSD-3-Clause */
/* Sizes and durations as people and schedulers write them. */
#ifndef BASE_UNITS_H
#define BASE_UNITS_H

#include <stdbool.h>

#include "base/text.h"
#include "mlbatch/error.h"

/* "16G", "512M", "1.5T", "4096": bytes, with K M G T P as powers of 1024,
 * an optional B or iB after. A number without a unit counts default_unit
 * bytes (1 for bytes; sbatch's --mem means 1048576). Negative, empty, NaN,
 * trailing words and more than 2^62 are refused. */
int units_parse_size(const char *text, long long default_unit,
                     long long *bytes, struct mlb_error *err);

/* "90s" "10m" "1.5h" "2d" "1h30m", "MM:SS" is not accepted but "HH:MM:SS",
 * "D-HH:MM:SS" are; a plain number is seconds. */
int units_parse_duration(const char *text, long *seconds,
                         struct mlb_error *err);

/* "USR1" or "SIGUSR1": the signal's number. One that ends, stops or cannot
 * reach a program for certain (KILL, STOP) is refused. */
int units_parse_signal(const char *text, int *signum, struct mlb_error *err);

/* Time as sbatch reads it: M, M:S, H:M:S, D-H, D-H:M, D-H:M:S. */
int units_parse_sbatch_time(const char *text, long *seconds,
                            struct mlb_error *err);

int units_parse_long(const char *text, long min, long max, long *value,
                     struct mlb_error *err);

/* "16.0 GiB"; "01:30:00" or "1-00:00:00"; "2.5 s", "3 min 20 s", "2 h 5 min".
 * They add to out. */
void units_add_size(struct mlb_text *out, long long bytes);
void units_add_clock(struct mlb_text *out, long seconds);
void units_add_duration(struct mlb_text *out, double seconds);

#endif
