/* SPDX-License-Identifier: BSD-3-Clause */
/* The part that `dataset diff` and `checkpoint diff` have in common. */
#ifndef CMD_STORE_DIFF_H
#define CMD_STORE_DIFF_H

#include <argp.h>
#include <jansson.h>

#include "cmd/store_cmd.h"
#include "store/compare.h"

struct store_diff {
    const struct argp *argp;      /* its input: two words, struct store_words */
    const char *what;             /* "which two data sets?" */
    /* The path that a word means, to be freed, or NULL. */
    char *(*find)(const struct store_context *context, const char *word,
                  struct mlb_error *err);
    int (*compare)(const struct compare_request *request, json_t **diff,
                   struct mlb_error *err);
    void (*print)(const json_t *diff);
};

/* Compare what two words mean and print what differs. Returns an exit code:
 * MLB_ERR_FAILED if something does. */
int store_diff_run(const struct store_diff *kind,
                   struct store_context *context, int argc, char **argv);

#endif
