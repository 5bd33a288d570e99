/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs that come after others: what one waits for of another's end. */
#include "config.h"

#include <string.h>

#include "run/points.h"
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

static enum mlb_state end_of_log(const char *run_dir)
{
    struct mlb_events events = MLB_EVENTS_INIT;
    enum mlb_state end = MLB_STATE_UNKNOWN;

    if (events_read(run_dir, &events, NULL) == 0)
        end = after_end(&events);
    events_clear(&events);
    return end;
}

enum mlb_state after_end_of(const char *run_dir)
{
    long count = points_count(run_dir);
    enum mlb_state sum = MLB_STATE_COMPLETED;

    if (count == 0)
        return end_of_log(run_dir);
    for (long i = 0; i < count; i++) {
        char *path = xasprintf("%s/points/%ld", run_dir, i);
        enum mlb_state end = end_of_log(path);
        free(path);
        if (end == MLB_STATE_UNKNOWN)
            return end;
        if (sum == MLB_STATE_COMPLETED)
            sum = end;
    }
    return sum;
}
