/* SPDX-License-Identifier: BSD-3-Clause */
/* Exporting the tensors of a checkpoint. */
#include "config.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "store/export.h"
#include "store/npz.h"
#include "store/safetensors.h"
#include "store/target.h"
#include "store/view.h"

struct saving {
    const struct export_checkpoint *request;
    struct export_result *result;
    struct mlb_checkpoint_reader *reader;
    struct mlb_tensor *tensors;
    size_t count;
    struct target target;
    struct npz *z;                /* NULL: safetensors */
    unsigned char *buffer;
    uint64_t done, total;
};

static int choose(struct saving *s, struct mlb_error *err)
{
    const char *pattern = s->request->tensors;
    int all = mlb_checkpoint_tensors(s->reader);
    struct mlb_tensor t;

    s->tensors = xcalloc((size_t)all + 1, sizeof(*s->tensors));
    for (int i = 0; i < all; i++) {
        mlb_checkpoint_tensor(s->reader, i, &t);
        if (pattern && fnmatch(pattern, t.name, FNM_EXTMATCH) != 0)
            continue;
        s->tensors[s->count++] = t;
        s->total += view_bytes(&t);
    }
    if (s->count > 0)
        return 0;
    return mlb_error_set(err, MLB_ERR_NOT_FOUND,
                         pattern ? "%s has no tensor like \"%s\" "
                                   "(\"mlbatch checkpoint show\" lists them)"
                                 : "%s has no tensors", s->request->path,
                         pattern);
}

static int write_tensor(struct saving *s, const struct mlb_tensor *t,
                        struct mlb_error *err)
{
    uint64_t at = 0;
    int64_t n;

    while ((n = view_read(s->reader, t, at, s->buffer, err)) > 0) {
        int rc = s->z ? npz_write(s->z, s->buffer, (size_t)n, err)
                      : target_write(&s->target, s->buffer, (size_t)n, err);
        if (rc < 0)
            return -1;
        at += (uint64_t)n;
        s->done += (uint64_t)n;
        if (s->request->progress)
            s->request->progress(s->request->progress_arg, s->done,
                                 s->total);
    }
    return n < 0 ? -1 : 0;
}

static int write_safetensors(struct saving *s, struct mlb_error *err)
{
    struct mlb_text head = MLB_TEXT_INIT;
    char *step = xasprintf("%" PRIu64, mlb_checkpoint_step(s->reader));
    /* "pt" is what other programs want to see before they load it. */
    json_t *metadata = json_pack("{s:s, s:s, s:s}", "format", "pt", "step",
                                 step, "program",
                                 PACKAGE_NAME " " PACKAGE_VERSION);

    safetensors_sort(s->tensors, s->count);
    int rc = safetensors_add_head(&head, s->tensors, s->count, metadata, err);
    if (rc == 0)
        rc = target_write(&s->target, head.data, head.length, err);
    for (size_t i = 0; rc == 0 && i < s->count; i++)
        rc = write_tensor(s, &s->tensors[i], err);
    json_decref(metadata);
    free(step);
    text_clear(&head);
    return rc;
}

/* Tell of each type that numpy lacks once, not of each tensor. */
static void note_types(struct saving *s)
{
    for (int type = MLB_F64; type <= MLB_C128; type++) {
        enum mlb_dtype dtype = (enum mlb_dtype)type;
        size_t count = 0;
        for (size_t i = 0; i < s->count; i++)
            count += s->tensors[i].dtype == dtype;
        if (count > 0 && npz_type(dtype) != dtype)
            strings_pushf(&s->result->notes, "%zu tensor%s of type %s, which "
                          "numpy does not have: the bits are there as %s",
                          count, count == 1 ? "" : "s", mlb_dtype_name(dtype),
                          mlb_dtype_name(npz_type(dtype)));
    }
}

static int write_npz(struct saving *s, struct mlb_error *err)
{
    int rc = 0;

    s->z = npz_create(&s->target, err);
    if (!s->z)
        return -1;
    for (size_t i = 0; rc == 0 && i < s->count; i++) {
        const struct mlb_tensor *t = &s->tensors[i];
        rc = npz_begin(s->z, t->name, t->dtype, t->shape, t->rank, err);
        if (rc == 0)
            rc = write_tensor(s, t, err);
    }
    note_types(s);
    if (rc == 0)
        return npz_close(s->z, err);
    npz_abandon(s->z);
    return -1;
}

static int write_target(struct saving *s, struct mlb_error *err)
{
    const struct export_checkpoint *r = s->request;
    int rc = target_open(&s->target, r->to, r->force, err);

    s->buffer = xmalloc(VIEW_PIECE);
    if (rc == 0)
        rc = r->format == EXPORT_NPZ ? write_npz(s, err)
                                     : write_safetensors(s, err);
    if (rc == 0)
        rc = target_publish(&s->target, err);
    s->result->rows = s->count;
    s->result->files = 1;
    s->result->bytes = s->target.bytes;
    target_clear(&s->target);
    free(s->buffer);
    return rc;
}

int export_checkpoint(const struct export_checkpoint *request,
                      struct export_result *result, struct mlb_error *err)
{
    struct saving s = { .request = request, .result = result,
                        .target = { .fd = -1 } };
    int rc = -1;

    *result = (struct export_result){ .notes = MLB_STRINGS_INIT };
    s.reader = mlb_checkpoint_open(request->path, err);
    if (s.reader && choose(&s, err) == 0)
        rc = write_target(&s, err);
    free(s.tensors);
    mlb_checkpoint_close(s.reader);
    return rc;
}
