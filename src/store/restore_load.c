/* SPDX-License-Identifier: BSD-3-Clause */
/* Loading boxes of tensors, whatever boxes they were saved in. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/layout.h"
#include "store/restore.h"
#include "store/shards.h"

/* Short runs are copied out of windows of the array: a block is read and
 * compared once, however many rows of the box begin in it. */
#define WINDOW (8 * LAYOUT_BLOCK)
#define LONG_RUN LAYOUT_BLOCK

struct window {
    unsigned char *bytes;              /* WINDOW of them */
    const struct restore_piece *piece; /* that it is of */
    uint64_t start, end;               /* of its array */
};

/* The part that a wanted box and a piece have in common. */
struct overlap {
    int rank;
    uint64_t element;                  /* bytes */
    uint64_t lower[MLB_MAX_RANK], extent[MLB_MAX_RANK];
};

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

static int compare_shape(const struct restore_tensor *t,
                         const struct mlb_tensor *wanted,
                         struct mlb_error *err)
{
    char is[192], should[192];

    if (wanted->rank < 0 || wanted->rank > MLB_MAX_RANK)
        return mlb_error_set(err, MLB_ERR_USAGE, "%s: %d dimensions",
                             wanted->name, wanted->rank);
    if (t->dtype == wanted->dtype && t->rank == wanted->rank &&
        memcmp(t->shape, wanted->shape,
               (size_t)t->rank * sizeof(t->shape[0])) == 0)
        return 0;
    describe(t->dtype, t->rank, t->shape, is, sizeof(is));
    describe(wanted->dtype, wanted->rank, wanted->shape, should,
             sizeof(should));
    return mlb_error_set(err, MLB_ERR_BAD_INPUT, "tensor %s is %s, not %s",
                         wanted->name, is, should);
}

static bool intersect(struct overlap *o, const struct mlb_box *a,
                      const struct mlb_box *b)
{
    for (int i = 0; i < o->rank; i++) {
        uint64_t a_end = a->origin[i] + a->extent[i];
        uint64_t b_end = b->origin[i] + b->extent[i];
        uint64_t lower = a->origin[i] > b->origin[i] ? a->origin[i]
                                                     : b->origin[i];
        uint64_t end = a_end < b_end ? a_end : b_end;
        if (end <= lower)
            return false;
        o->lower[i] = lower;
        o->extent[i] = end - lower;
    }
    return true;
}

/* Dimensions from the returned one on are without a gap in both boxes. */
static int contiguous_from(const struct overlap *o, const struct mlb_box *a,
                           const struct mlb_box *b)
{
    int d = o->rank;

    while (d > 0 && (d == o->rank || (o->extent[d] == a->extent[d] &&
                                      o->extent[d] == b->extent[d])))
        d--;
    return d;
}

/* Byte of an element in a packed box. */
static uint64_t place_in(const struct mlb_box *box, const struct overlap *o,
                         const uint64_t *at)
{
    uint64_t place = 0;

    for (int i = 0; i < o->rank; i++)
        place = place * box->extent[i] + (at[i] - box->origin[i]);
    return place * o->element;
}

static int fill_window(struct window *w, const struct restore_piece *p,
                       uint64_t at, struct mlb_error *err)
{
    uint64_t start = at / LAYOUT_BLOCK * LAYOUT_BLOCK;
    uint64_t left = p->array->bytes - start;
    struct container_range range = { start, left < WINDOW ? left : WINDOW };

    if (!w->bytes && !(w->bytes = malloc(WINDOW)))
        return mlb_error_set(err, MLB_ERR_IO, "out of memory");
    w->piece = NULL;
    if (container_read(p->file, p->array, &range, w->bytes, err) < 0)
        return -1;
    w->piece = p;
    w->start = start;
    w->end = start + range.length;
    return 0;
}

