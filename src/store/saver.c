/* SPDX-License-Identifier: BSD-3-Clause */
/* Opening a saver, and collecting what is to be saved. */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/huge.h"
#include "store/place.h"
#include "store/retention.h"
#include "store/saver.h"

#define HOST_BYTES 256

static int out_of_memory(struct mlb_error *err)
{
    return mlb_error_set(err, MLB_ERR_IO, "out of memory");
}

unsigned saver_file(const struct mlb_saver *s)
{
    return s->in_nodes ? s->nodes[exchange_rank(&s->x)] : 0;
}

bool saver_leads(const struct mlb_saver *s)
{
    int first = 0;

    while (s->in_nodes && s->nodes[first] != saver_file(s))
        first++;
    return first == exchange_rank(&s->x);
}

static int check_options(const struct mlb_saver_options *o,
                         struct mlb_error *err)
{
    const struct mlb_retention *r = &o->retention;

    if (!o->directory || !*o->directory)
        return mlb_error_set(err, MLB_ERR_USAGE,
                             "no directory for checkpoints");
    if (strlen(o->directory) > PATH_MAX / 2)
        return mlb_error_set(err, MLB_ERR_USAGE, "path too long: %s",
                             o->directory);
    if ((int)o->layout < MLB_LAYOUT_AUTO || o->layout > MLB_LAYOUT_NODES)
        return mlb_error_set(err, MLB_ERR_USAGE, "no such layout of "
                             "checkpoints (auto, shared or nodes)");
    if (r->last < 0 || r->best < 0)
        return mlb_error_set(err, MLB_ERR_USAGE, "what checkpoints to keep "
                             "is not clear: a negative number, or no metric "
                             "(\"min loss\")");
    if (r->best > 0 && (!r->metric || !*r->metric))
        return mlb_error_set(err, MLB_ERR_USAGE,
                             "the best checkpoints by which metric?");
    if (o->slots < 0 || o->slots > RETENTION_MAX_SLOTS)
        return mlb_error_set(err, MLB_ERR_USAGE, "%d slots (0 to %d)",
                             o->slots, RETENTION_MAX_SLOTS);
    return 0;
}

/* What a killed save left: place_clean sees to files. */
static void clean(const char *directory)
{
    char path[PATH_MAX];

    place_clean(directory);
    DIR *dir = opendir(directory);
    for (struct dirent *e; dir && (e = readdir(dir));)
        if (place_is_dead(e->d_name) &&
            snprintf(path, sizeof(path), "%s/%s", directory, e->d_name) <
                (int)sizeof(path))
            checkpoint_remove(path, NULL);
    if (dir)
        closedir(dir);
}

/* Rank 0, which makes all paths: be the only writer, and stay it wherever
 * the program goes, or the other ranks are. */
static int claim(struct mlb_saver *s, const struct lease_holder *self,
                 struct mlb_error *err)
{
    if (place_mkdirs(s->directory, err) < 0)
        return -1;
    char *full = realpath(s->directory, NULL);
    if (!full)
        return mlb_error_errno(err, MLB_ERR_IO, "%s", s->directory);
    free(s->directory);
    s->directory = full;
    if (strlen(full) > PATH_MAX / 2)
        return mlb_error_set(err, MLB_ERR_USAGE, "path too long: %s", full);
    s->lease = lease_take(s->directory, self, err);
    if (!s->lease)
        return mlb_error_prefix(err, "%s", s->directory);
    clean(s->directory);
    return 0;
}

/* Number the nodes by their first rank. */
static int find_nodes(struct mlb_saver *s, const char *host,
                      struct mlb_error *err)
{
    size_t size = (size_t)exchange_size(&s->x);
    char mine[HOST_BYTES] = "";
    char *hosts = calloc(size, HOST_BYTES);

    s->nodes = calloc(size, sizeof(*s->nodes));
    s->done = calloc(size, 1);
    int rc = hosts && s->nodes && s->done ? 0 : out_of_memory(err);
    rc = exchange_agree(&s->x, rc, err);
    snprintf(mine, sizeof(mine), "%s", host);
    if (rc == 0)
        rc = exchange_words(&s->x, mine, HOST_BYTES, hosts, err);
    for (size_t i = 0, k; rc == 0 && i < size; i++) {
        for (k = 0; memcmp(hosts + k * HOST_BYTES, hosts + i * HOST_BYTES,
                           HOST_BYTES) != 0; k++)
            ;
        s->nodes[i] = k == i ? s->files++ : s->nodes[k];
    }
    free(hosts);
    return rc;
}

