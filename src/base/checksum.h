/* SPDX-License-Identifier: BSD-3-Clause */
/* CRC32C of short pieces, for programs that must start at once: loading the
 * library that sums gigabytes (store/crc.h) costs more than summing these. */
#ifndef BASE_CHECKSUM_H
#define BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* The CRC32C (Castagnoli, as in iSCSI, RFC 3720) of bytes that follow those
 * with checksum crc; 0 to begin. "123456789" gives 0xe3069283. */
uint32_t checksum_update(uint32_t crc, const void *bytes, size_t length);

#endif
