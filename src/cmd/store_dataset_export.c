/* SPDX-License-Identifier: BSD-3-Clause */
/* mlbatch dataset export. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "cmd/store_dataset.h"
#include "cmd/store_export.h"
#include "cmd/store_progress.h"

struct arguments {
    struct store_words words;
    struct store_export_options o;
    struct mlb_strings fields;
    const char *split;
};

enum { KEY_SPLIT = 1201, KEY_FIELD };

static const struct argp_option options[] = {
    { .name = "split", .key = KEY_SPLIT, .arg = "NAME",
      .doc = "Only the rows of this split" },
    { .name = "field", .key = KEY_FIELD, .arg = "NAME",
      .doc = "Only this field; may be given more than once" },
    { 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = a->words.context;
        state->child_inputs[1] = &a->o;
        return 0;
    case KEY_SPLIT:
        a->split = arg;
        return 0;
    case KEY_FIELD:
        strings_push(&a->fields, arg);
        return 0;
    default:
        return store_parse_words(key, arg, state, &a->words);
    }
}

static int export(const struct arguments *a, const char *path,
                  struct export_result *result, struct mlb_error *err)
{
    static const enum export_format known[] = { EXPORT_NPZ, EXPORT_CSV,
                                                EXPORT_FILES, EXPORT_NONE };
    struct store_progress progress;
    struct export_dataset request = {
        .directory = path, .to = a->o.to, .split = a->split,
        .fields = &a->fields, .force = a->o.force,
        .progress = store_progress_show, .progress_arg = &progress,
    };

    if (store_export_format(&a->o, known, &request.format, err) < 0)
        return -1;
    store_progress_begin(&progress);
    int rc = export_dataset(&request, result, err);
    store_progress_end(&progress);
    return rc;
}

int store_dataset_export(struct store_context *context, int argc,
                         char **argv)
{
    static const struct argp_child children[] = {
        { .argp = &store_json_argp }, { .argp = &store_export_argp }, { 0 }
    };
    static const struct argp argp = {
        .options = options, .parser = parse, .children = children,
        .args_doc = "NAME[:VERSION|:TAG]",
        .doc = "Write a data set as npz (an array a field; a ragged one as "
               "NAME.data and NAME.offsets), csv (fixed fields) or files "
               "(the rows of a ragged field of bytes, a folder a class). "
               "All is verified on the way.",
    };
    struct arguments a = {
        .words = { context, "which data set?", 1, 1, MLB_STRINGS_INIT },
        .fields = MLB_STRINGS_INIT,
    };
    struct export_result result = { .notes = MLB_STRINGS_INIT };
    struct mlb_error err = { 0 };
    int code = 0;

    argp_parse(&argp, argc, argv, 0, NULL, &a);
    char *path = store_dataset_find(context, a.words.words.items[0], &err);
    if (!path || export(&a, path, &result, &err) < 0)
        code = store_fail(&err);
    else
        store_export_tell(context, &a.o, &result, "row");
    export_result_clear(&result);
    free(path);
    strings_clear(&a.fields);
    strings_clear(&a.words.words);
    return code;
}