static int choose_layout(struct mlb_saver *s, enum mlb_layout wanted,
                         struct mlb_error *err)
{
    int nodes = wanted == MLB_LAYOUT_NODES;

    if (wanted == MLB_LAYOUT_AUTO && exchange_rank(&s->x) == 0)
        nodes = s->files > 1 && !saver_is_coherent(s->directory);
    if (exchange_broadcast(&s->x, &nodes, sizeof(nodes), err) < 0)
        return -1;
    s->in_nodes = nodes;
    s->files = nodes ? s->files : 1;
    if (s->files > CHECKPOINT_MAX_FILES)
        return mlb_error_set(err, MLB_ERR_USAGE, "more than %u nodes",
                             CHECKPOINT_MAX_FILES);
    /* Only a file of all ranks is written over. */
    if (s->in_nodes)
        s->slots = 0;
    if (exchange_rank(&s->x) == 0)
        retention_trim(s->directory, s->slots);
    return 0;
}

static int copy_options(struct mlb_saver *s,
                        const struct mlb_saver_options *o,
                        struct mlb_error *err)
{
    s->pid = getpid();
    if (check_options(o, err) < 0)
        return -1;
    s->directory = strdup(o->directory);
    s->metric = strdup(o->retention.metric ? o->retention.metric : "");
    if (!s->directory || !s->metric)
        return out_of_memory(err);
    s->slots = o->slots;
    s->retention = o->retention;
    s->retention.metric = s->metric;
    return 0;
}

struct mlb_saver *saver_open_on(const struct mlb_saver_options *options,
                                const struct lease_holder *self,
                                struct mlb_error *err)
{
    struct exchange x;

    if (exchange_init(&x, options->group, err) < 0)
        return NULL;
    struct mlb_saver *s = calloc(1, sizeof(*s));
    int rc = s ? copy_options(s, options, err) : out_of_memory(err);
    if (rc == 0) {
        s->x = x;
        if (exchange_rank(&x) == 0)
            rc = claim(s, self, err);
    }
    rc = exchange_agree(&x, rc, err);
    if (rc == 0 && (find_nodes(s, self->host, err) < 0 ||
                    choose_layout(s, options->layout, err) < 0))
        rc = -1;
    if (rc == 0)
        return s;
    if (s) {
        s->x = x;
        mlb_saver_close(s);
    }
    return NULL;
}

struct mlb_saver *mlb_saver_open(const struct mlb_saver_options *options,
                                 struct mlb_error *err)
{
    struct lease_holder self;

    lease_self(&self);
    return saver_open_on(options, &self, err);
}

void mlb_saver_close(struct mlb_saver *saver)
{
    /* A child has no more than a copy: what is under way is its parent's. */
    if (!saver || saver->pid != getpid())
        return;
    mlb_saver_wait(saver, NULL);
    if (saver->open)
        mlb_checkpoint_abandon(saver->open);
    lease_release(saver->lease);
    saver_plan_clear(&saver->plan);
    huge_unmap(saver->warm, saver->warm_bytes);
    free(saver->nodes);
    free(saver->done);
    free(saver->directory);
    free(saver->metric);
    free(saver);
}

static struct mlb_checkpoint *new_checkpoint(struct mlb_saver *s,
                                             uint64_t step,
                                             struct mlb_error *err)
{
    struct mlb_checkpoint *c = calloc(1, sizeof(*c));

    if (!c) {
        out_of_memory(err);
        return NULL;
    }
    c->saver = s;
    c->step = step;
    c->metrics = json_object();
    c->names = container_create("", CONTAINER_CHECKPOINT, err);
    if (c->metrics && c->names)
        return c;
    if (!c->metrics)
        out_of_memory(err);
    saver_forget(c);
    return NULL;
}

struct mlb_checkpoint *mlb_checkpoint_create(struct mlb_saver *saver,
                                             uint64_t step,
                                             struct mlb_error *err)
{
    struct mlb_checkpoint *c = NULL;

    if (mlb_saver_wait(saver, err) < 0)
        return NULL;
    int rc = saver->open ? mlb_error_set(err, MLB_ERR_USAGE, "a checkpoint "
                                         "of step %" PRIu64 " is begun "
                                         "already", saver->open->step) : 0;
    if (rc == 0 && !(c = new_checkpoint(saver, step, err)))
        rc = -1;
    if (rc == 0 && saver->lease)
        rc = lease_check(saver->lease, err);
    if (exchange_agree(&saver->x, rc, err) < 0) {
        saver_forget(c);
        return NULL;
    }
    saver->open = c;
    return c;
}

void saver_forget(struct mlb_checkpoint *c)
{
    if (!c)
        return;
    if (c->saver->open == c)
        c->saver->open = NULL;
    container_abandon(c->names);
    json_decref(c->metrics);
    free(c->items);
    free(c->data);
    free(c);
}

