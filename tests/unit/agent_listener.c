/* SPDX-License-Identifier: BSD-3-Clause */
/* A training program for test_agent.sh: tells steps and metrics until it is
 * asked to stop, saves when it is told to, and ends with 75. */
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "mlbatch/progress.h"

int main(void)
{
    const struct timespec pause = { .tv_nsec = 20000000 };

    mlb_progress_metric("odd\xff", 0, NAN);
    for (unsigned step = 1; step < 3000; step++) {
        mlb_progress_step(step, 8);
        mlb_progress_metric("loss", step, 1.0 / step);
        if (mlb_progress_should_save()) {
            puts("saved");
            fflush(stdout);
        }
        if (mlb_progress_should_stop()) {
            puts("stopped");
            return 75;
        }
        if (step == 1) {
            puts("training");
            fflush(stdout);
        }
        nanosleep(&pause, NULL);
    }
    return 0;
}
