/* SPDX-License-Identifier: BSD-3-Clause */
/* Mutants of the store's files, for all targets that read such a file. They
 * mostly get right checksums again, as whoever means harm would see to that,
 * too, and else none would get past the first check. */
#ifndef FUZZ_MUTANT_H
#define FUZZ_MUTANT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "store/crc.h"
#include "store/layout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
                               unsigned seed);

static void fail(const char *what)
{
    fprintf(stderr, "fuzz: %s\n", what);
    abort();
}

static uint64_t next(uint64_t *x)
{
    *x = *x * 6364136223846793005u + 1442695040888963407u;
    return *x >> 33;
}

/* Is an extent in the data, so that it can be changed? */
static bool fits(uint64_t offset, uint64_t bytes, size_t size)
{
    return offset <= size && bytes <= size - offset;
}

static void sum_extent(struct layout_extent *e, const uint8_t *data,
                       size_t size)
{
    if (fits(e->offset, e->bytes, size))
        e->crc = crc_update(0, data + e->offset, e->bytes);
}

/* Checksums of the blocks of all arrays that lie in the data. */
static void sum_blocks(const struct layout_record *r, uint8_t *data,
                       size_t size)
{
    struct layout_entry e;
    uint64_t count = r->index.bytes / sizeof(e);

    if (!fits(r->index.offset, r->index.bytes, size) ||
        !fits(r->blocks.offset, r->blocks.bytes, size))
        return;
    for (uint64_t i = 0; i < count; i++) {
        memcpy(&e, data + r->index.offset + i * sizeof(e), sizeof(e));
        uint64_t most = r->blocks.bytes / sizeof(uint32_t);
        if (e.bytes == 0 || e.first_block >= most ||
            !fits(e.offset, e.bytes, size))
            continue;
        uint32_t crc = crc_update(0, data + e.offset, e.bytes);
        memcpy(data + r->blocks.offset + e.first_block * sizeof(crc), &crc,
               sizeof(crc));
    }
}

static void sum_rest(struct layout_record *r, const uint8_t *data, size_t size)
{
    int fd = memfd_create("rest", MFD_CLOEXEC);
    struct layout_table table = { .record = r };

    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        fail("cannot write");
    if (fits(r->index.offset, r->index.bytes, size) &&
        r->index.bytes == r->arrays * sizeof(struct layout_entry) &&
        r->arrays <= size) {
        struct layout_entry *entries = malloc(r->index.bytes + 1);
        if (!entries)
            fail("no memory");
        memcpy(entries, data + r->index.offset, r->index.bytes);
        table.entries = entries;
        layout_rest_crc(fd, &table, &r->rest_crc, NULL);
        free(entries);
    }
    close(fd);
}

/* Make record, index and checksums fit the data again. */
static void repair(uint8_t *data, size_t size, uint64_t dice)
{
    struct layout_record r;

    if (size < LAYOUT_USER_BLOCK)
        return;
    memcpy(&r, data, sizeof(r));
    memcpy(r.magic, LAYOUT_MAGIC, sizeof(r.magic));
    if (dice % 16 != 0) {
        r.version = LAYOUT_VERSION;
        r.flags = LAYOUT_COMPLETE;
        r.file_size = size;
    }
    if (dice / 16 % 8 != 0)
        r.arrays = r.index.bytes / sizeof(struct layout_entry);
    sum_blocks(&r, data, size);
    sum_extent(&r.index, data, size);
    sum_extent(&r.names, data, size);
    sum_extent(&r.blocks, data, size);
    if (r.file_size == size)
        sum_rest(&r, data, size);
    layout_record_seal(&r);
    memcpy(data, &r, sizeof(r));
    memcpy(data + LAYOUT_SECOND, &r, sizeof(r));
}

