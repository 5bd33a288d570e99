/* SPDX-License-Identifier: BSD-3-Clause */
/* CRC32C by ISA-L, and joining checksums. */
#include "config.h"

#include <isa-l/crc.h>
#include <pthread.h>

#include "store/crc.h"

/* crc32_iscsi takes its length as int. */
#define MOST (1u << 30)

#define POLYNOMIAL 0x82f63b78u       /* bit 31 is x^0, as everywhere here */
#define ONE 0x80000000u

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

/* Without first ones and last inversion a checksum is the remainder of its
 * bytes, as a polynomial over GF(2), modulo P: linear. Appending n bytes
 * multiplies what was there by x^(8n), so for the bare remainder r
 *     r(ab) = r(a) * x^(8n) + r(b) mod P.
 * crc(b) has in it what its own first ones became in n bytes, ones * x^(8n),
 * and the inversion; crc(a) * x^(8n) has its inversion, which is ones, too,
 * multiplied likewise. The two cancel, and the same holds for crc:
 *     crc(ab) = crc(a) * x^(8n) + crc(b) mod P
 * (Peterson and Brown, Cyclic Codes for Error Detection, 1961, for the
 * algebra). x^(8n) is the product of x^(8 * 2^k) over the bits k of n. */
static uint32_t powers[64];          /* x^(8 * 2^k) mod P */

/* The product mod P: for each term x^k of a add b * x^k. */
static uint32_t multiply(uint32_t a, uint32_t b)
{
    uint32_t product = 0;

    for (; a; a <<= 1) {
        /* Masks, not branches: the bits are random. */
        product ^= b & (0u - (a >> 31));
        b = (b >> 1) ^ (POLYNOMIAL & (0u - (b & 1)));
    }
    return product;
}

static void fill_powers(void)
{
    powers[0] = ONE >> 8;
    for (int k = 1; k < 64; k++)
        powers[k] = multiply(powers[k - 1], powers[k - 1]);
}

uint32_t crc_combine(uint32_t a, uint32_t b, uint64_t length)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, fill_powers);
    for (int k = 0; length > 0; k++, length >>= 1)
        if (length & 1)
            a = multiply(a, powers[k]);
    return a ^ b;
}
