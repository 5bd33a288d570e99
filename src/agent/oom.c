/* SPDX-License-Identifier: BSD-3-Clause */
/* Has the kernel ended programs because memory ran out? */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/text.h"

#include "agent/oom.h"

#define LIMIT 65536
#define WORD "oom_kill "

/* The number after WORD at the start of a line; -1 if there is none. */
static long count_in(const char *path)
{
    struct mlb_text t = MLB_TEXT_INIT;
    long kills = -1;

    if (files_read(path, LIMIT, &t, NULL) == 0)
        for (const char *p = t.data; p && kills < 0;
             p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
            if (strncmp(p, WORD, sizeof(WORD) - 1) == 0)
                kills = strtol(p + sizeof(WORD) - 1, NULL, 10);
    text_clear(&t);
    return kills;
}

/* The control group of memory that this process is in, by its line in
 * /proc/self/cgroup: of version 1 ("4:memory:/job") or 2 ("0::/job"). */
static long count_group(const char *mark, const char *folder,
                        const char *file)
{
    struct mlb_text t = MLB_TEXT_INIT;
    long kills = -1;

    if (files_read("/proc/self/cgroup", LIMIT, &t, NULL) == 0) {
        const char *p = strstr(t.data, mark);
        if (p) {
            p += strlen(mark);
            char *path = xasprintf("%s%.*s/%s", folder,
                                   (int)strcspn(p, "\n"), p, file);
            kills = count_in(path);
            free(path);
        }
    }
    text_clear(&t);
    return kills;
}

long oom_kills(void)
{
    long kills = count_group(":memory:", "/sys/fs/cgroup/memory",
                             "memory.oom_control");

    if (kills < 0)
        kills = count_group("0::", "/sys/fs/cgroup", "memory.events");
    return kills < 0 ? count_in("/proc/vmstat") : kills;
}
