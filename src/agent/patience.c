/* SPDX-License-Identifier: BSD-3-Clause */
/* Trying again what a file system refuses for a while. */
#include "config.h"

#include <poll.h>
#include <stdio.h>

#include "agent/patience.h"
#include "agent/spawn.h"

#define PAUSE 250                    /* ms */

bool patience_again(struct patience *p, const struct mlb_error *err)
{
    double now = clock_now();

    if (err->code != MLB_ERR_IO || p->seconds <= 0)
        return false;
    if (p->until <= 0) {
        p->until = now + p->seconds;
        fprintf(stderr, "mlbatch-agent: %s; trying again for %.0f s\n",
                err->text, p->seconds);
    }
    if (now >= p->until)
        return false;
    poll(NULL, 0, PAUSE);
    return true;
}
