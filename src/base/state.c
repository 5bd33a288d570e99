/* SPDX-License-Identifier: BSD-3-Clause */
/* The names of the states. */
#include "config.h"

#include <string.h>

#include "base/state.h"

static const struct {
    const char *name;
    bool final;
} states[] = {
    [MLB_STATE_UNKNOWN] = { "unknown", false },
    [MLB_STATE_NOT_SUBMITTED] = { "not submitted", true },
    [MLB_STATE_PENDING] = { "pending", false },
    [MLB_STATE_RUNNING] = { "running", false },
    [MLB_STATE_COMPLETED] = { "completed", true },
    [MLB_STATE_FAILED] = { "failed", true },
    [MLB_STATE_CANCELLED] = { "cancelled", true },
    [MLB_STATE_TIMEOUT] = { "timeout", true },
    [MLB_STATE_OUT_OF_MEMORY] = { "out of memory", true },
    [MLB_STATE_PREEMPTED] = { "preempted", true },
    [MLB_STATE_NODE_FAILURE] = { "node failure", true },
    [MLB_STATE_STALLED] = { "stalled", true },
};

#define COUNT (sizeof(states) / sizeof(states[0]))

const char *state_name(enum mlb_state state)
{
    return states[(size_t)state < COUNT ? state : 0].name;
}

enum mlb_state state_find(const char *name)
{
    for (size_t i = 0; i < COUNT; i++)
        if (strcmp(states[i].name, name) == 0)
            return (enum mlb_state)i;
    return MLB_STATE_UNKNOWN;
}

bool state_is_final(enum mlb_state state)
{
    return states[(size_t)state < COUNT ? state : 0].final;
}
