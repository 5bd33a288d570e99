/* SPDX-License-Identifier: BSD-3-Clause */
/* The fields in a manifest: types and shapes, and what their values are. */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "store/layout.h"
#include "store/manifest_parts.h"

#define MAX_COUNTS 256                    /* distinct values of a field */

int manifest_name_ok(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    static const char others[] = "0123456789-.";
    size_t n = strlen(name);

    if (n == 0 || n > MANIFEST_MAX_NAME || !strchr(letters, name[0]))
        return 0;
    for (size_t i = 0; i < n; i++)
        if (!strchr(letters, name[i]) && !strchr(others, name[i]))
            return 0;
    return 1;
}

int manifest_row_bytes(struct mlb_field *field, struct mlb_error *err)
{
    if (field->rank > MANIFEST_MAX_FIELD_RANK)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                             "field %s has more than %d dimensions",
                             field->name, MANIFEST_MAX_FIELD_RANK);
    if (layout_array_bytes(field->dtype, field->rank, field->shape,
                           &field->row_bytes, err) < 0) {
        if (err)
            err->code = MLB_ERR_BAD_INPUT;
        return mlb_error_prefix(err, "field %s", field->name);
    }
    return 0;
}

static int bad(struct mlb_error *err, const struct mlb_field *f,
               const char *what)
{
    return mlb_error_set(err, MLB_ERR_BAD_INPUT, "field %s has %s", f->name,
                         what);
}

static int read_shape(const json_t *item, struct mlb_field *f,
                      struct mlb_error *err)
{
    const json_t *shape = json_object_get(item, "shape");

    f->dtype = mlb_dtype_find(
        json_string_value(json_object_get(item, "dtype")));
    if (!f->dtype || !json_is_array(shape) ||
        json_array_size(shape) > MANIFEST_MAX_FIELD_RANK)
        return bad(err, f, "no possible dtype and shape");
    f->rank = (int)json_array_size(shape);
    for (int i = 0; i < f->rank; i++) {
        const json_t *n = json_array_get(shape, (size_t)i);
        if (!json_is_integer(n) || json_integer_value(n) < 0)
            return bad(err, f, "a bad shape");
        f->shape[i] = (uint64_t)json_integer_value(n);
    }
    return manifest_row_bytes(f, err);
}

static int read_kind(const json_t *item, struct mlb_field *f,
                     struct mlb_error *err)
{
    const json_t *ragged = json_object_get(item, "ragged");
    const json_t *codec = json_object_get(item, "codec");

    if (ragged && !json_is_boolean(ragged))
        return bad(err, f, "a \"ragged\" that is neither true nor false");
    f->ragged = json_is_true(ragged);
    f->codec = codec ? json_string_value(codec) : "";
    if (!f->codec || (*f->codec && !manifest_name_ok(f->codec)))
        return bad(err, f, "no possible codec");
    return 0;
}

static int read_classes(const json_t *item, const struct mlb_field *f,
                        struct manifest_about *about, struct mlb_error *err)
{
    void *items = NULL;
    const json_t *list;

    if (!json_object_get(item, "classes"))
        return 0;
    list = manifest_get_list(item, "classes", sizeof(char *), &items,
                             &about->class_count);
    about->classes = items;
    if (!list)
        return bad(err, f, "no possible list of classes");
    for (size_t i = 0; i < about->class_count; i++) {
        about->classes[i] = json_string_value(json_array_get(list, i));
        if (!about->classes[i])
            return bad(err, f, "a class without a name");
    }
    return 0;
}

/* A number, or null for one that is not finite. */
static int get_number(const json_t *object, const char *key, double *out)
{
    const json_t *value = json_object_get(object, key);

    *out = json_is_number(value) ? json_number_value(value) : NAN;
    return json_is_number(value) || json_is_null(value) ? 0 : -1;
}

static int read_stats(const json_t *item, const struct mlb_field *f,
                      struct manifest_about *about, struct mlb_error *err)
{
    const json_t *stats = json_object_get(item, "stats");
    struct mlb_stats *s = &about->stats;

