/* SPDX-License-Identifier: BSD-3-Clause */
/* What is in a checkpoint: whole tensors, those in boxes, metrics. */
#include "config.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "store/layout.h"
#include "store/restore.h"
#include "store/shards.h"

#define MAX_SHARDS (UINT64_C(256) << 20)     /* bytes of /meta/shards */

static int out_of_memory(struct mlb_error *err)
{
    return mlb_error_set(err, MLB_ERR_IO, "out of memory");
}

const struct container_info *restore_find(
    const struct mlb_checkpoint_reader *r, const char *name,
    struct container **file)
{
    const struct container_info *found = NULL;

    for (size_t i = 0; !found && i < r->file_count; i++) {
        *file = r->files[i];
        found = container_find(r->files[i], name);
    }
    return found;
}

int restore_text(struct container *c, const struct container_info *a,
                 uint64_t limit, char **text, struct mlb_error *err)
{
    *text = NULL;
    if (a->bytes > limit || a->dtype != MLB_U8)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s is no text of up to "
                             "%" PRIu64 " bytes", a->name, limit);
    *text = calloc(1, a->bytes + 1);
    if (!*text)
        return out_of_memory(err);
    if (container_read(c, a, NULL, *text, err) == 0)
        return 0;
    free(*text);
    *text = NULL;
    return -1;
}

/* The JSON of an array of the first file: *top is NULL if there is none. */
static int read_json(struct mlb_checkpoint_reader *r, const char *name,
                     uint64_t limit, json_t **top, struct mlb_error *err)
{
    const struct container_info *a = container_find(r->files[0], name);
    json_error_t why;
    char *text = NULL;

    *top = NULL;
    if (!a)
        return 0;
    if (restore_text(r->files[0], a, limit, &text, err) < 0)
        return -1;
    *top = json_loads(text, JSON_REJECT_DUPLICATES, &why);
    free(text);
    if (json_is_object(*top))
        return 0;
    json_decref(*top);
    *top = NULL;
    return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s is not as it must be",
                         name);
}

static bool starts_with(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* Make t a tensor with room for so many pieces. */
static int set_tensor(struct restore_tensor *t, const char *name,
                      size_t pieces, struct mlb_error *err)
{
    t->name = strdup(name);
    t->pieces = calloc(pieces + 1, sizeof(*t->pieces));
    return t->name && t->pieces ? 0 : out_of_memory(err);
}

static int add_whole(struct mlb_checkpoint_reader *r, struct container *file,
                     const struct container_info *a, struct mlb_error *err)
{
    struct restore_tensor *t = &r->tensors[r->count++];

    t->dtype = a->dtype;
    t->rank = a->rank;
    memcpy(t->shape, a->shape, sizeof(t->shape));
    if (set_tensor(t, a->name + strlen(CHECKPOINT_TENSORS), 1, err) < 0)
        return -1;
    t->pieces[0] = (struct restore_piece){ .file = file, .array = a };
    memcpy(t->pieces[0].box.extent, a->shape, sizeof(a->shape));
    t->count = 1;
    return 0;
}

/* Up to rank numbers of a JSON array. -1: it is something else. */
static int read_numbers(const json_t *array, int rank, uint64_t *out)
{
    if (!json_is_array(array) || json_array_size(array) != (size_t)rank)
        return -1;
    for (int i = 0; i < rank; i++) {
        const json_t *n = json_array_get(array, (size_t)i);
        if (!json_is_integer(n) || json_integer_value(n) < 0)
            return -1;
        out[i] = (uint64_t)json_integer_value(n);
    }
    return 0;
}

/* The file that holds box number k. */
static struct container *file_of(const struct mlb_checkpoint_reader *r,
                                 const json_t *files, size_t k)
{
    const json_t *number = json_array_get(files, k);

    if (!r->is_directory)
        return r->files[0];
    if (!json_is_integer(number) || json_integer_value(number) < 0 ||
        (uint64_t)json_integer_value(number) >= r->file_count - 1)
        return NULL;
    return r->files[json_integer_value(number) + 1];
}

static int read_piece(const struct mlb_checkpoint_reader *r,
                      struct restore_tensor *t, const json_t *json,
                      struct mlb_error *err)
{
    struct restore_piece *p = &t->pieces[t->count];
    const json_t *origin = json_array_get(json_object_get(json, "origins"),
                                          t->count);
    char name[LAYOUT_MAX_NAME + 32];

    snprintf(name, sizeof(name), "%s%s/%zu", CHECKPOINT_SHARDS, t->name,
             t->count);
    p->file = file_of(r, json_object_get(json, "files"), t->count);
    p->array = p->file ? container_find(p->file, name) : NULL;
    if (!p->array || p->array->dtype != t->dtype ||
        p->array->rank != t->rank ||
        read_numbers(origin, t->rank, p->box.origin) < 0)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                             "%s is missing, or of another type", name);
    memcpy(p->box.extent, p->array->shape, sizeof(p->box.extent));
    if (!shards_box_fits(t->rank, t->shape, &p->box))
        return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                             "%s is not within its tensor", name);
    t->count++;
    return 0;
}

