/* SPDX-License-Identifier: BSD-3-Clause */
/* /meta/shards: where the boxes of a tensor belong.
 *
 *     { "NAME": { "dtype": "f32", "shape": [8, 4],
 *                 "origins": [[0, 0], [0, 2]], "files": [0, 1] }, ... }
 *
 * Box K is array /shards/NAME/K, in the file of that node ("files" is there
 * only with a file per node). */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "store/shards.h"

static json_t *numbers(int rank, const uint64_t *values)
{
    json_t *array = json_array();

    for (int i = 0; i < rank; i++)
        json_array_append_new(array, json_integer((json_int_t)values[i]));
    return array;
}

static json_t *tensor_json(const struct shards_plan *plan, size_t first,
                           size_t end)
{
    const struct shards_item *item = plan->arrays[first].item;
    json_t *origins = json_array(), *files = json_array();

    for (size_t i = first; i < end; i++) {
        const struct shards_array *a = &plan->arrays[i];
        json_array_append_new(origins, numbers(item->rank, a->origin));
        json_array_append_new(files, json_integer(a->file));
    }
    json_t *tensor = json_pack("{s:s, s:o, s:o}", "dtype",
                               mlb_dtype_name(item->dtype), "shape",
                               numbers(item->rank, item->shape), "origins",
                               origins);
    if (plan->files > 0)
        json_object_set(tensor, "files", files);
    json_decref(files);
    return tensor;
}

/* Is all of it there? jansson says no only by leaving something out. */
static bool is_complete(const json_t *top, size_t arrays)
{
    const char *name;
    json_t *tensor;
    size_t found = 0;

    json_object_foreach((json_t *)top, name, tensor)
        found += json_array_size(json_object_get(tensor, "origins"));
    return found == arrays;
}

int shards_to_json(const struct shards_plan *plan, char **text,
                   struct mlb_error *err)
{
    json_t *top = json_object();
    size_t boxes = 0;

    *text = NULL;
    for (size_t i = 0, end; i < plan->count; i = end) {
        const struct shards_array *a = &plan->arrays[i];
        end = i + 1;
        if (!a->is_box)
            continue;
        while (end < plan->count && plan->arrays[end].is_box &&
               strcmp(plan->arrays[end].item->name, a->item->name) == 0)
            end++;
        boxes += end - i;
        json_object_set_new(top, a->item->name, tensor_json(plan, i, end));
    }
    if (boxes > 0 && is_complete(top, boxes))
        *text = json_dumps(top, JSON_COMPACT);
    json_decref(top);
    if (boxes > 0 && !*text)
        return mlb_error_set(err, MLB_ERR_IO, "out of memory");
    return 0;
}
