/* SPDX-License-Identifier: BSD-3-Clause */
/* mlbatch checkpoint list. */
#include "config.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/json.h"
#include "base/units.h"
#include "cmd/store_checkpoint.h"
#include "cmd/store_words.h"
#include "store/checkpoint.h"

/* One of the list. reader NULL: it cannot be opened, and why. */
struct listed {
    uint64_t step;
    const char *path;
    const struct mlb_checkpoint_reader *reader;
    const char *why;
};

static void print_listed(const struct listed *l)
{
    struct mlb_text line = MLB_TEXT_INIT, size = MLB_TEXT_INIT;
    struct mlb_text age = MLB_TEXT_INIT;

    if (l->reader) {
        units_add_size(&size, (long long)store_checkpoint_bytes(l->path));
        store_add_age(&age, store_checkpoint_saved(l->path));
        text_addf(&line, "%12" PRIu64 "  %6s  %10s  %-6s  ", l->step,
                  age.data, size.data,
                  store_checkpoint_is_nodes(l->path) ? "nodes" : "shared");
        store_add_metrics(&line, l->reader);
    } else {
        text_addf(&line, "%12" PRIu64 "  damaged: %s", l->step, l->why);
    }
    char *shown = text_printable(line.data);
    puts(shown);
    free(shown);
    text_clear(&age);
    text_clear(&size);
    text_clear(&line);
}

static json_t *listed_json(const struct listed *l)
{
    json_t *item = json_pack("{s:I, s:o, s:b}", "step", (json_int_t)l->step,
                             "path", json_text(l->path), "complete",
                             l->reader != NULL);

    if (l->reader) {
        json_object_set_new(item, "bytes", json_integer(
            (json_int_t)store_checkpoint_bytes(l->path)));
        json_object_set_new(item, "created", json_real(
            store_checkpoint_saved(l->path)));
        json_object_set_new(item, "layout", json_string(
            store_checkpoint_is_nodes(l->path) ? "nodes" : "shared"));
        json_object_set_new(item, "metrics", store_metrics_json(l->reader));
    } else {
        json_object_set_new(item, "error", json_text(l->why));
    }
    return item;
}

static int print_list(const char *directory, json_t *all,
                      struct mlb_error *err)
{
    uint64_t *steps = NULL;
    size_t count = 0;
    int rc = checkpoint_steps(directory, &steps, &count, err);

    if (rc == 0 && !all && count > 0)
        printf("%12s  %6s  %10s  %-6s  %s\n", "STEP", "AGE", "SIZE",
               "LAYOUT", "METRICS");
    for (size_t i = 0; rc == 0 && i < count; i++) {
        char path[PATH_MAX];
        struct mlb_error why = { 0 };
        rc = checkpoint_path(directory, steps[i], path, sizeof(path), err);
        struct mlb_checkpoint_reader *r =
            rc < 0 ? NULL : mlb_checkpoint_open(path, &why);
        struct listed l = { steps[i], path, r, why.text };
        if (rc == 0 && all)
            json_array_append_new(all, listed_json(&l));
        else if (rc == 0)
            print_listed(&l);
        mlb_checkpoint_close(r);
    }
    if (rc == 0 && count == 0 && !all)
        fprintf(stderr, "no checkpoints in %s\n", directory);
    free(steps);
    return rc;
}

int store_checkpoint_list(struct store_context *context, int argc,
                          char **argv)
{
    static const struct argp argp = {
        .parser = store_words_parser, .children = store_words_children,
        .args_doc = "RUN|DIR",
        .doc = "List the checkpoints of a run, the newest first, with what "
               "the program noted of them. What is shown is complete; "
               "\"verify\" also reads the data.",
    };
    struct store_words w = { context, "which run?", 1, 1, MLB_STRINGS_INIT };
    struct store_place place = { NULL, NULL };
    struct mlb_error err = { 0 };
    int code = 0;

    argp_parse(&argp, argc, argv, 0, NULL, &w);
    const char *word = w.words.items[0];
    json_t *all = context->json ? json_array() : NULL;
    int rc = store_place_find(context, word, &place, &err);
    if (rc == 0 && place.path)
        rc = mlb_error_set(&err, MLB_ERR_USAGE, "%s is a checkpoint "
                           "(\"mlbatch checkpoint show\" shows it)", word);
    if (rc < 0 || print_list(place.directory, all, &err) < 0)
        code = store_fail(&err);
    else if (all)
        store_print_json(json_pack("{s:O}", "checkpoints", all), 1);
    json_decref(all);
    store_place_clear(&place);
    strings_clear(&w.words);
    return code;
}
