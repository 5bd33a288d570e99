/* SPDX-License-Identifier: BSD-3-Clause */
/* All that is wrong with a user's file, so that it is reported at once. */
#ifndef BASE_PROBLEMS_H
#define BASE_PROBLEMS_H

#include <stdio.h>

#include "base/text.h"
#include "mlbatch/error.h"

struct mlb_problems {
    struct mlb_strings lines;      /* "file:line: what, what to do" */
};
#define MLB_PROBLEMS_INIT { MLB_STRINGS_INIT }

/* where: "file:12", "command line" or NULL. */
void problems_add(struct mlb_problems *p, const char *where,
                  const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void problems_print(const struct mlb_problems *p, FILE *to);
void problems_clear(struct mlb_problems *p);

/* -1 with MLB_ERR_BAD_INPUT and "N problems" if there is any, else 0. */
int problems_to_error(const struct mlb_problems *p, struct mlb_error *err);

#endif
