/* SPDX-License-Identifier: BSD-3-Clause */
/* Copying bulk data, with its checksum. */
#include "config.h"

#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "store/crc.h"
#include "store/io.h"

#define CHUNK ((size_t)16 << 10)       /* stays in the nearest cache */

#ifdef __SSE2__
#define LANES 4                        /* one line of the cache */

/* Copy without the lines that are written being read before, as plain
 * stores do: nobody looks at the copy until the disk does. */
static void copy(unsigned char *to, const unsigned char *from, size_t length)
{
    const size_t line = LANES * sizeof(__m128i);
    size_t before = -(uintptr_t)to % line;

    if (length < CHUNK) {
        memcpy(to, from, length);
        return;
    }
    memcpy(to, from, before);
    size_t at = before;
    for (; at + line <= length; at += line) {
        const __m128i *in = (const __m128i *)(const void *)(from + at);
        __m128i *out = (__m128i *)(void *)(to + at);
        for (int i = 0; i < LANES; i++)
            _mm_stream_si128(out + i, _mm_loadu_si128(in + i));
    }
    memcpy(to + at, from + at, length - at);
    _mm_sfence();
}
#else
static void copy(unsigned char *to, const unsigned char *from, size_t length)
{
    memcpy(to, from, length);
}
#endif

void io_copy(void *to, const void *from, size_t length, uint32_t *crc)
{
    for (size_t at = 0; at < length; at += CHUNK) {
        size_t n = length - at < CHUNK ? length - at : CHUNK;
        /* First the sum, which brings the bytes into the cache. */
        if (crc)
            *crc = crc_update(*crc, (const char *)from + at, n);
        copy((unsigned char *)to + at, (const unsigned char *)from + at, n);
    }
}