    if (!stats)
        return 0;
    if (get_number(stats, "mean", &s->mean) < 0 ||
        get_number(stats, "std", &s->std) < 0 ||
        get_number(stats, "min", &s->min) < 0 ||
        get_number(stats, "max", &s->max) < 0 ||
        manifest_get_count(stats, "count", &s->count) < 0)
        return bad(err, f, "no possible statistics");
    about->has_stats = true;
    return 0;
}

static bool is_whole(enum mlb_dtype dtype)
{
    return (dtype >= MLB_I64 && dtype <= MLB_U8) || dtype == MLB_BOOL;
}

static int read_counts(const json_t *item, const struct mlb_field *f,
                       struct manifest_about *about, struct mlb_error *err)
{
    void *items = NULL;
    const json_t *list;

    if (!json_object_get(item, "counts"))
        return 0;
    list = manifest_get_list(item, "counts", sizeof(*about->counts), &items,
                             &about->count_count);
    about->counts = items;
    if (!list || about->count_count > MAX_COUNTS || f->rank > 0 ||
        f->ragged || !is_whole(f->dtype))
        return bad(err, f, "no possible counts");
    for (size_t i = 0; i < about->count_count; i++) {
        const json_t *pair = json_array_get(list, i);
        const json_t *value = json_array_get(pair, 0);
        const json_t *rows = json_array_get(pair, 1);
        if (json_array_size(pair) != 2 || !json_is_integer(value) ||
            !json_is_integer(rows) || json_integer_value(rows) < 0)
            return bad(err, f, "no possible counts");
        about->counts[i].value = json_integer_value(value);
        about->counts[i].rows = (uint64_t)json_integer_value(rows);
    }
    return 0;
}

/* Each value once, and all rows counted. */
static int check_counts(const struct manifest_about *about, uint64_t rows)
{
    uint64_t left = rows;

    for (size_t i = 0; i < about->count_count; i++) {
        for (size_t j = 0; j < i; j++)
            if (about->counts[i].value == about->counts[j].value)
                return -1;
        if (about->counts[i].rows > left)
            return -1;
        left -= about->counts[i].rows;
    }
    return left == 0 || about->count_count == 0 ? 0 : -1;
}

static int read_field(const json_t *item, struct mlb_field *f,
                      struct manifest_about *about, struct mlb_error *err)
{
    f->name = json_string_value(json_object_get(item, "name"));
    if (!f->name || !manifest_name_ok(f->name))
        return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                             "a field without a possible name");
    if (read_shape(item, f, err) < 0 || read_kind(item, f, err) < 0 ||
        read_classes(item, f, about, err) < 0 ||
        read_stats(item, f, about, err) < 0 ||
        read_counts(item, f, about, err) < 0)
        return -1;
    return 0;
}

int manifest_read_fields(struct manifest *m, struct mlb_error *err)
{
    void *items = NULL;
    const json_t *list = manifest_get_list(m->json, "fields",
                                           sizeof(*m->fields), &items,
                                           &m->field_count);

    m->fields = items;
    if (!list || m->field_count == 0 ||
        m->field_count > MANIFEST_MAX_NAMED)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                             "no possible list of fields");
    m->about = calloc(m->field_count, sizeof(*m->about));
    if (!m->about)
        return mlb_error_set(err, MLB_ERR_IO, "out of memory");
    for (size_t i = 0; i < m->field_count; i++) {
        struct mlb_field *f = &m->fields[i];
        if (read_field(json_array_get(list, i), f, &m->about[i], err) < 0)
            return -1;
        if (!f->ragged && m->rows > LAYOUT_MAX_BYTES / (f->row_bytes + 1))
            return bad(err, f, "more than 2^62 bytes");
        if (check_counts(&m->about[i], m->rows) < 0)
            return bad(err, f, "counts that are not those of its rows");
        for (size_t j = 0; j < i; j++)
            if (strcmp(f->name, m->fields[j].name) == 0)
                return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                                     "field %s is there twice", f->name);
    }
    return 0;
}

void manifest_clear_fields(struct manifest *m)
{
    for (size_t i = 0; m->about && i < m->field_count; i++) {
        free(m->about[i].classes);
        free(m->about[i].counts);
    }
    free(m->about);
    free(m->fields);
}