/* Remember a failure, so that it fails the save on all ranks. */
static int note(struct mlb_checkpoint *c, int rc, const struct mlb_error *why,
                struct mlb_error *err)
{
    if (rc < 0 && c->error.code == MLB_OK)
        c->error = *why;
    if (rc < 0 && err)
        *err = *why;
    return rc;
}

static int grow(struct mlb_checkpoint *c, struct mlb_error *err)
{
    size_t size = c->size ? c->size * 2 : 64;

    if (c->count < c->size)
        return 0;
    struct shards_item *items = realloc(c->items, size * sizeof(*items));
    if (items)
        c->items = items;
    const void **data = realloc(c->data, size * sizeof(void *));
    if (data)
        c->data = data;
    if (!items || !data)
        return out_of_memory(err);
    c->size = size;
    return 0;
}

/* Take a name and check what a file could not hold. */
static int add_item(struct mlb_checkpoint *c, const char *prefix,
                    const struct mlb_tensor *t, const struct mlb_box *box,
                    struct mlb_error *err)
{
    char name[SHARDS_MAX_NAME + 32];
    struct container_array a = { .name = name, .dtype = t->dtype,
                                 .rank = t->rank, .data = "" };

    if (!t->name || strlen(t->name) > SHARDS_MAX_NAME)
        return mlb_error_set(err, MLB_ERR_USAGE,
                             "a name of more than %d bytes, or none",
                             SHARDS_MAX_NAME);
    snprintf(name, sizeof(name), "%s%s", prefix, t->name);
    memcpy(a.shape, t->shape, sizeof(a.shape));
    if (grow(c, err) < 0 || container_add(c->names, &a, err) < 0)
        return -1;
    struct shards_item *item = &c->items[c->count];
    uint64_t elements = 1;
    size_t bytes = (size_t)t->rank * sizeof(item->shape[0]);
    memset(item, 0, sizeof(*item));
    item->is_state = strcmp(prefix, CHECKPOINT_STATES) == 0;
    item->dtype = t->dtype;
    item->rank = t->rank;
    memcpy(item->shape, t->shape, bytes);
    memcpy(item->box.origin, box ? box->origin : item->box.origin, bytes);
    memcpy(item->box.extent, box ? box->extent : t->shape, bytes);
    strcpy(item->name, t->name);
    if (!shards_box_fits(t->rank, item->shape, &item->box))
        return mlb_error_set(err, MLB_ERR_USAGE, "tensor %s: the box is not "
                             "within its shape", t->name);
    for (int i = 0; i < t->rank; i++)
        elements *= item->box.extent[i];
    if (elements > 0 && !t->data)
        return mlb_error_set(err, MLB_ERR_USAGE, "%s: no data", t->name);
    c->data[c->count++] = t->data;
    return 0;
}

int mlb_checkpoint_add(struct mlb_checkpoint *checkpoint,
                       const struct mlb_tensor *tensor,
                       const struct mlb_box *box, struct mlb_error *err)
{
    struct mlb_error why = { MLB_OK, "" };
    int rc = add_item(checkpoint, CHECKPOINT_TENSORS, tensor, box, &why);

    return note(checkpoint, rc, &why, err);
}

int mlb_checkpoint_add_state(struct mlb_checkpoint *checkpoint,
                             const char *name, const void *bytes,
                             uint64_t length, struct mlb_error *err)
{
    struct mlb_error why = { MLB_OK, "" };
    struct mlb_tensor t = { .name = name, .dtype = MLB_U8, .rank = 1,
                            .shape = { length }, .data = bytes };
    int rc = add_item(checkpoint, CHECKPOINT_STATES, &t, NULL, &why);

    return note(checkpoint, rc, &why, err);
}

int mlb_checkpoint_add_metric(struct mlb_checkpoint *checkpoint,
                              const char *name, double value,
                              struct mlb_error *err)
{
    struct mlb_error why = { MLB_OK, "" };
    json_t *json = isfinite(value) ? json_real(value)
                                   : json_string(isnan(value) ? "nan"
                                                 : value > 0 ? "inf"
                                                             : "-inf");
    int rc = 0;

    /* jansson takes a name only if it is UTF-8. */
    if (!name || !*name || strlen(name) > SHARDS_MAX_NAME ||
        json_object_set(checkpoint->metrics, name, json) < 0)
        rc = mlb_error_set(&why, MLB_ERR_USAGE,
                           "not a possible name of a metric");
    json_decref(json);
    return note(checkpoint, rc, &why, err);
}
