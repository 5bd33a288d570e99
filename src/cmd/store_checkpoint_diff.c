/* SPDX-License-Identifier: BSD-3-Clause */
/* mlbatch checkpoint diff, export. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "cmd/store_checkpoint.h"
#include "cmd/store_diff.h"
#include "cmd/store_export.h"
#include "cmd/store_progress.h"
#include "cmd/store_words.h"

/* ---- diff ---- */

static void print_tensor(const json_t *item)
{
    const char *name = json_string_value(json_object_get(item, "name"));
    const char *a = json_string_value(json_object_get(item, "a"));
    const char *b = json_string_value(json_object_get(item, "b"));
    const json_t *most = json_object_get(item, "max_abs");
    json_int_t differing = json_integer_value(json_object_get(item,
                                                              "differing"));

    if (!a || !b)
        printf("tensor %s: only in %s (%s)\n", name,
               a ? "the first" : "the second", a ? a : b);
    else if (strcmp(a, b) != 0)
        printf("tensor %s: %s -> %s\n", name, a, b);
    else if (differing > 0 && json_is_real(most))
        printf("tensor %s: %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT
               " differ, by up to %.6g\n", name, differing,
               json_integer_value(json_object_get(item, "elements")),
               json_real_value(most));
    else if (differing > 0)
        printf("tensor %s: %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT
               " differ, some in being finite\n", name, differing,
               json_integer_value(json_object_get(item, "elements")));
}

static void print_state(const json_t *item)
{
    const char *name = json_string_value(json_object_get(item, "name"));
    const json_t *a = json_object_get(item, "a");
    const json_t *b = json_object_get(item, "b");

    if (json_is_true(json_object_get(item, "same")))
        return;
    if (json_is_null(a) || json_is_null(b))
        printf("state %s: only in %s\n", name,
               json_is_null(b) ? "the first" : "the second");
    else
        printf("state %s: %" JSON_INTEGER_FORMAT " -> %" JSON_INTEGER_FORMAT
               " bytes, not the same\n", name, json_integer_value(a),
               json_integer_value(b));
}

static void print_diff(const json_t *diff)
{
    const json_t *steps = json_object_get(diff, "steps");
    const json_t *tensors = json_object_get(diff, "tensors");
    const json_t *states = json_object_get(diff, "states");

    if (!json_equal(json_array_get(steps, 0), json_array_get(steps, 1)))
        printf("step: %" JSON_INTEGER_FORMAT " -> %" JSON_INTEGER_FORMAT
               "\n", json_integer_value(json_array_get(steps, 0)),
               json_integer_value(json_array_get(steps, 1)));
    for (size_t i = 0; i < json_array_size(tensors); i++)
        print_tensor(json_array_get(tensors, i));
    for (size_t i = 0; i < json_array_size(states); i++)
        print_state(json_array_get(states, i));
    if (json_is_true(json_object_get(diff, "same")))
        puts("the same tensors and states");
}

int store_checkpoint_diff(struct store_context *context, int argc,
                          char **argv)
{
    static const struct argp argp = {
        .parser = store_words_parser, .children = store_words_children,
        .args_doc = "A B",
        .doc = "Say what differs between two checkpoints, each RUN, "
               "RUN:STEP or FILE: tensors compared as numbers (0 is -0, NaN "
               "is NaN), states byte by byte. Exits with 0 if nothing "
               "does, 1 if something does.",
    };
    static const struct store_diff kind = {
        .argp = &argp, .what = "which two checkpoints?",
        .find = store_checkpoint_find, .compare = compare_checkpoints,
        .print = print_diff,
    };

    return store_diff_run(&kind, context, argc, argv);
}

/* ---- export ---- */

struct arguments {
    struct store_words words;
    struct store_export_options o;
    const char *tensors;
};

enum { KEY_TENSOR = 1501 };

static const struct argp_option flags[] = {
    { .name = "tensor", .key = KEY_TENSOR, .arg = "PATTERN",
      .doc = "Only tensors with such a name, as in 'model/*', or all but "
             "those, '!(ema/*)'" },
    { 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct arguments *a = state->input;

    if (key == ARGP_KEY_INIT) {
        state->child_inputs[0] = a->words.context;
        state->child_inputs[1] = &a->o;
        return 0;
    }
    if (key != KEY_TENSOR)
        return store_parse_words(key, arg, state, &a->words);
    a->tensors = arg;
    return 0;
}

static int export(const struct arguments *a, const char *path,
                  struct export_result *result, struct mlb_error *err)
{
    static const enum export_format known[] = { EXPORT_SAFETENSORS,
                                                EXPORT_NPZ, EXPORT_NONE };
    struct store_progress progress;
    struct export_checkpoint request = {
        .path = path, .to = a->o.to, .tensors = a->tensors,
        .force = a->o.force, .progress = store_progress_show,
        .progress_arg = &progress,
    };

    if (store_export_format(&a->o, known, &request.format, err) < 0)
        return -1;
    store_progress_begin(&progress);
    int rc = export_checkpoint(&request, result, err);
    store_progress_end(&progress);
    return rc;
}

int store_checkpoint_export(struct store_context *context, int argc,
                            char **argv)
{
    static const struct argp_child children[] = {
        { .argp = &store_json_argp }, { .argp = &store_export_argp }, { 0 }
    };
    static const struct argp argp = {
        .options = flags, .parser = parse, .children = children,
        .args_doc = "RUN[:STEP]|FILE",
        .doc = "Write the tensors of a checkpoint as safetensors or npz. "
               "States are left out. All is verified on the way.",
    };
    struct arguments a = {
        .words = { context, "which run or checkpoint?", 1, 1,
                   MLB_STRINGS_INIT },
    };
    struct export_result result = { .notes = MLB_STRINGS_INIT };
    struct mlb_error err = { 0 };
    int code = 0;

    argp_parse(&argp, argc, argv, 0, NULL, &a);
    char *path = store_checkpoint_find(context, a.words.words.items[0],
                                       &err);
    if (!path || export(&a, path, &result, &err) < 0)
        code = store_fail(&err);
    else
        store_export_tell(context, &a.o, &result, "tensor");
    export_result_clear(&result);
    free(path);
    strings_clear(&a.words.words);
    return code;
}
