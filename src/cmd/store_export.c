/* SPDX-License-Identifier: BSD-3-Clause */
/* Options and messages of exports. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/units.h"
#include "cmd/store_export.h"

enum { KEY_TO = 1301, KEY_FORMAT, KEY_FORCE };

static const struct argp_option flags[] = {
    { .name = "to", .key = KEY_TO, .arg = "PATH",
      .doc = "Where to: a file, or a new directory for files" },
    { .name = "format", .key = KEY_FORMAT, .arg = "FORMAT",
      .doc = "See above; else the ending of PATH tells" },
    { .name = "force", .key = KEY_FORCE,
      .doc = "Replace a file that is there" },
    { 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct store_export_options *o = state->input;

    switch (key) {
    case KEY_TO:
        o->to = arg;
        return 0;
    case KEY_FORMAT:
        o->format = arg;
        return 0;
    case KEY_FORCE:
        o->force = true;
        return 0;
    case ARGP_KEY_END:
        if (!o->to || !*o->to)
            argp_error(state, "where to? (--to=PATH)");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp store_export_argp = { .options = flags, .parser = parse };

int store_export_format(const struct store_export_options *options,
                        const enum export_format *known,
                        enum export_format *format, struct mlb_error *err)
{
    const char *names[8];
    struct mlb_text list = MLB_TEXT_INIT;
    size_t count = 0;
    int rc = 0;

    *format = options->format ? export_format_find(options->format)
                              : export_format_of_path(options->to);
    for (; known[count] != EXPORT_NONE; count++) {
        names[count] = export_format_name(known[count]);
        text_addf(&list, "%s%s", count ? ", " : "", names[count]);
        if (known[count] == *format)
            goto out;
    }
    const char *near = options->format
                           ? text_suggest(options->format, names, count)
                           : NULL;
    if (near)
        rc = mlb_error_set(err, MLB_ERR_USAGE, "no format \"%s\", did you "
                           "mean %s?", options->format, near);
    else if (options->format)
        rc = mlb_error_set(err, MLB_ERR_USAGE, "no format \"%s\" (there are "
                           "%s)", options->format, list.data);
    else
        rc = mlb_error_set(err, MLB_ERR_USAGE, "which format? (--format=, "
                           "one of %s)", list.data);
out:
    text_clear(&list);
    return rc;
}

void store_export_tell(const struct store_context *context,
                       const struct store_export_options *options,
                       const struct export_result *result, const char *unit)
{
    struct mlb_text size = MLB_TEXT_INIT;
    char *shown = text_printable(options->to);
    char *key = xasprintf("%ss", unit);

    units_add_size(&size, (long long)result->bytes);
    for (size_t i = 0; i < result->notes.count; i++)
        fprintf(stderr, "note: %s\n", result->notes.items[i]);
    if (context->json) {
        json_t *notes = json_array();
        for (size_t i = 0; i < result->notes.count; i++)
            json_array_append_new(notes, json_text(result->notes.items[i]));
        json_t *top = json_pack(
            "{s:i, s:o, s:I, s:I, s:I, s:o}", "schema", 1, "path",
            json_text(options->to), key, (json_int_t)result->rows, "files",
            (json_int_t)result->files, "bytes", (json_int_t)result->bytes,
            "notes", notes);
        json_print(top);
        json_decref(top);
    } else if (result->files == 1) {
        printf("%s: %" PRIu64 " %s%s, %s\n", shown, result->rows, unit,
               result->rows == 1 ? "" : "s", size.data);
    } else {
        printf("%s: %" PRIu64 " files, %s\n", shown, result->files,
               size.data);
    }
    free(key);
    free(shown);
    text_clear(&size);
}
