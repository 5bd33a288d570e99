/* SPDX-License-Identifier: BSD-3-Clause */
/* The sizes in git's index, after gitformat-index(5). */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/text.h"
#include "run/tracked.h"

#define INDEX_LIMIT (256u << 20)
#define HEADER 12            /* "DIRC", version, number of entries */
#define ENTRY 62             /* before the name, with a 20-byte hash */
#define MODE_AT 24
#define SIZE_AT 36
#define FLAGS_AT 60
#define TRAILER 20           /* checksum at the end of the file */
#define TAR_BLOCK 512

static uint32_t get32(const char *at)
{
    const unsigned char *p = (const unsigned char *)at;

    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 |
           p[3];
}

/* The length of the entry at p, of which left bytes are there; 0 if it does
 * not look like one (another hash, for one, shifts everything). */
static size_t entry_length(const char *p, size_t left)
{
    if (left < ENTRY + 2)
        return 0;
    unsigned flags = get32(p + FLAGS_AT - 2) & 0xffff;
    size_t head = flags & 0x4000 ? ENTRY + 2 : ENTRY;
    size_t name = strnlen(p + head, left - head);
    if (name == 0 || name == left - head ||
        (flags & 0xfff) != (name < 0xfff ? name : 0xfff))
        return 0;
    return (head + name + 8) / 8 * 8;
}

static long long add_up(const struct mlb_text *index)
{
    const char *p = index->data, *end = index->data + index->length;
    long long bytes = 0;

    if (index->length < HEADER + TRAILER || memcmp(p, "DIRC", 4) != 0 ||
        (get32(p + 4) != 2 && get32(p + 4) != 3))
        return -1;
    uint32_t count = get32(p + 8);
    p += HEADER;
    end -= TRAILER;
    for (uint32_t i = 0; i < count; i++) {
        size_t length = entry_length(p, (size_t)(end - p));
        if (length == 0 || length > (size_t)(end - p))
            return -1;
        /* A header, and the file rounded up. */
        bytes += TAR_BLOCK;
        if ((get32(p + MODE_AT) & 0170000) == 0100000)
            bytes += ((long long)get32(p + SIZE_AT) + TAR_BLOCK - 1) /
                     TAR_BLOCK * TAR_BLOCK;
        p += length;
    }
    return bytes;
}

long long tracked_bytes(const char *top)
{
    struct mlb_text index = MLB_TEXT_INIT;
    char *path = xasprintf("%s/.git/index", top);
    char *lfs = xasprintf("%s/.git/lfs", top);
    long long bytes = -1;

    if (!files_is_dir(lfs) && files_read(path, INDEX_LIMIT, &index, NULL) == 0)
        bytes = add_up(&index);
    text_clear(&index);
    free(lfs);
    free(path);
    return bytes;
}