static int copy_run(struct window *w, const struct restore_piece *p,
                    struct container_range run, unsigned char *out,
                    struct mlb_error *err)
{
    if (run.length >= LONG_RUN)
        return container_read(p->file, p->array, &run, out, err);
    while (run.length > 0) {
        if ((w->piece != p || run.offset < w->start ||
             run.offset >= w->end) && fill_window(w, p, run.offset, err) < 0)
            return -1;
        uint64_t n = w->end - run.offset;
        if (n > run.length)
            n = run.length;
        memcpy(out, w->bytes + (run.offset - w->start), n);
        out += n;
        run.offset += n;
        run.length -= n;
    }
    return 0;
}

/* Copy what a piece has of box. */
static int load_piece(struct window *w, const struct restore_piece *p,
                      struct overlap *o, const struct mlb_box *box,
                      unsigned char *out, struct mlb_error *err)
{
    uint64_t at[MLB_MAX_RANK];
    int inner = contiguous_from(o, &p->box, box);
    struct container_range run = { 0, o->element };
    int d = inner;

    for (int i = inner; i < o->rank; i++)
        run.length *= o->extent[i];
    memcpy(at, o->lower, sizeof(at));
    if (inner <= 0) {
        run.offset = place_in(&p->box, o, at);
        return container_read(p->file, p->array, &run,
                              out + place_in(box, o, at), err);
    }
    while (d >= 0) {
        run.offset = place_in(&p->box, o, at);
        if (copy_run(w, p, run, out + place_in(box, o, at), err) < 0)
            return -1;
        /* The next row: count up from the dimension before the run. */
        for (d = inner - 1; d >= 0; d--) {
            if (++at[d] < o->lower[d] + o->extent[d])
                break;
            at[d] = o->lower[d];
        }
    }
    return 0;
}

static int load_box(const struct restore_tensor *t, const struct mlb_box *box,
                    unsigned char *out, struct mlb_error *err)
{
    struct overlap o = { .rank = t->rank,
                         .element = mlb_dtype_size(t->dtype) };
    struct window w = { .bytes = NULL };
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < t->count; i++)
        if (t->pieces[i].array->bytes > 0 &&
            intersect(&o, &t->pieces[i].box, box))
            rc = load_piece(&w, &t->pieces[i], &o, box, out, err);
    free(w.bytes);
    return rc;
}

int mlb_checkpoint_load(struct mlb_checkpoint_reader *reader,
                        const struct mlb_tensor *wanted,
                        const struct mlb_box *box, void *out,
                        struct mlb_error *err)
{
    const struct restore_tensor *t = wanted->name ? restore_tensor(
        reader, wanted->name) : NULL;
    struct mlb_box whole = { { 0 }, { 0 } };

    if (!t)
        return mlb_error_set(err, MLB_ERR_NOT_FOUND, "%s has no tensor %s",
                             reader->path, wanted->name ? wanted->name : "");
    if (compare_shape(t, wanted, err) < 0)
        return -1;
    memcpy(whole.extent, t->shape, sizeof(whole.extent));
    if (!box)
        box = &whole;
    if (!shards_box_fits(t->rank, t->shape, box))
        return mlb_error_set(err, MLB_ERR_USAGE,
                             "%s: the box is not within the tensor",
                             wanted->name);
    return load_box(t, box, out, err);
}

int mlb_checkpoint_load_state(struct mlb_checkpoint_reader *reader,
                              const char *name, void **bytes,
                              uint64_t *length, struct mlb_error *err)
{
    char full[512];
    struct container *file = NULL;
    int n = snprintf(full, sizeof(full), "%s%s", CHECKPOINT_STATES, name);
    const struct container_info *a =
        n > 0 && (size_t)n < sizeof(full) ? restore_find(reader, full, &file)
                                          : NULL;
    char *buffer = NULL;

    if (!a)
        return mlb_error_set(err, MLB_ERR_NOT_FOUND, "%s has no %s",
                             reader->path, full + 1);
    if (restore_text(file, a, UINT64_MAX - 1, &buffer, err) < 0)
        return -1;
    *bytes = buffer;
    *length = a->bytes;
    return 0;
}
