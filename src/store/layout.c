/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks of the commit record and the index, before anything is believed. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "store/crc.h"
#include "store/layout.h"
#include "store/place.h"

#define SYSTEM_SPANS 4        /* user block, index, names, blocks */

int layout_array_bytes(enum mlb_dtype dtype, int rank, const uint64_t *shape,
                       uint64_t *bytes, struct mlb_error *err)
{
    uint64_t total = mlb_dtype_size(dtype);
    bool empty = false;

    if (total == 0)
        return mlb_error_set(err, MLB_ERR_USAGE, "no such element type: %d",
                             (int)dtype);
    if (rank < 0 || rank > MLB_MAX_RANK)
        return mlb_error_set(err, MLB_ERR_USAGE,
                             "%d dimensions, from 0 to %d are possible",
                             rank, MLB_MAX_RANK);
    for (int i = 0; i < rank; i++) {
        /* A 0 must not hide a product that does not fit. */
        uint64_t factor = shape[i] ? shape[i] : 1;
        empty = empty || shape[i] == 0;
        if (factor > LAYOUT_MAX_BYTES / total)
            return mlb_error_set(err, MLB_ERR_USAGE,
                                 "an array of more than 2^62 bytes");
        total *= factor;
    }
    *bytes = empty ? 0 : total;
    return 0;
}

uint64_t layout_blocks(uint64_t bytes)
{
    return bytes / LAYOUT_BLOCK + (bytes % LAYOUT_BLOCK != 0);
}

bool layout_name_ok(const char *name)
{
    if (name[0] != '/' || strlen(name) > LAYOUT_MAX_NAME ||
        !text_is_printable(name))
        return false;
    for (const char *part = name; *part;) {
        part++;
        size_t n = strcspn(part, "/");
        if (n == 0 || (n == 1 && part[0] == '.') ||
            (n == 2 && part[0] == '.' && part[1] == '.'))
            return false;
        part += n;
    }
    return true;
}

static uint32_t record_crc(const struct layout_record *record)
{
    return crc_update(0, record, offsetof(struct layout_record, crc));
}

void layout_record_seal(struct layout_record *record)
{
    record->crc = record_crc(record);
}

bool layout_record_is_sound(const struct layout_record *record)
{
    return memcmp(record->magic, LAYOUT_MAGIC, sizeof(record->magic)) == 0 &&
           record->crc == record_crc(record);
}

static bool in_file(uint64_t offset, uint64_t bytes, uint64_t file_size)
{
    if (bytes == 0)
        return true;
    return offset >= LAYOUT_USER_BLOCK && offset <= file_size &&
           bytes <= file_size - offset;
}

static int bad(struct mlb_error *err, const char *what)
{
    return mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s", what);
}

int layout_check_record(const struct layout_record *record,
                        uint64_t file_size, struct mlb_error *err)
{
    const struct layout_extent *extents[] = { &record->index, &record->names,
                                              &record->blocks };

    if (record->version == 0)
        return bad(err, "profile of version 0, which there is not");
    if (record->version > LAYOUT_VERSION)
        return mlb_error_set(err, MLB_ERR_UNSUPPORTED,
                             "made by a newer mlbatch (profile %u, this one "
                             "knows %d)", record->version, LAYOUT_VERSION);
    if (record->flags & LAYOUT_MUST_KNOW & ~(uint32_t)LAYOUT_COMPLETE)
        return mlb_error_set(err, MLB_ERR_UNSUPPORTED,
                             "made by a newer mlbatch (flags %#x)",
                             record->flags);
    if (!(record->flags & LAYOUT_COMPLETE))
        return bad(err, "not complete");
    if (record->file_size != file_size)
        return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                             "%llu bytes long, but was published with %llu",
                             (unsigned long long)file_size,
                             (unsigned long long)record->file_size);
    for (size_t i = 0; i < 3; i++)
        if (!in_file(extents[i]->offset, extents[i]->bytes, file_size))
            return bad(err, "the index lies outside of the file");
    if (record->arrays > LAYOUT_MAX_ARRAYS ||
        record->index.bytes != record->arrays * sizeof(struct layout_entry) ||
        record->names.bytes > record->arrays * (LAYOUT_MAX_NAME + 1) ||
        record->blocks.bytes % sizeof(uint32_t) != 0)
        return bad(err, "the index has an impossible length");
    return 0;
}

