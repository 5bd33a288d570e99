/* SPDX-License-Identifier: BSD-3-Clause */
/* What /proc and the control groups tell of a process. */
#include "config.h"

#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/files.h"

#include "counters/sources.h"

#define LIMIT (1u << 20)
#define CGROUPS "/sys/fs/cgroup"

/* CPU ticks and resident pages of this process. */
static int read_self(unsigned long *ticks, unsigned long *pages)
{
    struct mlb_text t = MLB_TEXT_INIT;
    unsigned long user, system;
    int rc = -1;

    if (files_read("/proc/self/stat", LIMIT, &t, NULL) == 0) {
        const char *p = strrchr(t.data, ')');
        if (p && sscanf(p + 1,
                        " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %lu "
                        "%lu %*s %*s %*s %*s %*s %*s %*s %*s %lu", &user,
                        &system, pages) == 3) {
            *ticks = user + system;
            rc = 0;
        }
    }
    text_clear(&t);
    return rc;
}

void proc_probe(struct mlb_text *out)
{
    unsigned long before, after, pages;

    if (read_self(&before, &pages) < 0) {
        text_add(out, "unavailable: /proc/self/stat cannot be read (is /proc "
                      "mounted?)");
        return;
    }
    /* A few ticks of the usual 100 a second. */
    counters_burn(30);
    if (read_self(&after, &pages) < 0 || after <= before || pages == 0)
        text_add(out, "unavailable: /proc/self/stat stayed the same under "
                      "work");
    else if (access("/proc/self/io", R_OK) != 0)
        text_add(out, "ok: CPU time and memory (no I/O: /proc/self/io cannot "
                      "be read)");
    else
        text_add(out, "ok: CPU time, memory and I/O");
}

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

void cgroup_probe(struct mlb_text *out)
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
