/* SPDX-License-Identifier: BSD-3-Clause */
/* What differs between two versions of data sets. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "store/compare.h"

struct comparing {
    const struct compare_request *request;
    struct manifest a, b;
    uint64_t rows;                /* that both have */
    uint64_t done, total;
    bool same;
    json_t *fields, *splits, *provenance;
};

char *compare_type(enum mlb_dtype dtype, int rank, const uint64_t *shape,
                   bool ragged)
{
    struct mlb_text t = MLB_TEXT_INIT;

    text_addf(&t, "%s%s", ragged ? "ragged " : "", mlb_dtype_name(dtype));
    for (int i = 0; i < rank; i++)
        text_addf(&t, "%s%" PRIu64, i == 0 ? " [" : ", ", shape[i]);
    text_add(&t, rank > 0 ? "]" : "");
    return text_detach(&t);
}

/* How many of the rows of a batch and of the other's differ. */
static uint64_t count_differing(const struct column_batch *a,
                                const struct column_batch *b)
{
    uint64_t differing = 0;

    for (uint64_t i = 0; i < b->rows; i++) {
        uint64_t x = column_start(a, i), y = column_start(b, i);
        uint64_t n = a->ends[i] - x;
        differing += n != b->ends[i] - y || a->crcs[i] != b->crcs[i] ||
                     memcmp(a->bytes + x, b->bytes + y, n) != 0;
    }
    return differing;
}

/* Compare all rows of a field that both have with the same type. */
static int compare_rows(struct comparing *c, size_t fa, size_t fb,
                        uint64_t *differing, struct mlb_error *err)
{
    struct column a, b;
    struct column_batch x = { 0 }, y = { 0 };
    int rc = 0;

    column_init(&a, &c->a, c->request->a, fa);
    column_init(&b, &c->b, c->request->b, fb);
    *differing = 0;
    for (uint64_t at = 0; rc == 0 && at < c->rows; at += y.rows) {
        /* b's rows may be fewer, at the end of a shard of its own. */
        if (column_read(&a, at, c->rows - at, &x, err) < 0 ||
            column_read(&b, at, x.rows, &y, err) < 0)
            rc = -1;
        if (rc == 0) {
            *differing += count_differing(&x, &y);
            c->done += y.rows;
            if (c->request->progress)
                c->request->progress(c->request->progress_arg, c->done,
                                     c->total);
        }
    }
    column_batch_clear(&x);
    column_batch_clear(&y);
    column_clear(&a);
    column_clear(&b);
    return rc;
}

static char *type_of(const struct manifest *m, int i)
{
    const struct mlb_field *f = i < 0 ? NULL : &m->fields[i];

    return f ? compare_type(f->dtype, f->rank, f->shape,
                            column_is_ragged(m, (size_t)i)) : NULL;
}

/* Keys whose values differ, as KEY: [a, b]; an object, perhaps empty. */
static json_t *differing_keys(json_t *a, json_t *b)
{
    json_t *out = json_object(), *all = json_object(), *value;
    const char *key;

    json_object_update(all, a);
    json_object_update(all, b);
    json_object_foreach(all, key, value) {
        json_t *x = json_object_get(a, key), *y = json_object_get(b, key);
        if (!x || !y || !json_equal(x, y))
            json_object_set_new(out, key, json_pack(
                "[o, o]", x ? json_incref(x) : json_null(),
                y ? json_incref(y) : json_null()));
    }
    json_decref(all);
    return out;
}

/* What the two manifests say of a field beside its type. */
static void compare_about(struct comparing *c, size_t fa, size_t fb,
                          json_t *item)
{
    const json_t *a = column_json(&c->a, fa), *b = column_json(&c->b, fb);
    json_t *x = json_object_get(a, "classes");
    json_t *y = json_object_get(b, "classes");
    json_t *stats = differing_keys(json_object_get(a, "stats"),
                                   json_object_get(b, "stats"));

    if ((x || y) && !(x && y && json_equal(x, y))) {
        c->same = false;
        json_object_set_new(item, "classes", json_pack(
            "[o, o]", x ? json_incref(x) : json_null(),
            y ? json_incref(y) : json_null()));
    }
    if (json_object_size(stats) > 0)
        json_object_set(item, "stats", stats);
    json_decref(stats);
    if (strcmp(column_codec(&c->a, fa), column_codec(&c->b, fb)) != 0) {
        c->same = false;
        json_object_set_new(item, "codec", json_pack(
            "[o, o]", json_text(column_codec(&c->a, fa)),
            json_text(column_codec(&c->b, fb))));
    }
}

