/* SPDX-License-Identifier: BSD-3-Clause */
/* The name and the manifest of a version being written. */
#include "config.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/json.h"
#include "store/version_parts.h"

/* The version's hash so far, and text that goes into it next. */
struct naming {
    XXH3_state_t *state;
    struct mlb_text line;
};

static void add_line(struct naming *n)
{
    XXH3_128bits_update(n->state, n->line.data, n->line.length);
    text_clear(&n->line);
}

static void add_digest(struct naming *n, const XXH3_state_t *of)
{
    XXH128_canonical_t digest;

    XXH128_canonicalFromHash(&digest, XXH3_128bits_digest(of));
    XXH3_128bits_update(n->state, &digest, sizeof(digest));
}

static void add_field(struct naming *n, const struct column *c)
{
    const struct version_field *f = c->field;

    text_addf(&n->line, "field %s %s", f->name, mlb_dtype_name(f->dtype));
    for (int d = 0; d < f->rank; d++)
        text_addf(&n->line, " %" PRIu64, f->shape[d]);
    if (f->ragged)
        text_add(&n->line, " ragged");
    if (f->codec)
        text_addf(&n->line, " codec %s", f->codec);
    text_add(&n->line, "\n");
    add_line(n);
    add_digest(n, c->measure.bytes);
    if (f->ragged)
        add_digest(n, c->measure.lengths);
}

static int add_split(struct naming *n, struct version_writer *w,
                     struct split *s, XXH3_state_t *state)
{
    uint64_t bytes = split_rows(s) * sizeof(uint64_t);

    text_addf(&n->line, "split %s %" PRIu64 "\n", s->name, split_rows(s));
    add_line(n);
    XXH3_128bits_reset(state);
    for (uint64_t at = 0; at < bytes; at += VERSION_PART) {
        size_t part = bytes - at < VERSION_PART ? (size_t)(bytes - at)
                                                : VERSION_PART;
        if (split_get_ids(s, at, w->buffer, part, NULL) < 0)
            return -1;
        XXH3_128bits_update(state, w->buffer, part);
    }
    add_digest(n, state);
    return 0;
}

static void add_classes(struct naming *n, const struct version_field *f,
                        XXH3_state_t *state)
{
    text_addf(&n->line, "classes %s\n", f->name);
    add_line(n);
    XXH3_128bits_reset(state);
    for (size_t i = 0; i < f->classes->count; i++)
        XXH3_128bits_update(state, f->classes->items[i],
                            strlen(f->classes->items[i]) + 1);
    add_digest(n, state);
}

int manifest_find_version(struct version_writer *w, struct mlb_error *err)
{
    struct naming n = { XXH3_createState(), MLB_TEXT_INIT };
    XXH3_state_t *part = XXH3_createState();
    int rc = n.state && part ? 0
                             : mlb_error_set(err, MLB_ERR_IO,
                                             "out of memory");

    if (rc < 0)
        goto out;
    XXH3_128bits_reset(n.state);
    text_addf(&n.line, "mlbatch-dataset 2\nrows %" PRIu64 "\n", w->rows);
    add_line(&n);
    for (size_t i = 0; i < w->column_count; i++)
        add_field(&n, &w->columns[i]);
    for (size_t i = 0; rc == 0 && i < w->r->split_count; i++)
        rc = add_split(&n, w, &w->splits[i], part);
    for (size_t i = 0; i < w->column_count; i++)
        if (w->columns[i].field->classes)
            add_classes(&n, w->columns[i].field, part);
    snprintf(w->version, sizeof(w->version), "%016" PRIx64,
             (uint64_t)XXH3_128bits_digest(n.state).high64);
out:
    XXH3_freeState(n.state);
    XXH3_freeState(part);
    return rc;
}

static json_t *number_json(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

static json_t *stats_json(const double *stats)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:I}", "mean",
                     number_json(stats[0]), "std", number_json(stats[1]),
                     "min", number_json(stats[2]), "max",
                     number_json(stats[3]), "count", (json_int_t)stats[4]);
}

static json_t *counts_json(const struct measure *m)
{
    json_t *all = json_array();

    for (size_t i = 0; i < m->labels; i++)
        json_array_append_new(all, json_pack(
            "[I, I]", (json_int_t)m->label[i],
            (json_int_t)m->label_rows[i]));
    return all;
}

static json_t *field_json(const struct column *c)
{
    const struct version_field *f = c->field;
    json_t *shape = json_array(), *classes = json_array();

    for (int d = 0; d < f->rank; d++)
        json_array_append_new(shape, json_integer((json_int_t)f->shape[d]));
    json_t *field = json_pack("{s:s, s:s, s:o}", "name", f->name, "dtype",
                              mlb_dtype_name(f->dtype), "shape", shape);
    if (f->ragged)
        json_object_set_new(field, "ragged", json_true());
    if (f->codec)
        json_object_set_new(field, "codec", json_string(f->codec));
    for (size_t i = 0; f->classes && i < f->classes->count; i++)
        json_array_append_new(classes, json_text(f->classes->items[i]));
    if (f->classes)
        json_object_set(field, "classes", classes);
    json_decref(classes);
    if (c->measure.has_stats)
        json_object_set_new(field, "stats", stats_json(c->stats));
    if (c->measure.has_counts)
        json_object_set_new(field, "counts", counts_json(&c->measure));
    return field;
}

int manifest_write(const struct version_writer *w, json_t *provenance,
                   struct mlb_error *err)
{
    json_t *fields = json_array(), *splits = json_array();
    char *path = xasprintf("%s/" MANIFEST_FILE, w->temporary);

    for (size_t i = 0; i < w->column_count; i++)
        json_array_append_new(fields, field_json(&w->columns[i]));
    for (size_t i = 0; i < w->r->split_count; i++)
        json_array_append_new(splits, json_pack(
            "{s:s, s:I}", "name", w->splits[i].name, "rows",
            (json_int_t)split_rows(&w->splits[i])));
    json_t *all = json_pack(
        "{s:s, s:i, s:s, s:s, s:I, s:o, s:o, s:O, s:O}", "format",
        "mlbatch-dataset", "format_version", 1, "name", w->r->name,
        "version", w->version, "rows", (json_int_t)w->rows, "fields",
        fields, "splits", splits, "shards", w->shards, "provenance",
        provenance);
    char *text = all ? json_dumps(all, JSON_INDENT(2)) : NULL;
    int rc = text ? files_publish(path, text, strlen(text), 0644, err)
                  : mlb_error_set(err, MLB_ERR_IO, "out of memory");
    json_decref(all);
    free(text);
    free(path);
    return rc;
}
