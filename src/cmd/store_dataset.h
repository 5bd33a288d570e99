/* SPDX-License-Identifier: BSD-3-Clause */
/* What the commands on data sets share. */
#ifndef CMD_STORE_DATASET_H
#define CMD_STORE_DATASET_H

#include <jansson.h>

#include "base/fields.h"
#include "cmd/store_cmd.h"
#include "cmd/store_words.h"
#include "store/manifest.h"

int store_dataset_list(struct store_context *context, int argc, char **argv);
int store_dataset_show(struct store_context *context, int argc, char **argv);
int store_dataset_verify(struct store_context *context, int argc,
                         char **argv);
int store_dataset_diff(struct store_context *context, int argc, char **argv);
int store_dataset_tag(struct store_context *context, int argc, char **argv);
int store_dataset_export(struct store_context *context, int argc,
                         char **argv);
int store_dataset_rm(struct store_context *context, int argc, char **argv);

/* The directory of the version that reference means, or NULL with err. */
char *store_dataset_find(const struct store_context *context,
                         const char *reference, struct mlb_error *err);

/* Name and version from such a directory. Caller frees both. */
void store_dataset_split(const char *directory, char **name, char **version);

/* Bytes of all shards. */
uint64_t store_dataset_bytes(const struct manifest *m);

/* The tags that mean a version, appended; as one line "a, b" at the end of
 * out; as JSON. */
void store_dataset_tags(const struct store_context *context,
                        const char *name, const char *version,
                        struct mlb_strings *out);
void store_add_list(struct mlb_text *out, const struct mlb_strings *strings);
json_t *store_strings_json(const struct mlb_strings *strings);

#endif