static int compare_field(struct comparing *c, const char *name,
                         struct mlb_error *err)
{
    int fa = column_find(&c->a, name, NULL);
    int fb = column_find(&c->b, name, NULL);
    char *a = type_of(&c->a, fa), *b = type_of(&c->b, fb);
    json_t *item = json_pack("{s:s, s:o, s:o}", "name", name, "a",
                             json_text(a), "b", json_text(b));
    uint64_t differing = 0;
    int rc = 0;

    if (a && b && strcmp(a, b) == 0) {
        rc = compare_rows(c, (size_t)fa, (size_t)fb, &differing, err);
        json_object_set_new(item, "rows",
                            json_integer((json_int_t)differing));
        c->same = c->same && differing == 0;
    } else {
        json_object_set_new(item, "rows", json_null());
        c->same = false;
    }
    if (a && b)
        compare_about(c, (size_t)fa, (size_t)fb, item);
    json_array_append_new(c->fields, item);
    free(a);
    free(b);
    return rc;
}

static int compare_fields(struct comparing *c, struct mlb_error *err)
{
    for (size_t i = 0; i < c->a.field_count; i++)
        if (compare_field(c, c->a.fields[i].name, err) < 0)
            return -1;
    for (size_t i = 0; i < c->b.field_count; i++)
        if (column_find(&c->a, c->b.fields[i].name, NULL) < 0 &&
            compare_field(c, c->b.fields[i].name, err) < 0)
            return -1;
    return 0;
}

static int find_split(const struct manifest *m, const char *name)
{
    for (size_t i = 0; i < m->split_count; i++)
        if (strcmp(m->splits[i].name, name) == 0)
            return (int)i;
    return -1;
}

static int compare_split(struct comparing *c, const char *name,
                         struct mlb_error *err)
{
    int a = find_split(&c->a, name), b = find_split(&c->b, name);
    uint64_t *x = NULL, *y = NULL;
    uint64_t n = a < 0 ? 0 : c->a.splits[a].rows;
    bool same = a >= 0 && b >= 0 && n == c->b.splits[b].rows;
    int rc = 0;

    if (same && (column_split_ids(&c->a, c->request->a, (size_t)a, &x,
                                  err) < 0 ||
                 column_split_ids(&c->b, c->request->b, (size_t)b, &y,
                                  err) < 0))
        rc = -1;
    else if (same)
        same = n == 0 || memcmp(x, y, n * sizeof(*x)) == 0;
    json_array_append_new(c->splits, json_pack(
        "{s:s, s:o, s:o, s:b}", "name", name, "a",
        a < 0 ? json_null() : json_integer((json_int_t)n), "b",
        b < 0 ? json_null()
              : json_integer((json_int_t)c->b.splits[b].rows),
        "same", same));
    c->same = c->same && same;
    free(x);
    free(y);
    return rc;
}

static int compare_splits(struct comparing *c, struct mlb_error *err)
{
    for (size_t i = 0; i < c->a.split_count; i++)
        if (compare_split(c, c->a.splits[i].name, err) < 0)
            return -1;
    for (size_t i = 0; i < c->b.split_count; i++)
        if (find_split(&c->a, c->b.splits[i].name) < 0 &&
            compare_split(c, c->b.splits[i].name, err) < 0)
            return -1;
    return 0;
}

int compare_datasets(const struct compare_request *request, json_t **out,
                     struct mlb_error *err)
{
    struct comparing c = { .request = request, .fields = json_array(),
                           .splits = json_array() };
    int rc = -1;

    if (manifest_read(&c.a, request->a, err) < 0 ||
        manifest_read(&c.b, request->b, err) < 0)
        goto out;
    c.same = c.a.rows == c.b.rows;
    c.rows = c.a.rows < c.b.rows ? c.a.rows : c.b.rows;
    c.total = c.rows * c.a.field_count;
    if (compare_fields(&c, err) < 0 || compare_splits(&c, err) < 0)
        goto out;
    c.provenance = differing_keys(
        json_object_get(c.a.json, "provenance"),
        json_object_get(c.b.json, "provenance"));
    *out = json_pack("{s:b, s:[I, I], s:O, s:O, s:O}", "same", c.same,
                     "rows", (json_int_t)c.a.rows, (json_int_t)c.b.rows,
                     "fields", c.fields, "splits", c.splits, "provenance",
                     c.provenance);
    rc = 0;
out:
    json_decref(c.fields);
    json_decref(c.splits);
    json_decref(c.provenance);
    manifest_clear(&c.a);
    manifest_clear(&c.b);
    return rc;
}
