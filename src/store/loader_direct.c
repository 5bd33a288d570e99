/* SPDX-License-Identifier: BSD-3-Clause */
/* Data sets that do not fit into memory: which bytes a batch needs, read
 * while the batches before it are in use. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/huge.h"
#include "store/loader.h"
#include "store/reader.h"

/* Bytes between two rows that are cheaper read than left out: what a disk
 * moves in the time that one more read costs. */
#define GAP ((uint64_t)32 << 10)

#define PAGE 4096

/* Batches in memory if nobody says how many: so many, and more of small ones
 * until there is enough on its way to keep a fast disk busy. */
#define LEAST_BATCHES 3
#define MOST_BATCHES 32
#define BUSY ((uint64_t)16 << 20)

/* A row of a batch, on its way to where it lies in the file. */
struct wish {
    uint64_t offset, length;
    uint32_t shard;
    size_t row;                   /* number in rows of the slot */
    uint64_t at;                  /* in the slot's memory */
};

struct slot {
    struct rows_group group;
    size_t room;                  /* reads that there is room for */
    struct loader_row *rows;      /* most of each field */
    unsigned char *memory;
    size_t size;
    bool own;                     /* else a part of the common memory */
};

struct loader_direct {
    struct mlb_dataset *dataset;
    size_t *fields;               /* their numbers */
    size_t field_count;
    uint64_t most;
    struct slot *slots;
    unsigned count;
    unsigned char *memory;        /* of all slots, until one outgrows it */
    size_t size;
    struct wish *wishes;
    struct rows *rows;
};

static int out_of_memory(struct mlb_error *err)
{
    return mlb_error_set(err, MLB_ERR_IO, "out of memory");
}

/* What a batch takes, about: with ragged fields one cannot know. */
static uint64_t guess_bytes(const struct loader_direct *d)
{
    uint64_t align = rows_align(d->rows), sum = align;

    for (size_t k = 0; k < d->field_count; k++) {
        uint64_t bytes = dataset_field_bytes(d->dataset, d->fields[k]);
        uint64_t each = bytes / (d->dataset->m.rows + 1) + 1;
        each += 2 * align;
        sum += each > (UINT64_MAX / 4 - sum) / (d->most + 1)
                   ? UINT64_MAX / 4 - sum : each * d->most;
    }
    return sum;
}

/* Tell the engine where the memory is. Nothing is in flight. */
static int use_memory(struct loader_direct *d, struct mlb_error *err)
{
    struct rows_buffer *buffers = calloc(d->count, sizeof(*buffers));

    if (!buffers)
        return out_of_memory(err);
    for (unsigned i = 0; i < d->count; i++)
        buffers[i] = (struct rows_buffer){ d->slots[i].memory,
                                           d->slots[i].size };
    rows_set_buffers(d->rows, buffers, d->count);
    free(buffers);
    return 0;
}

static int make_slots(struct loader_direct *d,
                      const struct loader_direct_options *o,
                      struct mlb_error *err)
{
    uint64_t bytes = (guess_bytes(d) + PAGE - 1) / PAGE * PAGE;

    if (d->most > SIZE_MAX / sizeof(*d->wishes) / (d->field_count + 1))
        return out_of_memory(err);
    d->count = o->batches ? o->batches : LEAST_BATCHES;
    while (!o->batches && d->count < MOST_BATCHES && d->count * bytes < BUSY)
        d->count++;
    while (d->count > 2 && d->count > o->memory / bytes)
        d->count--;
    d->slots = calloc(d->count, sizeof(*d->slots));
    d->wishes = calloc(d->most * d->field_count + 1, sizeof(*d->wishes));
    if (!d->slots || !d->wishes)
        return out_of_memory(err);
    for (unsigned i = 0; i < d->count; i++) {
        struct slot *s = &d->slots[i];
        s->group.buffer = i;
        s->rows = calloc(d->most * d->field_count + 1, sizeof(*s->rows));
        if (!s->rows)
            return out_of_memory(err);
    }
    /* In one, as huge pages would be wasted on small batches. */
    d->memory = bytes < SIZE_MAX / 2 / d->count
                    ? huge_map(bytes * d->count) : NULL;
    if (!d->memory)
        return out_of_memory(err);
    d->size = bytes * d->count;
    huge_touch(d->memory, 0, d->size);
    for (unsigned i = 0; i < d->count; i++) {
        d->slots[i].memory = d->memory + i * bytes;
        d->slots[i].size = bytes;
    }
    return use_memory(d, err);
}