static int check_entry(const struct layout_table *table, uint64_t i,
                       struct mlb_error *err)
{
    const struct layout_entry *e = &table->entries[i];
    const struct layout_record *record = table->record;
    uint64_t bytes;

    if (e->name_at > record->names.bytes ||
        e->name_length >= record->names.bytes - e->name_at ||
        table->names[e->name_at + e->name_length] != '\0' ||
        strlen(table->names + e->name_at) != e->name_length ||
        !layout_name_ok(table->names + e->name_at))
        return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                             "array number %llu has an impossible name",
                             (unsigned long long)i);
    const char *name = table->names + e->name_at;
    if (layout_array_bytes(e->dtype, e->rank, e->shape, &bytes, err) < 0) {
        if (err)
            err->code = MLB_ERR_BAD_INPUT;
        return mlb_error_prefix(err, "%s", name);
    }
    if (bytes != e->bytes || !in_file(e->offset, bytes, record->file_size))
        return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                             "%s: does not lie in the file", name);
    return 0;
}

int layout_check_entries(const struct layout_table *table,
                         struct mlb_error *err)
{
    uint64_t blocks = 0;

    /* A last NUL, so that no name can run out of the buffer. */
    if (table->record->names.bytes > 0 &&
        table->names[table->record->names.bytes - 1] != '\0')
        return bad(err, "the names do not end");
    for (uint64_t i = 0; i < table->record->arrays; i++) {
        if (check_entry(table, i, err) < 0)
            return -1;
        if (table->entries[i].first_block != blocks)
            return bad(err, "the index and the checksums do not agree");
        blocks += layout_blocks(table->entries[i].bytes);
    }
    if (table->record->blocks.bytes / sizeof(uint32_t) != blocks)
        return bad(err, "the index and the checksums do not agree");
    return 0;
}

static int compare_spans(const void *a, const void *b)
{
    const struct layout_span *x = a, *y = b;

    return (x->start > y->start) - (x->start < y->start);
}

static void add_span(struct layout_span *spans, size_t *count,
                     uint64_t offset, uint64_t bytes)
{
    if (bytes > 0)
        spans[(*count)++] = (struct layout_span){ offset, offset + bytes };
}

int layout_spans(const struct layout_table *table, struct layout_span **spans,
                 size_t *count, struct mlb_error *err)
{
    const struct layout_record *record = table->record;
    size_t n = 0;
    struct layout_span *s = calloc(record->arrays + SYSTEM_SPANS, sizeof(*s));

    if (!s)
        return mlb_error_set(err, MLB_ERR_IO, "out of memory");
    add_span(s, &n, 0, LAYOUT_USER_BLOCK);
    add_span(s, &n, record->index.offset, record->index.bytes);
    add_span(s, &n, record->names.offset, record->names.bytes);
    add_span(s, &n, record->blocks.offset, record->blocks.bytes);
    for (uint64_t i = 0; i < record->arrays; i++)
        add_span(s, &n, table->entries[i].offset, table->entries[i].bytes);
    qsort(s, n, sizeof(*s), compare_spans);
    for (size_t i = 1; i < n; i++)
        if (s[i].start < s[i - 1].end) {
            free(s);
            return bad(err, "two arrays overlap");
        }
    *spans = s;
    *count = n;
    return 0;
}

static int crc_range(int fd, uint64_t start, uint64_t end, uint32_t *crc)
{
    unsigned char part[16384];

    while (start < end) {
        size_t n = end - start < sizeof(part) ? (size_t)(end - start)
                                              : sizeof(part);
        if (place_pread(fd, part, n, start) < 0)
            return -1;
        *crc = crc_update(*crc, part, n);
        start += n;
    }
    return 0;
}

int layout_rest_crc(int fd, const struct layout_table *table, uint32_t *crc,
                    struct mlb_error *err)
{
    struct layout_span *spans = NULL;
    size_t count = 0;
    int rc = layout_spans(table, &spans, &count, err);

    *crc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        uint64_t end = i + 1 < count ? spans[i + 1].start
                                     : table->record->file_size;
        rc = crc_range(fd, spans[i].end, end, crc);
        if (rc < 0)
            mlb_error_errno(err, MLB_ERR_IO, "cannot read");
    }
    free(spans);
    return rc;
}
