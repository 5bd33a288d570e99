/* SPDX-License-Identifier: BSD-3-Clause */
/* libFuzzer target: any bytes as a journal. Mutants mostly get right
 * checksums again, or else none would get past them. */
#include "config.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checksum.h"
#include "run/journal.h"
#include "run/journal_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
                               unsigned seed);

static uint32_t get_word(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
           (uint32_t)p[3] << 24;
}

/* Block by block; where one does not fit it ends with the data. */
static void repair(uint8_t *data, size_t size)
{
    for (size_t at = JOURNAL_MAGIC_BYTES; at + JOURNAL_FRAME < size;) {
        size_t most = size - at - JOURNAL_FRAME;
        size_t length = get_word(data + at) & 0xffffff;
        if (length == 0 || length > most)
            length = most;
        uint32_t word = JOURNAL_TAG << 24 | (uint32_t)length;
        for (int i = 0; i < 4; i++)
            data[at + (size_t)i] = (uint8_t)(word >> (8 * i));
        uint32_t crc = checksum_update(0, data + at, 4);
        crc = checksum_update(crc, data + at + JOURNAL_FRAME, length);
        for (int i = 0; i < 4; i++)
            data[at + 4 + (size_t)i] = (uint8_t)(crc >> (8 * i));
        at += JOURNAL_FRAME + length;
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
                               unsigned seed)
{
    size = LLVMFuzzerMutate(data, size, max_size);
    if (seed % 8 != 0)
        repair(data, size);
    return size;
}

static void check_item(const struct journal_item *item)
{
    if (memchr(item->name, '\0', sizeof(item->name)) == NULL &&
        item->what == JOURNAL_NOTE)
        abort();
    if (item->what == JOURNAL_ENTITY && (unsigned)item->about.scope > 2)
        abort();
    if (item->what == JOURNAL_STATUS && (unsigned)item->metric >= METRIC_COUNT)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char path[64];
    struct journal_item item;

    if (!path[0])
        snprintf(path, sizeof(path), "/tmp/mlb-fuzz-%ld", (long)getpid());
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    close(fd);
    struct journal_reader *r = journal_open(path, NULL);
    while (r && journal_next(r, &item) != JOURNAL_NONE)
        check_item(&item);
    if (r && journal_damaged(r) + journal_torn(r) > size)
        abort();
    journal_reader_close(r);
    unlink(path);
    return 0;
}
