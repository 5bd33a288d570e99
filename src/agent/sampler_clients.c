/* SPDX-License-Identifier: BSD-3-Clause */
/* The leader's side of the talk with tasks. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"

#include "agent/agent.h"
#include "agent/metrics.h"
#include "agent/reap.h"
#include "agent/sampler_parts.h"
#include "agent/spawn.h"

#define SILENCE 5.0                  /* seconds until a hello must be here */
#define CLIENTS_MAX 8192
#define DEAF 1.0                     /* seconds without accepting */

void clients_add(struct sampler *s, int fd)
{
    pid_t peer = leader_peer(fd);

    if (peer < 0 || s->count >= CLIENTS_MAX) {
        close(fd);
        return;
    }
    pthread_mutex_lock(&s->lock);
    if (s->count == s->size) {
        s->size = s->size ? 2 * s->size : 8;
        s->clients = xrealloc(s->clients, s->size * sizeof(*s->clients));
    }
    s->clients[s->count++] = (struct client){
        .fd = fd,
        .since = clock_now(),
        .peer = peer,
        .group = -1,
        .index = -1,
    };
    pthread_mutex_unlock(&s->lock);
}

void clients_accept(struct sampler *s)
{
    int fd;

    while ((fd = accept4(s->listener, NULL, NULL,
                         SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
        clients_add(s, fd);
    /* Without a descriptor left it would be tried again at once. */
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
        s->deaf_until = clock_now() + DEAF;
}

static void drain(const struct sampler *s, const struct client *c)
{
    struct metrics_log log = {
        .run_dir = s->run_dir,
        .writer = s->writer,
        .attempt = s->attempt,
        .rank = c->rank,
    };
    struct mlb_error err;

    if (c->channel && metrics_drain(c->channel, &log, &err) < 0)
        agent_complain(&err);
}

static void forget(struct sampler *s, size_t at)
{
    struct client c = s->clients[at];

    pthread_mutex_lock(&s->lock);
    s->clients[at] = s->clients[--s->count];
    close(c.fd);
    pthread_mutex_unlock(&s->lock);
    if (c.entity)
        counters_remove(s->counters, c.entity);
    channel_close(c.channel);
    if (c.group >= 0)
        close(c.group);
}

/* What is known of a task that has ended, or whose leader will. A value from
 * before its end is whole but for that moment. */
static int tell(const struct sampler *s, const struct client *c,
                enum message_kind kind)
{
    struct message *m = xcalloc(1, sizeof(*m));
    int64_t now = sampler_clock(CLOCK_MONOTONIC);

    m->kind = (int32_t)kind;
    m->ask = (int32_t)s->ask;
    for (int i = 0; i < METRIC_COUNT; i++) {
        struct metric_status *status = &m->totals.status[i];
        int64_t missed = now - c->seen[i], all = now - c->begun;
        m->totals.values[i] = c->last[i];
        *status = *counters_status(c->entity, (enum metric_id)i);
        if (c->last[i] == METRIC_MISSING || status->state > METRIC_OK ||
            missed <= all / 100)
            continue;
        status->state = METRIC_PARTIAL;
        status->cause = METRIC_LOST;
        status->coverage = (int)(100 - 100 * missed / all);
        snprintf(status->reason, sizeof(status->reason),
                 "last seen %.1f s before the end", (double)missed / 1e9);
    }
    int rc = message_send(c->fd, m);
    free(m);
    return rc;
}

/* The pid of another name space would be another process: the program must
 * be a child of who speaks. */
static bool hello(struct sampler *s, struct client *c,
                  const struct message *m)
{
    if (c->entity || m->pid <= 1 || reap_parent(m->pid) != c->peer) {
        if (m->group >= 0)
            close(m->group);
        if (m->channel >= 0)
            close(m->channel);
        return false;
    }
    c->rank = m->rank;
    c->pid = m->pid;
    c->group = m->group;
    if (m->channel >= 0) {
        c->channel = channel_adopt(m->channel, NULL);
        close(m->channel);
    }
    c->entity = counters_add_task(s->counters, c->pid, c->group,
                                  m->late != 0);
    c->begun = sampler_clock(CLOCK_MONOTONIC);
    for (int i = 0; i < METRIC_COUNT; i++)
        c->last[i] = METRIC_MISSING;
    c->told = s->ask;
    return tell(s, c, MESSAGE_WELCOME) == 0;
}

/* Its program has ended: what can still be read of it. */
static void end(struct sampler *s, struct client *c)
{
    tick_client(s, c, true);
    if (s->journal && c->index >= 0)
        journal_end(s->journal, c->index);
}

void clients_hear(struct sampler *s, size_t at)
{
    struct client *c = &s->clients[at];
    struct message *m = xcalloc(1, sizeof(*m));
    int got = message_take(c->fd, m);

    if (got > 0 && m->kind == MESSAGE_HELLO) {
        got = hello(s, c, m) ? 1 : -1;
    } else if (got > 0) {
        if (c->entity && m->kind == MESSAGE_GOODBYE) {
            end(s, c);
            tell(s, c, MESSAGE_TOTALS);
        }
        forget(s, at);
        got = 0;
    }
    if (got < 0) {
        /* It died, and cannot drain or say goodbye any more. */
        if (c->entity) {
            drain(s, c);
            end(s, c);
        }
        forget(s, at);
    }
    free(m);
}

void clients_expire(struct sampler *s)
{
    double now = clock_now();

    for (size_t i = s->count; i-- > 0;)
        if (!s->clients[i].entity && now > s->clients[i].since + SILENCE)
            forget(s, i);
}

void clients_drain(struct sampler *s)
{
    for (size_t i = 0; i < s->count; i++)
        drain(s, &s->clients[i]);
}

/* One whose buffer is full is told the next time. */
void clients_ask(struct sampler *s)
{
    struct message m = { .kind = MESSAGE_ASK, .ask = s->ask };

    for (size_t i = 0; i < s->count; i++) {
        struct client *c = &s->clients[i];
        if (c->entity && c->told < s->ask && message_send(c->fd, &m) == 0)
            c->told = s->ask;
    }
}

void clients_end(struct sampler *s)
{
    while (s->count > 0) {
        struct client *c = &s->clients[s->count - 1];
        if (c->entity) {
            tick_client(s, c, true);
            tell(s, c, MESSAGE_TOTALS);
        }
        forget(s, s->count - 1);
    }
}
