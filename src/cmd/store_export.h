/* SPDX-License-Identifier: BSD-3-Clause */
/* What exporting data sets and checkpoints share. */
#ifndef CMD_STORE_EXPORT_H
#define CMD_STORE_EXPORT_H

#include <argp.h>

#include "cmd/store_cmd.h"
#include "store/export.h"

struct store_export_options {
    const char *to, *format;
    bool force;
};

/* --to, --format, --force; its input is the options. */
extern const struct argp store_export_argp;

/* The format that was asked for or that --to tells, one of known (which ends
 * with EXPORT_NONE). MLB_ERR_USAGE names them. */
int store_export_format(const struct store_export_options *options,
                        const enum export_format *known,
                        enum export_format *format, struct mlb_error *err);

/* What came out: on standard output, notes on standard error. */
void store_export_tell(const struct store_context *context,
                       const struct store_export_options *options,
                       const struct export_result *result, const char *unit);

#endif
