/* SPDX-License-Identifier: BSD-3-Clause */
/* A data set as CSV: a line of names, then a line a row. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "store/export_parts.h"
#include "store/value.h"

#define FLUSH (1u << 20)          /* bytes of text */
#define MAX_COLUMNS 1000000

/* "x", "x[2][3]", "x[2].re": the name of part number i of a row. */
static void add_name(struct mlb_text *out, const struct mlb_field *f,
                     uint64_t i)
{
    int parts = value_parts(f->dtype);
    uint64_t element = i / (uint64_t)parts, below = 1;

    text_add(out, f->name);
    for (int d = 0; d < f->rank; d++)
        below *= f->shape[d];
    for (int d = 0; d < f->rank; d++) {
        below /= f->shape[d];
        text_addf(out, "[%" PRIu64 "]", element / below % f->shape[d]);
    }
    if (parts == 2)
        text_add(out, i % 2 ? ".im" : ".re");
}

/* How many columns a field takes. */
static uint64_t columns_of(const struct mlb_field *f)
{
    return f->row_bytes / mlb_dtype_size(value_part_type(f->dtype));
}

static int flush(struct exporting *e, struct mlb_text *text, bool all,
                 struct mlb_error *err)
{
    int rc = 0;

    if (all || text->length >= FLUSH) {
        rc = target_write(&e->target, text->data, text->length, err);
        text->length = 0;
    }
    return rc;
}

static int write_names(struct exporting *e, struct mlb_text *text,
                       struct mlb_error *err)
{
    bool first = true;

    for (size_t i = 0; i < e->field_count; i++) {
        const struct mlb_field *f = &e->m.fields[e->fields[i]];
        for (uint64_t k = 0; k < columns_of(f); k++, first = false) {
            text_add(text, first ? "" : ",");
            add_name(text, f, k);
            if (flush(e, text, false, err) < 0)
                return -1;
        }
    }
    text_add(text, "\n");
    return 0;
}

static int write_row(struct exporting *e, struct export_cursor *cursors,
                     uint64_t at, struct mlb_text *text,
                     struct mlb_error *err)
{
    bool first = true;

    for (size_t i = 0; i < e->field_count; i++) {
        enum mlb_dtype part = value_part_type(
            cursors[i].column.field->dtype);
        size_t size = mlb_dtype_size(part);
        const unsigned char *bytes;
        uint64_t length;
        if (export_cursor_get(e, &cursors[i], at, &bytes, &length, err) < 0)
            return -1;
        for (uint64_t k = 0; k < length; k += size, first = false) {
            if (!first)
                text_addn(text, ",", 1);
            value_add_text(text, part, bytes + k);
        }
    }
    text_addn(text, "\n", 1);
    return flush(e, text, false, err);
}

/* Ragged fields have no columns: leave them out, or say so. */
static int drop_ragged(struct exporting *e, struct mlb_error *err)
{
    size_t kept = 0;
    uint64_t columns = 0;

    for (size_t i = 0; i < e->field_count; i++) {
        const struct mlb_field *f = &e->m.fields[e->fields[i]];
        bool ragged = column_is_ragged(&e->m, e->fields[i]);
        if (ragged && !e->all_fields)
            return mlb_error_set(err, MLB_ERR_USAGE, "field %s is ragged, "
                                 "which CSV cannot hold (npz can)", f->name);
        if (ragged) {
            strings_pushf(&e->result->notes, "field %s is ragged and was "
                          "left out (npz can hold it)", f->name);
            continue;
        }
        columns += columns_of(f);
        if (columns > MAX_COLUMNS)
            return mlb_error_set(err, MLB_ERR_USAGE, "more than %d columns "
                                 "(npz can hold them; or choose by --field)",
                                 MAX_COLUMNS);
        e->fields[kept++] = e->fields[i];
    }
    e->field_count = kept;
    if (columns == 0)
        return mlb_error_set(err, MLB_ERR_USAGE,
                             "%s has no field that CSV can hold", e->m.name);
    return 0;
}

int export_csv(struct exporting *e, struct mlb_error *err)
{
    struct mlb_text text = MLB_TEXT_INIT;
    struct export_cursor *cursors;

    if (drop_ragged(e, err) < 0)
        return -1;
    cursors = xcalloc(e->field_count, sizeof(*cursors));
    for (size_t i = 0; i < e->field_count; i++)
        export_cursor_init(e, &cursors[i], e->fields[i]);
    e->total = e->rows;
    int rc = write_names(e, &text, err);
    for (uint64_t at = 0; rc == 0 && at < e->rows; at++) {
        rc = write_row(e, cursors, at, &text, err);
        if (at % 256 == 255)
            export_progress(e, 256);
    }
    if (rc == 0)
        rc = flush(e, &text, true, err);
    e->result->files = 1;
    for (size_t i = 0; i < e->field_count; i++)
        export_cursor_clear(&cursors[i]);
    free(cursors);
    text_clear(&text);
    return rc;
}
