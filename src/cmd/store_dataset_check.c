/* SPDX-License-Identifier: BSD-3-Clause */
/* mlbatch dataset verify, diff. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "cmd/store_dataset.h"
#include "cmd/store_diff.h"
#include "cmd/store_progress.h"
#include "store/audit.h"

/* ---- verify ---- */

static void collect(void *arg, const struct audit_finding *f)
{
    json_t *item = json_pack("{s:o, s:o, s:o, s:o}", "shard",
                             json_text(f->shard), "field",
                             json_text(f->field), "row",
                             f->row < 0 ? json_null() : json_integer(f->row),
                             "error", json_text(f->text));

    json_array_append_new(arg, item);
}

static void print_findings(const char *word, const json_t *findings)
{
    char *shown = text_printable(word);
    size_t count = json_array_size(findings);

    printf("%s  %s\n", count ? "DAMAGED" : "ok     ", shown);
    free(shown);
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(findings, i);
        const char *text = json_string_value(json_object_get(item, "error"));
        shown = text_printable(text ? text : "");
        printf("         %s\n", shown);
        free(shown);
    }
}

/* Returns the exit code for this one. */
static int verify_one(const struct store_context *context, const char *word,
                      json_t *all)
{
    struct mlb_error err = { 0 };
    struct store_progress progress;
    json_t *findings = json_array();
    char *path = store_dataset_find(context, word, &err), *name, *version;
    struct audit audit = {
        .directory = path, .report = collect, .report_arg = findings,
        .progress = store_progress_show, .progress_arg = &progress,
    };
    int code = 0;

    store_progress_begin(&progress);
    if (!path || audit_dataset(&audit, &err) < 0)
        code = err.code;
    store_progress_end(&progress);
    if (code) {
        store_fail(&err);
        goto out;
    }
    store_dataset_split(path, &name, &version);
    char *full = xasprintf("%s:%s", name, version);
    if (all)
        json_array_append_new(all, json_pack(
            "{s:o, s:o, s:o, s:b, s:O}", "name", json_text(name), "version",
            json_text(version), "path", json_text(path), "sound",
            audit.findings == 0, "findings", findings));
    else
        print_findings(full, findings);
    free(full);
    free(name);
    free(version);
    code = audit.findings ? MLB_ERR_FAILED : 0;
out:
    json_decref(findings);
    free(path);
    return code;
}

int store_dataset_verify(struct store_context *context, int argc,
                         char **argv)
{
    static const struct argp argp = {
        .parser = store_words_parser, .children = store_words_children,
        .args_doc = "NAME[:VERSION|:TAG]...",
        .doc = "Read all of a data set and compare everything that was "
               "written down of it: hashes of the files, checksums of blocks "
               "and of each row, and the hash of the content, which is its "
               "version. Exits with 1 if something is damaged.",
    };
    struct store_words w = { context, "which data set?", 1, 0,
                             MLB_STRINGS_INIT };
    int code = 0;

    argp_parse(&argp, argc, argv, 0, NULL, &w);
    json_t *all = context->json ? json_array() : NULL;
    for (size_t i = 0; i < w.words.count; i++) {
        int one = verify_one(context, w.words.items[i], all);
        if (one && code != MLB_ERR_FAILED)
            code = one;
    }
    if (all)
        store_print_json(json_pack("{s:o}", "datasets", all), 1);
    strings_clear(&w.words);
    return code;
}

/* ---- diff ---- */

#define LONG_VALUE 100

/* A value in one line: strings as they are, all else as JSON, which is cut
 * where it is long (--json has all of it). Caller frees. */
