/* SPDX-License-Identifier: BSD-3-Clause */
/* mlbatch dataset list|show. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/units.h"
#include "cmd/store_cmd.h"
#include "store/dataset.h"
#include "store/resolve.h"

#define BAR 40                    /* characters */
#define ROWS_AT_ONCE 4096
#define MAX_LABELS 1000           /* different ones that are counted */
#define SHOWN_LABELS 20

struct arguments {
    struct store_context *context;
    const char *name;
    bool optional;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;

    if (key == ARGP_KEY_INIT)
        state->child_inputs[0] = a->context;
    else if (key == ARGP_KEY_ARG && !a->name)
        a->name = arg;
    else if (key == ARGP_KEY_ARG ||
             (key == ARGP_KEY_END && !a->name && !a->optional))
        argp_usage(state);
    else
        return ARGP_ERR_UNKNOWN;
    return 0;
}

static const struct argp_child children[] = { { .argp = &store_json_argp },
                                              { 0 } };

/* Bytes of all shards. */
static uint64_t all_bytes(const struct manifest *m)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < m->shard_count; i++)
        bytes += m->shards[i].bytes;
    return bytes;
}

/* The tags that mean a version. */
static void tags_of(const struct mlb_fields *tags, const char *version,
                    struct mlb_strings *out)
{
    for (size_t i = 0; i < tags->pairs.count; i++) {
        const char *pair = tags->pairs.items[i];
        size_t n = strcspn(pair, "=");
        char *tag = xstrndup(pair, n);
        if (strcmp(pair + n + 1, version) == 0)
            strings_push(out, tag);
        free(tag);
    }
}

static json_t *strings_json(const struct mlb_strings *strings)
{
    json_t *all = json_array();

    for (size_t i = 0; i < strings->count; i++)
        json_array_append_new(all, json_text(strings->items[i]));
    return all;
}

static void print_strings(const struct mlb_strings *strings)
{
    for (size_t i = 0; i < strings->count; i++)
        printf("%s%s", i ? ", " : "", strings->items[i]);
    putchar('\n');
}

/* ---- list ---- */

static void list_version(const char *store, const char *name,
                         const char *version, json_t *all)
{
    struct mlb_fields tags = MLB_FIELDS_INIT;
    struct mlb_strings mine = MLB_STRINGS_INIT;
    struct mlb_text size = MLB_TEXT_INIT;
    struct mlb_error why = { 0 };
    struct manifest m = { 0 };
    char *path = xasprintf("%s/datasets/%s/%s", store, name, version);

    resolve_tags(store, name, &tags, NULL);
    tags_of(&tags, version, &mine);
    bool sound = manifest_read(&m, path, &why) == 0;
    if (all) {
        json_array_append_new(all, json_pack(
            "{s:s, s:s, s:o, s:I, s:I, s:o, s:o}", "name", name, "version",
            version, "path", json_text(path), "rows", (json_int_t)m.rows,
            "bytes", (json_int_t)all_bytes(&m), "tags", strings_json(&mine),
            "error", sound ? json_null() : json_text(why.text)));
    } else if (sound) {
        units_add_size(&size, (long long)all_bytes(&m));
        printf("%-24s  %s  %10" PRIu64 "  %10s  ", name, version, m.rows,
               size.data);
        print_strings(&mine);
    } else {
        char *shown = text_printable(why.text);
        printf("%-24s  %s  damaged: %s\n", name, version, shown);
        free(shown);
    }
    manifest_clear(&m);
    text_clear(&size);
    strings_clear(&mine);
    fields_clear(&tags);
    free(path);
}

static int list_all(const char *store, const char *only, json_t *all,
                    struct mlb_error *err)
{
    struct mlb_strings names = MLB_STRINGS_INIT;
    int rc = 0;
    bool any = false;

    if (only)
        strings_push(&names, only);
    else
        rc = resolve_names(store, &names, err);
    for (size_t i = 0; rc == 0 && i < names.count; i++) {
        struct mlb_strings versions = MLB_STRINGS_INIT;
        rc = resolve_versions(store, names.items[i], &versions, err);
        if (!any && versions.count > 0 && !all)
            printf("%-24s  %-16s  %10s  %10s  %s\n", "NAME", "VERSION",
                   "ROWS", "SIZE", "TAGS");
        any = any || versions.count > 0;
        for (size_t v = 0; rc == 0 && v < versions.count; v++)
            list_version(store, names.items[i], versions.items[v], all);
        strings_clear(&versions);
    }
    strings_clear(&names);
    if (rc == 0 && only && !any)
        rc = mlb_error_set(err, MLB_ERR_NOT_FOUND, "no data set %s in %s",
                           only, store);
    return rc;
}

