/* SPDX-License-Identifier: BSD-3-Clause */
/* Collecting the arrays of a container to be written. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "store/layout.h"
#include "store/writer.h"

/* A name that is taken, by an array or by a group on the way to one. */
struct writer_name {
    struct writer_name *next;
    uint64_t hash;
    size_t length;
    bool is_group;
    char name[];
};

static int out_of_memory(struct mlb_error *err)
{
    return mlb_error_set(err, MLB_ERR_IO, "out of memory");
}

struct container_writer *container_create(const char *path,
                                          enum container_kind kind,
                                          struct mlb_error *err)
{
    struct container_writer *w = calloc(1, sizeof(*w));

    if (w && !(w->path = strdup(path))) {
        free(w);
        w = NULL;
    }
    if (!w) {
        out_of_memory(err);
        return NULL;
    }
    w->kind = kind;
    return w;
}

void container_abandon(struct container_writer *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->buckets; i++)
        for (struct writer_name *n = w->names[i], *next; n; n = next) {
            next = n->next;
            free(n);
        }
    free(w->names);
    free(w->arrays);
    free(w->bytes);
    free(w->path);
    free(w);
}

/* Twice as many chains, while they are short. */
static int widen(struct container_writer *w)
{
    size_t buckets = w->buckets ? w->buckets * 2 : 64;
    struct writer_name **names = calloc(buckets, sizeof(*names));

    if (!names)
        return -1;
    for (size_t i = 0; i < w->buckets; i++)
        for (struct writer_name *n = w->names[i], *next; n; n = next) {
            struct writer_name **chain = &names[n->hash & (buckets - 1)];
            next = n->next;
            n->next = *chain;
            *chain = n;
        }
    free(w->names);
    w->names = names;
    w->buckets = buckets;
    return 0;
}

/* Enter the first length bytes of name. NULL: no memory. *made says whether
 * it was new. */
static struct writer_name *take(struct container_writer *w, const char *name,
                                size_t length, bool *made)
{
    uint64_t hash = XXH3_64bits(name, length);
    struct writer_name *n;

    *made = false;
    if (w->name_count >= w->buckets && widen(w) < 0)
        return NULL;
    struct writer_name **chain = &w->names[hash & (w->buckets - 1)];
    for (n = *chain; n; n = n->next)
        if (n->hash == hash && n->length == length &&
            memcmp(n->name, name, length) == 0)
            return n;
    n = calloc(1, sizeof(*n) + length + 1);
    if (!n)
        return NULL;
    memcpy(n->name, name, length);
    n->length = length;
    n->hash = hash;
    n->next = *chain;
    *chain = n;
    w->name_count++;
    *made = true;
    return n;
}

/* Enter a name and the groups above it. A group that stays after a failure
 * harms nobody: it could only refuse an array of its name. */
static const char *take_name(struct container_writer *w, const char *name,
                             struct mlb_error *err)
{
    struct writer_name *t = NULL;
    bool made;

    for (const char *p = name + 1; (p = strchr(p, '/')); p++) {
        t = take(w, name, (size_t)(p - name), &made);
        if (t && made)
            t->is_group = true;
        if (!t || !t->is_group) {
            mlb_error_set(err, MLB_ERR_USAGE,
                          t ? "%s: a part of the name is an array already"
                            : "%s: out of memory", name);
            return NULL;
        }
    }
    t = take(w, name, strlen(name), &made);
    if (t && made)
        return t->name;
    mlb_error_set(err, MLB_ERR_USAGE,
                  !t ? "%s: out of memory"
                     : t->is_group ? "%s: other names begin with this one"
                                   : "%s is there twice", name);
    return NULL;
}

static int grow(struct container_writer *w)
{
    size_t size = w->size ? w->size * 2 : 16;
    void *arrays = realloc(w->arrays, size * sizeof(*w->arrays));

    if (arrays)
        w->arrays = arrays;
    void *bytes = realloc(w->bytes, size * sizeof(*w->bytes));
    if (bytes)
        w->bytes = bytes;
    if (!arrays || !bytes)
        return -1;
    w->size = size;
    return 0;
}

static bool is_reserved(const char *name)
{
    const char *const ours[] = { "/index", "/names", "/blocks" };

    for (size_t i = 0; i < WRITER_SYSTEM_ARRAYS; i++) {
        size_t n = strlen(ours[i]);
        if (strncmp(name, ours[i], n) == 0 && (!name[n] || name[n] == '/'))
            return true;
    }
    return false;
}

int container_add(struct container_writer *w,
                  const struct container_array *array, struct mlb_error *err)
{
    uint64_t bytes;

    if (!layout_name_ok(array->name) || is_reserved(array->name))
        return mlb_error_set(err, MLB_ERR_USAGE,
                             "not a possible name of an array: %s",
                             array->name);
    if (layout_array_bytes(array->dtype, array->rank, array->shape, &bytes,
                           err) < 0)
        return mlb_error_prefix(err, "%s", array->name);
    if (w->count >= LAYOUT_MAX_ARRAYS)
        return mlb_error_set(err, MLB_ERR_USAGE, "more than %" PRIu64
                             " arrays", LAYOUT_MAX_ARRAYS);
    if (w->count == w->size && grow(w) < 0)
        return out_of_memory(err);
    const char *name = take_name(w, array->name, err);
    if (!name)
        return -1;
    w->arrays[w->count] = *array;
    w->arrays[w->count].name = name;
    w->bytes[w->count++] = bytes;
    return 0;
}
