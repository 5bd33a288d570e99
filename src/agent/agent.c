/* SPDX-License-Identifier: BSD-3-Clause */
/* What the subcommands of the agent have in common. */
#include "config.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

#include "agent/agent.h"

void agent_complain(const struct mlb_error *err)
{
    fprintf(stderr, "mlbatch-agent: %s\n", err->text);
}

char *agent_sibling(const char *name)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

    if (n <= 0)
        return xstrdup(name);
    self[n] = '\0';
    char *slash = strrchr(self, '/');
    return xasprintf("%.*s/%s", slash ? (int)(slash - self) : 1,
                     slash ? self : ".", name);
}
