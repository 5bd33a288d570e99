/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs that come after others: what one waits for of another's end. */
#include "config.h"

#include <string.h>

#include "run/state.h"
#include "run/after.h"

bool after_is_met(const char *condition, enum mlb_state end)
{
    if (strcmp(condition, "any") == 0)
        return true;
    return (end == MLB_STATE_COMPLETED) == (strcmp(condition, "ok") == 0);
}

enum mlb_state after_end(const struct mlb_events *events)
{
    const struct mlb_witness nobody = { .exit_code = -1 };
    struct mlb_run_state state;

    run_state(events, &nobody, &nobody, &state);
    return state_is_final(state.state) &&
                   state.state != MLB_STATE_NOT_SUBMITTED
               ? state.state
               : MLB_STATE_UNKNOWN;
}