static int add_boxes(struct mlb_checkpoint_reader *r, const char *name,
                     const json_t *json, struct mlb_error *err)
{
    struct restore_tensor *t = &r->tensors[r->count++];
    const json_t *shape = json_object_get(json, "shape");
    const char *dtype = json_string_value(json_object_get(json, "dtype"));
    size_t boxes = json_array_size(json_object_get(json, "origins"));
    struct shards_cover cover = { .shape = t->shape };
    uint64_t bytes;

    t->dtype = dtype ? mlb_dtype_find(dtype) : 0;
    if (!t->dtype || json_array_size(shape) > MLB_MAX_RANK || boxes == 0 ||
        strlen(name) > SHARDS_MAX_NAME ||
        read_numbers(shape, (int)json_array_size(shape), t->shape) < 0)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "tensor %s: no sound "
                             "type, shape or boxes", name);
    t->rank = cover.rank = (int)json_array_size(shape);
    if (layout_array_bytes(t->dtype, t->rank, t->shape, &bytes, err) < 0) {
        if (err)
            err->code = MLB_ERR_BAD_INPUT;
        return mlb_error_prefix(err, "tensor %s", name);
    }
    if (set_tensor(t, name, boxes, err) < 0)
        return -1;
    while (t->count < boxes) {
        if (read_piece(r, t, json, err) < 0)
            return -1;
        shards_cover_add(&cover, &t->pieces[t->count - 1].box);
    }
    if (!shards_cover_done(&cover))
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "tensor %s: its boxes "
                             "overlap, or leave a part of it out", name);
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    const struct restore_tensor *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

static int sort_names(struct mlb_checkpoint_reader *r, struct mlb_error *err)
{
    size_t count = (size_t)r->count;

    r->by_name = calloc(count + 1, sizeof(struct restore_tensor *));
    if (!r->by_name)
        return out_of_memory(err);
    for (size_t i = 0; i < count; i++)
        r->by_name[i] = &r->tensors[i];
    qsort(r->by_name, count, sizeof(struct restore_tensor *), compare_names);
    for (size_t i = 1; i < count; i++)
        if (compare_names(&r->by_name[i - 1], &r->by_name[i]) == 0)
            return mlb_error_set(err, MLB_ERR_BAD_INPUT, "tensor %s is there "
                                 "twice", r->by_name[i]->name);
    return 0;
}

const struct restore_tensor *restore_tensor(
    const struct mlb_checkpoint_reader *r, const char *name)
{
    struct restore_tensor wanted = { .name = (char *)name };
    const struct restore_tensor *key = &wanted, **found;

    found = bsearch(&key, r->by_name, (size_t)r->count,
                    sizeof(struct restore_tensor *), compare_names);
    return found ? *found : NULL;
}

static int fill_tensors(struct mlb_checkpoint_reader *r, const json_t *shards,
                        struct mlb_error *err)
{
    const char *name;
    json_t *tensor;
    size_t count = json_object_size(shards);

    for (size_t f = 0; f < r->file_count; f++)
        count += container_count(r->files[f]);
    r->tensors = calloc(count + 1, sizeof(*r->tensors));
    if (!r->tensors)
        return out_of_memory(err);
    for (size_t f = 0; f < r->file_count; f++)
        for (size_t i = 0; i < container_count(r->files[f]); i++) {
            const struct container_info *a = container_get(r->files[f], i);
            if (starts_with(a->name, CHECKPOINT_TENSORS) &&
                add_whole(r, r->files[f], a, err) < 0)
                return -1;
        }
    json_object_foreach((json_t *)shards, name, tensor)
        if (add_boxes(r, name, tensor, err) < 0)
            return -1;
    return sort_names(r, err);
}

int restore_tensors(struct mlb_checkpoint_reader *r, struct mlb_error *err)
{
    json_t *shards = NULL;

    if (read_json(r, CHECKPOINT_SHARD_TABLE, MAX_SHARDS, &shards, err) < 0)
        return -1;
    int rc = fill_tensors(r, shards, err);
    json_decref(shards);
    return rc;
}

/* JSON has no numbers that are not finite, so these are words. */
static double metric_value(const json_t *json)
{
    const char *word = json_string_value(json);

    if (json_is_number(json))
        return json_number_value(json);
    if (word && strcmp(word, "inf") == 0)
        return INFINITY;
    return word && strcmp(word, "-inf") == 0 ? -INFINITY : NAN;
}

int restore_metrics(struct mlb_checkpoint_reader *r, struct mlb_error *err)
{
    json_t *top = NULL, *value;
    const char *name;
    int rc = 0;

    if (read_json(r, CHECKPOINT_METRICS, CHECKPOINT_MAX_METRICS, &top,
                  err) < 0)
        return -1;
    r->metrics = calloc(json_object_size(top) + 1, sizeof(*r->metrics));
    if (!r->metrics)
        rc = out_of_memory(err);
    json_object_foreach(top, name, value) {
        struct restore_metric m = { strdup(name), metric_value(value) };
        if (!m.name || rc < 0) {
            free(m.name);
            rc = out_of_memory(err);
            break;
        }
        r->metrics[r->metric_count++] = m;
    }
    json_decref(top);
    return rc;
}

void restore_clear(struct mlb_checkpoint_reader *r)
{
    for (int i = 0; i < r->count; i++) {
        free(r->tensors[i].name);
        free(r->tensors[i].pieces);
    }
    for (int i = 0; i < r->metric_count; i++)
        free(r->metrics[i].name);
    free(r->by_name);
    free(r->tensors);
    free(r->metrics);
}
