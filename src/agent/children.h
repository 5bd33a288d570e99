/* SPDX-License-Identifier: BSD-3-Clause */
/* Programs that belong together: one that fails ends the others. */
#ifndef AGENT_CHILDREN_H
#define AGENT_CHILDREN_H

#include <stdbool.h>
#include <sys/types.h>

struct children {
    int signals;                 /* fd of signals_open */
    long kill_wait;              /* seconds from the end's ask to SIGKILL */
    /* Ask them to end; NULL: all get SIGTERM. */
    void (*ask)(void *data);
    void *data;

    pid_t *pids;                 /* -1: ended */
    long count, running;
    int code;                    /* the highest exit status so far */
    bool stopping;
    double kill_at;
};

/* One more; its pid is its process group, too. */
void children_add(struct children *c, pid_t pid);

/* Have all end: asked now, killed in time. */
void children_stop(struct children *c);

/* Send all of them a signal. */
void children_signal(const struct children *c, int signum);

/* Wait until all have ended, passing on what signals come. The code. */
int children_watch(struct children *c);

void children_clear(struct children *c);

#endif
