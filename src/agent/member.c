/* SPDX-License-Identifier: BSD-3-Clause */
/* A task's part in the sampling of its node. */
#include "config.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"

#include "agent/agent.h"
#include "agent/member.h"
#include "agent/spawn.h"

#define ANSWER 1.0                   /* seconds that a leader has */
#define AGAIN 30.0                   /* to the next try without anybody */
#define WATCH 4.0                    /* between two looks at the sampler */
#define HANGS_MAX 2                  /* samplers that may hang here */
#define TRIES 3

static void drop(struct member *m)
{
    if (m->fd >= 0)
        close(m->fd);
    m->fd = -1;
}

/* All of a kind: counters of hardware begin at zero with each leader, what
 * the kernel accounts goes on. */
static void add_totals(struct member *m, const struct totals *from)
{
    for (int i = 0; i < METRIC_COUNT; i++) {
        struct metric_status *status = &m->totals.status[i];
        bool more = m->totals.values[i] != METRIC_MISSING;
        bool worse = from->status[i].state > status->state;
        if (from->values[i] == METRIC_MISSING) {
            if (!more)
                *status = from->status[i];
            continue;
        }
        if (more && i >= METRIC_CYCLES && i <= METRIC_BRANCH_MISSES)
            m->totals.values[i] += from->values[i];
        else
            m->totals.values[i] = from->values[i];
        if (!more || worse)
            *status = from->status[i];
    }
    m->counted = clock_now();
}

/* Take what has come. False: the leader has gone. */
static bool take(struct member *m, bool *welcome, bool *totals)
{
    struct message *got = xcalloc(1, sizeof(*got));
    int n;

    while ((n = message_take(m->fd, got)) > 0) {
        if (got->kind == MESSAGE_WELCOME || got->kind == MESSAGE_TOTALS)
            add_totals(m, &got->totals);
        if (got->kind == MESSAGE_WELCOME)
            *welcome = true;
        if (got->kind == MESSAGE_WELCOME || got->kind == MESSAGE_ASK) {
            if (got->ask > (int)m->ask && got->ask <= ASK_STOP)
                m->ask = (enum ask)got->ask;
        } else if (got->kind == MESSAGE_TOTALS) {
            *totals = true;
        }
    }
    free(got);
    return n == 0;
}

/* Wait until until for a message of that sort. */
static bool await(struct member *m, double until, bool for_totals)
{
    bool welcome = false, totals = false;

    while (m->fd >= 0) {
        bool there = take(m, &welcome, &totals);
        if (for_totals ? totals : welcome)
            return true;
        double left = until - clock_now();
        if (!there || left <= 0)
            return false;
        struct pollfd p = { .fd = m->fd, .events = POLLIN };
        poll(&p, 1, (int)(left * 1e3) + 1);
    }
    return false;
}

/* Hello to whoever is at the other end of fd; true: it counts. */
static bool greet(struct member *m, bool late, double until)
{
    struct message hello = {
        .kind = MESSAGE_HELLO,
        .rank = (int32_t)m->options.rank,
        .pid = m->pid,
        .late = late,
        .group = m->group,
        .channel = m->channel,
    };

    if (message_send(m->fd, &hello) == 0 && await(m, until, false)) {
        m->joined = true;
        return true;
    }
    drop(m);
    return false;
}

/* Lead, with a listener, or alone without. The own task is a member as any
 * other. */
static bool lead(struct member *m, int listener)
{
    int pair[2] = { -1, -1 };
    struct mlb_error err;

    if (m->hangs >= HANGS_MAX || m->sampler ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                   pair) < 0) {
        if (listener >= 0)
            close(listener);
        return false;
    }
    m->fd = pair[0];
    m->options.alone = listener < 0 && m->options.tasks > 1;
    m->sampler = sampler_start(&m->options, listener, pair[1], &err);
    if (!m->sampler) {
        agent_complain(&err);
        drop(m);
        return false;
    }
    m->watch_at = clock_now() + WATCH;
    return true;
}

static void join(struct member *m, bool late)
{
    double until = clock_now() + ANSWER;

    m->again_at = CLOCK_NEVER;
    for (int i = 0; i < TRIES; i++) {
        int fd;
        enum leader_role role = leader_find(&m->place, until, &fd);
        if (role == LEADER_MEMBER)
            m->fd = fd;
        else if (role == LEADER_NONE || !lead(m, fd))
            break;
        if (greet(m, late, until))
            return;
        if (clock_now() >= until)
            break;
    }
    if (lead(m, -1) && greet(m, late, clock_now() + ANSWER))
        return;
    m->again_at = clock_now() + AGAIN;
}

void member_begin(struct member *member)
{
    totals_clear(&member->totals);
    member->begun = clock_now();
    join(member, false);
}

int member_fd(const struct member *member)
{
    return member->fd;
}

double member_deadline(const struct member *member)
{
    return fmin(member->again_at, member->watch_at);
}

bool member_is_served(const struct member *member)
{
    return member->fd >= 0;
}

/* Not all at once, and not before the next one may have been found. */
static void lose(struct member *m)
{
    unsigned char noise = 0;

    drop(m);
    if (getrandom(&noise, sizeof(noise), GRND_NONBLOCK) < 0)
        noise = (unsigned char)m->pid;
    m->again_at = clock_now() + 0.1 + 0.4 * noise / 255;
}

/* A sampler that hangs lets its members go, this one as well. */
static void watch(struct member *m, double now)
{
    m->watch_at = now + WATCH;
    if (!sampler_hangs(m->sampler))
        return;
    sampler_stop(m->sampler);
    m->sampler = NULL;
    m->watch_at = CLOCK_NEVER;
    m->hangs++;
}

void member_serve(struct member *member)
{
    double now = clock_now();
    bool welcome = false, totals = false;

    if (now >= member->watch_at)
        watch(member, now);
    if (member->fd >= 0 && !take(member, &welcome, &totals))
        lose(member);
    if (now >= member->again_at)
        join(member, true);
}

/* What the last leader did not see, or nobody after it, was not counted. */
static void mark_missed(struct member *m)
{
    double now = clock_now(), missed = now - m->counted;

    for (int i = 0; i < METRIC_COUNT; i++)
        if (m->totals.values[i] == METRIC_MISSING &&
            m->totals.status[i].state != METRIC_UNAVAILABLE)
            metric_status_set(&m->totals.status[i], METRIC_UNAVAILABLE,
                              METRIC_LOST, m->totals.status[i].source,
                              "the sampler ended with what it had read");
    for (int i = METRIC_CYCLES; i <= METRIC_BRANCH_MISSES; i++) {
        struct metric_status *status = &m->totals.status[i];
        if (m->totals.values[i] == METRIC_MISSING ||
            missed <= (now - m->begun) / 100 || status->state > METRIC_OK)
            continue;
        status->state = METRIC_PARTIAL;
        status->cause = METRIC_LOST;
        status->coverage = (int)(100 - 100 * missed / (now - m->begun));
        snprintf(status->reason, sizeof(status->reason),
                 "not counted in the last %.1f s", missed);
    }
}

bool member_goodbye(struct member *member, struct totals *totals)
{
    struct message goodbye = { .kind = MESSAGE_GOODBYE };

    if (!member->joined)
        return false;
    if (member->fd >= 0 && message_send(member->fd, &goodbye) == 0)
        await(member, clock_now() + ANSWER, true);
    drop(member);
    mark_missed(member);
    *totals = member->totals;
    return true;
}

bool member_end(struct member *member)
{
    bool ended = sampler_stop(member->sampler);

    drop(member);
    member->sampler = NULL;
    return ended && member->hangs == 0;
}
