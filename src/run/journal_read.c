/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading a journal, which may be torn, damaged, hostile or growing: its
 * blocks. What is in them is journal_parse.c's. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/text.h"
#include "run/journal.h"
#include "run/journal_format.h"
#include "run/journal_parse.h"

#define WINDOW (256u << 10)
#define SEARCH_LIMIT (UINT64_C(256) << 20)   /* bytes summed in vain */

struct journal_reader {
    int fd;
    char *path;
    struct journal_parser *parser;
    unsigned char *window;               /* bytes of the file */
    uint64_t window_at;
    size_t window_length, window_size;
    uint64_t at;                         /* the next block */
    uint64_t seen;                       /* the file's size at the end */
    uint64_t damaged, torn;
    uint64_t searched;
    uint64_t told;                       /* of damaged, by notes */
};

static uint32_t get_word(const unsigned char *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
           (uint32_t)p[3] << 24;
}

/* length bytes of the file at an offset, until the next call; NULL if it
 * does not have them. */
static const unsigned char *fetch(struct journal_reader *r, uint64_t at,
                                  size_t length)
{
    if (at >= r->window_at &&
        at + length <= r->window_at + r->window_length)
        return r->window + (at - r->window_at);
    if (length > r->window_size || !r->window) {
        r->window_size = length > WINDOW ? length : WINDOW;
        r->window = xrealloc(r->window, r->window_size);
    }
    r->window_at = at;
    r->window_length = 0;
    while (r->window_length < r->window_size) {
        ssize_t n = pread(r->fd, r->window + r->window_length,
                          r->window_size - r->window_length,
                          (off_t)(at + r->window_length));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        r->window_length += (size_t)n;
    }
    return r->window_length >= length ? r->window : NULL;
}

static uint64_t file_size(const struct journal_reader *r)
{
    struct stat st;

    return fstat(r->fd, &st) == 0 && st.st_size > 0 ? (uint64_t)st.st_size
                                                    : 0;
}

/* The payload's bytes of a sound block at an offset; 0: there is none. */
static size_t sound_block(struct journal_reader *r, uint64_t at,
                          uint64_t size)
{
    if (at > size || size - at < JOURNAL_FRAME)
        return 0;
    const unsigned char *p = fetch(r, at, JOURNAL_FRAME);
    if (!p || get_word(p) >> 24 != JOURNAL_TAG)
        return 0;
    size_t length = get_word(p) & 0xffffff;
    if (length == 0 || length > size - at - JOURNAL_FRAME)
        return 0;
    p = fetch(r, at, JOURNAL_FRAME + length);
    if (!p)
        return 0;
    uint32_t crc = checksum_update(0, p, 4);
    crc = checksum_update(crc, p + JOURNAL_FRAME, length);
    if (crc == get_word(p + 4))
        return length;
    r->searched += length;
    return 0;
}

/* Where the next sound block begins, from an offset on; size if there is
 * none. A file made to look like blocks everywhere is not gone through. */
static uint64_t find_block(struct journal_reader *r, uint64_t at,
                           uint64_t size)
{
    for (; at < size && r->searched < SEARCH_LIMIT; at++) {
        /* Only the byte of the tag is looked at, in most places. */
        const unsigned char *p = fetch(r, at, JOURNAL_FRAME);
        if (!p)
            break;
        if (p[3] == JOURNAL_TAG && sound_block(r, at, size) > 0)
            return at;
    }
    return size;
}

/* The parser needs the table of metrics before it can read anything. */
static int find_header(struct journal_reader *r, uint64_t size,
                       struct mlb_error *err)
{
    uint64_t at = JOURNAL_MAGIC_BYTES;

    while ((at = find_block(r, at, size)) < size) {
        size_t length = sound_block(r, at, size);
        const unsigned char *p = fetch(r, at, JOURNAL_FRAME + length);
        if (p && p[JOURNAL_FRAME] == JOURNAL_HEADER)
            return journal_parser_header(r->parser, p + JOURNAL_FRAME + 1,
                                         length - 1, err);
        at += JOURNAL_FRAME + length;
    }
    return mlb_error_set(err, MLB_ERR_BAD_INPUT, size == 0
                         ? "it is empty" : "it is not a journal, or nothing "
                         "of its head is left");
}

