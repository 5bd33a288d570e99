/* SPDX-License-Identifier: BSD-3-Clause */
/* Who samples for all tasks of a job on a node, and how they talk. */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/text.h"

#include "agent/leader.h"
#include "agent/spawn.h"

/* Agents of another build are not understood, nor they us. */
#define VERSION ((uint32_t)sizeof(struct message) << 8 | 2)
#define SHORT offsetof(struct message, totals)
#define BACKLOG 4096
#define PAUSE 5                      /* ms between two tries of a name */
#define TRIES 30                     /* of a name that nobody listens to */
#define DESCRIPTORS 2

enum attempt_result { TAKEN, AGAIN, NEXT, FAILED };

static uint64_t hash(const char *s, uint64_t h)
{
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * UINT64_C(0x100000001b3);
    return h;
}

/* Names of nodes may be longer than that of a socket. */
static socklen_t make_name(const struct leader_place *place, int number,
                           struct sockaddr_un *name)
{
    char *all = xasprintf("%s/%ld/%s", place->token, place->attempt,
                          place->node);

    *name = (struct sockaddr_un){ .sun_family = AF_UNIX };
    int n = snprintf(name->sun_path + 1, sizeof(name->sun_path) - 1,
                     "mlbatch-%lu-%016llx%016llx-%d",
                     (unsigned long)geteuid(),
                     (unsigned long long)hash(all, 0xcbf29ce484222325),
                     (unsigned long long)hash(all, 0x84222325cbf29ce4),
                     number);
    free(all);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1) +
           (socklen_t)n;
}

static int new_socket(void)
{
    return socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* One try of one name: connect, else bind. */
static enum attempt_result try_name(const struct leader_place *place,
                                    int number, enum leader_role *role,
                                    int *fd)
{
    struct sockaddr_un name;
    socklen_t length = make_name(place, number, &name);
    enum attempt_result result = FAILED;

    *fd = new_socket();
    if (*fd < 0)
        return FAILED;
    if (connect(*fd, (struct sockaddr *)&name, length) == 0) {
        *role = LEADER_MEMBER;
        result = leader_peer(*fd) >= 0 ? TAKEN : NEXT;
    } else if (errno == EAGAIN || errno == EINTR) {
        result = AGAIN;
    } else if (errno == ECONNREFUSED &&
               bind(*fd, (struct sockaddr *)&name, length) == 0) {
        *role = LEADER_SELF;
        result = listen(*fd, BACKLOG) == 0 ? TAKEN : FAILED;
    } else if (errno == EADDRINUSE) {
        result = AGAIN;
    } else if (errno == EPROTOTYPE) {
        result = NEXT;               /* a stranger's, of another kind */
    }
    if (result != TAKEN) {
        close(*fd);
        *fd = -1;
    }
    return result;
}

/* Between bind and listen of a new leader its name refuses all: only one
 * that does so for a while is passed over. */
enum leader_role leader_find(const struct leader_place *place, double until,
                             int *fd)
{
    for (int number = 0; number < LEADER_NAMES; number++) {
        enum attempt_result result = AGAIN;
        enum leader_role role = LEADER_NONE;
        for (int i = 0; i < TRIES && result == AGAIN; i++) {
            if (i > 0 && clock_now() >= until)
                return LEADER_NONE;
            if (i > 0)
                poll(NULL, 0, PAUSE);
            result = try_name(place, number, &role, fd);
        }
        if (result == TAKEN)
            return role;
        if (result == FAILED)
            return LEADER_NONE;
    }
    return LEADER_NONE;
}

pid_t leader_peer(int fd)
{
    struct ucred peer;
    socklen_t length = sizeof(peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0 ||
        length != sizeof(peer) || peer.uid != geteuid())
        return -1;
    return peer.pid;
}

void totals_clear(struct totals *totals)
{
    for (int i = 0; i < METRIC_COUNT; i++) {
        totals->values[i] = METRIC_MISSING;
        metric_status_set(&totals->status[i], METRIC_UNAVAILABLE,
                          METRIC_LOST, "agent", "nobody sampled this task");
    }
}

static bool has_totals(const struct message *message)
{
    return message->kind == MESSAGE_WELCOME ||
           message->kind == MESSAGE_TOTALS;
}

int message_send(int fd, struct message *message)
{
    struct iovec part = {
        .iov_base = message,
        .iov_len = has_totals(message) ? sizeof(*message) : SHORT,
    };
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(DESCRIPTORS * sizeof(int))];
    } control = { .room = { 0 } };
    struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };
    int fds[DESCRIPTORS], count = 0;

    message->version = VERSION;
    if (message->kind == MESSAGE_HELLO && message->group >= 0)
        fds[count++] = message->group;
    if (message->kind == MESSAGE_HELLO && message->channel >= 0)
        fds[count++] = message->channel;
    if (count > 0) {
        header.msg_control = control.room;
        header.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
        control.head.cmsg_level = SOL_SOCKET;
        control.head.cmsg_type = SCM_RIGHTS;
        control.head.cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
        memcpy(CMSG_DATA(&control.head), fds, (size_t)count * sizeof(int));
    }
    return sendmsg(fd, &header, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -1 : 0;
}

/* The descriptors that came along, their number. */
static int take_descriptors(struct msghdr *header, int fds[DESCRIPTORS])
{
    int count = 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c;
         c = CMSG_NXTHDR(header, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            if (count < DESCRIPTORS)
                fds[count++] = fd;
            else
                close(fd);
        }
    }
    return count;
}

/* Words and numbers that later code may rely on. */
static bool is_sane(const struct totals *totals)
{
    for (int i = 0; i < METRIC_COUNT; i++) {
        const struct metric_status *s = &totals->status[i];
        if ((unsigned)s->state > METRIC_UNAVAILABLE ||
            (unsigned)s->cause >= METRIC_CAUSE_COUNT ||
            !memchr(s->source, '\0', sizeof(s->source)) ||
            !memchr(s->reason, '\0', sizeof(s->reason)))
            return false;
    }
    return true;
}

/* Does what came fit what it says that it is? */
static bool is_whole(const struct message *message, ssize_t n, int count)
{
    int expected = 0;

    if (n < (ssize_t)SHORT || message->version != VERSION ||
        n != (ssize_t)(has_totals(message) ? sizeof(*message) : SHORT))
        return false;
    if (has_totals(message) && !is_sane(&message->totals))
        return false;
    if (message->kind == MESSAGE_HELLO)
        expected = (message->group >= 0) + (message->channel >= 0);
    return count == expected;
}

int message_take(int fd, struct message *message)
{
    struct iovec part = { .iov_base = message, .iov_len = sizeof(*message) };
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(DESCRIPTORS * sizeof(int))];
    } control;
    struct msghdr header = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = control.room,
        .msg_controllen = sizeof(control.room),
    };
    int fds[DESCRIPTORS] = { -1, -1 };
    ssize_t n = recvmsg(fd, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    int count = take_descriptors(&header, fds);
    if (!is_whole(message, n, count)) {
        for (int i = 0; i < count; i++)
            close(fds[i]);
        return -1;
    }
    if (message->kind == MESSAGE_HELLO) {
        int next = 0;
        message->group = message->group >= 0 ? fds[next++] : -1;
        message->channel = message->channel >= 0 ? fds[next] : -1;
    }
    return 1;
}
