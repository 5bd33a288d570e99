/* SPDX-License-Identifier: BSD-3-Clause */
/* Does a run go on after an attempt of it ended? Pure. */
#ifndef RUN_RESTART_H
#define RUN_RESTART_H

#include <stdbool.h>

#include "base/state.h"
#include "base/text.h"
#include "run/events.h"

/* What the job file allows. */
struct restart_policy {
    struct mlb_strings on;       /* state_name of each end */
    long max;                    /* restarts for each of these ends */
};

/* How far the checkpoints of a run had come when an attempt of it ended. */
struct restart_saved {
    long step;                   /* the newest published; -1: none */
    double at;                   /* seconds since 1970 of the last change in
                                    its folder, which programs with files of
                                    their own use, too; 0: empty */
};
#define RESTART_SAVED_NONE { .step = -1 }

/* What is in the folder of checkpoints. Whole ones have their name only
 * when all of their bytes are on disk, so names tell. */
void restart_look(const char *run_dir, struct restart_saved *saved);

struct restart_end {
    long attempt;
    enum mlb_state state;
    struct restart_saved saved;
};

struct restart {
    bool again;
    long count;                  /* with again: of this end, from 1 */
    char text[256];              /* why, or why not; "" if nobody asked */
};

/* The rules, in this order. Completed and cancelled runs do not go on, nor
 * do those that do not ask for it. The end must be one of policy->on; it may
 * have been the reason of a restart less than policy->max times; and this
 * attempt or the one before must have left a newer checkpoint than the
 * attempt before it: else a third one would come no further. Only what
 * happened since a person last submitted the run counts. events need not
 * hold this attempt's attempt-end yet. */
void restart_decide(const struct mlb_events *events,
                    const struct restart_policy *policy,
                    const struct restart_end *end, struct restart *out);

#endif
