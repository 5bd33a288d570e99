/* SPDX-License-Identifier: BSD-3-Clause */
/* The engine for rows: which reads come next, what becomes of each. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/fault.h"
#include "store/place.h"
#include "store/rows_parts.h"

#define PAGE ((size_t)4096)             /* what O_DIRECT wants at most */

int rows_fd(const struct rows *r, const struct rows_read *read)
{
    return r->files[2 * read->file + (r->direct && !r->refused)];
}

struct rows_read *rows_next(struct rows *r)
{
    struct rows_group *g = r->first;

    if (!g)
        return NULL;
    struct rows_read *read = &g->reads[g->sent++];
    if (g->sent == g->count)
        r->first = g->next;
    r->in_flight++;
    return read;
}

ssize_t rows_transfer(int fd, const struct rows_read *read)
{
    size_t length = read->length;
    int fault = fault_check(FAULT_READ, &length);

    if (fault)
        return -fault;
    ssize_t n = pread(fd, read->to, length, (off_t)read->offset);
    return n < 0 ? -errno : n;
}

/* Is that an answer after which it is worth asking through the page cache?
 * The disk's own failures are not. */
static bool is_worth_more(ssize_t result)
{
    return result >= 0 || result == -EINTR || result == -EAGAIN ||
           result == -EINVAL || result == -EOPNOTSUPP;
}

void rows_settle(struct rows *r, struct rows_read *read, ssize_t result)
{
    struct rows_group *g = read->group;

    r->in_flight--;
    g->done++;
    if (result >= (ssize_t)read->needed)
        return;
    if (result == -EINVAL || result == -EOPNOTSUPP)
        r->refused = true;
    if (is_worth_more(result)) {
        size_t have = result > 0 ? (size_t)result : 0;
        if (place_pread(r->files[2 * read->file], read->to + have,
                        read->needed - have, read->offset + have) == 0)
            return;
        result = -errno;
    }
    if (g->error == 0)
        g->error = (int)-result;
}

static int plain_start(struct rows *r)
{
    (void)r;
    return 0;
}

static void plain_set_buffers(struct rows *r,
                              const struct rows_buffer *buffers, size_t count)
{
    (void)r;
    (void)buffers;
    (void)count;
}

static void plain_send(struct rows *r)
{
    (void)r;
}

static void plain_collect(struct rows *r, const struct rows_group *group)
{
    struct rows_read *read = rows_next(r);

    (void)group;
    if (read)
        rows_settle(r, read, rows_transfer(rows_fd(r, read), read));
}

static void plain_stop(struct rows *r)
{
    (void)r;
}

static const struct rows_driver plain_driver = {
    .name = "pread", .start = plain_start, .set_buffers = plain_set_buffers,
    .send = plain_send, .collect = plain_collect, .stop = plain_stop,
};

/* What O_DIRECT wants of offsets and addresses; PAGE where nobody says. */
static size_t find_align(int fd)
{
#ifdef STATX_DIOALIGN
    struct statx s;

    /* 0 and 0: not at all, as it says itself later. */
    if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &s) == 0 &&
        (s.stx_mask & STATX_DIOALIGN) && s.stx_dio_offset_align <= PAGE &&
        s.stx_dio_mem_align <= PAGE)
        return s.stx_dio_offset_align > s.stx_dio_mem_align
                   ? s.stx_dio_offset_align : s.stx_dio_mem_align;
#else
    (void)fd;
#endif
    return PAGE;
}

/* The same files once more, past the page cache; all of them or none. */
static void open_direct(struct rows *r)
{
    char path[64];

    r->direct = true;
    r->align = 512;
    for (size_t i = 0; i < r->count && r->direct; i++) {
        snprintf(path, sizeof(path), "/proc/self/fd/%d", r->files[2 * i]);
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_DIRECT);
        size_t align = fd < 0 ? PAGE : find_align(fd);
        r->files[2 * i + 1] = fd;
        r->direct = fd >= 0;
        if (r->align < align)
            r->align = align;
    }
}

static int start_driver(struct rows *r, enum rows_engine engine)
{
    const struct rows_driver *const drivers[] = {
        [ROWS_URING] = &rows_uring_driver,
        [ROWS_THREADS] = &rows_threads_driver,
        [ROWS_PLAIN] = &plain_driver,
    };

    for (enum rows_engine e = ROWS_URING; e <= ROWS_PLAIN; e++)
        if ((engine == ROWS_BEST || engine == e) &&
            drivers[e]->start(r) == 0) {
            r->driver = drivers[e];
            return 0;
        }
    errno = ENOTSUP;
    return -1;
}

struct rows *rows_open(const int *fds, size_t count,
                       const struct rows_options *options)
{
    const struct rows_options o = options ? *options
                                          : (struct rows_options){ 0 };
    struct rows *r = calloc(1, sizeof(*r));

    if (!r || !(r->files = calloc(count + 1, 2 * sizeof(*r->files)))) {
        free(r);
        errno = ENOMEM;
        return NULL;
    }
    r->owner = getpid();
    r->count = count;
    r->align = PAGE;
    for (size_t i = 0; i < count; i++) {
        r->files[2 * i] = fds[i];
        r->files[2 * i + 1] = -1;
    }
    if (!o.buffered)
        open_direct(r);
    if (start_driver(r, o.engine) < 0) {
        int error = errno;
        rows_close(r);
        errno = error;
        return NULL;
    }
    return r;
}

void rows_close(struct rows *r)
{
    if (!r)
        return;
    /* A child has copies of the descriptors, but neither threads nor what
     * is in flight. */
    rows_cancel(r);
    if (r->driver && r->owner == getpid())
        r->driver->stop(r);
    for (size_t i = 0; i < r->count; i++)
        if (r->files[2 * i + 1] >= 0)
            close(r->files[2 * i + 1]);
    free(r->files);
    free(r);
}

size_t rows_align(const struct rows *r)
{
    return r->align;
}

void rows_set_buffers(struct rows *r, const struct rows_buffer *buffers,
                      size_t count)
{
    r->driver->set_buffers(r, buffers, count);
}

void rows_push(struct rows *r, struct rows_group *group)
{
    group->sent = group->done = 0;
    group->error = 0;
    group->next = NULL;
    if (group->count == 0)
        return;
    for (size_t i = 0; i < group->count; i++)
        group->reads[i].group = group;
    if (r->first)
        r->last->next = group;
    else
        r->first = group;
    r->last = group;
    r->driver->send(r);
}

int rows_wait(struct rows *r, struct rows_group *group)
{
    while (group->done < group->count && !r->lost) {
        r->driver->send(r);
        r->driver->collect(r, group);
    }
    r->driver->send(r);
    return r->lost ? EIO : group->error;
}

bool rows_is_lost(const struct rows *r)
{
    return r->lost || r->owner != getpid();
}

void rows_drain(struct rows *r)
{
    while (!rows_is_lost(r) && (r->first || r->in_flight > 0)) {
        r->driver->send(r);
        r->driver->collect(r, NULL);
    }
}

void rows_cancel(struct rows *r)
{
    r->first = NULL;
    rows_drain(r);
}

void rows_describe(const struct rows *r, char *out, size_t size)
{
    snprintf(out, size, "%s, %s", r->driver->name,
             r->direct && !r->refused ? "O_DIRECT" : "page cache");
}
