/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the sampler share. (Inside agent/sampler*.c.) */
#ifndef AGENT_SAMPLER_PARTS_H
#define AGENT_SAMPLER_PARTS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "counters/counters.h"
#include "run/channel.h"
#include "run/journal.h"

#include "agent/ask.h"
#include "agent/leader.h"
#include "agent/pace.h"
#include "agent/sampler.h"
#include "agent/sampler_gpus.h"

/* A task's agent. */
struct client {
    int fd;
    double since;                    /* connected at, clock_now */
    pid_t peer, pid;                 /* the agent; its program */
    long rank;
    int group;                       /* -1: none */
    struct mlb_channel *channel;     /* NULL: none */
    struct counters_entity *entity;  /* NULL: it has not said hello */
    int index;                       /* in the journal, -1: not yet */
    enum ask told;
    int64_t last[METRIC_COUNT];      /* the last that was not missing */
    int64_t begun, seen[METRIC_COUNT];       /* ns: hello; of last */
};

struct sampler {
    char *run_dir, *writer, *papi_module;
    long attempt, rank, nodes, kill_wait, gpus_expected;
    bool hardware, alone, mpi_asked, gpus_asked;
    pthread_t thread;
    int wake;                        /* an eventfd: stop */
    atomic_bool stopping;
    atomic_ulong beat;               /* moves while the thread does */
    unsigned long seen_beat;         /* the watcher's */
    int stood;
    /* Guards the descriptors below against a watcher that lets members go
     * while the thread hangs; never held in anything that may hang. */
    pthread_mutex_t lock;
    int listener;
    struct client *clients;
    size_t count, size;
    /* The thread's own. */
    struct counters *counters;
    struct counters_entity *node;
    int node_index;
    struct gpus *gpus;               /* NULL: none are looked for */
    int gpu_index[GPUS_MAX];         /* in the journal */
    size_t gpu_count;                /* of these that are known */
    bool gpus_hang;
    struct journal *journal;
    bool journal_failed;             /* said so */
    struct pace pace;
    double look_at, serve_at, deaf_until;
    enum ask ask;
};

int64_t sampler_clock(clockid_t id);         /* ns */

/* ---- sampler_clients.c ---- */
void clients_add(struct sampler *s, int fd);
void clients_accept(struct sampler *s);
void clients_hear(struct sampler *s, size_t at);     /* may remove it */
/* Close the connections that said nothing. */
void clients_expire(struct sampler *s);
void clients_drain(struct sampler *s);
void clients_ask(struct sampler *s);         /* tell s->ask to those who */
void clients_end(struct sampler *s);         /* send totals, forget all */

/* ---- sampler_tick.c ---- */
void tick_client(struct sampler *s, struct client *c, bool hardware);
void tick_all(struct sampler *s);
void tick_last(struct sampler *s);           /* and the end of GPUs */

#endif
