/* SPDX-License-Identifier: BSD-3-Clause */
/* The head of .safetensors files. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "store/safetensors.h"
#include "store/view.h"

#define ALIGN 8

static const char *const types[] = {
    [MLB_F64] = "F64",   [MLB_F32] = "F32", [MLB_F16] = "F16",
    [MLB_BF16] = "BF16", [MLB_I64] = "I64", [MLB_I32] = "I32",
    [MLB_I16] = "I16",   [MLB_I8] = "I8",   [MLB_U64] = "U64",
    [MLB_U32] = "U32",   [MLB_U16] = "U16", [MLB_U8] = "U8",
    [MLB_BOOL] = "BOOL", [MLB_E4M3] = "F8_E4M3",
    [MLB_E5M2] = "F8_E5M2", [MLB_C64] = "C64",
};

const char *safetensors_type(enum mlb_dtype dtype)
{
    return (size_t)dtype < sizeof(types) / sizeof(types[0]) ? types[dtype]
                                                            : NULL;
}

static int compare(const void *a, const void *b)
{
    const struct mlb_tensor *x = a, *y = b;
    size_t m = mlb_dtype_size(x->dtype), n = mlb_dtype_size(y->dtype);

    return m != n ? (m < n) - (m > n) : strcmp(x->name, y->name);
}

void safetensors_sort(struct mlb_tensor *tensors, size_t count)
{
    if (count > 0)
        qsort(tensors, count, sizeof(*tensors), compare);
}

int safetensors_add_head(struct mlb_text *out,
                         const struct mlb_tensor *tensors, size_t count,
                         json_t *metadata, struct mlb_error *err)
{
    json_t *head = json_object();
    uint64_t at = 0;
    int rc = 0;

    if (metadata)
        json_object_set(head, "__metadata__", metadata);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        const struct mlb_tensor *t = &tensors[i];
        const char *type = safetensors_type(t->dtype);
        json_t *shape = json_array();
        uint64_t end = at + view_bytes(t);
        for (int d = 0; d < t->rank; d++)
            json_array_append_new(shape,
                                  json_integer((json_int_t)t->shape[d]));
        if (!type || strcmp(t->name, "__metadata__") == 0)
            rc = mlb_error_set(err, MLB_ERR_UNSUPPORTED, "tensor %s: "
                               "safetensors cannot hold %s (npz can; or "
                               "choose others by --tensor)",
                               t->name, type ? "that name"
                                             : mlb_dtype_name(t->dtype));
        json_object_set_new(head, t->name, json_pack(
            "{s:s, s:o, s:[I, I]}", "dtype", type ? type : "", "shape",
            shape, "data_offsets", (json_int_t)at, (json_int_t)end));
        at = end;
    }
    char *text = rc == 0 ? json_dumps(head, JSON_COMPACT) : NULL;
    if (rc == 0 && !text)
        rc = mlb_error_set(err, MLB_ERR_IO, "out of memory");
    if (text) {
        uint64_t length = (strlen(text) + ALIGN - 1) / ALIGN * ALIGN;
        text_addn(out, &length, sizeof(length));
        text_add(out, text);
        for (uint64_t n = strlen(text); n < length; n++)
            text_addn(out, " ", 1);
    }
    free(text);
    json_decref(head);
    return rc;
}
