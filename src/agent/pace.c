/* SPDX-License-Identifier: BSD-3-Clause */
/* How often a sampler samples. */
#include "config.h"

#include <stddef.h>

#include "agent/pace.h"

#define SECOND INT64_C(1000000000)
#define TICKS_MAX 4096               /* samples at one interval */
#define MINUTE (60 * SECOND)
#define COST_MAX 200                 /* of a core: one in so many, 0.5 % */
#define INTERVAL_MAX (3600 * SECOND)

void pace_begin(struct pace *pace, long every, long hardware_every,
                int64_t now, int64_t first)
{
    const long most = INTERVAL_MAX / SECOND;

    *pace = (struct pace){
        .interval = (every < most ? every : most) * SECOND,
        .hardware = (hardware_every < most ? hardware_every : most) * SECOND,
        .next = first,
        .next_hardware = first,
        .mark = now,
    };
}

bool pace_hardware_due(const struct pace *pace, int64_t now)
{
    return pace->hardware > 0 && now >= pace->next_hardware;
}

/* The next point of the raster after now. */
static int64_t after(int64_t due, int64_t interval, int64_t now)
{
    if (now < due)
        return due;
    return due + ((now - due) / interval + 1) * interval;
}

static const char *find_reason(struct pace *pace, int64_t now, int64_t cpu)
{
    const char *why = NULL;

    if (++pace->ticks >= TICKS_MAX)
        why = "interval";
    if (now - pace->mark >= MINUTE) {
        if ((cpu - pace->mark_cpu) * COST_MAX > now - pace->mark)
            why = "back-off";
        pace->mark = now;
        pace->mark_cpu = cpu;
    }
    return pace->interval < INTERVAL_MAX ? why : NULL;
}

const char *pace_ticked(struct pace *pace, int64_t now, int64_t cpu)
{
    const char *why = find_reason(pace, now, cpu);

    if (why) {
        pace->ticks = 0;
        pace->interval *= 2;
        pace->hardware *= 2;
    }
    if (pace_hardware_due(pace, now))
        pace->next_hardware = after(pace->next_hardware, pace->hardware,
                                    now);
    pace->next = after(pace->next, pace->interval, now);
    return why;
}