static char *value_text(const json_t *value)
{
    char *json = json_is_string(value) ? NULL : json_dumps(
        value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
    char *text = NULL;

    if (json && strlen(json) > LONG_VALUE) {
        char *cut = xstrndup(json, LONG_VALUE);
        char *shown = text_printable(cut);
        text = xasprintf("%s...", shown);
        free(shown);
        free(cut);
    } else {
        text = json_is_null(value) ? xstrdup("none") : text_printable(
            json ? json : json_string_value(value));
    }
    free(json);
    return text;
}

/* "key: A -> B" */
static void print_pair(const char *indent, const char *key,
                       const json_t *pair)
{
    char *a = value_text(json_array_get(pair, 0));
    char *b = value_text(json_array_get(pair, 1));

    printf("%s%s: %s -> %s\n", indent, key, a, b);
    free(a);
    free(b);
}

static void print_pairs(const char *indent, const json_t *pairs)
{
    const char *key;
    json_t *pair;

    json_object_foreach((json_t *)pairs, key, pair)
        print_pair(indent, key, pair);
}

static void print_field(const json_t *item)
{
    const char *name = json_string_value(json_object_get(item, "name"));
    const char *a = json_string_value(json_object_get(item, "a"));
    const char *b = json_string_value(json_object_get(item, "b"));
    json_int_t rows = json_integer_value(json_object_get(item, "rows"));
    const json_t *classes = json_object_get(item, "classes");
    const json_t *codec = json_object_get(item, "codec");

    if (!a || !b) {
        printf("field %s: only in %s (%s)\n", name, a ? "the first"
                                                      : "the second",
               a ? a : b);
        return;
    }
    if (strcmp(a, b) != 0)
        printf("field %s: %s -> %s\n", name, a, b);
    else if (rows > 0)
        printf("field %s: %" JSON_INTEGER_FORMAT " row%s differ%s\n", name,
               rows, rows == 1 ? "" : "s", rows == 1 ? "s" : "");
    if (codec)
        print_pair("  ", "codec", codec);
    if (classes)
        print_pair("  ", "classes", classes);
    print_pairs("  ", json_object_get(item, "stats"));
}

static void print_split(const json_t *item)
{
    const char *name = json_string_value(json_object_get(item, "name"));
    const json_t *a = json_object_get(item, "a");
    const json_t *b = json_object_get(item, "b");

    if (json_is_true(json_object_get(item, "same")))
        return;
    if (json_is_null(a) || json_is_null(b))
        printf("split %s: only in %s\n", name,
               json_is_null(b) ? "the first" : "the second");
    else if (json_integer_value(a) != json_integer_value(b))
        printf("split %s: %" JSON_INTEGER_FORMAT " -> %" JSON_INTEGER_FORMAT
               " rows\n", name, json_integer_value(a),
               json_integer_value(b));
    else
        printf("split %s: other rows\n", name);
}

static void print_diff(const json_t *diff)
{
    const json_t *rows = json_object_get(diff, "rows");
    const json_t *fields = json_object_get(diff, "fields");
    const json_t *splits = json_object_get(diff, "splits");
    const json_t *from = json_object_get(diff, "provenance");

    if (!json_equal(json_array_get(rows, 0), json_array_get(rows, 1)))
        print_pair("", "rows", rows);
    for (size_t i = 0; i < json_array_size(fields); i++)
        print_field(json_array_get(fields, i));
    for (size_t i = 0; i < json_array_size(splits); i++)
        print_split(json_array_get(splits, i));
    if (json_object_size(from) > 0)
        puts("origin");
    print_pairs("  ", from);
    if (json_is_true(json_object_get(diff, "same")))
        puts("the same content");
}

int store_dataset_diff(struct store_context *context, int argc, char **argv)
{
    static const struct argp argp = {
        .parser = store_words_parser, .children = store_words_children,
        .args_doc = "A B",
        .doc = "Say what differs between two versions, each NAME, "
               "NAME:VERSION or NAME:TAG: fields, rows (all are read), "
               "splits, statistics, origin. Exits with 0 if the content is "
               "the same, 1 if not.",
    };
    static const struct store_diff kind = {
        .argp = &argp, .what = "which two data sets?",
        .find = store_dataset_find, .compare = compare_datasets,
        .print = print_diff,
    };

    return store_diff_run(&kind, context, argc, argv);
}
