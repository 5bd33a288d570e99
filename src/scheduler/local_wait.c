/* SPDX-License-Identifier: BSD-3-Clause */
/* Waiting in the queue of this machine, without polling. */
#include "config.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "scheduler/local_queue.h"

/* Milliseconds between looks at what is watched, should neither pidfd nor
 * inotify tell: old kernels, file systems without notifications. */
#define FALLBACK 5000

int queue_watch(const char *store)
{
    char *directory = queue_directory(store);
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

    /* Without a watch the looks of queue_wait are what is left. */
    if (fd >= 0 &&
        inotify_add_watch(fd, directory, IN_MOVED_TO | IN_DELETE) < 0) {
        close(fd);
        fd = -1;
    }
    free(directory);
    return fd;
}

/* Read what is there; does it name one of the tickets that are watched? */
static bool changes_matter(int changes, const struct ticket *const *watched,
                           size_t count)
{
    char buffer[4096]
        __attribute__((aligned(__alignof__(struct inotify_event))));
    bool matter = false;
    ssize_t n;

    while ((n = read(changes, buffer, sizeof(buffer))) > 0)
        for (char *p = buffer; p < buffer + n;) {
            const struct inotify_event *e = (const void *)p;
            long number = e->len > 2 ? atol(e->name + 2) : 0;
            matter = matter || (e->mask & IN_Q_OVERFLOW);
            for (size_t i = 0; i < count; i++)
                matter = matter || watched[i]->number == number;
            p += sizeof(*e) + e->len;
        }
    return matter;
}

/* Whom does a ticket wait for that lets others pass: itself, if it is held,
 * else those that it is after. */
static size_t choose_parents(const struct queue *q,
                             const struct ticket *ticket,
                             const struct ticket **watched)
{
    size_t count = 0;

    if (ticket->held) {
        watched[0] = ticket;
        return 1;
    }
    for (size_t i = 0; i < ticket->after.count && count < q->count; i++) {
        const struct ticket *parent = queue_parent(q, ticket, i);
        if (parent)
            watched[count++] = parent;
    }
    return count;
}

/* Whom does a ticket wait for? The one that waits just before it; if it is
 * the first, all that run. So a long queue does not wake up as a whole
 * whenever one job ends. */
static size_t choose_watched(const struct queue *q,
                             const struct ticket *ticket,
                             const struct ticket **watched)
{
    const struct ticket *before = NULL;
    size_t count = 0;

    if (queue_lets_pass(q, ticket))
        return choose_parents(q, ticket, watched);
    for (size_t i = 0; i < q->count; i++) {
        const struct ticket *t = &q->tickets[i];
        if (t->running)
            watched[count++] = t;
        else if (t->number < ticket->number && !queue_lets_pass(q, t))
            before = t;
    }
    if (!before)
        return count;
    watched[0] = before;
    return 1;
}

/* As it stands now, and not as it was read? */
static bool has_changed(const struct queue *q, const struct ticket *was)
{
    struct ticket now;
    char *path = ticket_path(q->directory, was->number);
    bool there = ticket_read(path, &now, NULL) == 0;
    bool changed = !there || now.running != was->running ||
                   now.held != was->held ||
                   !ticket_is_alive(was);

    if (there)
        ticket_clear(&now);
    free(path);
    return changed;
}

/* The descriptors are those of watched and, last, the changes. */
static void poll_changes(const struct queue *q,
                         const struct ticket *const *watched,
                         struct pollfd *fds, size_t count)
{
    for (bool over = false; !over;) {
        int n = poll(fds, count + 1, FALLBACK);
        over = n < 0 || count == 0;
        for (size_t i = 0; i < count; i++)
            over = over || fds[i].revents ||
                   (n == 0 && has_changed(q, watched[i]));
        if (fds[count].revents)
            over = changes_matter(fds[count].fd, watched, count) || over;
    }
}

void queue_wait(const struct queue *q, const struct ticket *ticket,
                int changes)
{
    const struct ticket **watched = xcalloc(q->count + 1, sizeof(*watched));
    struct pollfd *fds = xcalloc(q->count + 1, sizeof(*fds));
    size_t count = choose_watched(q, ticket, watched);
    bool over = false;

    for (size_t i = 0; i < count; i++) {
        fds[i].fd = (int)syscall(SYS_pidfd_open, watched[i]->pid, 0);
        fds[i].events = POLLIN;
        /* It may have died, and its pid may be another's, before that. */
        over = over || !ticket_is_alive(watched[i]);
    }
    fds[count] = (struct pollfd){ .fd = changes, .events = POLLIN };
    if (!over)
        poll_changes(q, watched, fds, count);
    for (size_t i = 0; i < count; i++)
        if (fds[i].fd >= 0)
            close(fds[i].fd);
    free(fds);
    free(watched);
}
