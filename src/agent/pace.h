/* SPDX-License-Identifier: BSD-3-Clause */
/* How often a sampler samples: as asked, then ever more seldom, so that a
 * journal stays bounded and sampling cheap. */
#ifndef AGENT_PACE_H
#define AGENT_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct pace {
    int64_t interval, hardware;      /* ns; hardware 0: never */
    int64_t next, next_hardware;     /* when they are due, ns */
    long ticks;                      /* at this interval */
    int64_t mark, mark_cpu;          /* the minute that is being measured */
};

/* now: ns on CLOCK_MONOTONIC; the first sample is due at first. */
void pace_begin(struct pace *pace, long every, long hardware_every,
                int64_t now, int64_t first);

/* A sample was due and has been taken. Is the hardware's due, too? Asked
 * before it is taken. */
bool pace_hardware_due(const struct pace *pace, int64_t now);

/* Set when the next is due: on the old raster, those that were missed left
 * out. cpu: ns that sampling has cost so far. NULL, or why the interval has
 * doubled: "interval" (many samples) or "back-off" (it costs too much). */
const char *pace_ticked(struct pace *pace, int64_t now, int64_t cpu);

#endif