static int start_engine(struct loader_direct *d,
                        const struct rows_options *options,
                        struct mlb_error *err)
{
    size_t count = d->dataset->m.shard_count;
    int *fds = calloc(count, sizeof(*fds));

    if (!fds)
        return out_of_memory(err);
    for (size_t i = 0; i < count; i++)
        fds[i] = d->dataset->shards[i].file->fd;
    d->rows = rows_open(fds, count, options);
    free(fds);
    return d->rows ? 0 : mlb_error_errno(err, MLB_ERR_IO,
                                         "cannot read rows ahead");
}

struct loader_direct *loader_direct_open(
    struct mlb_dataset *dataset, const struct loader_field *fields,
    const struct loader_direct_options *options, struct mlb_error *err)
{
    struct loader_direct *d = calloc(1, sizeof(*d));

    if (d)
        d->fields = calloc(dataset->m.field_count, sizeof(*d->fields));
    if (!d || !d->fields) {
        free(d);
        out_of_memory(err);
        return NULL;
    }
    d->dataset = dataset;
    d->most = options->most;
    for (size_t f = 0; f < dataset->m.field_count; f++)
        if (!fields[f].mapped)
            d->fields[d->field_count++] = f;
    if (start_engine(d, &options->rows, err) < 0 ||
        make_slots(d, options, err) < 0) {
        loader_direct_close(d);
        return NULL;
    }
    return d;
}

void loader_direct_close(struct loader_direct *direct)
{
    bool lost = false;

    if (!direct)
        return;
    if (direct->rows) {
        loader_direct_cancel(direct);
        lost = rows_is_lost(direct->rows);
        rows_close(direct->rows);
    }
    for (unsigned i = 0; direct->slots && i < direct->count; i++) {
        free(direct->slots[i].group.reads);
        free(direct->slots[i].rows);
        if (!lost && direct->slots[i].own)
            huge_unmap(direct->slots[i].memory, direct->slots[i].size);
    }
    if (!lost)
        huge_unmap(direct->memory, direct->size);
    free(direct->slots);
    free(direct->wishes);
    free(direct->fields);
    free(direct);
}

unsigned loader_direct_batches(const struct loader_direct *direct)
{
    return direct->count;
}

