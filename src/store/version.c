/* SPDX-License-Identifier: BSD-3-Clause */
/* Writing a version of a data set. */
#include "config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "store/crc.h"
#include "store/layout.h"
#include "store/place.h"
#include "store/version_parts.h"

static int check_field(const struct version_request *r, size_t i,
                       uint64_t *unit, struct mlb_error *err)
{
    const struct version_field *f = &r->fields[i];

    if (!manifest_name_ok(f->name))
        return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                             "not a name for a field: \"%s\" (a letter or "
                             "'_', then letters, digits, '_', '-', '.', up "
                             "to %d)", f->name, MANIFEST_MAX_NAME);
    for (size_t j = 0; j < i; j++)
        if (strcmp(f->name, r->fields[j].name) == 0)
            return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                                 "field %s is there twice", f->name);
    if (f->rank > MANIFEST_MAX_FIELD_RANK)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "field %s has more than "
                             "%d dimensions", f->name,
                             MANIFEST_MAX_FIELD_RANK);
    if (layout_array_bytes(f->dtype, f->rank, f->shape, unit, err) < 0)
        return mlb_error_prefix(err, "field %s", f->name);
    if (*unit == 0)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                             "field %s: a row holds nothing", f->name);
    return 0;
}

static void set_classes(struct column *c)
{
    const struct mlb_strings *names = c->field->classes;

    for (size_t i = 0; i < names->count; i++)
        if (strlen(names->items[i]) > c->class_width)
            c->class_width = strlen(names->items[i]);
    c->classes = xcalloc(names->count, c->class_width);
    for (size_t i = 0; i < names->count; i++)
        memcpy(c->classes + i * c->class_width, names->items[i],
               strlen(names->items[i]));
}

static int set_up(struct version_writer *w, struct mlb_error *err)
{
    const struct version_request *r = w->r;

    if (r->field_count == 0 || r->field_count > VERSION_MAX_FIELDS)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%zu fields, from 1 to "
                             "%d are possible", r->field_count,
                             VERSION_MAX_FIELDS);
    /* Bad splits are told before the work, not after. */
    if (split_cut(w->splits, r->splits, r->split_count, 1, r->seed, err) < 0)
        return -1;
    for (size_t i = 0; i < r->field_count; i++) {
        struct column *c = &w->columns[i];
        if (check_field(r, i, &c->unit, err) < 0)
            return -1;
        c->field = &r->fields[i];
        measure_init(&c->measure, c->field);
        spool_init(&c->data, w->temporary);
        spool_init(&c->offsets, w->temporary);
        spool_init(&c->crcs, w->temporary);
        if (c->field->classes && c->field->classes->count > 0)
            set_classes(c);
        w->column_count++;
    }
    return 0;
}

static void destroy(struct version_writer *w)
{
    for (size_t i = 0; i < w->column_count; i++) {
        struct column *c = &w->columns[i];
        measure_clear(&c->measure);
        spool_clear(&c->data);
        spool_clear(&c->offsets);
        spool_clear(&c->crcs);
        free(c->classes);
    }
    json_decref(w->shards);
    free(w->provenance);
    free(w->columns);
    free(w->splits);
    free(w->buffer);
    free(w);
}

void version_abandon(struct version_writer *w)
{
    if (!w)
        return;
    if (w->temporary[0]) {
        files_remove_tree(w->temporary, NULL);
        adopt_forget(w);
    }
    destroy(w);
}

struct version_writer *version_begin(const struct version_request *request,
                                     struct mlb_error *err)
{
    struct version_writer *w = xcalloc(1, sizeof(*w));

    w->r = request;
    w->columns = xcalloc(request->field_count, sizeof(*w->columns));
    w->splits = xcalloc(request->split_count, sizeof(*w->splits));
    w->shards = json_array();
    w->buffer = xmalloc(VERSION_PART);
    if (set_up(w, err) < 0 || adopt_or_make(w, err) < 0) {
        version_abandon(w);
        return NULL;
    }
    return w;
}

uint64_t version_rows(const struct version_writer *w)
{
    return w->rows;
}

/* The checksums of rows of one size. */
static int add_crcs(struct column *c, const unsigned char *rows,
                    uint64_t count, uint64_t size, struct mlb_error *err)
{
    uint32_t some[256];

    while (count > 0) {
        size_t n = count < 256 ? (size_t)count : 256;
        for (size_t i = 0; i < n; i++, rows += size)
            some[i] = crc_update(0, rows, size);
        if (spool_add(&c->crcs, some, n * sizeof(some[0]), err) < 0)
            return -1;
        count -= n;
    }
    return 0;
}

static int add_offset(struct version_writer *w, struct column *c,
                      uint64_t length, struct mlb_error *err)
{
    const uint64_t none = 0;

    if (w->open_rows == 0 &&
        spool_add(&c->offsets, &none, sizeof(none), err) < 0)
        return -1;
    c->elements += length / c->unit;
    measure_add_lengths(&c->measure, &length, 1);
    return spool_add(&c->offsets, &c->elements, sizeof(c->elements), err);
}

