/* SPDX-License-Identifier: BSD-3-Clause */
/* What /proc tells of a process. */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"

#include "counters/source.h"

#define LIMIT (1u << 20)

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

static void probe(struct mlb_text *out)
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

const struct counters_source proc_source = {
    .name = "proc",
    .probe = probe,
};
