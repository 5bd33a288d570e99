/* SPDX-License-Identifier: BSD-3-Clause */
/* Loading checkpoints: find the newest sound one, read and compare. */
#include "config.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/checkpoint.h"
#include "store/container.h"

struct mlb_checkpoint_reader {
    struct container *file;
    char *path;
    uint64_t step;
    const struct container_info **tensors;   /* in the order of the file */
    int count;
};

static bool starts_with(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

static int read_step(struct mlb_checkpoint_reader *r, struct mlb_error *err)
{
    const struct container_info *step = container_find(r->file,
                                                       CHECKPOINT_STEP);

    if (!step || step->dtype != MLB_U64 || step->rank != 0)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s has no step",
                             r->path);
    return container_read(r->file, step, NULL, &r->step, err);
}

static int fill_reader(struct mlb_checkpoint_reader *r, const char *path,
                       struct mlb_error *err)
{
    r->path = strdup(path);
    if (!r->path)
        return mlb_error_set(err, MLB_ERR_IO, "out of memory");
    r->file = container_open(path, CONTAINER_CHECKPOINT, err);
    if (!r->file || read_step(r, err) < 0)
        return -1;
    size_t count = container_count(r->file);
    r->tensors = calloc(count + 1, sizeof(struct container_info *));
    if (!r->tensors)
        return mlb_error_set(err, MLB_ERR_IO, "out of memory");
    for (size_t i = 0; i < count; i++) {
        const struct container_info *a = container_get(r->file, i);
        if (starts_with(a->name, CHECKPOINT_TENSORS))
            r->tensors[r->count++] = a;
    }
    return 0;
}

struct mlb_checkpoint_reader *mlb_checkpoint_open(const char *path,
                                                  struct mlb_error *err)
{
    struct mlb_checkpoint_reader *r = calloc(1, sizeof(*r));

    if (!r) {
        mlb_error_set(err, MLB_ERR_IO, "out of memory");
        return NULL;
    }
    if (fill_reader(r, path, err) < 0) {
        mlb_checkpoint_close(r);
        return NULL;
    }
    return r;
}

void mlb_checkpoint_close(struct mlb_checkpoint_reader *reader)
{
    if (!reader)
        return;
    container_close(reader->file);
    free(reader->tensors);
    free(reader->path);
    free(reader);
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
    int rc = container_check_all(r->file, err);
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
    const struct container_info *a = reader->tensors[i];
    *tensor = (struct mlb_tensor){
        .name = a->name + strlen(CHECKPOINT_TENSORS), .dtype = a->dtype,
        .rank = a->rank,
    };
    memcpy(tensor->shape, a->shape, sizeof(tensor->shape));
    return 0;
}

static const struct container_info *find(struct mlb_checkpoint_reader *r,
                                         const char *prefix, const char *name,
                                         struct mlb_error *err)
{
    char full[512];
    int n = snprintf(full, sizeof(full), "%s%s", prefix, name);
    const struct container_info *a =
        n > 0 && (size_t)n < sizeof(full) ? container_find(r->file, full)
                                          : NULL;

    if (!a)
        mlb_error_set(err, MLB_ERR_NOT_FOUND, "%s has no %s", r->path,
                      full + 1);
    return a;
}

/* "f32[64,10]", for messages. */
static void describe(enum mlb_dtype dtype, int rank, const uint64_t *shape,
                     char *out, size_t size)
{
    const char *type = mlb_dtype_name(dtype);
    size_t n = (size_t)snprintf(out, size, "%s[", type ? type : "?");

    for (int i = 0; i < rank && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, "%s%" PRIu64, i ? "," : "",
                              shape[i]);
    if (n < size)
        snprintf(out + n, size - n, "]");
}

int mlb_checkpoint_load(struct mlb_checkpoint_reader *reader,
                        const struct mlb_tensor *wanted, void *out,
                        struct mlb_error *err)
{
    const struct container_info *a = find(reader, CHECKPOINT_TENSORS,
                                          wanted->name, err);
    char is[192], should[192];

    if (!a)
        return -1;
    if (wanted->rank < 0 || wanted->rank > MLB_MAX_RANK)
        return mlb_error_set(err, MLB_ERR_USAGE, "%s: %d dimensions",
                             wanted->name, wanted->rank);
    if (a->dtype != wanted->dtype || a->rank != wanted->rank ||
        memcmp(a->shape, wanted->shape,
               (size_t)a->rank * sizeof(a->shape[0])) != 0) {
        describe(a->dtype, a->rank, a->shape, is, sizeof(is));
        describe(wanted->dtype, wanted->rank, wanted->shape, should,
                 sizeof(should));
        return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                             "tensor %s is %s, not %s", wanted->name, is,
                             should);
    }
    return container_read(reader->file, a, NULL, out, err);
}

int mlb_checkpoint_load_state(struct mlb_checkpoint_reader *reader,
                              const char *name, void **bytes,
                              uint64_t *length, struct mlb_error *err)
{
    const struct container_info *a = find(reader, CHECKPOINT_STATES, name,
                                          err);
    char *buffer;

    if (!a)
        return -1;
    buffer = malloc(a->bytes + 1);
    if (!buffer)
        return mlb_error_set(err, MLB_ERR_IO, "out of memory");
    if (container_read(reader->file, a, NULL, buffer, err) < 0) {
        free(buffer);
        return -1;
    }
    buffer[a->bytes] = '\0';
    *bytes = buffer;
    *length = a->bytes;
    return 0;
}

int mlb_checkpoint_verify(struct mlb_checkpoint_reader *reader,
                          struct mlb_error *err)
{
    return container_verify(reader->file, err);
}
