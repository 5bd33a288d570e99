/* SPDX-License-Identifier: BSD-3-Clause */
/* A task's part in the sampling of its node: it finds who leads, or leads,
 * and follows when that changes. */
#ifndef AGENT_MEMBER_H
#define AGENT_MEMBER_H

#include <stdbool.h>
#include <sys/types.h>

#include "agent/ask.h"
#include "agent/leader.h"
#include "agent/sampler.h"

struct member {
    struct sampler_options options;
    struct leader_place place;
    pid_t pid;               /* of the program */
    int group, channel;      /* descriptors, the caller's; -1: none */
    /* The rest is its own, from MEMBER_INIT. */
    int fd;                  /* to the leader, -1: nobody serves */
    struct sampler *sampler; /* led by this agent; NULL: none */
    int hangs;               /* samplers that hung */
    bool joined;             /* it was counted by somebody */
    enum ask ask;            /* the most that was asked so far */
    double again_at, watch_at;
    double begun, counted;   /* from .. to which totals say something */
    struct totals totals;    /* of all leaders so far */
};
#define MEMBER_INIT { .group = -1, .channel = -1, .fd = -1, \
                      .again_at = 1e300, .watch_at = 1e300 }

/* Have the program counted, which is held before its exec: by the leader,
 * else by a sampler of its own. Takes up to a second where nobody answers
 * (else less than a millisecond). options, place, pid, group and channel are
 * set. */
void member_begin(struct member *member);

/* What to wait for beside signals: what is readable (-1: nothing), and until
 * when. Then member_serve does what is to be done. */
int member_fd(const struct member *member);
double member_deadline(const struct member *member);
void member_serve(struct member *member);

/* Does somebody take what the program tells, and look for what is asked of
 * the job (then in member->ask)? Else that is the task's own to do. */
bool member_is_served(const struct member *member);

/* The program has ended: have the last said. False: nothing was counted.
 * Waits for a second at most. */
bool member_goodbye(struct member *member, struct totals *totals);

/* End the sampler that this agent may have. False: it hangs; end the process
 * by _exit, freeing nothing that it may use. */
bool member_end(struct member *member);

#endif
