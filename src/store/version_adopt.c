/* SPDX-License-Identifier: BSD-3-Clause */
/* Going on with what a dead writer finished. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "store/place.h"
#include "store/version_parts.h"

#define MAX_KEY ((size_t)16 << 20)

static bool has_key(const struct version_writer *w, const char *directory)
{
    struct mlb_text text = MLB_TEXT_INIT;
    char *path = xasprintf("%s" VERSION_KEY, directory);
    bool same = w->r->key && files_read(path, MAX_KEY, &text, NULL) == 0 &&
                strcmp(text.data, w->r->key) == 0;

    text_clear(&text);
    free(path);
    return same;
}

/* The array of that name, if it is of the type and shape expected. */
static const struct container_info *
find(struct container *file, const char *format, const struct column *c,
     const struct container_array *like)
{
    char *name = xasprintf(format, c->field->name);
    const struct container_info *a = container_find(file, name);

    free(name);
    if (!a || a->dtype != like->dtype || a->rank != like->rank ||
        memcmp(a->shape + 1, like->shape + 1,
               (size_t)(a->rank - 1) * sizeof(a->shape[0])) != 0)
        return NULL;
    return a;
}

/* Take in the lengths of ragged rows; total is of the data's elements. */
static int take_offsets(struct version_writer *w, struct column *c,
                        struct container *file,
                        const struct container_info *offsets, uint64_t total)
{
    uint64_t *part = (void *)w->buffer, last = 0;
    uint64_t most = VERSION_PART / sizeof(*part);

    for (uint64_t at = 0; at < offsets->shape[0]; at += most) {
        uint64_t n = offsets->shape[0] - at < most ? offsets->shape[0] - at
                                                   : most;
        const struct container_range range = { at * sizeof(*part),
                                               n * sizeof(*part) };
        if (container_read(file, offsets, &range, part, NULL) < 0)
            return -1;
        for (uint64_t i = 0; i < n; i++) {
            uint64_t length = (part[i] - last) * c->unit;
            if (part[i] < last || part[i] > total)
                return -1;
            last = part[i];
            if (at + i > 0)
                measure_add_lengths(&c->measure, &length, 1);
            else if (last != 0)
                return -1;
        }
    }
    return last == total ? 0 : -1;
}

static int take_data(struct version_writer *w, struct column *c,
                     struct container *file,
                     const struct container_info *data)
{
    for (uint64_t at = 0; at < data->bytes; at += VERSION_PART) {
        uint64_t n = data->bytes - at < VERSION_PART ? data->bytes - at
                                                     : VERSION_PART;
        const struct container_range range = { at, n };
        if (container_read(file, data, &range, w->buffer, NULL) < 0)
            return -1;
        measure_add(&c->measure, w->buffer, n);
    }
    return 0;
}

static const struct container_info *find_data(struct container *file,
                                              const struct column *c)
{
    const struct version_field *f = c->field;
    struct container_array like = { .dtype = f->dtype, .rank = f->rank + 1 };

    memcpy(like.shape + 1, f->shape, (size_t)f->rank * sizeof(f->shape[0]));
    return find(file, f->ragged ? "/fields/%s/data" : "/fields/%s", c,
                &like);
}

/* Does the file have all columns, and how many rows? Each is compared with
 * its checksums here, so that what follows cannot fail half-way. */
static int check(struct version_writer *w, struct container *file,
                 uint64_t *rows, uint64_t *elements)
{
    const struct container_array offsets = { .dtype = MLB_U64, .rank = 1 };

    *rows = 0;
    for (size_t i = 0; i < w->column_count; i++) {
        const struct column *c = &w->columns[i];
        const struct container_info *data = find_data(file, c), *at = NULL;
        if (!data)
            return -1;
        if (c->field->ragged &&
            !(at = find(file, "/fields/%s/offsets", c, &offsets)))
            return -1;
        if (at && at->shape[0] == 0)
            return -1;
        uint64_t here = at ? at->shape[0] - 1 : data->shape[0];
        elements[i] = data->shape[0];
        if (here == 0 || (i > 0 && here != *rows))
            return -1;
        *rows = here;
    }
    return container_verify(file, NULL);
}

