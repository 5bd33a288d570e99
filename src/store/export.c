/* SPDX-License-Identifier: BSD-3-Clause */
/* Exporting a data set: which rows and fields, and the way there. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "store/export_parts.h"

static const struct {
    const char *name, *ending;
} formats[] = {
    [EXPORT_NPZ] = { "npz", ".npz" },
    [EXPORT_CSV] = { "csv", ".csv" },
    [EXPORT_FILES] = { "files", NULL },
    [EXPORT_SAFETENSORS] = { "safetensors", ".safetensors" },
};
#define FORMATS (sizeof(formats) / sizeof(formats[0]))

const char *export_format_name(enum export_format format)
{
    return formats[format].name;
}

enum export_format export_format_find(const char *name)
{
    for (size_t i = 1; i < FORMATS; i++)
        if (strcmp(name, formats[i].name) == 0)
            return (enum export_format)i;
    return EXPORT_NONE;
}

enum export_format export_format_of_path(const char *path)
{
    size_t length = strlen(path);

    for (size_t i = 1; i < FORMATS; i++) {
        size_t n = formats[i].ending ? strlen(formats[i].ending) : 0;
        if (n > 0 && length > n &&
            strcmp(path + length - n, formats[i].ending) == 0)
            return (enum export_format)i;
    }
    return EXPORT_NONE;
}

void export_result_clear(struct export_result *result)
{
    strings_clear(&result->notes);
}

uint64_t export_row(const struct exporting *e, uint64_t at)
{
    return e->ids ? e->ids[at] : at;
}

uint64_t export_run(const struct exporting *e, uint64_t at, uint64_t *row)
{
    uint64_t n = 1;

    *row = export_row(e, at);
    if (!e->ids)
        return e->rows - at;
    while (at + n < e->rows && e->ids[at + n] == *row + n)
        n++;
    return n;
}

void export_progress(struct exporting *e, uint64_t done)
{
    e->done += done;
    if (e->request->progress)
        e->request->progress(e->request->progress_arg, e->done, e->total);
}

void export_cursor_init(const struct exporting *e, struct export_cursor *c,
                        size_t field)
{
    *c = (struct export_cursor){ 0 };
    column_init(&c->column, &e->m, e->request->directory, field);
}

void export_cursor_clear(struct export_cursor *c)
{
    column_clear(&c->column);
    column_batch_clear(&c->batch);
}

int export_cursor_get(const struct exporting *e, struct export_cursor *c,
                      uint64_t at, const unsigned char **bytes,
                      uint64_t *length, struct mlb_error *err)
{
    const struct column_batch *b = &c->batch;
    uint64_t row = export_row(e, at);

    if (!b->bytes || row < b->first || row - b->first >= b->rows) {
        uint64_t n = export_run(e, at, &row);
        if (column_read(&c->column, row, n, &c->batch, err) < 0)
            return -1;
    }
    uint64_t start = column_start(b, row - b->first);
    *bytes = b->bytes + start;
    *length = b->ends[row - b->first] - start;
    return 0;
}

static int choose_fields(struct exporting *e, struct mlb_error *err)
{
    const struct mlb_strings *wanted = e->request->fields;

    e->all_fields = wanted->count == 0;
    e->fields = xcalloc(e->m.field_count + wanted->count,
                        sizeof(*e->fields));
    for (size_t i = 0; e->all_fields && i < e->m.field_count; i++)
        e->fields[e->field_count++] = i;
    for (size_t i = 0; i < wanted->count; i++) {
        int found = column_find(&e->m, wanted->items[i], err);
        if (found < 0)
            return -1;
        for (size_t k = 0; k < e->field_count; k++)
            if (e->fields[k] == (size_t)found)
                return mlb_error_set(err, MLB_ERR_USAGE, "field %s is "
                                     "wanted twice", wanted->items[i]);
        e->fields[e->field_count++] = (size_t)found;
    }
    return 0;
}

static int choose_rows(struct exporting *e, struct mlb_error *err)
{
    const char *split = e->request->split;
    const char **names = xcalloc(e->m.split_count, sizeof(*names));
    size_t i = 0;
    int rc = 0;

    e->rows = e->m.rows;
    for (size_t k = 0; k < e->m.split_count; k++)
        names[k] = e->m.splits[k].name;
    while (split && i < e->m.split_count && strcmp(names[i], split) != 0)
        i++;
    if (split && i == e->m.split_count) {
        char *word = text_printable(split);
        const char *near = text_suggest(split, names, e->m.split_count);
        rc = mlb_error_set(err, MLB_ERR_NOT_FOUND, "%s has no split %s%s%s%s",
                           e->m.name, word, near ? ", did you mean " : "",
                           near ? near : "", near ? "?" : "");
        free(word);
    } else if (split) {
        e->rows = e->m.splits[i].rows;
        rc = column_split_ids(&e->m, e->request->directory, i, &e->ids, err);
    }
    free(names);
    return rc;
}

static int write_target(struct exporting *e, struct mlb_error *err)
{
    const struct export_dataset *r = e->request;
    bool files = r->format == EXPORT_FILES;
    int rc = files ? target_open_directory(&e->target, r->to, err)
                   : target_open(&e->target, r->to, r->force, err);

    if (rc == 0)
        rc = files                     ? export_files(e, err)
             : r->format == EXPORT_CSV ? export_csv(e, err)
                                       : export_npz(e, err);
    if (rc == 0)
        rc = target_publish(&e->target, err);
    e->result->rows = e->rows;
    e->result->bytes = e->target.bytes;
    target_clear(&e->target);
    return rc;
}

int export_dataset(const struct export_dataset *request,
                   struct export_result *result, struct mlb_error *err)
{
    struct exporting e = { .request = request, .result = result,
                           .target = { .fd = -1 } };

    *result = (struct export_result){ .notes = MLB_STRINGS_INIT };
    int rc = manifest_read(&e.m, request->directory, err);
    if (rc == 0)
        rc = choose_fields(&e, err);
    if (rc == 0)
        rc = choose_rows(&e, err);
    if (rc == 0)
        rc = write_target(&e, err);
    free(e.ids);
    free(e.fields);
    manifest_clear(&e.m);
    return rc;
}
