/* SPDX-License-Identifier: BSD-3-Clause */
/* Programs that belong together: one that fails ends the others. */
#include "config.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/process.h"
#include "base/text.h"

#include "agent/children.h"
#include "agent/spawn.h"

void children_add(struct children *c, pid_t pid)
{
    c->pids = xrealloc(c->pids, ((size_t)c->count + 1) * sizeof(*c->pids));
    c->pids[c->count++] = pid;
    c->running++;
}

void children_signal(const struct children *c, int signum)
{
    for (long i = 0; i < c->count; i++)
        if (c->pids[i] > 0)
            kill(c->pids[i], signum);
}

void children_stop(struct children *c)
{
    if (c->stopping)
        return;
    c->stopping = true;
    c->kill_at = clock_now() + (double)c->kill_wait;
    if (c->ask)
        c->ask(c->data);
    else
        children_signal(c, SIGTERM);
}

static void note_end(struct children *c, pid_t pid, int status)
{
    int code = process_exit_code(status);

    for (long i = 0; i < c->count; i++) {
        if (c->pids[i] != pid)
            continue;
        c->pids[i] = -1;
        c->running--;
    }
    if (code > c->code)
        c->code = code;
    if (code != 0)
        children_stop(c);
}

int children_watch(struct children *c)
{
    if (!c->stopping)
        c->kill_at = CLOCK_NEVER;
    while (c->running > 0) {
        int status, signum = signals_wait(c->signals, c->kill_at);
        pid_t pid;
        while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
            note_end(c, pid, status);
        if (signum == SIGTERM)
            children_stop(c);
        if (signum == SIGTERM && c->ask)
            children_signal(c, SIGTERM);
        else if (signum > 0 && signum != SIGTERM && signum != SIGCHLD &&
                 signum != SIGPIPE)
            children_signal(c, signum);
        if (clock_now() >= c->kill_at) {
            c->kill_at = CLOCK_NEVER;
            children_signal(c, SIGKILL);
        }
    }
    return c->code;
}

void children_clear(struct children *c)
{
    free(c->pids);
    c->pids = NULL;
    c->count = c->running = 0;
}