static int list(struct store_context *context, int argc, char **argv)
{
    static const struct argp argp = {
        .parser = parse, .children = children, .args_doc = "[NAME]",
        .doc = "List the data sets of the store and their versions.",
    };
    struct arguments a = { .context = context, .optional = true };
    struct mlb_error err = { 0 };
    int code = 0;

    argp_parse(&argp, argc, argv, 0, NULL, &a);
    if (!context->store)
        return store_fail_no_store();
    if (a.name && !resolve_name_ok(a.name)) {
        mlb_error_set(&err, MLB_ERR_USAGE, "not a data set: \"%s\"", a.name);
        return store_fail(&err);
    }
    json_t *all = context->json ? json_array() : NULL;
    if (list_all(context->store, a.name, all, &err) < 0) {
        code = store_fail(&err);
    } else if (all) {
        json_t *top = json_pack("{s:i, s:O}", "schema", 1, "datasets", all);
        json_print(top);
        json_decref(top);
    }
    json_decref(all);
    return code;
}

/* ---- show ---- */

/* How often each label comes, ascending. */
struct histogram {
    int64_t labels[MAX_LABELS];
    uint64_t counts[MAX_LABELS];
    size_t count;
    bool overflow;                /* more different ones than that */
};

static void count_label(struct histogram *h, int64_t label)
{
    size_t low = 0, high = h->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (h->labels[middle] < label)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == h->count || h->labels[low] != label) {
        if (h->count == MAX_LABELS) {
            h->overflow = true;
            return;
        }
        size_t n = h->count++ - low;
        memmove(h->labels + low + 1, h->labels + low, n * sizeof(int64_t));
        memmove(h->counts + low + 1, h->counts + low, n * sizeof(uint64_t));
        h->labels[low] = label;
        h->counts[low] = 0;
    }
    h->counts[low]++;
}

/* Field y if its values are labels, NULL if it has none. */
static const struct mlb_field *label_field(const struct mlb_dataset *d)
{
    const struct mlb_field *y = mlb_dataset_find(d, "y");

    return y && y->rank == 0 && (y->dtype == MLB_I32 || y->dtype == MLB_I64)
               ? y : NULL;
}

static int fill_histogram(struct mlb_dataset *d, struct histogram *h,
                          struct mlb_error *err)
{
    const struct mlb_field *y = label_field(d);
    uint64_t rows = y ? mlb_dataset_rows(d) : 0;
    uint64_t ids[ROWS_AT_ONCE];
    int64_t values[ROWS_AT_ONCE];

    for (uint64_t at = 0; at < rows && !h->overflow; at += ROWS_AT_ONCE) {
        uint64_t n = rows - at < ROWS_AT_ONCE ? rows - at : ROWS_AT_ONCE;
        for (uint64_t i = 0; i < n; i++)
            ids[i] = at + i;
        if (mlb_dataset_read(d, "y", ids, n, values, err) < 0)
            return -1;
        const int32_t *narrow = (const int32_t *)(const void *)values;
        for (uint64_t i = 0; i < n; i++)
            count_label(h, y->dtype == MLB_I32 ? narrow[i] : values[i]);
    }
    return 0;
}

static void print_histogram(const struct histogram *h)
{
    static const char full[] = "########################################";
    uint64_t most = 1;

    if (h->count == 0)
        return;
    if (h->overflow || h->count > SHOWN_LABELS) {
        printf("labels    %s%zu different ones in y\n",
               h->overflow ? "more than " : "", h->count);
        return;
    }
    for (size_t i = 0; i < h->count; i++)
        most = h->counts[i] > most ? h->counts[i] : most;
    puts("labels");
    for (size_t i = 0; i < h->count; i++)
        printf("  %8" PRId64 "  %10" PRIu64 "  %.*s\n", h->labels[i],
               h->counts[i],
               (int)((double)h->counts[i] / (double)most * BAR + 0.5), full);
}

