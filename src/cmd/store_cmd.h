/* SPDX-License-Identifier: BSD-3-Clause */
/* What the subcommands of mlbatch-store share. `mlbatch` passes on its own
 * command line and adds --store=DIR, so names are shown as mlbatch's. */
#ifndef CMD_STORE_CMD_H
#define CMD_STORE_CMD_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"
#include "mlbatch/error.h"

struct store_context {
    const char *store;            /* NULL: not given */
    bool json;
};

/* Children of a command's argp: --store; --store and --json. Their input is
 * the context. */
extern const struct argp store_argp;
extern const struct argp store_json_argp;

/* One subcommand; a table of them ends with name NULL. */
struct store_row {
    const char *name;
    int (*run)(struct store_context *context, int argc, char **argv);
    const char *help;
};

/* Run the row that the first word after argv[0] names, with "ARGV[0] WORD"
 * as its argv[0]. Returns an exit code. */
int store_dispatch(const struct store_row *table,
                   struct store_context *context, int argc, char **argv);

/* "mlbatch: text" on standard error; returns err->code. */
int store_fail(const struct mlb_error *err);
/* The same for a command that needs --store and did not get it. */
int store_fail_no_store(void);

/* "f32 [8, 8]", "i32": added to out. */
void store_add_type(struct mlb_text *out, int dtype, int rank,
                    const uint64_t *shape);

/* How long ago a time (seconds since 1970) is: "12 s", "5 min", "3 h",
 * "2 d"; added to out. */
void store_add_age(struct mlb_text *out, double time);

/* Columns that s takes on a terminal, if each character takes one. */
size_t store_columns(const char *s);

/* Ask a question on the terminal. 0: yes; MLB_ERR_FAILED: no; MLB_ERR_USAGE:
 * standard input is no terminal, which wants --yes. */
int store_confirm(const char *question, struct mlb_error *err);

int store_import(struct store_context *context, int argc, char **argv);
int store_dataset(struct store_context *context, int argc, char **argv);
int store_checkpoint(struct store_context *context, int argc, char **argv);
int store_report(struct store_context *context, int argc, char **argv);
int store_advise(struct store_context *context, int argc, char **argv);

#endif
