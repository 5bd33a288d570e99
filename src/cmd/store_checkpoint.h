/* SPDX-License-Identifier: BSD-3-Clause */
/* What the commands on checkpoints share. */
#ifndef CMD_STORE_CHECKPOINT_H
#define CMD_STORE_CHECKPOINT_H

#include <jansson.h>

#include "cmd/store_cmd.h"
#include "mlbatch/checkpoint.h"

int store_checkpoint_list(struct store_context *context, int argc,
                          char **argv);
int store_checkpoint_show(struct store_context *context, int argc,
                          char **argv);
int store_checkpoint_verify(struct store_context *context, int argc,
                            char **argv);
int store_checkpoint_diff(struct store_context *context, int argc,
                          char **argv);
int store_checkpoint_export(struct store_context *context, int argc,
                            char **argv);
int store_checkpoint_prune(struct store_context *context, int argc,
                           char **argv);

/* What a user's word means. RUN or RUN:STEP: checkpoints of a run, by name,
 * number or directory; a directory of checkpoints; or one by its path. */
struct store_place {
    char *directory;              /* of checkpoints, or NULL */
    char *path;                   /* of one, or NULL */
};
int store_place_find(const struct store_context *context, const char *word,
                     struct store_place *place, struct mlb_error *err);
void store_place_clear(struct store_place *place);

/* The path of the one that a word means, the newest of a run. Caller frees. */
char *store_checkpoint_find(const struct store_context *context,
                            const char *word, struct mlb_error *err);

/* Bytes of a checkpoint's files; seconds since 1970 when it was saved; is it
 * a file for each node? */
uint64_t store_checkpoint_bytes(const char *path);
double store_checkpoint_saved(const char *path);
bool store_checkpoint_is_nodes(const char *path);

/* {"loss": 0.5, ...}; "loss 0.5, ..." added to out. */
json_t *store_metrics_json(const struct mlb_checkpoint_reader *reader);
void store_add_metrics(struct mlb_text *out,
                       const struct mlb_checkpoint_reader *reader);

#endif
