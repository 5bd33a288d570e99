/* SPDX-License-Identifier: BSD-3-Clause */
/* Waiting for a program and for all that it leaves behind. */
#include "config.h"

#include <ctype.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/files.h"
#include "base/text.h"

#include "agent/reap.h"
#include "agent/spawn.h"

#define PATIENCE 2.0             /* seconds from SIGTERM to SIGKILL */
#define GIVE_UP 5.0
#define STAT_LIMIT 65536

struct process {
    pid_t pid, parent;
    bool mine;
};

struct processes {
    struct process *items;
    size_t count, size;
};

void reap_adopt(void)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1);
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static void add_usage(const struct rusage *r, struct usage *usage)
{
    long long rss = (long long)r->ru_maxrss * 1024;

    usage->user += seconds(r->ru_utime);
    usage->system += seconds(r->ru_stime);
    if (rss > usage->max_rss)
        usage->max_rss = rss;
}

bool reap_ended(pid_t pid, int *status, struct usage *usage)
{
    struct rusage r;
    bool found = false;
    int one;
    pid_t who;

    while ((who = wait4(-1, &one, WNOHANG, &r)) > 0) {
        add_usage(&r, usage);
        if (who != pid)
            continue;
        *status = one;
        found = true;
    }
    return found;
}

/* The parent of a process, -1 if it has gone. Field 4 of its stat, counted
 * from the last ')': the name before it may hold anything. */
static pid_t parent_of(const char *pid)
{
    struct mlb_text t = MLB_TEXT_INIT;
    char *path = xasprintf("/proc/%s/stat", pid);
    long parent = -1;

    if (files_read(path, STAT_LIMIT, &t, NULL) == 0) {
        const char *p = strrchr(t.data, ')');
        if (!p || sscanf(p + 1, " %*c %ld", &parent) != 1)
            parent = -1;
    }
    free(path);
    text_clear(&t);
    return (pid_t)parent;
}

static void list_processes(struct processes *all)
{
    DIR *dir = opendir("/proc");

    for (struct dirent *e; dir && (e = readdir(dir));) {
        if (!isdigit((unsigned char)e->d_name[0]))
            continue;
        if (all->count == all->size) {
            all->size = all->size ? 2 * all->size : 256;
            all->items = xrealloc(all->items,
                                  all->size * sizeof(*all->items));
        }
        all->items[all->count++] = (struct process){
            .pid = (pid_t)atol(e->d_name),
            .parent = parent_of(e->d_name),
        };
    }
    if (dir)
        closedir(dir);
}

static bool is_mine(const struct processes *all, pid_t parent)
{
    if (parent == getpid())
        return true;
    for (size_t i = 0; i < all->count; i++)
        if (all->items[i].pid == parent)
            return all->items[i].mine;
    return false;
}

/* Signal everything below this process. Kernels may be built without
 * /proc/PID/task/TID/children: the parents of all processes tell as well. */
static void signal_descendants(int signum)
{
    struct processes all = { 0 };

    list_processes(&all);
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < all.count; i++) {
            struct process *p = &all.items[i];
            if (p->mine || !is_mine(&all, p->parent))
                continue;
            p->mine = more = true;
            kill(p->pid, signum);
        }
    }
    free(all.items);
}

static bool have_children(void)
{
    siginfo_t info;

    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

void reap_rest(int signals, struct usage *usage)
{
    double start = clock_now();
    int status;

    reap_ended(0, &status, usage);
    if (!have_children())
        return;
    signal_descendants(SIGTERM);
    while (have_children() && clock_now() < start + GIVE_UP) {
        if (clock_now() >= start + PATIENCE)
            signal_descendants(SIGKILL);
        signals_wait(signals, clock_now() + 0.05);
        reap_ended(0, &status, usage);
    }
}
