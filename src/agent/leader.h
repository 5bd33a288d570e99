/* SPDX-License-Identifier: BSD-3-Clause */
/* Who samples for all tasks of a job on a node, and how they talk.
 *
 * Whoever binds the abstract socket name of (user, submission, attempt,
 * node) leads; the name goes with the process that has it, however that
 * ends. A name that somebody else of another user sits on, or whose leader
 * hangs, is passed over: there are a few, which all try in the same order.
 *
 * A task says hello and hands over its descriptors; the leader's welcome
 * says that it is counted. What is asked of the job comes as it changes. A
 * goodbye is answered with totals; a leader that ends sends them unasked. */
#ifndef AGENT_LEADER_H
#define AGENT_LEADER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "counters/metric.h"
#include "mlbatch/error.h"

#define LEADER_NAMES 3

struct leader_place {
    const char *token, *node;
    long attempt;
};

enum leader_role {
    LEADER_NONE,             /* nobody leads, and this cannot either */
    LEADER_MEMBER,           /* fd: connected with the leader */
    LEADER_SELF,             /* fd: listens under the leader's name */
};

/* Find the leader, or be it, by the time until (clock_now) and a little. *fd
 * is non-blocking, close-on-exec, the caller's. */
enum leader_role leader_find(const struct leader_place *place, double until,
                             int *fd);

/* Is the process at the other end one of this user? Its pid, else -1. */
pid_t leader_peer(int fd);

enum message_kind {
    MESSAGE_HELLO = 1,       /* member: here I am */
    MESSAGE_WELCOME,         /* leader: you are counted */
    MESSAGE_ASK,             /* leader: the job is asked something */
    MESSAGE_GOODBYE,         /* member: my program has ended */
    MESSAGE_TOTALS,          /* leader: this I counted of you */
};

/* What was counted, of the metrics of a task. */
struct totals {
    int64_t values[METRIC_COUNT];
    struct metric_status status[METRIC_COUNT];
};
void totals_clear(struct totals *totals);    /* nothing was counted */

struct message {
    uint32_t version;        /* message_send sets it */
    int32_t kind;
    int32_t rank, pid;       /* HELLO: of the program */
    int32_t late;            /* HELLO: it runs already */
    int32_t group, channel;  /* HELLO: descriptors, -1: none */
    int32_t ask;             /* WELCOME, ASK */
    struct totals totals;    /* WELCOME (what can be counted), TOTALS */
};

/* Send without waiting. -1 with errno: the other end is gone or its buffer
 * full. Descriptors are duplicated into the other process. */
int message_send(int fd, struct message *message);

/* Take one message that has come: 1; 0 if there is none by now; -1 if the
 * other end is gone or sent nonsense. Descriptors in it become ours. */
int message_take(int fd, struct message *message);

#endif
