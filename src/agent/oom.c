/* SPDX-License-Identifier: BSD-3-Clause */
/* Has the kernel ended programs because memory ran out? */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/text.h"

#include "agent/oom.h"

#define LIMIT 65536

long oom_kills(void)
{
    static const char name[] = "\noom_kill ";
    struct mlb_text t = MLB_TEXT_INIT;
    long kills = -1;

    if (files_read("/proc/vmstat", LIMIT, &t, NULL) == 0) {
        const char *p = strstr(t.data, name);
        if (p)
            kills = strtol(p + sizeof(name) - 1, NULL, 10);
    }
    text_clear(&t);
    return kills;
}
