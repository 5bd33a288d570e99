/* SPDX-License-Identifier: BSD-3-Clause */
/* mlbatch dataset show. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/units.h"
#include "cmd/store_dataset.h"
#include "cmd/store_histogram.h"
#include "store/column.h"
#include "store/resolve.h"

#define NAMED_CLASSES 8           /* told by name; of more, how many */
#define SHOWN_SOURCES 5

static char *type_text(const struct manifest *m, size_t i)
{
    struct mlb_text t = MLB_TEXT_INIT;
    const struct mlb_field *f = &m->fields[i];
    const char *codec = column_codec(m, i);

    text_add(&t, column_is_ragged(m, i) ? "ragged " : "");
    store_add_type(&t, f->dtype, f->rank, f->shape);
    if (*codec)
        text_addf(&t, " (%s)", codec);
    return text_detach(&t);
}

/* "mean 4.88 std 6.02 min 0 max 16", or "". Caller frees. */
static char *stats_text(const struct manifest *m, size_t i)
{
    static const char *const keys[] = { "mean", "std", "min", "max" };
    const json_t *stats = json_object_get(column_json(m, i), "stats");
    struct mlb_text t = MLB_TEXT_INIT;

    for (size_t k = 0; json_is_object(stats) && k < 4; k++) {
        const json_t *value = json_object_get(stats, keys[k]);
        text_addf(&t, "%s%s ", k ? "  " : "", keys[k]);
        if (json_is_number(value))
            text_addf(&t, "%.6g", json_number_value(value));
        else
            text_add(&t, "-");
    }
    return text_detach(&t);
}

static void print_field(const struct manifest *m, size_t i)
{
    const json_t *classes = json_object_get(column_json(m, i), "classes");
    const struct mlb_field *f = &m->fields[i];
    char *type = type_text(m, i), *stats = stats_text(m, i);

    if (column_is_ragged(m, i))
        printf("  %-16s  %s\n", f->name, type);
    else
        printf("  %-16s  %-20s  %" PRIu64 " bytes a row\n", f->name, type,
               f->row_bytes);
    if (*stats)
        printf("  %-16s  %s\n", "", stats);
    size_t count = json_array_size(classes);
    if (count > NAMED_CLASSES) {
        printf("  %-16s  %zu classes\n", "", count);
    } else if (count > 0) {
        struct mlb_text line = MLB_TEXT_INIT;
        for (size_t k = 0; k < count; k++) {
            const char *name = json_string_value(json_array_get(classes, k));
            text_addf(&line, "%s%s", k ? ", " : "classes ", name ? name : "");
        }
        char *shown = text_printable(line.data);
        printf("  %-16s  %s\n", "", shown);
        free(shown);
        text_clear(&line);
    }
    free(type);
    free(stats);
}

static void print_line(const char *key, const char *value)
{
    char *shown = value ? text_printable(value) : NULL;

    if (shown)
        printf("%-9s %s\n", key, shown);
    free(shown);
}

/* Strings as they are, else as JSON in one line. */
static void print_value(const char *key, const json_t *value)
{
    char *text = value && !json_is_string(value)
                     ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY)
                     : NULL;

    print_line(key, text ? text : json_string_value(value));
    free(text);
}

static void print_sources(const json_t *from)
{
    const json_t *sources = json_object_get(from, "sources");
    json_int_t total = json_integer_value(json_object_get(from,
                                                          "sources_total"));
    size_t count = json_array_size(sources);

    for (size_t i = 0; i < count && i < SHOWN_SOURCES; i++) {
        const json_t *source = json_array_get(sources, i);
        struct mlb_text line = MLB_TEXT_INIT;
        const char *path = json_string_value(json_object_get(source, "path"));
        const char *hash = json_string_value(json_object_get(source,
                                                             "xxh3_128"));
        text_addf(&line, "%s  ", path ? path : "?");
        units_add_size(&line, json_integer_value(json_object_get(source,
                                                                 "bytes")));
        if (hash)
            text_addf(&line, "  %s", hash);
        print_line(i == 0 ? "source" : "", line.data);
        text_clear(&line);
    }
    if (total < (json_int_t)count)
        total = (json_int_t)count;
    if (total > SHOWN_SOURCES)
        printf("%-9s and %" JSON_INTEGER_FORMAT " more\n", "",
               total - SHOWN_SOURCES);
}