static int take(struct version_writer *w, struct container *file)
{
    const struct container_array like = { .dtype = MLB_U64, .rank = 1 };

    for (size_t i = 0; i < w->column_count; i++) {
        struct column *c = &w->columns[i];
        const struct container_info *data = find_data(file, c);
        if (c->field->ragged &&
            take_offsets(w, c, file, find(file, "/fields/%s/offsets", c,
                                          &like), data->shape[0]) < 0)
            return -1;
        if (take_data(w, c, file, data) < 0)
            return -1;
    }
    return 0;
}

/* The finished shards, up to the first that is missing or damaged; those
 * behind it are removed. -1: what was taken in is not to be used. */
static int take_shards(struct version_writer *w, struct mlb_error *err)
{
    uint64_t *elements = xcalloc(w->column_count, sizeof(*elements)), rows;
    bool is_sound = true;
    int rc = 0;

    for (size_t i = 0; rc == 0; i++) {
        char *path = shard_path(w, i);
        struct container *file = NULL;
        struct stat st;
        bool is_there = lstat(path, &st) == 0;
        if (is_sound && is_there)
            file = container_open(path, CONTAINER_DATASET, NULL);
        is_sound = file && check(w, file, &rows, elements) == 0;
        if (is_sound && (rc = take(w, file)) == 0) {
            w->rows += rows;
            rc = shard_describe(w, path, rows, elements, err);
        } else if (is_there) {
            unlink(path);
        }
        container_close(file);
        free(path);
        if (!is_there)
            break;
    }
    free(elements);
    return rc;
}

static int write_key(const struct version_writer *w, struct mlb_error *err)
{
    char *path = xasprintf("%s" VERSION_KEY, w->temporary);
    int rc = w->r->key ? files_publish(path, w->r->key, strlen(w->r->key),
                                       0644, err) : 0;

    free(path);
    return rc;
}

void adopt_forget(const struct version_writer *w)
{
    char *path = xasprintf("%s" VERSION_KEY, w->temporary);

    unlink(path);
    free(path);
}

/* Make the directory of a dead writer ours; of two that try, one wins. */
static int take_over(struct version_writer *w, const char *directory,
                     struct mlb_error *err)
{
    if (rename(directory, w->temporary) < 0)
        return 0;
    place_clean(w->temporary);
    if (take_shards(w, err) < 0)
        return mlb_error_set(err, MLB_ERR_IO, "what an import that was cut "
                             "off left is damaged and was removed, import "
                             "again");
    return 1;
}

/* Remove the key of a directory that is no more. */
static void remove_key(const char *directory, const char *name)
{
    size_t n = strlen(name), m = strlen(VERSION_KEY);
    char *of = n > m && strcmp(name + n - m, VERSION_KEY) == 0
                   ? xstrndup(name, n - m) : NULL;
    char *path = xasprintf("%s/%s", directory, of ? of : "");

    if (of && place_is_dead(of) && !files_is_dir(path)) {
        free(path);
        path = xasprintf("%s/%s", directory, name);
        unlink(path);
    }
    free(path);
    free(of);
}

/* Go through what dead writers left: 1 if one was adopted. */
static int look_at_dead(struct version_writer *w,
                        const struct mlb_strings *names,
                        struct mlb_error *err)
{
    int taken = 0;

    for (size_t i = 0; taken >= 0 && i < names->count; i++) {
        char *path = xasprintf("%s/%s", w->r->directory, names->items[i]);
        if (place_is_dead(names->items[i])) {
            if (taken == 0 && has_key(w, path))
                taken = take_over(w, path, err);
            else
                files_remove_tree(path, NULL);
        }
        free(path);
    }
    for (size_t i = 0; i < names->count; i++)
        remove_key(w->r->directory, names->items[i]);
    return taken;
}

int adopt_or_make(struct version_writer *w, struct mlb_error *err)
{
    struct mlb_strings names = MLB_STRINGS_INIT;

    if (place_temporary(w->r->directory, w->temporary, sizeof(w->temporary),
                        err) < 0)
        return -1;
    /* The key comes first: a directory without one would be lost if we
     * were killed now. */
    if (files_list(w->r->directory, &names, err) < 0 ||
        write_key(w, err) < 0) {
        strings_clear(&names);
        return -1;
    }
    int taken = look_at_dead(w, &names, err);
    strings_clear(&names);
    if (taken == 0 && mkdir(w->temporary, 0777) < 0)
        return mlb_error_errno(err, MLB_ERR_IO, "cannot make directory %s",
                               w->temporary);
    return taken < 0 ? -1 : 0;
}
