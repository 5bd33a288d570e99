/* SPDX-License-Identifier: BSD-3-Clause */
/* CRC32C, the checksum of everything in our files. */
#ifndef STORE_CRC_H
#define STORE_CRC_H

#include <stddef.h>
#include <stdint.h>

/* The CRC32C (Castagnoli, as in iSCSI, RFC 3720) of bytes that follow those
 * with checksum crc; 0 to begin. "123456789" gives 0xe3069283. */
uint32_t crc_update(uint32_t crc, const void *bytes, size_t length);

/* The CRC32C of a and b one behind the other, from the checksum of each and
 * the bytes that b has. */
uint32_t crc_combine(uint32_t a, uint32_t b, uint64_t length);

#endif
