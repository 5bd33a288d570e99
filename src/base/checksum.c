/* SPDX-License-Identifier: BSD-3-Clause */
/* CRC32C by tables, four bytes a step. */
#include "config.h"

#include <pthread.h>

#include "base/checksum.h"

#define POLYNOMIAL 0x82f63b78u

/* tables[k][b]: what byte b becomes when k more zero bytes follow it. */
static uint32_t tables[4][256];

static void fill_tables(void)
{
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t crc = b;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (POLYNOMIAL & (0u - (crc & 1)));
        tables[0][b] = crc;
    }
    for (int k = 1; k < 4; k++)
        for (uint32_t b = 0; b < 256; b++) {
            uint32_t before = tables[k - 1][b];
            tables[k][b] = (before >> 8) ^ tables[0][before & 255];
        }
}

uint32_t checksum_update(uint32_t crc, const void *bytes, size_t length)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const unsigned char *p = bytes;

    pthread_once(&once, fill_tables);
    crc = ~crc;
    for (; length >= 4; p += 4, length -= 4)
        crc = tables[3][(crc ^ p[0]) & 255] ^
              tables[2][((crc >> 8) ^ p[1]) & 255] ^
              tables[1][((crc >> 16) ^ p[2]) & 255] ^
              tables[0][((crc >> 24) ^ p[3]) & 255];
    for (; length > 0; p++, length--)
        crc = (crc >> 8) ^ tables[0][(crc ^ *p) & 255];
    return ~crc;
}
