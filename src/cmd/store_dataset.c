/* SPDX-License-Identifier: BSD-3-Clause */
/* mlbatch dataset: its commands, and what they share. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "cmd/store_dataset.h"
#include "store/resolve.h"

char *store_dataset_find(const struct store_context *context,
                         const char *reference, struct mlb_error *err)
{
    if (!context->store) {
        mlb_error_set(err, MLB_ERR_USAGE, "no store: give --store=DIR");
        return NULL;
    }
    return resolve_dataset(context->store, reference, err);
}

void store_dataset_split(const char *directory, char **name, char **version)
{
    const char *slash = strrchr(directory, '/'), *before = slash;

    while (before > directory && before[-1] != '/')
        before--;
    *name = xstrndup(before, (size_t)(slash - before));
    *version = xstrdup(slash + 1);
}

uint64_t store_dataset_bytes(const struct manifest *m)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < m->shard_count; i++)
        bytes += m->shards[i].bytes;
    return bytes;
}

void store_dataset_tags(const struct store_context *context,
                        const char *name, const char *version,
                        struct mlb_strings *out)
{
    struct mlb_fields tags = MLB_FIELDS_INIT;

    resolve_tags(context->store, name, &tags, NULL);
    for (size_t i = 0; i < tags.pairs.count; i++) {
        const char *pair = tags.pairs.items[i];
        size_t n = strcspn(pair, "=");
        char *tag = xstrndup(pair, n);
        if (strcmp(pair + n + 1, version) == 0)
            strings_push(out, tag);
        free(tag);
    }
    fields_clear(&tags);
}

void store_add_list(struct mlb_text *out, const struct mlb_strings *strings)
{
    for (size_t i = 0; i < strings->count; i++)
        text_addf(out, "%s%s", i ? ", " : "", strings->items[i]);
}

json_t *store_strings_json(const struct mlb_strings *strings)
{
    json_t *all = json_array();

    for (size_t i = 0; i < strings->count; i++)
        json_array_append_new(all, json_text(strings->items[i]));
    return all;
}

int store_dataset(struct store_context *context, int argc, char **argv)
{
    static const struct store_row table[] = {
        { "import", store_import, "make a version from files" },
        { "list", store_dataset_list, "list data sets and their versions" },
        { "show", store_dataset_show, "show what is in one, and its origin" },
        { "verify", store_dataset_verify, "read all and compare checksums" },
        { "diff", store_dataset_diff, "say what differs between two" },
        { "tag", store_dataset_tag, "give a version a name" },
        { "export", store_dataset_export, "write as npz, csv or files" },
        { "rm", store_dataset_rm, "remove a version" },
        { NULL, NULL, NULL },
    };

    return store_dispatch(table, context, argc, argv);
}