/* A number that is likely to be handled badly, or a near one. */
static void put_number(uint8_t *to, size_t width, uint64_t *x, size_t size)
{
    const uint64_t odd[] = { 0, 1, UINT64_MAX, UINT64_C(1) << 63,
                             UINT64_C(1) << 62, UINT64_C(1) << 40,
                             UINT64_C(1) << 32, size, LAYOUT_USER_BLOCK,
                             LAYOUT_MAX_ARRAYS };
    uint64_t value = odd[next(x) % (sizeof(odd) / sizeof(odd[0]))];

    if (next(x) % 2)
        memcpy(&value, to, width);
    value += next(x) % 5 - 2;
    memcpy(to, &value, width);
}

/* Change a number of the record or of an entry. */
static void change_number(uint8_t *data, size_t size, uint64_t *x)
{
    static const struct {
        uint16_t at, width;
    } entry[] = {
        { 0, 4 }, { 4, 2 }, { 6, 1 }, { 7, 1 }, { 8, 8 }, { 16, 8 },
        { 24, 8 }, { 72, 8 }, { 80, 8 }, { 88, 8 },
    };
    struct layout_record r;

    memcpy(&r, data, sizeof(r));
    uint64_t count = r.index.bytes / sizeof(struct layout_entry);
    if (next(x) % 4 == 0 || count == 0 ||
        !fits(r.index.offset, r.index.bytes, size)) {
        put_number(data + 48 + next(x) % 11 * 8, 8, x, size);
        return;
    }
    size_t field = next(x) % (sizeof(entry) / sizeof(entry[0]));
    uint8_t *e = data + r.index.offset +
                 next(x) % count * sizeof(struct layout_entry);
    put_number(e + entry[field].at, entry[field].width, x, size);
}

/* Change the bytes of a small array, which may be JSON. */
static void change_array(uint8_t *data, size_t size, uint64_t *x)
{
    struct layout_record r;
    struct layout_entry e;

    memcpy(&r, data, sizeof(r));
    uint64_t count = r.index.bytes / sizeof(e);
    if (count == 0 || !fits(r.index.offset, r.index.bytes, size))
        return;
    memcpy(&e, data + r.index.offset + next(x) % count * sizeof(e),
           sizeof(e));
    if (e.bytes > 0 && e.bytes <= 1024 && fits(e.offset, e.bytes, size) &&
        e.offset >= LAYOUT_USER_BLOCK)
        LLVMFuzzerMutate(data + e.offset, e.bytes, e.bytes);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
                               unsigned seed)
{
    uint64_t x = seed;
    struct layout_record r;
    struct layout_extent *parts[] = { &r.index, &r.names, &r.blocks };

    if (size < LAYOUT_USER_BLOCK)
        return LLVMFuzzerMutate(data, size, max_size);
    memcpy(&r, data, sizeof(r));
    switch (next(&x) % 8) {
    case 0:
        size = LLVMFuzzerMutate(data, size, max_size);
        break;
    case 1:
        LLVMFuzzerMutate(data + 8, 136, 136);
        break;
    case 2:
    case 3: {
        const struct layout_extent *e = parts[next(&x) % 3];
        if (e->bytes > 0 && fits(e->offset, e->bytes, size))
            LLVMFuzzerMutate(data + e->offset, e->bytes, e->bytes);
        break;
    }
    case 4:
        change_array(data, size, &x);
        break;
    default:
        for (uint64_t n = 1 + next(&x) % 3; n > 0; n--)
            change_number(data, size, &x);
    }
    if (next(&x) % 8 != 0)
        repair(data, size, next(&x));
    return size;
}

/* The path of a file of these bytes, which is the same for each. */
static const char *mutant_file(const uint8_t *data, size_t size)
{
    static int fd = -1;
    static char path[64];

    if (fd < 0) {
        fd = memfd_create("fuzz", MFD_CLOEXEC);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    }
    if (ftruncate(fd, (off_t)size) < 0 ||
        pwrite(fd, data, size, 0) != (ssize_t)size)
        fail("cannot write");
    return path;
}

#endif