struct journal_reader *journal_open(const char *path, struct mlb_error *err)
{
    struct journal_reader *r = xmalloc(sizeof(*r));
    struct stat st;
    int rc = -1;

    *r = (struct journal_reader){
        .path = xstrdup(path), .at = JOURNAL_MAGIC_BYTES,
        .parser = journal_parser_create(),
        .fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC),
    };
    if (r->fd < 0)
        mlb_error_errno(err, errno == ENOENT ? MLB_ERR_NOT_FOUND
                                             : MLB_ERR_IO,
                        "cannot open %s", path);
    else if (fstat(r->fd, &st) < 0 || !S_ISREG(st.st_mode))
        mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s: not a file", path);
    else if (find_header(r, (uint64_t)st.st_size, err) < 0)
        mlb_error_prefix(err, "%s", path);
    else
        rc = 0;
    if (rc < 0) {
        journal_reader_close(r);
        return NULL;
    }
    const unsigned char *p = fetch(r, 0, JOURNAL_MAGIC_BYTES);
    if (!p || memcmp(p, JOURNAL_MAGIC, JOURNAL_MAGIC_BYTES) != 0)
        r->damaged = JOURNAL_MAGIC_BYTES;
    return r;
}

void journal_reader_close(struct journal_reader *reader)
{
    if (!reader)
        return;
    if (reader->fd >= 0)
        close(reader->fd);
    journal_parser_destroy(reader->parser);
    free(reader->window);
    free(reader->path);
    free(reader);
}

long journal_attempt(const struct journal_reader *reader)
{
    return journal_parser_attempt(reader->parser);
}

const char *journal_node(const struct journal_reader *reader)
{
    return journal_parser_node(reader->parser);
}

const char *journal_boot(const struct journal_reader *reader)
{
    return journal_parser_boot(reader->parser);
}

static enum journal_what tell_damage(struct journal_reader *r,
                                     struct journal_item *item)
{
    item->what = JOURNAL_NOTE;
    snprintf(item->name, sizeof(item->name), "damaged");
    snprintf(item->text, sizeof(item->text), "%llu bytes before byte %llu",
             (unsigned long long)(r->damaged - r->told),
             (unsigned long long)r->at);
    r->told = r->damaged;
    return item->what;
}

/* Give the next block to the parser. False: there is none yet. */
static bool next_block(struct journal_reader *r)
{
    uint64_t size = file_size(r);

    if (size == r->seen)
        return false;            /* as it was when nothing was found */
    r->torn = 0;
    /* A window at the end may hold less than there is by now. */
    if (r->seen > 0 || size < r->window_at + r->window_length) {
        r->window_length = 0;
        r->seen = 0;
    }
    size_t length = sound_block(r, r->at, size);
    if (length == 0 && r->at < size) {
        uint64_t at = find_block(r, r->at + 1, size);
        if (at < size) {
            r->damaged += at - r->at;
            r->at = at;
            journal_parser_lose(r->parser);
            return true;
        }
    }
    if (length == 0) {
        r->seen = size;
        r->torn = size > r->at ? size - r->at : 0;
        return false;
    }
    const unsigned char *p = fetch(r, r->at, JOURNAL_FRAME + length);
    if (!p)
        return false;
    r->at += JOURNAL_FRAME + length;
    if (!journal_parser_block(r->parser, p + JOURNAL_FRAME, length))
        r->damaged += JOURNAL_FRAME + length;
    return true;
}

enum journal_what journal_next(struct journal_reader *reader,
                               struct journal_item *item)
{
    do {
        /* Before the items of the block that stands by itself again. */
        if (reader->damaged > reader->told &&
            !journal_parser_lost(reader->parser))
            return tell_damage(reader, item);
        enum journal_what what = journal_parser_next(reader->parser, item);
        if (what != JOURNAL_NONE)
            return what;
        reader->damaged += journal_parser_left(reader->parser);
    } while (next_block(reader));
    item->what = JOURNAL_NONE;
    return JOURNAL_NONE;
}

uint64_t journal_damaged(const struct journal_reader *reader)
{
    return reader->damaged;
}

uint64_t journal_torn(const struct journal_reader *reader)
{
    return reader->torn;
}
