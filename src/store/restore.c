/* SPDX-License-Identifier: BSD-3-Clause */
/* Opening checkpoints: one file or a directory of them, the newest sound. */
#include "config.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/files.h"
#include "store/restore.h"

#define MAX_FILES_TEXT (CHECKPOINT_MAX_FILES * (CHECKPOINT_IDENTITY + 3))

static int out_of_memory(struct mlb_error *err)
{
    return mlb_error_set(err, MLB_ERR_IO, "out of memory");
}

static int read_number(struct container *c, const char *name, uint64_t *out,
                       struct mlb_error *err)
{
    const struct container_info *a = container_find(c, name);

    if (!a || a->dtype != MLB_U64 || a->rank != 0)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "has no %s",
                             strrchr(name, '/') + 1);
    return container_read(c, a, NULL, out, err);
}

/* Open the file of a node, which must be the one that the manifest is of. */
static int open_node(struct mlb_checkpoint_reader *r, unsigned node,
                     const char *identity, struct mlb_error *err)
{
    char path[PATH_MAX], is[CHECKPOINT_IDENTITY];
    uint64_t number = 0;
    int n = snprintf(path, sizeof(path), "%s/" CHECKPOINT_NODE_FILE, r->path,
                     node);

    if (n < 0 || (size_t)n >= sizeof(path))
        return mlb_error_set(err, MLB_ERR_USAGE, "path too long");
    struct container *c = container_open(path, CONTAINER_CHECKPOINT, err);
    if (!c) {
        /* The checkpoint is there, but a part of it is not. */
        if (err && err->code == MLB_ERR_NOT_FOUND)
            err->code = MLB_ERR_BAD_INPUT;
        return -1;
    }
    r->files[r->file_count++] = c;
    checkpoint_identity(c, is);
    if (!identity || strcmp(identity, is) != 0)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                             "%s is of another save", path);
    if (read_number(c, CHECKPOINT_NODE, &number, err) < 0)
        return mlb_error_prefix(err, "%s", path);
    if (number != node)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                             "%s is of another node", path);
    return 0;
}

static int open_nodes(struct mlb_checkpoint_reader *r, struct mlb_error *err)
{
    const struct container_info *a = container_find(r->files[0],
                                                    CHECKPOINT_FILES);
    char *text = NULL;
    int rc = 0;

    if (!a)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                             "the manifest names no files");
    if (restore_text(r->files[0], a, MAX_FILES_TEXT, &text, err) < 0)
        return -1;
    json_t *files = json_loads(text, 0, NULL);
    free(text);
    size_t count = json_array_size(files);
    if (count == 0 || count > CHECKPOINT_MAX_FILES)
        rc = mlb_error_set(err, MLB_ERR_BAD_INPUT,
                           "the manifest names no files");
    struct container **grown = rc < 0 ? NULL : realloc(
        r->files, (count + 1) * sizeof(*grown));
    if (rc == 0 && !grown)
        rc = out_of_memory(err);
    if (grown)
        r->files = grown;
    for (unsigned i = 0; rc == 0 && i < count; i++)
        rc = open_node(r, i, json_string_value(json_array_get(files, i)),
                       err);
    json_decref(files);
    return rc;
}

static int fill_reader(struct mlb_checkpoint_reader *r, const char *path,
                       struct mlb_error *err)
{
    char first[PATH_MAX];

    r->path = strdup(path);
    r->files = calloc(1, sizeof(*r->files));
    if (!r->path || !r->files)
        return out_of_memory(err);
    r->is_directory = files_is_dir(path);
    int n = snprintf(first, sizeof(first), "%s%s", path,
                     r->is_directory ? "/" CHECKPOINT_MANIFEST : "");
    if (n < 0 || (size_t)n >= sizeof(first))
        return mlb_error_set(err, MLB_ERR_USAGE, "path too long: %s", path);
    r->files[0] = container_open(first, CONTAINER_CHECKPOINT, err);
    if (!r->files[0]) {
        if (r->is_directory && err && err->code == MLB_ERR_NOT_FOUND)
            err->code = MLB_ERR_BAD_INPUT;
        return -1;
    }
    r->file_count = 1;
    if (read_number(r->files[0], CHECKPOINT_STEP, &r->step, err) < 0 ||
        (r->is_directory && open_nodes(r, err) < 0) ||
        restore_tensors(r, err) < 0 || restore_metrics(r, err) < 0)
        return mlb_error_prefix(err, "%s", path);
    return 0;
}

struct mlb_checkpoint_reader *mlb_checkpoint_open(const char *path,
                                                  struct mlb_error *err)
{
    struct mlb_checkpoint_reader *r = calloc(1, sizeof(*r));
    /* What went wrong decides here, whether or not the caller wants it. */
    struct mlb_error why = { MLB_OK, "" };

