/* SPDX-License-Identifier: BSD-3-Clause */
/* Comparing two things of the store. */
#include "config.h"

#include <stdlib.h>

#include "base/json.h"
#include "cmd/store_diff.h"
#include "cmd/store_progress.h"
#include "cmd/store_words.h"

int store_diff_run(const struct store_diff *kind,
                   struct store_context *context, int argc, char **argv)
{
    struct store_words w = { context, kind->what, 2, 2, MLB_STRINGS_INIT };
    struct store_progress progress;
    struct mlb_error err = { 0 };
    json_t *diff = NULL;
    int code = 0;

    argp_parse(kind->argp, argc, argv, 0, NULL, &w);
    char *a = kind->find(context, w.words.items[0], &err);
    char *b = a ? kind->find(context, w.words.items[1], &err) : NULL;
    struct compare_request r = { a, b, store_progress_show, &progress };
    store_progress_begin(&progress);
    if (!b || kind->compare(&r, &diff, &err) < 0)
        code = err.code;
    store_progress_end(&progress);
    if (code)
        store_fail(&err);
    else if (!json_is_true(json_object_get(diff, "same")))
        code = MLB_ERR_FAILED;
    if (diff && context->json) {
        json_object_set_new(diff, "a", json_text(a));
        json_object_set_new(diff, "b", json_text(b));
        store_print_json(json_incref(diff), 1);
    } else if (diff) {
        kind->print(diff);
    }
    json_decref(diff);
    free(a);
    free(b);
    strings_clear(&w.words);
    return code;
}