static int add_rows(struct version_writer *w, const uint64_t *skip,
                    const struct version_cell *cells, uint64_t rows,
                    struct mlb_error *err)
{
    for (size_t i = 0; i < w->column_count; i++) {
        struct column *c = &w->columns[i];
        bool ragged = c->field->ragged;
        uint64_t size = ragged ? cells[i].length : c->unit;
        const unsigned char *data = cells[i].data;
        if (!ragged)
            data += *skip * size;
        if (ragged && add_offset(w, c, size, err) < 0)
            return -1;
        measure_add(&c->measure, data, size * rows);
        if (spool_add(&c->data, data, size * rows, err) < 0 ||
            add_crcs(c, data, rows, size, err) < 0)
            return -1;
        w->open_bytes += size * rows + (ragged ? sizeof(uint64_t) : 0);
    }
    w->open_rows += rows;
    w->rows += rows;
    return 0;
}

/* How many of so many rows still go into the open shard. */
static uint64_t rows_that_fit(const struct version_writer *w,
                              const struct version_cell *cells, uint64_t rows)
{
    uint64_t limit = w->r->shard_bytes, size = 0;

    for (size_t i = 0; i < w->column_count; i++) {
        bool ragged = w->columns[i].field->ragged;
        size += ragged ? cells[i].length + sizeof(uint64_t)
                       : w->columns[i].unit;
    }
    uint64_t fit = limit == 0 ? rows
                   : limit > w->open_bytes ? (limit - w->open_bytes) / size
                                           : 0;
    if (fit == 0 && w->open_rows == 0)
        fit = 1;
    return fit < rows ? fit : rows;
}

int version_append(struct version_writer *w, const struct version_cell *cells,
                   uint64_t rows, struct mlb_error *err)
{
    uint64_t done = 0;

    for (size_t i = 0; i < w->column_count; i++)
        assert(w->columns[i].field->ragged
                   ? rows == 1 && cells[i].length % w->columns[i].unit == 0
                   : cells[i].length == rows * w->columns[i].unit);
    while (done < rows) {
        uint64_t n = rows_that_fit(w, cells, rows - done);
        if (n > 0 && add_rows(w, &done, cells, n, err) < 0)
            return -1;
        done += n;
        if (n == 0 && shard_close(w, false, err) < 0)
            return -1;
    }
    return 0;
}

/* A version of that name is there: is it sound? */
static int check_existing(const char *path, struct mlb_error *err)
{
    struct manifest m;
    int rc = manifest_read(&m, path, err);

    for (size_t i = 0; rc == 0 && i < m.shard_count; i++) {
        char *file = xasprintf("%s/%s", path, m.shards[i].file);
        struct container *c = container_open(file, CONTAINER_DATASET, err);
        rc = c ? 0 : -1;
        container_close(c);
        free(file);
    }
    manifest_clear(&m);
    if (rc < 0)
        mlb_error_prefix(err, "the same content was imported before but "
                         "cannot be opened, remove %s", path);
    return rc;
}

/* What nobody could open is not published: its manifest has limits. */
static int check_manifest(const struct version_writer *w,
                          struct mlb_error *err)
{
    struct manifest m;

    if (manifest_read(&m, w->temporary, err) < 0)
        return mlb_error_prefix(err, "too much for a data set");
    manifest_clear(&m);
    return 0;
}

/* All that is left, then the name. */
static int publish(struct version_writer *w, json_t *provenance,
                   const char *path, bool *existed, struct mlb_error *err)
{
    bool is_whole = json_array_size(w->shards) == 0;
    int rc = 0;

    if (w->open_rows > 0)
        rc = shard_close(w, is_whole, err);
    if (rc == 0 && !is_whole)
        rc = shard_complete_first(w, err);
    if (rc == 0)
        rc = manifest_write(w, provenance, err);
    if (rc == 0)
        rc = check_manifest(w, err);
    if (rc == 0)
        rc = place_publish(w->temporary, path, false, err);
    /* Somebody else imported the same at the same time: as good. */
    if (rc < 0 && files_is_dir(path)) {
        *existed = true;
        rc = 0;
    }
    return rc;
}

int version_finish(struct version_writer *w, json_t *provenance,
                   char version[MANIFEST_VERSION_LENGTH + 1], bool *existed,
                   struct mlb_error *err)
{
    const struct version_request *r = w->r;
    char *path = NULL;
    int rc = -1;

    *existed = false;
    w->provenance = json_dumps(provenance, JSON_INDENT(2));
    if (!w->provenance) {
        mlb_error_set(err, MLB_ERR_IO, "out of memory");
        goto out;
    }
    for (size_t i = 0; i < w->column_count; i++)
        measure_stats(&w->columns[i].measure, w->columns[i].stats);
    if (split_cut(w->splits, r->splits, r->split_count, w->rows, r->seed,
                  err) < 0 || manifest_find_version(w, err) < 0)
        goto out;
    path = xasprintf("%s/%s", r->directory, w->version);
    *existed = files_is_dir(path);
    rc = *existed ? check_existing(path, err)
                  : publish(w, provenance, path, existed, err);
    memcpy(version, w->version, sizeof(w->version));
out:
    /* After a publish there is nothing of that name any more. */
    version_abandon(w);
    free(path);
    return rc;
}
