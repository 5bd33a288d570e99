/* SPDX-License-Identifier: BSD-3-Clause */
/* Failures on demand, in the library that the tests build with MLB_FAULTS
 * defined. In the one that is installed there is nothing of this.
 *
 *     MLB_FAULTS="write:7:EIO,fsync:1:ENOSPC,write:3:short,any:12:kill"
 *
 * Each entry is an operation (read, write, fsync, allocate, rename or any),
 * which one of them, from 1, and what becomes of it: EIO, ENOSPC or EINTR,
 * short (half of the bytes are done) or kill (as by kill -9, before it). */
#ifndef STORE_FAULT_H
#define STORE_FAULT_H

#include <stddef.h>

enum fault_op {
    FAULT_READ,
    FAULT_WRITE,
    FAULT_FSYNC,
    FAULT_ALLOCATE,
    FAULT_RENAME,
    FAULT_ANY,
};

#ifdef MLB_FAULTS
/* To be called before each operation: 0, or the errno it is to fail with.
 * *length (NULL: it has none) becomes less for a short one. */
int fault_check(enum fault_op op, size_t *length);

/* Take MLB_FAULTS as it is now and count from the beginning. */
void fault_reset(void);
#else
static inline int fault_check(enum fault_op op, size_t *length)
{
    (void)op;
    (void)length;
    return 0;
}
#endif

#endif
