/* SPDX-License-Identifier: BSD-3-Clause */
/* mlbatch dataset list. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/json.h"
#include "base/units.h"
#include "cmd/store_dataset.h"
#include "store/resolve.h"

/* Seconds since 1970 when a version was published, or 0. */
static double published(const char *directory)
{
    char *path = xasprintf("%s/" MANIFEST_FILE, directory);
    struct stat st;
    double time = stat(path, &st) == 0 ? (double)st.st_mtime : 0;

    free(path);
    return time;
}

static void print_version(const struct manifest *m, double when,
                          const struct mlb_strings *tags)
{
    struct mlb_text line = MLB_TEXT_INIT, size = MLB_TEXT_INIT;
    struct mlb_text age = MLB_TEXT_INIT;

    units_add_size(&size, (long long)store_dataset_bytes(m));
    store_add_age(&age, when);
    text_addf(&line, "%-20s  %s  %10" PRIu64 "  %9s  %6s  ", m->name,
              m->version, m->rows, size.data, age.data);
    store_add_list(&line, tags);
    puts(line.data);
    text_clear(&age);
    text_clear(&size);
    text_clear(&line);
}

static void list_version(const struct store_context *context,
                         const char *name, const char *version, json_t *all)
{
    struct mlb_strings tags = MLB_STRINGS_INIT;
    struct mlb_error why = { 0 };
    struct manifest m = { 0 };
    char *path = xasprintf("%s/datasets/%s/%s", context->store, name,
                           version);

    store_dataset_tags(context, name, version, &tags);
    bool sound = manifest_read(&m, path, &why) == 0;
    double when = published(path);
    if (all) {
        json_array_append_new(all, json_pack(
            "{s:s, s:s, s:o, s:I, s:I, s:f, s:o, s:o}", "name", name,
            "version", version, "path", json_text(path), "rows",
            (json_int_t)m.rows, "bytes", (json_int_t)store_dataset_bytes(&m),
            "published", when, "tags", store_strings_json(&tags), "error",
            sound ? json_null() : json_text(why.text)));
    } else if (sound) {
        print_version(&m, when, &tags);
    } else {
        char *shown = text_printable(why.text);
        printf("%-20s  %s  damaged: %s\n", name, version, shown);
        free(shown);
    }
    manifest_clear(&m);
    strings_clear(&tags);
    free(path);
}

static int unknown_name(const char *store, const char *name,
                        struct mlb_error *err)
{
    /* It says the same as for the other commands, with a near name. */
    char *path = resolve_dataset(store, name, err);

    if (!path && err->code == MLB_ERR_NOT_FOUND)
        return -1;
    free(path);
    return mlb_error_set(err, MLB_ERR_NOT_FOUND, "no data set %s in %s",
                         name, store);
}

static int list_all(const struct store_context *context, const char *only,
                    json_t *all, struct mlb_error *err)
{
    struct mlb_strings names = MLB_STRINGS_INIT;
    int rc = 0;
    bool any = false;

    if (only)
        strings_push(&names, only);
    else
        rc = resolve_names(context->store, &names, err);
    for (size_t i = 0; rc == 0 && i < names.count; i++) {
        struct mlb_strings versions = MLB_STRINGS_INIT;
        rc = resolve_versions(context->store, names.items[i], &versions,
                              err);
        if (!any && versions.count > 0 && !all)
            printf("%-20s  %-16s  %10s  %9s  %6s  %s\n", "NAME", "VERSION",
                   "ROWS", "SIZE", "AGE", "TAGS");
        any = any || versions.count > 0;
        for (size_t v = 0; rc == 0 && v < versions.count; v++)
            list_version(context, names.items[i], versions.items[v], all);
        strings_clear(&versions);
    }
    strings_clear(&names);
    if (rc == 0 && only && !any)
        return unknown_name(context->store, only, err);
    if (rc == 0 && !any && !all)
        fprintf(stderr, "no data sets in %s (\"mlbatch dataset import\" "
                "makes one)\n", context->store);
    return rc;
}

int store_dataset_list(struct store_context *context, int argc, char **argv)
{
    static const struct argp argp = {
        .parser = store_words_parser, .children = store_words_children,
        .args_doc = "[NAME]",
        .doc = "List the data sets of the store and their versions.",
    };
    struct store_words w = { context, "which data set?", 0, 1,
                             MLB_STRINGS_INIT };
    struct mlb_error err = { 0 };

    argp_parse(&argp, argc, argv, 0, NULL, &w);
    const char *name = w.words.items[0];
    json_t *all = context->json ? json_array() : NULL;
    int code = 0;
    if (!context->store)
        code = store_fail_no_store();
    else if (name && !resolve_name_ok(name)) {
        mlb_error_set(&err, MLB_ERR_USAGE, "not the name of a data set: "
                      "\"%s\"", name);
        code = store_fail(&err);
    } else if (list_all(context, name, all, &err) < 0)
        code = store_fail(&err);
    else if (all)
        store_print_json(json_pack("{s:O}", "datasets", all), 1);
    json_decref(all);
    strings_clear(&w.words);
    return code;
}
