/* SPDX-License-Identifier: BSD-3-Clause */
/* From where the bytes of a batch are to the buffers that the user sees. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "store/crc.h"
#include "store/loader.h"
#include "store/memory.h"

#define LINE 64               /* bytes that a cache fetches at once */
#define PART 1024             /* bytes copied, checked and asked for in turn */
#define SMALL 16              /* a field of 1/SMALL of all bytes is small */

static int find_mapped(struct mlb_loader *l, const struct loader_field *field,
                       const struct loader_batch *batch,
                       struct mlb_error *err)
{
    struct dataset_place place;

    for (uint64_t i = 0; i < batch->rows; i++) {
        if (dataset_locate(l->dataset, field->number, batch->ids[i], &place,
                           err) < 0)
            return -1;
        l->sources[i] = (struct loader_row){
            .at = loader_map_at(l->map, &place), .length = place.length };
    }
    return 0;
}

/* A larger buffer for values. The old one stays until the end: in languages
 * other than C somebody may still hold an array over it, which may have old
 * values but must not point at nothing. As the size doubles, all old ones
 * together are smaller than the new one. */
static int grow(struct loader_field *field, uint64_t needed,
                struct mlb_error *err)
{
    uint64_t size = needed + needed / 4;
    size_t count = field->outgrown_count;
    unsigned char **old = realloc(field->outgrown,
                                  (count + 1) * sizeof(*old));

    if (old)
        field->outgrown = old;
    if (size < 2 * field->size)
        size = 2 * field->size;
    unsigned char *values = old ? malloc(size) : NULL;
    if (!values)
        return mlb_error_set(err, MLB_ERR_IO, "out of memory for %" PRIu64
                             " bytes of %s", needed, field->field->name);
    old[field->outgrown_count++] = field->values;
    field->values = values;
    field->size = size;
    return 0;
}

/* Fill in offsets and see that the buffer takes all rows. */
static int make_room(struct loader_field *field, const struct loader_row *rows,
                     uint64_t count, struct mlb_error *err)
{
    uint64_t sum = 0;

    if (!field->offsets)
        return 0;
    field->offsets[0] = 0;
    for (uint64_t i = 0; i < count; i++) {
        if (rows[i].length > INT64_MAX - sum)
            return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                                 "a batch of more than 2^63 bytes");
        sum += rows[i].length;
        field->offsets[i + 1] = sum;
    }
    return sum <= field->size ? 0 : grow(field, sum, err);
}

/* Is this row to be compared? In memory once is enough: reading it from
 * there again says nothing new of the disk. */
static bool to_compare(const struct mlb_loader *l,
                       const struct loader_field *field, uint64_t id)
{
    if (l->options.no_verify)
        return false;
    return !field->compared || !(field->compared[id / 8] >> id % 8 & 1);
}

/* The checksums that the rows should have, all at once: they come from all
 * over the memory, which so need not be waited for row by row. */
static int find_sums(struct mlb_loader *l, const struct loader_field *field,
                     const struct loader_batch *batch,
                     struct loader_row *rows, struct mlb_error *err)
{
    for (uint64_t i = 0; i < batch->rows; i++) {
        rows[i].compare = to_compare(l, field, batch->ids[i]);
        if (rows[i].compare &&
            dataset_sum(l->dataset, field->number, batch->ids[i],
                        &rows[i].crc, err) < 0)
            return -1;
    }
    return 0;
}

/* Copy a row, and its checksum if wanted, while the memory brings the next
 * one: it is waited for more than anything else here. */
static void copy_row(unsigned char *to, const struct loader_row *row,
                     const struct loader_row *next, uint32_t *crc)
{
    uint64_t ahead = next ? next->length : 0;

    for (uint64_t at = 0; at < row->length; at += PART) {
        uint64_t n = row->length - at < PART ? row->length - at : PART;
        for (uint64_t i = at; i < at + PART && i < ahead; i += LINE)
            __builtin_prefetch(next->at + i);
        memcpy(to + at, row->at + at, n);
        if (crc)
            *crc = crc_update(*crc, to + at, n);
    }
}

