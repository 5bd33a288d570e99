/* SPDX-License-Identifier: BSD-3-Clause */
/* libFuzzer target: any bytes as a checkpoint. What opens is loaded, whole
 * and in part. */
#include "config.h"

#include "mutant.h"

#include "mlbatch/checkpoint.h"

#define MOST (UINT64_C(1) << 20)       /* elements of a tensor to load */

static void load(struct mlb_checkpoint_reader *r, const struct mlb_tensor *t)
{
    struct mlb_box half = { 0 };
    uint64_t count = 1;

    for (int i = 0; i < t->rank; i++) {
        half.origin[i] = t->shape[i] / 2;
        half.extent[i] = t->shape[i] - half.origin[i];
        count = t->shape[i] && count > MOST / t->shape[i] ? MOST + 1
                                                          : count * t->shape[i];
    }
    if (count > MOST)
        return;
    void *out = malloc(count * mlb_dtype_size(t->dtype) + 1);
    if (!out)
        fail("no memory");
    mlb_checkpoint_load(r, t, NULL, out, NULL);
    mlb_checkpoint_load(r, t, &half, out, NULL);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mlb_checkpoint_reader *r =
        mlb_checkpoint_open(mutant_file(data, size), NULL);
    struct mlb_tensor t;
    const char *name;
    uint64_t length;
    double value;

    for (int i = 0; r && i < mlb_checkpoint_tensors(r); i++)
        if (mlb_checkpoint_tensor(r, i, &t) == 0)
            load(r, &t);
    for (int i = 0; r && (name = mlb_checkpoint_state(r, i, &length)); i++) {
        void *bytes = NULL;
        if (mlb_checkpoint_load_state(r, name, &bytes, &length, NULL) == 0)
            free(bytes);
    }
    for (int i = 0; r && mlb_checkpoint_metric(r, i, &value); i++)
        continue;
    if (r)
        mlb_checkpoint_verify(r, NULL);
    mlb_checkpoint_close(r);
    return 0;
}
