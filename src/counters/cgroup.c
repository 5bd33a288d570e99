/* SPDX-License-Identifier: BSD-3-Clause */
/* What the job's control group tells of a node. */
#include "config.h"

#include <linux/magic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/files.h"

#include "counters/source.h"

#define LIMIT (1u << 20)
#define CGROUPS "/sys/fs/cgroup"

/* Does the mounted tree have a file of that name for this process? */
static bool have_memory(const char *group)
{
    char *path = xasprintf(CGROUPS "%s/memory.current", group);
    bool found = access(path, R_OK) == 0;

    free(path);
    return found;
}

/* This process's group in version 2: the line "0::/path". */
static char *own_group(void)
{
    struct mlb_text t = MLB_TEXT_INIT;
    char *group = NULL;

    if (files_read("/proc/self/cgroup", LIMIT, &t, NULL) == 0) {
        const char *p = strncmp(t.data, "0::", 3) == 0 ? t.data
                                                       : strstr(t.data,
                                                                "\n0::");
        if (p) {
            p = strchr(p, '/');
            group = p ? xstrndup(p, strcspn(p, "\n")) : NULL;
        }
    }
    text_clear(&t);
    return group;
}

static void probe(struct mlb_text *out)
{
    struct statfs fs;
    char *group = NULL;

    if (statfs(CGROUPS, &fs) < 0) {
        text_add(out, "unavailable: " CGROUPS " is not mounted");
    } else if (fs.f_type == CGROUP2_SUPER_MAGIC) {
        group = own_group();
        text_addf(out, "ok: version 2%s",
                  group && have_memory(group)
                      ? " with memory of this group"
                      : " (no memory of this group)");
    } else if (access(CGROUPS "/memory", R_OK) == 0) {
        text_add(out, "ok: version 1 with memory");
    } else {
        text_add(out, "unavailable: no control groups in " CGROUPS);
    }
    free(group);
}

const struct counters_source cgroup_source = {
    .name = "cgroup",
    .probe = probe,
};