static int copy_rows(struct mlb_loader *l, const struct loader_field *field,
                     const struct loader_row *rows,
                     const struct loader_batch *batch, struct mlb_error *err)
{
    unsigned char *to = field->values;

    for (uint64_t i = 0; i < batch->rows; i++) {
        uint64_t id = batch->ids[i];
        uint32_t crc = 0;
        copy_row(to, &rows[i], i + 1 < batch->rows ? &rows[i + 1] : NULL,
                 rows[i].compare ? &crc : NULL);
        if (rows[i].compare && crc != rows[i].crc)
            return dataset_damaged(l->dataset, field->number, id, err);
        if (field->compared)
            field->compared[id / 8] |= (unsigned char)(1 << id % 8);
        to += rows[i].length;
    }
    return 0;
}

int loader_fill(struct mlb_loader *l, struct loader_field *field,
                const struct loader_batch *batch, unsigned slot,
                struct mlb_error *err)
{
    struct loader_row *rows = l->sources;

    if (!field->mapped)
        rows = loader_direct_rows(l->direct, slot, field->number);
    else if (find_mapped(l, field, batch, err) < 0)
        return -1;
    if (make_room(field, rows, batch->rows, err) < 0 ||
        find_sums(l, field, batch, rows, err) < 0)
        return -1;
    return copy_rows(l, field, rows, batch, err);
}

/* Which fields are mapped: all, if they fit; else those that are small
 * beside the others, as labels are, because each of their rows would cost as
 * much as one of the large ones. Returns how many are not. */
static size_t choose_fields(struct mlb_loader *l, uint64_t available)
{
    const enum mlb_loader_mode mode = l->options.mode;
    uint64_t all = 0;
    size_t direct = 0;

    for (size_t f = 0; f < l->field_count; f++) {
        uint64_t bytes = dataset_field_bytes(l->dataset, f);
        all = bytes > UINT64_MAX - all ? UINT64_MAX : all + bytes;
    }
    bool whole = mode == MLB_LOADER_MAPPED ||
                 (mode == MLB_LOADER_AUTO && all <= available / 2);
    for (size_t f = 0; f < l->field_count; f++) {
        uint64_t bytes = dataset_field_bytes(l->dataset, f);
        l->fields[f].mapped = whole || (bytes <= all / SMALL &&
                                        bytes <= available / SMALL);
        direct += !l->fields[f].mapped;
    }
    return direct;
}

static int open_direct(struct mlb_loader *l, const struct rows_options *rows,
                       uint64_t available, struct mlb_error *err)
{
    struct loader_direct_options o = {
        .batches = l->options.prefetch > 0 ? (unsigned)l->options.prefetch + 1
                                           : 0,
        .most = l->most, .memory = available / 4,
        .rows = rows ? *rows : (struct rows_options){ 0 },
    };

    l->direct = loader_direct_open(l->dataset, l->fields, &o, err);
    if (!l->direct)
        return -1;
    l->batch_count = loader_direct_batches(l->direct);
    return 0;
}

/* Memory to note which rows were compared. Where there is none, each is
 * compared each time. */
static void note_compared(struct mlb_loader *l)
{
    uint64_t rows = mlb_dataset_rows(l->dataset);

    for (size_t f = 0; f < l->field_count; f++)
        if (l->fields[f].mapped && !l->options.no_verify)
            l->fields[f].compared = calloc(1, rows / 8 + 1);
}

/* Map what is to be mapped. Where that does not work, and nobody insists,
 * all is read directly. */
static int open_map(struct mlb_loader *l, size_t *direct,
                    struct mlb_error *err)
{
    if (*direct == l->field_count)
        return 0;
    l->map = loader_map_open(l->dataset, l->fields, err);
    if (l->map) {
        note_compared(l);
        return 0;
    }
    if (l->options.mode == MLB_LOADER_MAPPED)
        return -1;
    for (size_t f = 0; f < l->field_count; f++)
        l->fields[f].mapped = false;
    *direct = l->field_count;
    return 0;
}

int loader_choose(struct mlb_loader *l, const struct rows_options *rows,
                  struct mlb_error *err)
{
    uint64_t available = memory_available("");
    size_t direct = choose_fields(l, available);

    l->batch_count = 1;
    if (open_map(l, &direct, err) < 0)
        return -1;
    return direct > 0 ? open_direct(l, rows, available, err) : 0;
}