static int compare_wishes(const void *a, const void *b)
{
    const struct wish *x = a, *y = b;

    if (x->shard != y->shard)
        return x->shard < y->shard ? -1 : 1;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

/* What is wanted, in the order of the files. Returns how many. */
static int64_t make_wishes(struct loader_direct *d,
                           const struct loader_batch *batch,
                           struct slot *s, struct mlb_error *err)
{
    struct dataset_place place;
    size_t count = 0;
    bool sorted = true;

    for (size_t k = 0; k < d->field_count; k++)
        for (uint64_t i = 0; i < batch->rows; i++) {
            size_t row = (size_t)(k * d->most + i);
            if (dataset_locate(d->dataset, d->fields[k], batch->ids[i],
                               &place, err) < 0)
                return -1;
            s->rows[row] = (struct loader_row){ .at = s->memory,
                                                .length = place.length };
            if (place.length == 0)
                continue;
            d->wishes[count] = (struct wish){
                .offset = place.offset, .length = place.length,
                .shard = (uint32_t)place.shard, .row = row,
            };
            sorted = sorted && (count == 0 ||
                                compare_wishes(&d->wishes[count - 1],
                                               &d->wishes[count]) < 0);
            count++;
        }
    if (!sorted)
        qsort(d->wishes, count, sizeof(*d->wishes), compare_wishes);
    return (int64_t)count;
}

/* A part of a file that is read as a whole. */
struct extent {
    uint64_t start, end;          /* aligned */
    uint64_t wanted;              /* end of the last row in it */
    uint32_t shard;
};

/* Cut an extent into reads, which follow those that are there. */
static int add_reads(struct slot *s, const struct extent *e,
                     struct mlb_error *err)
{
    struct rows_group *g = &s->group;

    for (uint64_t at = e->start; at < e->end; at += ROWS_PIECE) {
        if (g->count == s->room) {
            size_t room = 2 * s->room + 64;
            void *more = realloc(g->reads, room * sizeof(*g->reads));
            if (!more)
                return out_of_memory(err);
            g->reads = more;
            s->room = room;
        }
        uint64_t length = e->end - at < ROWS_PIECE ? e->end - at
                                                   : ROWS_PIECE;
        uint64_t needed = e->wanted - at < length ? e->wanted - at : length;
        g->reads[g->count++] = (struct rows_read){
            .offset = at, .length = (uint32_t)length,
            .needed = (uint32_t)needed, .file = e->shard,
        };
    }
    return 0;
}

/* Make reads of the wishes, neighbours in one, and find where in memory each
 * row comes to lie. Returns the bytes of all reads. */
static int64_t make_reads(struct loader_direct *d, struct slot *s,
                          size_t count, uint64_t gap, struct mlb_error *err)
{
    uint64_t align = rows_align(d->rows), used = 0;
    struct extent e = { 0 };

    s->group.count = 0;
    for (size_t i = 0; i < count; i++) {
        struct wish *w = &d->wishes[i];
        uint64_t start = w->offset / align * align;
        uint64_t wanted = w->offset + w->length;
        uint64_t end = (wanted + align - 1) / align * align;
        if (e.end == 0 || w->shard != e.shard || start > e.end + gap) {
            if (add_reads(s, &e, err) < 0)
                return -1;
            used += e.end - e.start;
            e = (struct extent){ start, end, wanted, w->shard };
        }
        e.end = end > e.end ? end : e.end;
        e.wanted = wanted > e.wanted ? wanted : e.wanted;
        w->at = used + (w->offset - e.start);
        if (used + (e.end - e.start) > INT64_MAX / 4)
            return out_of_memory(err);
    }
    if (add_reads(s, &e, err) < 0)
        return -1;
    return (int64_t)(used + (e.end - e.start));
}

/* See that a slot has so much memory. */
static int make_room(struct loader_direct *d, struct slot *s, size_t bytes,
                     struct mlb_error *err)
{
    if (bytes <= s->size)
        return 0;
    /* The kernel holds the old memory while something is in flight. */
    rows_drain(d->rows);
    if (rows_is_lost(d->rows))
        return mlb_error_set(err, MLB_ERR_IO, "the kernel stopped reading");
    size_t size = bytes + bytes / 4;     /* rarely again */
    unsigned char *memory = huge_map(size);
    if (!memory)
        return out_of_memory(err);
    huge_touch(memory, 0, size);
    if (s->own)
        huge_unmap(s->memory, s->size);
    s->memory = memory;
    s->size = size;
    s->own = true;
    return use_memory(d, err);
}

int loader_direct_begin(struct loader_direct *direct, unsigned slot,
                        const struct loader_batch *batch,
                        struct mlb_error *err)
{
    struct slot *s = &direct->slots[slot];
    int64_t count = make_wishes(direct, batch, s, err), bytes;

    if (count < 0 ||
        (bytes = make_reads(direct, s, (size_t)count, GAP, err)) < 0)
        return -1;
    /* Many small rows: what lies between them would take more memory than
     * there is for a batch, up to that of all files. */
    if ((uint64_t)bytes > s->size)
        bytes = make_reads(direct, s, (size_t)count, 0, err);
    if (bytes < 0 ||
        make_room(direct, s, (size_t)bytes, err) < 0)
        return -1;
    for (int64_t i = 0; i < count; i++) {
        const struct wish *w = &direct->wishes[i];
        s->rows[w->row].at = s->memory + w->at;
    }
    unsigned char *to = s->memory;
    for (size_t i = 0; i < s->group.count; i++) {
        s->group.reads[i].to = to;
        to += s->group.reads[i].length;
    }
    rows_push(direct->rows, &s->group);
    return 0;
}

int loader_direct_wait(struct loader_direct *direct, unsigned slot,
                       struct mlb_error *err)
{
    errno = rows_wait(direct->rows, &direct->slots[slot].group);
    return errno ? mlb_error_errno(err, MLB_ERR_IO, "%s: cannot read rows",
                                   direct->dataset->path) : 0;
}

struct loader_row *loader_direct_rows(const struct loader_direct *direct,
                                      unsigned slot, size_t field)
{
    size_t k = 0;

    while (direct->fields[k] != field)
        k++;
    return direct->slots[slot].rows + k * direct->most;
}

void loader_direct_cancel(struct loader_direct *direct)
{
    rows_cancel(direct->rows);
}

void loader_direct_describe(const struct loader_direct *direct, char *out,
                            size_t size)
{
    rows_describe(direct->rows, out, size);
}
