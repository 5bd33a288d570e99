/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading the ends of logs, however long and whatever they are. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run/evidence_parts.h"

#define COUNT_MOST (256LL << 20)     /* bytes of which lines are counted */
#define PART (256u << 10)

/* A regular file of the run, or -1. Not through a link: nobody but the run
 * has a say in what is shown. */
static int open_log(const struct evidence *v, const char *name,
                    long long *size)
{
    char *path = xasprintf("%s/%s", v->run_dir, name);
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;

    free(path);
    if (fd < 0)
        return -1;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return -1;
    }
    *size = (long long)st.st_size;
    return fd;
}

/* How many bytes there are at offset, at most length of them. */
static size_t read_at(int fd, char *bytes, size_t length, long long offset)
{
    size_t got = 0;

    while (got < length) {
        ssize_t n = pread(fd, bytes + got, length - got,
                          (off_t)(offset + (long long)got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    return got;
}

/* How long is the escape sequence at p: colours ("ESC [ 31 m"), links and
 * titles ("ESC ] ... BEL" or "ESC ] ... ESC \")? Lines stay lines. */
static size_t escape_length(const char *p, size_t left)
{
    size_t n = 2;

    if (left < 2 || (p[1] != '[' && p[1] != ']'))
        return left < 2 || p[1] == '\n' ? 1 : 2;
    if (p[1] == '[')
        while (n < left && p[n] >= ' ' && p[n] < '@')
            n++;
    else
        while (n < left && p[n] != '\a' && p[n] != '\033' && p[n] != '\n')
            n++;
    if (n == left || p[n] == '\n')
        return n;
    return p[n] == '\033' && n + 1 < left && p[n + 1] == '\\' ? n + 2 : n + 1;
}

static size_t remove_escapes(char *bytes, size_t length)
{
    size_t kept = 0;

    for (size_t i = 0; i < length;) {
        if (bytes[i] == '\033')
            i += escape_length(bytes + i, length - i);
        else
            bytes[kept++] = bytes[i++];
    }
    return kept;
}

void evidence_read_log(struct evidence *v, const char *name, long rank,
                       long long from, long long to)
{
    long long size, start;
    int fd = open_log(v, name, &size);

    if (fd < 0)
        return;
    /* Cut or replaced since: then nothing is known of its parts. */
    if (from > size)
        from = 0;
    if (to < from || to > size)
        to = size;
    start = to - from > EVIDENCE_TAIL ? to - EVIDENCE_TAIL : from;
    char *bytes = xmalloc(EVIDENCE_TAIL + 1);
    size_t length = read_at(fd, bytes, (size_t)(to - start), start);
    close(fd);
    const char *newline = start > from ? memchr(bytes, '\n', length) : NULL;
    if (newline) {
        size_t cut = (size_t)(newline + 1 - bytes);
        length -= cut;
        start += (long long)cut;
        memmove(bytes, bytes + cut, length);
    }
    length = remove_escapes(bytes, length);
    v->starts[v->log_count] = start;
    v->logs[v->log_count++] = (struct diagnose_log){
        .name = xstrdup(name), .rank = rank, .bytes = bytes,
        .length = length };
}

long evidence_line(const struct evidence *v, size_t log, size_t line)
{
    long long size, left = v->starts[log];
    long lines = (long)line;
    int fd = left == 0 || left > COUNT_MOST
                 ? -1 : open_log(v, v->logs[log].name, &size);

    if (left == 0)
        return lines;
    if (fd < 0)
        return 0;
    char *bytes = xmalloc(PART);
    for (long long at = 0; left > 0;) {
        size_t n = read_at(fd, bytes, left < PART ? (size_t)left : PART, at);
        if (n == 0)
            break;
        for (const char *p = bytes;
             (p = memchr(p, '\n', (size_t)(bytes + n - p))); p++)
            lines++;
        at += (long long)n;
        left -= (long long)n;
    }
    free(bytes);
    close(fd);
    return left > 0 ? 0 : lines;
}