static void print_dataset(const struct manifest *m, const char *path,
                          const struct mlb_strings *tags)
{
    struct mlb_text size = MLB_TEXT_INIT;
    const json_t *from = json_object_get(m->json, "provenance");
    static const char *const keys[] = { "source", "command", "time" };

    units_add_size(&size, (long long)all_bytes(m));
    printf("data set  %s:%s\n", m->name, m->version);
    if (tags->count > 0) {
        printf("tags      ");
        print_strings(tags);
    }
    printf("path      %s\nrows      %" PRIu64 "\nsize      %s in %zu shard%s"
           "\n", path, m->rows, size.data, m->shard_count,
           m->shard_count == 1 ? "" : "s");
    text_clear(&size);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const char *value = json_string_value(json_object_get(from, keys[i]));
        char *shown = value ? text_printable(value) : NULL;
        if (shown)
            printf("%-8s  %s\n", keys[i], shown);
        free(shown);
    }
    puts("fields");
    for (size_t i = 0; i < m->field_count; i++) {
        struct mlb_text type = MLB_TEXT_INIT;
        const struct mlb_field *f = &m->fields[i];
        store_add_type(&type, f->dtype, f->rank, f->shape);
        printf("  %-16s  %-20s  %" PRIu64 " bytes a row\n", f->name,
               type.data, f->row_bytes);
        text_clear(&type);
    }
    if (m->split_count > 0)
        puts("splits");
    for (size_t i = 0; i < m->split_count; i++)
        printf("  %-16s  %10" PRIu64 "  %5.1f %%\n", m->splits[i].name,
               m->splits[i].rows,
               m->rows ? 100.0 * (double)m->splits[i].rows / (double)m->rows
                       : 0);
}

/* The manifest as it is, and what only the store knows. */
static void print_dataset_json(const struct manifest *m, const char *path,
                               const struct mlb_strings *tags,
                               const struct histogram *h)
{
    json_t *labels = json_array();

    for (size_t i = 0; !h->overflow && i < h->count; i++)
        json_array_append_new(labels, json_pack(
            "{s:I, s:I}", "label", (json_int_t)h->labels[i], "rows",
            (json_int_t)h->counts[i]));
    json_t *top = json_pack("{s:i, s:o, s:I, s:o, s:o, s:O}", "schema", 1,
                            "path", json_text(path), "bytes",
                            (json_int_t)all_bytes(m), "tags",
                            strings_json(tags), "labels", labels, "manifest",
                            m->json);
    json_print(top);
    json_decref(top);
}

static int show_path(const struct store_context *context, const char *path,
                     struct mlb_error *err)
{
    struct mlb_dataset *d = mlb_dataset_open(path, err);
    struct histogram *h = xcalloc(1, sizeof(*h));
    struct mlb_fields tags = MLB_FIELDS_INIT;
    struct mlb_strings mine = MLB_STRINGS_INIT;
    int rc = -1;

    if (d && fill_histogram(d, h, err) == 0) {
        const struct manifest *m = dataset_manifest(d);
        resolve_tags(context->store, m->name, &tags, NULL);
        tags_of(&tags, m->version, &mine);
        if (context->json) {
            print_dataset_json(m, path, &mine, h);
        } else {
            print_dataset(m, path, &mine);
            print_histogram(h);
        }
        rc = 0;
    }
    strings_clear(&mine);
    fields_clear(&tags);
    free(h);
    mlb_dataset_close(d);
    return rc;
}

static int show(struct store_context *context, int argc, char **argv)
{
    static const struct argp argp = {
        .parser = parse, .children = children,
        .args_doc = "NAME[:VERSION|:TAG]",
        .doc = "Show the fields, splits, origin and labels of a data set.",
    };
    struct arguments a = { .context = context };
    struct mlb_error err = { 0 };

    argp_parse(&argp, argc, argv, 0, NULL, &a);
    if (!context->store)
        return store_fail_no_store();
    char *path = resolve_dataset(context->store, a.name, &err);
    int rc = path ? show_path(context, path, &err) : -1;
    free(path);
    return rc < 0 ? store_fail(&err) : 0;
}

int store_dataset(struct store_context *context, int argc, char **argv)
{
    static const struct store_row table[] = {
        { "import", store_import, "make a version from a CSV file" },
        { "list", list, "list data sets and their versions" },
        { "show", show, "show fields, splits, origin and labels" },
        { NULL, NULL, NULL },
    };

    return store_dispatch(table, context, argc, argv);
}
