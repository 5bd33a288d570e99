/* SPDX-License-Identifier: BSD-3-Clause */
/* Failures on demand, in the library that the tests build with MLB_FAULTS
 * defined. In the one that is installed there is nothing of this.
 *
 *     MLB_FAULTS="write:7:EIO,fsync:1:ENOSPC,write:3:short,any:12:kill"
 *
 * Each entry is an operation (read, write, fsync, allocate, rename or any),
 * which one of them, from 1, and what becomes of it: EIO, ENOSPC or EINTR,
 * short (half of the bytes are done) or kill (as by kill -9, before it).
 *
 *     MLB_FAULT_LOG=PATH
 *
 * appends to that file a struct fault_event for all that is done to files,
 * in order, so that a test can make what a machine that stops in between
 * might leave. It sees the calls of libhdf5, too. */
#ifndef STORE_FAULT_H
#define STORE_FAULT_H

#include <stddef.h>
#include <stdint.h>

enum fault_op {
    FAULT_READ,
    FAULT_WRITE,
    FAULT_FSYNC,
    FAULT_ALLOCATE,
    FAULT_RENAME,
    FAULT_ANY,
};

/* What the log tells, each after it was done. */
enum fault_event_op {
    FAULT_WROTE,               /* length bytes at offset of a file */
    FAULT_RESIZED,             /* to offset */
    FAULT_ALLOCATED,           /* to offset at least */
    FAULT_SYNCED,              /* a file or directory */
    FAULT_RENAMED,             /* or linked; path to other */
    FAULT_UNLINKED,            /* path */
};

/* Behind it come path, other and the bytes. */
struct fault_event {
    uint32_t op;               /* enum fault_event_op */
    uint32_t path_length, other_length, is_link;
    uint64_t file;             /* number of the inode */
    uint64_t offset, length;
};

#ifdef MLB_FAULTS
/* To be called before each operation: 0, or the errno it is to fail with.
 * *length (NULL: it has none) becomes less for a short one. */
int fault_check(enum fault_op op, size_t *length);

/* Take MLB_FAULTS and MLB_FAULT_LOG as they are now and count from the
 * beginning. */
void fault_reset(void);
void fault_log_reset(void);

/* Enter a write that no call made which the log sees: the ring's. */
void fault_wrote(int fd, const void *bytes, size_t length, uint64_t offset);
#else
static inline void fault_wrote(int fd, const void *bytes, size_t length,
                               uint64_t offset)
{
    (void)fd;
    (void)bytes;
    (void)length;
    (void)offset;
}

static inline int fault_check(enum fault_op op, size_t *length)
{
    (void)op;
    (void)length;
    return 0;
}
#endif

#endif