    if (!r) {
        out_of_memory(err);
        return NULL;
    }
    if (fill_reader(r, path, &why) < 0) {
        if (err)
            *err = why;
        mlb_checkpoint_close(r);
        return NULL;
    }
    return r;
}

void mlb_checkpoint_close(struct mlb_checkpoint_reader *reader)
{
    if (!reader)
        return;
    restore_clear(reader);
    for (size_t i = 0; i < reader->file_count; i++)
        container_close(reader->files[i]);
    free(reader->files);
    free(reader->path);
    free(reader);
}

int restore_check(struct mlb_checkpoint_reader *r, struct mlb_error *err)
{
    for (size_t i = 0; i < r->file_count; i++)
        if (container_check_all(r->files[i], err) < 0)
            return -1;
    return 0;
}

/* Open the file of a step and read all of its data. */
static struct mlb_checkpoint_reader *open_checked(const char *directory,
                                                  uint64_t step,
                                                  struct mlb_error *err)
{
    char path[PATH_MAX];
    struct mlb_checkpoint_reader *r = NULL;

    if (checkpoint_path(directory, step, path, sizeof(path), err) < 0 ||
        !(r = mlb_checkpoint_open(path, err)))
        return NULL;
    int rc = restore_check(r, err);
    if (rc == 0 && r->step != step)
        rc = mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s holds step %" PRIu64,
                           path, r->step);
    if (rc < 0) {
        mlb_checkpoint_close(r);
        r = NULL;
    }
    return r;
}

struct mlb_checkpoint_reader *mlb_checkpoint_latest(const char *directory,
                                                    char *note,
                                                    size_t note_size,
                                                    struct mlb_error *err)
{
    struct mlb_checkpoint_reader *r = NULL;
    struct mlb_error why = { MLB_OK, "" };
    uint64_t *steps = NULL;
    size_t count = 0, i = 0;

    if (note && note_size > 0)
        note[0] = '\0';
    if (checkpoint_steps(directory, &steps, &count, err) < 0)
        return NULL;
    for (i = 0; !r && i < count; i++) {
        /* The newest one says why; the older ones only count. */
        r = open_checked(directory, steps[i], i == 0 ? &why : NULL);
    }
    size_t skipped = r ? i - 1 : count;
    if (r && skipped > 0 && note && note_size > 0)
        snprintf(note, note_size, "skipped %zu damaged checkpoint%s, took "
                 "step %" PRIu64 ": %s", skipped, skipped == 1 ? "" : "s",
                 r->step, why.text);
    if (count == 0)
        mlb_error_set(err, MLB_ERR_NOT_FOUND, "no checkpoint in %s",
                      directory);
    else if (!r)
        mlb_error_set(err, why.code, "no sound checkpoint of %zu in %s: %s",
                      count, directory, why.text);
    free(steps);
    return r;
}

uint64_t mlb_checkpoint_step(const struct mlb_checkpoint_reader *reader)
{
    return reader->step;
}

const char *mlb_checkpoint_path(const struct mlb_checkpoint_reader *reader)
{
    return reader->path;
}

int mlb_checkpoint_tensors(const struct mlb_checkpoint_reader *reader)
{
    return reader->count;
}

int mlb_checkpoint_tensor(const struct mlb_checkpoint_reader *reader, int i,
                          struct mlb_tensor *tensor)
{
    if (i < 0 || i >= reader->count)
        return -1;
    const struct restore_tensor *t = &reader->tensors[i];
    *tensor = (struct mlb_tensor){ .name = t->name, .dtype = t->dtype,
                                   .rank = t->rank };
    memcpy(tensor->shape, t->shape, sizeof(tensor->shape));
    return 0;
}

const char *mlb_checkpoint_state(const struct mlb_checkpoint_reader *reader,
                                 int i, uint64_t *length)
{
    size_t prefix = strlen(CHECKPOINT_STATES);

    for (size_t f = 0; f < reader->file_count; f++)
        for (size_t k = 0; k < container_count(reader->files[f]); k++) {
            const struct container_info *a = container_get(reader->files[f],
                                                           k);
            if (strncmp(a->name, CHECKPOINT_STATES, prefix) != 0 || i-- > 0)
                continue;
            if (length)
                *length = a->bytes;
            return i < -1 ? NULL : a->name + prefix;
        }
    return NULL;
}

const char *mlb_checkpoint_metric(const struct mlb_checkpoint_reader *reader,
                                  int i, double *value)
{
    if (i < 0 || i >= reader->metric_count)
        return NULL;
    if (value)
        *value = reader->metrics[i].value;
    return reader->metrics[i].name;
}

int mlb_checkpoint_verify(struct mlb_checkpoint_reader *reader,
                          struct mlb_error *err)
{
    for (size_t i = 0; i < reader->file_count; i++)
        if (container_verify(reader->files[i], err) < 0)
            return -1;
    return 0;
}
