/* SPDX-License-Identifier: BSD-3-Clause */
/* The bytes of our HDF5 files that we read and write ourselves (profile 1).
 *
 *     0        user block of 4096 bytes: the commit record at 0, a copy at
 *              2048, zeros between. A file without a sound record is not
 *              complete and never looked into.
 *     4096     what libhdf5 writes: superblock, groups, headers; and, where
 *              libhdf5 put them, the contiguous arrays. Those of 4 KiB and
 *              more begin on a 4 KiB boundary, smaller ones on a multiple
 *              of their element's size.
 *
 * Three arrays are ours and are found from the commit record alone, so that
 * nothing else has to be parsed: /index, one struct layout_entry an array
 * in the order they were added; /names, their names, each with a NUL; and
 * /blocks, the CRC32C of every MiB of every array, in the same order (the
 * last block of an array may be shorter). Numbers are little-endian. */
#ifndef STORE_LAYOUT_H
#define STORE_LAYOUT_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mlbatch/dataset.h"
#include "mlbatch/error.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "files are little-endian and this is read and written as it is"
#endif

#define LAYOUT_VERSION 1
#define LAYOUT_MAGIC "MLBH5\x01\0"              /* 8 bytes with its NUL */
#define LAYOUT_USER_BLOCK UINT64_C(4096)
#define LAYOUT_SECOND UINT64_C(2048)            /* of the two records */
#define LAYOUT_BLOCK (UINT64_C(1) << 20)        /* bytes under one CRC */
#define LAYOUT_ALIGN UINT64_C(4096)
#define LAYOUT_MAX_ARRAYS (UINT64_C(1) << 20)
#define LAYOUT_MAX_BYTES (UINT64_C(1) << 62)
#define LAYOUT_MAX_NAME 320                     /* bytes, without the NUL */

/* A reader passes over unknown flags from bit 16 on; one below says that
 * the file is not what a reader that does not know it would take it for. */
enum layout_flag {
    LAYOUT_COMPLETE = 1,
};
#define LAYOUT_MUST_KNOW UINT32_C(0xffff)

struct layout_extent {
    uint64_t offset, bytes;
    uint32_t crc;                /* CRC32C of the bytes */
    uint32_t reserved;
};

struct layout_record {
    char magic[8];
    uint32_t version, kind;      /* kind: enum container_kind */
    uint32_t flags, reserved;
    uint8_t uuid[16];
    uint64_t created;            /* nanoseconds since 1970 */
    uint64_t file_size;
    uint64_t arrays;             /* entries in the index */
    struct layout_extent index, names, blocks;
    uint32_t rest_crc;           /* of all bytes after the user block that */
    uint32_t reserved2;          /* are in no array: what libhdf5 wrote */
    uint8_t unused[364];
    uint32_t crc;                /* CRC32C of what is before */
};
static_assert(sizeof(struct layout_record) == 512, "commit record");

struct layout_entry {
    uint32_t name_at;            /* in /names */
    uint16_t name_length;
    uint8_t dtype, rank;
    uint64_t shape[MLB_MAX_RANK];
    uint64_t offset, bytes;      /* in the file; offset 0 if no bytes */
    uint64_t first_block;        /* in /blocks */
};
static_assert(sizeof(struct layout_entry) == 96, "index entry");

/* What the checks need. names is NULL until it has been read. */
struct layout_table {
    const struct layout_record *record;
    const struct layout_entry *entries;      /* record->arrays of them */
    const char *names;
};

struct layout_span {
    uint64_t start, end;
};

/* Bytes of an array. MLB_ERR_USAGE: no such dtype, rank or size. */
int layout_array_bytes(enum mlb_dtype dtype, int rank, const uint64_t *shape,
                       uint64_t *bytes, struct mlb_error *err);

/* CRC32C blocks that an array of so many bytes has. */
uint64_t layout_blocks(uint64_t bytes);

/* Is name "/" and parts joined by "/", each printable UTF-8 and none empty,
 * "." or "..", LAYOUT_MAX_NAME bytes at most? */
bool layout_name_ok(const char *name);

/* Put its checksum into a record; is it a sound one? */
void layout_record_seal(struct layout_record *record);
bool layout_record_is_sound(const struct layout_record *record);

/* Does the record make sense for a file of that size: are the extents of
 * its three arrays in the file and of the right length? Checks nothing
 * behind them. Failures here and below are MLB_ERR_BAD_INPUT. */
int layout_check_record(const struct layout_record *record,
                        uint64_t file_size, struct mlb_error *err);

/* Is every entry of the index and every name sound, and in the file? */
int layout_check_entries(const struct layout_table *table,
                         struct mlb_error *err);

/* The spans that arrays and user block take, sorted, in a new buffer that
 * the caller frees. Fails if two overlap. */
int layout_spans(const struct layout_table *table, struct layout_span **spans,
                 size_t *count, struct mlb_error *err);

/* The checksum of the file's bytes in none of the spans. */
int layout_rest_crc(int fd, const struct layout_table *table, uint32_t *crc,
                    struct mlb_error *err);

#endif
