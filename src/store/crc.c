/* SPDX-License-Identifier: BSD-3-Clause */
/* CRC32C by ISA-L. */
#include "config.h"

#include <isa-l/crc.h>

#include "store/crc.h"

/* crc32_iscsi takes its length as int. */
#define MOST (1u << 30)

uint32_t crc_update(uint32_t crc, const void *bytes, size_t length)
{
    /* ISA-L neither sets the register to ones nor inverts the result, both
     * of which the standard checksum wants; and its pointer is not const
     * though it only reads. */
    unsigned char *p = (unsigned char *)(uintptr_t)bytes;
    uint32_t state = ~crc;

    while (length > 0) {
        size_t part = length < MOST ? length : MOST;
        state = crc32_iscsi(p, (int)part, state);
        p += part;
        length -= part;
    }
    return ~state;
}
