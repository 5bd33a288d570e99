/* SPDX-License-Identifier: BSD-3-Clause */
/* What a file to be written will hold: index, names, tables of sums. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "store/staging_parts.h"

static int allocate(struct staging *s, uint64_t names, uint64_t blocks,
                    struct mlb_error *err)
{
    size_t count = s->w->count;

    s->places = calloc(count + WRITER_SYSTEM_ARRAYS, sizeof(*s->places));
    s->entries = calloc(count + 1, sizeof(*s->entries));
    s->names = calloc(1, names + 1);
    s->blocks = calloc(blocks + 1, sizeof(*s->blocks));
    s->entered = calloc(count + 1, sizeof(*s->entered));
    if (!s->places || !s->entries || !s->names || !s->blocks || !s->entered)
        return mlb_error_set(err, MLB_ERR_IO, "out of memory");
    return 0;
}

int staging_plan(struct staging *s, struct mlb_error *err)
{
    const struct container_writer *w = s->w;
    uint64_t names = 0, blocks = 0;

    for (size_t i = 0; i < w->count; i++) {
        names += strlen(w->arrays[i].name) + 1;
        blocks += layout_blocks(w->bytes[i]);
    }
    if (allocate(s, names, blocks, err) < 0)
        return -1;
    names = blocks = 0;
    for (size_t i = 0; i < w->count; i++) {
        const struct container_array *a = &w->arrays[i];
        struct layout_entry *e = &s->entries[i];
        size_t length = strlen(a->name);
        *e = (struct layout_entry){
            .name_at = (uint32_t)names, .name_length = (uint16_t)length,
            .dtype = (uint8_t)a->dtype, .rank = (uint8_t)a->rank,
            .bytes = w->bytes[i], .first_block = blocks,
        };
        memcpy(e->shape, a->shape, (size_t)a->rank * sizeof(a->shape[0]));
        memcpy(s->names + names, a->name, length + 1);
        names += length + 1;
        blocks += layout_blocks(w->bytes[i]);
        struct structure_array *p = &s->places[i];
        *p = (struct structure_array){ .name = a->name, .dtype = a->dtype,
                                       .rank = a->rank, .bytes = e->bytes };
        memcpy(p->shape, e->shape, sizeof(p->shape));
    }
    struct structure_array *system = s->places + w->count;
    system[0] = (struct structure_array){ "/index", 0, 1, { w->count },
                                          w->count * sizeof(*s->entries), 0 };
    system[1] = (struct structure_array){ "/names", MLB_U8, 1, { names },
                                          names, 0 };
    system[2] = (struct structure_array){ "/blocks", MLB_U32, 1, { blocks },
                                          blocks * sizeof(uint32_t), 0 };
    return 0;
}