static void print_provenance(const struct manifest *m)
{
    static const char *const known[] = { "source", "command", "time",
                                         "program" };
    const json_t *from = json_object_get(m->json, "provenance");
    const json_t *git = json_object_get(from, "git");
    const char *commit = json_string_value(json_object_get(git, "commit"));

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        print_value(known[i], json_object_get(from, known[i]));
    if (commit)
        printf("%-9s %s%s\n", "git", commit,
               json_is_true(json_object_get(git, "dirty"))
                   ? ", with changes" : "");
    print_sources(from);
}

static void print_dataset(const struct manifest *m, const char *path,
                          const struct mlb_strings *tags)
{
    struct mlb_text size = MLB_TEXT_INIT, list = MLB_TEXT_INIT;

    units_add_size(&size, (long long)store_dataset_bytes(m));
    store_add_list(&list, tags);
    printf("data set  %s:%s\n", m->name, m->version);
    if (tags->count > 0)
        print_line("tags", list.data);
    print_line("path", path);
    printf("rows      %" PRIu64 "\nsize      %s in %zu shard%s\n", m->rows,
           size.data, m->shard_count, m->shard_count == 1 ? "" : "s");
    print_provenance(m);
    puts("fields");
    for (size_t i = 0; i < m->field_count; i++)
        print_field(m, i);
    if (m->split_count > 0)
        puts("splits");
    for (size_t i = 0; i < m->split_count; i++)
        printf("  %-16s  %10" PRIu64 "  %5.1f %%\n", m->splits[i].name,
               m->splits[i].rows,
               m->rows ? 100.0 * (double)m->splits[i].rows / (double)m->rows
                       : 0);
    text_clear(&size);
    text_clear(&list);
}

/* The manifest as it is, and what only the store knows. */
static void print_json(const struct manifest *m, const char *path,
                       const struct mlb_strings *tags, json_t *labels,
                       json_t *histograms)
{
    store_print_json(json_pack(
        "{s:o, s:I, s:o, s:o, s:o, s:O}", "path", json_text(path), "bytes",
        (json_int_t)store_dataset_bytes(m), "tags", store_strings_json(tags),
        "labels", labels, "histograms", histograms, "manifest", m->json), 1);
}

static int show_histograms(const struct manifest *m, const char *path,
                           json_t *labels, json_t *all,
                           struct mlb_error *err)
{
    struct histogram *h = xmalloc(sizeof(*h));
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < m->field_count; i++) {
        if (!histogram_has(m, i))
            continue;
        rc = histogram_fill(h, m, path, i, err);
        if (rc == 0 && all)
            histogram_add_json(h, labels, all);
        else if (rc == 0)
            histogram_print(h);
    }
    free(h);
    return rc;
}

static int show_path(const struct store_context *context, const char *path,
                     struct mlb_error *err)
{
    struct mlb_strings tags = MLB_STRINGS_INIT;
    struct manifest m;
    json_t *labels = context->json ? json_array() : NULL;
    json_t *all = context->json ? json_array() : NULL;
    int rc = manifest_read(&m, path, err);

    if (rc == 0) {
        store_dataset_tags(context, m.name, m.version, &tags);
        if (!context->json)
            print_dataset(&m, path, &tags);
        rc = show_histograms(&m, path, labels, all, err);
    }
    if (rc == 0 && context->json)
        print_json(&m, path, &tags, json_incref(labels), json_incref(all));
    json_decref(labels);
    json_decref(all);
    strings_clear(&tags);
    manifest_clear(&m);
    return rc;
}

int store_dataset_show(struct store_context *context, int argc, char **argv)
{
    static const struct argp argp = {
        .parser = store_words_parser, .children = store_words_children,
        .args_doc = "NAME[:VERSION|:TAG]",
        .doc = "Show a data set: fields with their statistics, splits, "
               "origin, and how often each label comes.",
    };
    struct store_words w = { context, "which data set?", 1, 1,
                             MLB_STRINGS_INIT };
    struct mlb_error err = { 0 };

    argp_parse(&argp, argc, argv, 0, NULL, &w);
    char *path = store_dataset_find(context, w.words.items[0], &err);
    int rc = path ? show_path(context, path, &err) : -1;
    free(path);
    strings_clear(&w.words);
    return rc < 0 ? store_fail(&err) : 0;
}
