/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading tensors of a checkpoint piece by piece. */
#include "config.h"

#include "store/view.h"

uint64_t view_bytes(const struct mlb_tensor *tensor)
{
    uint64_t bytes = mlb_dtype_size(tensor->dtype);

    for (int i = 0; i < tensor->rank; i++)
        bytes *= tensor->shape[i];
    return bytes;
}

/* The box that begins at an element and goes on in C order, as long as it is
 * one box and fits a piece: part of one dimension, all of those below. */
static uint64_t next_box(const struct mlb_tensor *t, uint64_t element,
                         struct mlb_box *box)
{
    uint64_t size = mlb_dtype_size(t->dtype), below = 1, left = element;
    int cut = t->rank - 1;

    while (cut > 0 && below * t->shape[cut] * size <= VIEW_PIECE)
        below *= t->shape[cut--];
    for (int i = t->rank - 1; i >= 0; i--) {
        box->origin[i] = left % t->shape[i];
        left /= t->shape[i];
        box->extent[i] = i < cut ? 1 : t->shape[i];
    }
    if (t->rank == 0)
        return size;
    uint64_t most = VIEW_PIECE / size / below;
    uint64_t rest = t->shape[cut] - box->origin[cut];
    box->extent[cut] = rest < most ? rest : most;
    return box->extent[cut] * below * size;
}

int64_t view_read(struct mlb_checkpoint_reader *reader,
                  const struct mlb_tensor *tensor, uint64_t offset,
                  void *out, struct mlb_error *err)
{
    struct mlb_box box = { { 0 }, { 0 } };

    if (offset >= view_bytes(tensor))
        return 0;
    uint64_t n = next_box(tensor, offset / mlb_dtype_size(tensor->dtype),
                          &box);
    if (mlb_checkpoint_load(reader, tensor, &box, out, err) < 0)
        return -1;
    return (int64_t)n;
}
